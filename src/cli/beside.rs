//! What stands beside a lab that is up: a port for metrics and health, and traces that are sent on.
//!
//! It has a thread and a runtime of its own, so that a scrape holds up no request.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE};
use http::{Method, Response, StatusCode};
use jiff::Timestamp;
use tokio::time::Instant;

use super::Exit;
use super::observe::Watch;
use crate::event::log::Header;
use crate::event::{At, Event, Sink};
use crate::report::exchange::Exchange;
use crate::report::health;
use crate::report::metrics::{self, Metrics};
use crate::topology::Authority;
use crate::tui::Notices;
use crate::world::clock::VIRTUAL_START;
use crate::world::{Net, serve};

/// How often the access log is written out.
const FLUSH: Duration = Duration::from_millis(100);
/// How often traces are sent on: after so many times.
const EXPORT: u32 = 10;

/// What the port tells. Cheap to clone.
#[derive(Clone)]
pub(super) struct Beside(Arc<Mutex<State>>);

struct State {
    metrics: Metrics,
    start: Timestamp,
    /// The lab's first moment; none before its first event.
    origin: Option<Instant>,
    ready: bool,
}

impl Beside {
    /// Follows the lab of this header.
    pub(super) fn new(header: &Header) -> Self {
        let start: Timestamp = header.start.parse().unwrap_or(VIRTUAL_START);
        Self(Arc::new(Mutex::new(State { metrics: Metrics::new(header), start, origin: None, ready: false })))
    }

    /// What hears the lab's events.
    pub(super) fn sink(&self) -> Box<dyn Sink> {
        let beside = self.clone();
        Box::new(move |event: &Event| drop(beside.lock().apply(event)))
    }

    /// The same for both this and `watch`: each request is put together once.
    pub(super) fn sink_with(&self, watch: &Watch) -> Box<dyn Sink> {
        let (beside, listener) = (self.clone(), watch.clone());
        watch.asking(Box::new(move |event: &Event| {
            let ended = beside.lock().apply(event);
            listener.hear(event, ended.as_deref());
        }))
    }

    /// Says from now on that the lab is ready.
    pub(super) fn ready(&self) {
        self.lock().ready = true;
    }

    /// Serves the port and sends traces on until the process ends; gives the port's address.
    ///
    /// # Errors
    /// [`Exit::Unavailable`], after telling why.
    pub(super) fn start(
        &self,
        port: u16,
        watch: Watch,
        warnings: &Warnings,
    ) -> anyhow::Result<Result<SocketAddr, Exit>> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let authority = Authority::new("metrics", port);
        let listener = match runtime.block_on(Net::tcp().listen_on(&authority, address)) {
            Ok(listener) => listener,
            Err(error) => {
                eprintln!("error: cannot listen at {address} for metrics and health: {error}");
                eprintln!("help: `--metrics-port 0` lets the system pick a free one");
                return Ok(Err(Exit::Unavailable));
            }
        };
        let at = listener.address().unwrap_or(address);
        let (beside, warnings) = (self.clone(), warnings.clone());
        std::thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            runtime.block_on(async {
                let asked = beside.clone();
                let _server = serve::serve(listener, move |request: http::Request<hyper::body::Incoming>| {
                    let answer = asked.lock().answer(request.method(), request.uri().path());
                    async move { answer }
                });
                send_on(&beside, &watch, &warnings).await;
            });
        })?;
        Ok(Ok(at))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells what goes wrong meanwhile: at the terminal, or, while that belongs to a screen, on it, and at
/// the terminal once it is closed. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub(super) struct Warnings(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    screen: Option<Notices>,
    /// What was said on the screen, which is gone with it.
    kept: Vec<String>,
}

impl Warnings {
    fn tell(&self, what: &str) {
        let mut told = self.lock();
        match &told.screen {
            Some(screen) => {
                screen.say(format!("warning: {what}"));
                told.kept.push(what.to_owned());
            }
            None => eprintln!("warning: {what}"),
        }
    }

    /// A screen has the terminal from now on.
    pub(super) fn on(&self, screen: Notices) {
        self.lock().screen = Some(screen);
    }

    /// The terminal is given back.
    pub(super) fn below(&self) {
        let mut told = self.lock();
        told.screen = None;
        for what in told.kept.drain(..) {
            eprintln!("warning: {what}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the access log out and sends traces on, again and again. What keeps failing is told once.
async fn send_on(beside: &Beside, watch: &Watch, warnings: &Warnings) {
    let mut failing = false;
    for times in (0..EXPORT).cycle() {
        tokio::time::sleep(FLUSH).await;
        watch.flush();
        if times > 0 {
            continue;
        }
        let now = beside.lock().now();
        let sent = watch.export(now).await;
        if let (Err(error), false) = (&sent, failing) {
            warnings.tell(error);
        }
        failing = sent.is_err();
    }
}

impl State {
    fn apply(&mut self, event: &Event) -> Option<Box<Exchange>> {
        self.origin = self.origin.or_else(|| Instant::now().checked_sub(event.at_us.elapsed()));
        self.metrics.apply(event)
    }

    /// The lab's time.
    fn now(&self) -> At {
        At::after(self.origin.map_or(Duration::ZERO, |origin| origin.elapsed()))
    }

    fn answer(&self, method: &Method, path: &str) -> Response<String> {
        let now = self.now();
        let answer = match path {
            "/metrics" | "/stats/prometheus" => Some((metrics::CONTENT_TYPE, metrics::render(&self.metrics, now))),
            "/health/providers" => {
                Some(("application/json", health::render(self.metrics.providers(), self.start, now)))
            }
            "/healthz/ready" if self.ready => Some(("text/plain", "ready\n".to_owned())),
            _ => None,
        };
        let mut response = Response::new(String::new());
        match answer {
            Some(_) if !matches!(*method, Method::GET | Method::HEAD) => {
                *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
                response.headers_mut().insert(ALLOW, http::HeaderValue::from_static("GET, HEAD"));
            }
            Some((kind, text)) => {
                response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
                *response.body_mut() = text;
            }
            None if path == "/healthz/ready" => *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE,
            None => *response.status_mut() = StatusCode::NOT_FOUND,
        }
        response
    }
}
