//! Which host a request is for, and which listener takes it.

use http::header::HOST;
use http::request::Parts;
use http::{HeaderValue, Version};

use crate::event::Arrival;
use crate::topology::{Listener, Topology};
use crate::world::serve::Peer;

/// Has the host that a request's target names, in HTTP/2 or as a whole URI, be its `Host`, whatever that says.
pub(crate) fn name_host(request: &mut Parts) {
    let Some(authority) = request.uri.authority() else { return };
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    if let Ok(host) = HeaderValue::from_str(host) {
        request.headers.insert(HOST, host);
    }
}

/// How a request for `host` came, for reports.
#[must_use]
pub(crate) fn arrival(topology: &Topology, arrived_at: usize, request: &Parts, host: Option<&str>) -> Arrival {
    let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let door = topology.listeners.get(arrived_at);
    // A host that no listener serves comes to a port, and to no gateway.
    let listener = host.and_then(|host| choose(&topology.listeners, arrived_at, host));
    let listener = listener.and_then(|listener| topology.listeners.get(listener));
    Arrival {
        source: request.extensions.get::<Peer>().map(|peer| peer.text.to_string()),
        host: header("host"),
        version: Some(version(request.version)),
        port: door.map(|door| door.port),
        gateway: listener.map(|listener| listener.gateway.clone()),
        listener: listener.map(|listener| listener.name.clone()),
        secure: door.is_some_and(|listener| listener.tls.is_some()),
        traceparent: header("traceparent"),
        traced: None,
    }
}

fn version(version: Version) -> String {
    if version == Version::HTTP_11 { "HTTP/1.1".to_owned() } else { format!("{version:?}") }
}

/// The host that a request names, lower case and without its port.
#[must_use]
pub(crate) fn host_of(request: &Parts) -> Option<String> {
    if let Some(authority) = request.uri.authority() {
        return Some(authority.host().to_ascii_lowercase());
    }
    let header = request.headers.get(HOST)?.as_bytes();
    match plain_host(header) {
        Some(host) => Some(host.to_owned()),
        None => Some(http::uri::Authority::try_from(header).ok()?.host().to_ascii_lowercase()),
    }
}

/// The host of a header like nearly all: small letters, digits, dots and hyphens, and perhaps a port.
fn plain_host(header: &[u8]) -> Option<&str> {
    let is_plain = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
    let end = header.iter().position(|byte| !is_plain(byte)).unwrap_or(header.len());
    let (host, port) = header.split_at(end);
    let has_port = |digits: &[u8]| (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let fits = !host.is_empty() && (port.is_empty() || port.strip_prefix(b":").is_some_and(has_port));
    fits.then(|| std::str::from_utf8(host).ok())?
}

/// How closely a host name that is configured fits the one that is asked for: the larger, the
/// closer. None where it does not. `*.` stands for one label or more.
#[must_use]
pub(crate) fn closeness(configured: Option<&str>, host: &str) -> Option<Closeness> {
    let Some(configured) = configured.filter(|name| !name.is_empty() && *name != "*") else {
        return Some(Closeness::Any);
    };
    match configured.strip_prefix('*') {
        Some(suffix) => {
            let fits = host.len() > suffix.len()
                && host.get(host.len() - suffix.len()..).is_some_and(|end| end.eq_ignore_ascii_case(suffix));
            fits.then_some(Closeness::Wildcard(suffix.len()))
        }
        None => configured.eq_ignore_ascii_case(host).then_some(Closeness::Exact),
    }
}

/// See [`closeness`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Closeness {
    /// No name is configured.
    Any,
    /// A wildcard of this length.
    Wildcard(usize),
    /// The name itself.
    Exact,
}

/// The listener for `host` among those that share the port of `arrived_at`.
#[must_use]
pub(crate) fn choose(listeners: &[Listener], arrived_at: usize, host: &str) -> Option<usize> {
    let door = listeners.get(arrived_at)?;
    listeners
        .iter()
        .enumerate()
        .filter(|(_, listener)| listener.port == door.port && listener.gateway == door.gateway)
        .filter_map(|(index, listener)| Some((closeness(listener.hostname.as_deref(), host)?, index)))
        .max_by_key(|(closeness, index)| (*closeness, std::cmp::Reverse(*index)))
        .map(|(_, index)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(port: u16, hostname: Option<&str>) -> Listener {
        Listener { gateway: "ns/gw".into(), name: "l".into(), port, hostname: hostname.map(Into::into), tls: None }
    }

    #[test]
    fn the_host_is_read_as_an_authority_is() {
        for header in
            ["a.example", "a-b.c:8080", "A.Example:80", "127.0.0.1:1", "[::1]:80", "h:", "h:80808", "", "a b", "u@h"]
        {
            let request = http::Request::get("/").header("host", header).body(()).unwrap();
            let parsed = http::uri::Authority::try_from(header).ok().map(|one| one.host().to_ascii_lowercase());
            assert_eq!(host_of(&request.into_parts().0), parsed, "{header}");
        }
    }

    #[test]
    fn the_closest_listener_of_the_port_takes_the_request() {
        let listeners = [
            listener(8080, None),
            listener(8080, Some("*.example.com")),
            listener(8080, Some("*.api.example.com")),
            listener(8080, Some("api.example.com")),
            listener(9090, Some("other.org")),
        ];
        for (host, expected) in [
            ("api.example.com", 3),
            ("a.api.example.com", 2),
            ("a.b.api.example.com", 2),
            ("www.example.com", 1),
            ("example.com", 0),
            ("other.org", 0),
        ] {
            assert_eq!(choose(&listeners, 0, host), Some(expected), "{host}");
        }
        assert_eq!(choose(&listeners, 4, "other.org"), Some(4));
        assert_eq!(choose(&listeners, 4, "api.example.com"), None);
        assert_eq!(choose(&listeners, 9, "api.example.com"), None);
    }
}
