//! `--resolve NAME=ADDR`: where a provider really is, and whether TLS is spoken there.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use crate::topology::{Authority, Backend, Provider, Topology};

/// One answer to where a host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolve {
    host: String,
    port: Option<u16>,
    to_host: String,
    to_port: Option<u16>,
    /// Whether TLS is spoken, where a scheme says it.
    secure: Option<bool>,
}

impl FromStr for Resolve {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, address) = text
            .split_once('=')
            .ok_or_else(|| "write the name and where it is: `api.openai.com=127.0.0.1:8001`".to_owned())?;
        let (secure, address) = match address.split_once("://") {
            None => (None, address),
            Some(("http", address)) => (Some(false), address),
            Some(("https", address)) => (Some(true), address),
            Some(_) => return Err("only http:// and https:// are spoken here".to_owned()),
        };
        let (host, port) = parts(name)?;
        let (to_host, to_port) = parts(address.trim_end_matches('/'))?;
        Ok(Self { host, port, to_host, to_port, secure })
    }
}

/// `host`, `host:port` or `[::1]:port`.
fn parts(text: &str) -> Result<(String, Option<u16>), String> {
    let wrong = || format!("`{text}` is not a host, nor a host with its port");
    let is_bare = text.parse::<std::net::Ipv6Addr>().is_ok();
    let (host, port) = match text.rsplit_once(':').filter(|_| !is_bare) {
        Some((host, port)) => (host, Some(port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong)?)),
        None => (text, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    if host.is_empty() || host.contains(['/', ' ']) { Err(wrong()) } else { Ok((host, port)) }
}

impl Resolve {
    /// Has a provider that it means be called over TLS, or in the clear. Without a scheme a server on this
    /// machine speaks plain HTTP, and one elsewhere what the configuration says.
    fn settle(&self, provider: &mut Provider) {
        if self.means_plain() {
            provider.tls = None;
        } else if self.secure == Some(true) && provider.tls.is_none() {
            provider.tls = Some(Arc::default());
        }
    }

    /// Whether plain HTTP is spoken there.
    fn means_plain(&self) -> bool {
        let stays_here = self.to_host == "localhost" || self.to_host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        self.secure.map_or(stays_here, |secure| !secure)
    }

    fn of(&self, endpoint: &Authority) -> Option<Authority> {
        let means = self.host == endpoint.host && self.port.is_none_or(|port| port == endpoint.port);
        means.then(|| Authority::new(self.to_host.clone(), self.to_port.unwrap_or(endpoint.port)))
    }

    /// Whether any provider is meant.
    pub(super) fn means_any(&self, topology: &Topology) -> bool {
        endpoints(topology).any(|endpoint| self.of(endpoint).is_some())
    }
}

impl std::fmt::Display for Resolve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.host)
    }
}

fn endpoints(topology: &Topology) -> impl Iterator<Item = &Authority> {
    topology.backends.iter().flat_map(Backend::providers).map(|(_, provider)| &provider.endpoint)
}

/// Settles which providers are called over TLS. Of several answers the first counts.
pub(super) fn settle(resolve: &[Resolve], topology: &mut Topology) {
    let groups = topology.backends.iter_mut().flat_map(|backend| &mut backend.groups);
    for provider in groups.flat_map(|group| &mut group.providers) {
        if let Some(answer) = resolve.iter().find(|one| one.of(&provider.endpoint).is_some()) {
            answer.settle(provider);
        }
    }
}

/// Whether somebody has said that a host is to be called in the clear.
pub(super) fn is_plain(resolve: &[Resolve], endpoint: &Authority) -> bool {
    resolve.iter().find(|one| one.of(endpoint).is_some()).is_some_and(Resolve::means_plain)
}

/// Where each provider that is meant really is. Of several answers the first counts.
pub(super) fn targets(resolve: &[Resolve], topology: &Topology) -> Vec<(Authority, Authority)> {
    let answer = |endpoint: &Authority| resolve.iter().find_map(|one| one.of(endpoint));
    let mut found: Vec<_> =
        endpoints(topology).filter_map(|endpoint| Some((endpoint.clone(), answer(endpoint)?))).collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_an_address_and_keeps_its_port_unless_told() {
        let of = |text: &str, endpoint: (&str, u16)| {
            let resolve: Resolve = text.parse().unwrap();
            resolve.of(&Authority::new(endpoint.0, endpoint.1)).map(|found| found.to_string())
        };
        assert_eq!(of("api.openai.com=127.0.0.1:8001", ("api.openai.com", 443)).as_deref(), Some("127.0.0.1:8001"));
        assert_eq!(of("A.svc=10.0.0.1", ("a.svc", 8000)).as_deref(), Some("10.0.0.1:8000"));
        assert_eq!(of("a:8000=http://h:1/", ("a", 8000)).as_deref(), Some("h:1"));
        assert_eq!(of("a:8000=h", ("a", 8001)), None);
        assert_eq!(of("a=[::1]:9", ("a", 1)).as_deref(), Some("::1:9"));
        assert_eq!(of("a=https://b", ("a", 443)).as_deref(), Some("b:443"));
        for wrong in ["a", "a=", "=b", "a=b:x", "a=ftp://b", "a:0=b", "a=b/c"] {
            assert!(wrong.parse::<Resolve>().is_err(), "{wrong}");
        }
    }
}
