//! A collector of traces: where it is, how it is spoken to, and how spans get there.

use std::path::PathBuf;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use clap::ValueEnum;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};

use crate::report::traces::{self, Export};
use crate::world::Net;
use crate::world::connector::{Connector, HttpClient};

/// Where traces go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TracesTo {
    File(PathBuf),
    /// A collector's address, without the path.
    Collector(String),
}

/// How a collector is spoken to, by OpenTelemetry's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Protocol {
    /// gRPC
    #[value(name = "grpc")]
    Grpc,
    /// Protobuf over HTTP
    #[value(name = "http/protobuf")]
    HttpProtobuf,
    /// JSON over HTTP
    #[value(name = "http/json")]
    HttpJson,
}

/// A collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Collector {
    base: String,
    protocol: Protocol,
}

/// What says how it is spoken to, the first that is set.
const VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
/// The port at which collectors speak gRPC.
const GRPC_PORT: u16 = 4317;
/// How long a collector may take for one export.
const PATIENCE: Duration = Duration::from_secs(10);
/// What goes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// The statuses of gRPC by their numbers.
const STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

impl TracesTo {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else { return Ok(Self::File(text.into())) };
        match scheme {
            "http" => {}
            "https" => return Err("only http:// is spoken here; a collector beside it can do the rest".to_owned()),
            "grpc" => return Err(format!("write `http://{rest}` with `--traces-protocol grpc`")),
            _ => return Err(format!("`{scheme}://` is not known; a collector is at `http://HOST:PORT`")),
        }
        if rest.is_empty() || rest.starts_with('/') {
            return Err("the collector's address has no host".to_owned());
        }
        let base = text.trim_end_matches('/').trim_end_matches(traces::PATH);
        reqwest::Url::parse(base).map_err(|error| error.to_string())?;
        Ok(Self::Collector(base.to_owned()))
    }
}

impl Collector {
    /// The collector at this address, spoken to like this, or as the environment or the port says.
    ///
    /// # Errors
    /// The environment says something unknown.
    pub(super) fn new(base: &str, protocol: Option<Protocol>) -> Result<Self, String> {
        let protocol = match protocol {
            Some(protocol) => protocol,
            None => protocol_of(base, |name| std::env::var(name).ok())?,
        };
        Ok(Self { base: base.to_owned(), protocol })
    }

    /// Sends one export after the other.
    ///
    /// # Errors
    /// Why one did not get there; those after it are not sent.
    pub(super) async fn send(&self, exports: &[Export]) -> Result<(), String> {
        let sent = match self.protocol {
            _ if exports.is_empty() => Ok(()),
            Protocol::Grpc => self.call(exports).await,
            Protocol::HttpProtobuf => self.post(exports, "application/x-protobuf", Export::protobuf).await,
            Protocol::HttpJson => self.post(exports, "application/json", |export| export.json().into_bytes()).await,
        };
        sent.map_err(|why| format!("cannot send the traces: {why}"))
    }

    async fn post(&self, exports: &[Export], kind: &str, body: fn(&Export) -> Vec<u8>) -> Result<(), String> {
        let url = format!("{}{}", self.base, traces::PATH);
        let sent = async {
            let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
            for export in exports {
                let request = client.post(&url).header(CONTENT_TYPE, kind).body(body(export));
                request.send().await?.error_for_status()?;
            }
            Ok(())
        };
        sent.await.map_err(|error: reqwest::Error| in_full(&error))
    }

    async fn call(&self, exports: &[Export]) -> Result<(), String> {
        let client = Connector::new(Net::calling()).client_of_h2c();
        for export in exports {
            let called = tokio::time::timeout(PATIENCE, call(&client, self.request(export)?)).await;
            called.map_err(|_| "it took too long".to_owned())??;
        }
        Ok(())
    }

    /// A call of the collector's method. As with OpenTelemetry's own exporters, a path of the address does not count.
    fn request(&self, export: &Export) -> Result<Request<Full<Bytes>>, String> {
        let base: http::Uri = self.base.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
        let host = base.authority().ok_or("the collector's address has no host")?;
        let request = Request::post(format!("http://{host}{}", traces::METHOD));
        let request = request.header(CONTENT_TYPE, "application/grpc").header(http::header::TE, "trailers");
        request.body(Full::new(framed(&export.protobuf())?)).map_err(|error| error.to_string())
    }
}

/// How the collector at this address is spoken to where nobody says it on the command line.
fn protocol_of(base: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Protocol, String> {
    let said = VARIABLES.iter().find_map(|name| Some((name, variable(name).filter(|value| !value.is_empty())?)));
    if let Some((name, value)) = said {
        return Protocol::from_str(&value, false)
            .map_err(|_| format!("{name} is `{value}`, and not `grpc`, `http/protobuf` or `http/json`"));
    }
    let port = reqwest::Url::parse(base).ok().and_then(|url| url.port());
    Ok(if port == Some(GRPC_PORT) { Protocol::Grpc } else { Protocol::HttpJson })
}

/// A message as it stands in the body of a call.
fn framed(message: &[u8]) -> Result<Bytes, String> {
    let length = u32::try_from(message.len()).map_err(|_| "the export is too large".to_owned())?;
    let mut body = BytesMut::with_capacity(PREFIX + message.len());
    body.put_u8(0);
    body.put_u32(length);
    body.put_slice(message);
    Ok(body.freeze())
}

async fn call(client: &HttpClient<Full<Bytes>>, request: Request<Full<Bytes>>) -> Result<(), String> {
    let answer = client.request(request).await.map_err(|error| in_full(&error))?;
    let (head, body) = answer.into_parts();
    if !head.status.is_success() {
        return Err(format!("the answer is {}: is this gRPC?", head.status));
    }
    let body = body.collect().await.map_err(|error| in_full(&error))?;
    // An answer without a message has everything in its head.
    status(body.trailers().filter(|trailers| trailers.contains_key("grpc-status")).unwrap_or(&head.headers))
}

/// What became of a call.
fn status(trailers: &HeaderMap) -> Result<(), String> {
    let text = |name| trailers.get(name).and_then(|value| value.to_str().ok());
    let Some(code) = text("grpc-status") else { return Err("the answer has no grpc-status: is this gRPC?".to_owned()) };
    if code == "0" {
        return Ok(());
    }
    let name = code.parse::<usize>().ok().and_then(|code| STATUSES.get(code)).copied().unwrap_or(code);
    let message = text("grpc-message").map(|message| format!(": {message}")).unwrap_or_default();
    Err(format!("the collector answers {name}{message}"))
}

/// An error with its causes.
fn in_full(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_go_to_a_file_or_a_collector() {
        let collector = |url: &str| Ok(TracesTo::Collector(url.to_owned()));
        assert_eq!(TracesTo::parse("a.json"), Ok(TracesTo::File("a.json".into())));
        assert_eq!(TracesTo::parse("http://localhost:4318"), collector("http://localhost:4318"));
        assert_eq!(TracesTo::parse("http://localhost:4318/v1/traces"), collector("http://localhost:4318"));
        assert_eq!(TracesTo::parse("http://h/otlp/"), collector("http://h/otlp"));
        for wrong in ["https://h", "http://", "grpc://h:4317", "ftp://h"] {
            assert!(TracesTo::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_environment_says_how_a_collector_is_spoken_to_or_else_its_port() {
        let nothing = |_: &str| None;
        assert_eq!(protocol_of("http://h:4317", nothing), Ok(Protocol::Grpc));
        assert_eq!(protocol_of("http://h:4318", nothing), Ok(Protocol::HttpJson));
        let general = |name: &str| (name == VARIABLES[1]).then(|| "http/protobuf".to_owned());
        assert_eq!(protocol_of("http://h:4317", general), Ok(Protocol::HttpProtobuf));
        let both = |name: &str| Some(if name == VARIABLES[0] { "grpc" } else { "http/json" }.to_owned());
        assert_eq!(protocol_of("http://h:4318", both), Ok(Protocol::Grpc));
        let unknown = protocol_of("http://h", |_| Some("thrift".to_owned())).unwrap_err();
        assert!(unknown.contains("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is `thrift`"), "{unknown}");
    }

    #[test]
    fn a_collector_that_refuses_is_told_of_in_its_words() {
        let trailers = |fields: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            map.extend(fields.iter().map(|(name, value)| (name.parse().ok(), value.parse().unwrap())));
            status(&map)
        };
        assert_eq!(trailers(&[("grpc-status", "0")]), Ok(()));
        let refused = trailers(&[("grpc-status", "8"), ("grpc-message", "too many spans")]);
        assert_eq!(refused, Err("the collector answers RESOURCE_EXHAUSTED: too many spans".to_owned()));
        assert!(trailers(&[]).unwrap_err().contains("is this gRPC?"));
    }
}
