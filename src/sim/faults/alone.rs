//! A simulator that stands alone: faults of its own, which `/admin/faults` shows, adds to and clears.
//!
//! | request | what it does |
//! | --- | --- |
//! | `GET /admin/faults` | lists the faults that are not over, with how many requests each has met and struck |
//! | `POST /admin/faults` | injects one, as an `inject` step has it: the body is YAML, or JSON |
//! | `DELETE /admin/faults` | clears all, or those that the body names as a `clear` step does: `{name: outage}` |
//! | `DELETE /admin/faults/N` | clears the one with this number |

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value as Json, json};

use super::layer;
use crate::fault::target::End;
use crate::fault::{Aim, Clear, Injection, Target};
use crate::source::{Decoder, Sources, yaml};
use crate::world::FaultBoard;
use crate::world::faults::ActiveFault;

/// Where the faults are shown and changed.
pub const PATH: &str = "/admin/faults";

/// Puts the faults of `board` in front of a simulator's router, and lets clients change them.
pub fn alone(router: Router, board: &FaultBoard, host: &str) -> Router {
    let admin = Router::new()
        .route(PATH, get(list).post(inject).delete(clear))
        .route("/admin/faults/{id}", get(one).delete(clear_one))
        .with_state(board.clone());
    admin.fallback_service(layer(router, board, host))
}

/// Injects a fault into a simulator that stands alone.
///
/// # Errors
/// A fault of the network, or a target that a single simulator does not have.
pub fn inject_alone(board: &FaultBoard, injection: Injection) -> Result<u64, String> {
    let aim = aim(&injection)?;
    Ok(board.inject(injection, aim))
}

/// Whom an injection means where there is nothing but one simulator.
///
/// # Errors
/// As [`inject_alone`].
pub fn aim(injection: &Injection) -> Result<Aim, String> {
    if injection.fault.acts().on_link() {
        return Err(format!(
            "`{}` is a fault of the network between the hosts of a lab; a simulator alone has those of answers",
            injection.fault
        ));
    }
    injection.check().map_err(|error| error.message)?;
    match &injection.target {
        Target::Everything | Target::To(End::Any) => Ok(Aim::default()),
        Target::To(End::Model(model) | End::Named(model)) => Ok(Aim { model: Some(model.clone()), ..Aim::default() }),
        other => Err(format!("a simulator alone has no `{other}`: leave `target` out, or write `model:NAME`")),
    }
}

async fn list(State(board): State<FaultBoard>) -> Response {
    let faults: Vec<Json> = board.active().iter().map(shown).collect();
    answer(StatusCode::OK, &json!({"faults": faults}))
}

async fn one(State(board): State<FaultBoard>, Path(id): Path<u64>) -> Response {
    match board.active().iter().find(|fault| fault.id == id) {
        Some(fault) => answer(StatusCode::OK, &shown(fault)),
        None => unknown(id),
    }
}

async fn inject(State(board): State<FaultBoard>, body: Bytes) -> Response {
    let text = String::from_utf8_lossy(&body);
    let injected = Injection::parse(&text).and_then(|injection| inject_alone(&board, injection));
    match injected {
        Ok(id) => {
            let fault = board.active().iter().find(|fault| fault.id == id).map_or(json!({"id": id}), shown);
            answer(StatusCode::CREATED, &fault)
        }
        Err(message) => refused(StatusCode::BAD_REQUEST, &message),
    }
}

async fn clear(State(board): State<FaultBoard>, body: Bytes) -> Response {
    let text = String::from_utf8_lossy(&body);
    let which = if text.trim().is_empty() { Ok(Clear::All) } else { which(&text) };
    match which {
        Ok(which) => answer(StatusCode::OK, &json!({"cleared": board.clear(&which)})),
        Err(message) => refused(StatusCode::BAD_REQUEST, &message),
    }
}

/// Reads which faults a `clear` means; the error shows the place.
fn which(text: &str) -> Result<Clear, String> {
    let mut sources = Sources::default();
    let file = sources.add("body", text);
    let nodes = yaml::parse(&sources, file).map_err(|error| error.render(&sources, false))?;
    let decoder = Decoder::default();
    let clear = nodes.first().and_then(|node| decoder.decode(node));
    clear.ok_or_else(|| decoder.finish_strict().render(&sources, false))
}

async fn clear_one(State(board): State<FaultBoard>, Path(id): Path<u64>) -> Response {
    match board.clear(&Clear::Id(id)) {
        cleared if cleared.is_empty() => unknown(id),
        cleared => answer(StatusCode::OK, &json!({"cleared": cleared})),
    }
}

fn shown(fault: &ActiveFault) -> Json {
    let ActiveFault { id, injection, from, until, met, struck } = fault;
    json!({"id": id, "injection": injection, "from_us": from, "until_us": until, "met": met, "struck": struck})
}

fn unknown(id: u64) -> Response {
    refused(StatusCode::NOT_FOUND, &format!("there is no fault {id}, or no more"))
}

fn refused(status: StatusCode, message: &str) -> Response {
    let error = json!({"message": message, "type": "invalid_request_error", "param": null, "code": null});
    answer(status, &json!({"error": error}))
}

fn answer(status: StatusCode, body: &Json) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
