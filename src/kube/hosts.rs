//! Which host names lead somewhere in a lab.

use std::sync::Arc;

use super::fields::{Log, list};
use super::object::is_one_nameless;
use super::service::Service;
use super::{Given, RealHosts};
use crate::source::diagnostic::nearest;
use crate::source::{Diagnostic, Spanned};
use crate::topology::{Authority, Tls};

/// The names of a lab: its Services, `api.openai.com`, and what is given besides.
pub(super) struct Hosts<'l> {
    services: &'l [Service],
    given: &'l Given,
}

/// A host name taken apart as one of a Service.
struct ServiceName<'h> {
    name: &'h str,
    namespace: Option<&'h str>,
}

impl<'h> ServiceName<'h> {
    /// Takes apart `name`, `name.namespace`, `name.namespace.svc`, `name.namespace.svc.cluster.local`.
    fn parse(host: &'h str) -> Option<Self> {
        let stem = host.strip_suffix(".svc.cluster.local").or_else(|| host.strip_suffix(".svc"));
        let qualified = stem.is_some();
        let (name, namespace) = match stem.unwrap_or(host).split_once('.') {
            Some((name, namespace)) => (name, Some(namespace)),
            None if qualified => return None,
            None => (stem.unwrap_or(host), None),
        };
        let plain = |part: &str| !part.is_empty() && !part.contains('.');
        (plain(name) && namespace.is_none_or(plain)).then_some(Self { name, namespace })
    }
}

impl<'l> Hosts<'l> {
    /// The names of these Services, `api.openai.com`, and those that are given.
    pub(super) fn new(services: &'l [Service], given: &'l Given) -> Self {
        Self { services, given }
    }

    /// Whether a configuration may name any host.
    pub(super) fn are_free(&self) -> bool {
        self.given.real_hosts != RealHosts::None
    }

    /// Whether real hosts are called, rather than those of a lab.
    pub(super) fn are_called(&self) -> bool {
        self.given.real_hosts == RealHosts::All
    }

    /// How a provider of which no policy says it is called over TLS: one without a host, which is OpenAI.
    pub(super) fn implied_tls(&self, is_openai: bool) -> Option<Arc<Tls>> {
        (is_openai && self.are_called()).then(Arc::default)
    }

    /// The address behind a host that a provider of `namespace` names. What leads nowhere is an error.
    pub(super) fn resolve(
        &self,
        host: &Spanned<String>,
        port: &Spanned<u16>,
        namespace: &str,
        log: &Log<'_>,
    ) -> Authority {
        let lower = host.value.to_ascii_lowercase();
        let name = lower.strip_suffix('.').unwrap_or(&lower);
        let authority = Authority::new(name, port.value);
        if self.given.simulators.iter().any(|one| one.authority.value == authority) {
            return authority;
        }
        if self.given.real_hosts == RealHosts::All {
            let service = self.service(name, namespace).filter(|service| service.nowhere.is_none());
            if let Some(service) = service.filter(|service| !service.has(port.value)) {
                log.push(no_port(service, port));
            }
            return authority;
        }
        let openai = Authority::openai();
        if name == openai.host {
            if authority != openai {
                let message = format!("the lab's OpenAI does not listen on {}", port.value);
                log.push(Diagnostic::error(message).at(port.place, format!("it listens on {}", openai.port)));
            }
            return authority;
        }
        let Some(service) = self.service(name, namespace) else {
            let asked = ServiceName::parse(name).and_then(|wanted| wanted.namespace).unwrap_or(namespace);
            if !is_one_nameless(asked, self.services.iter().map(Service::path)) {
                log.push(self.no_host(host, name, namespace));
            }
            return authority;
        };
        if let Some(why) = &service.nowhere {
            log.push(
                Diagnostic::error(format!("nothing answers at `{}` in this lab", host.value))
                    .at(host.place, format!("the Service `{}` {why}", service.name.value))
                    .note_at(service.name.place, "this Service"),
            );
        }
        if !service.has(port.value) {
            log.push(no_port(service, port));
        }
        let is_short = !name.contains('.');
        let twins = self.services.iter().filter(|other| other.name.value == service.name.value).count();
        if is_short && twins > 1 {
            // The short name alone does not tell them apart in the lab's DNS.
            return Authority::new(full_name(service), port.value);
        }
        authority
    }

    /// The Service behind a name, as `namespace` sees it.
    fn service(&self, name: &str, namespace: &str) -> Option<&Service> {
        let wanted = ServiceName::parse(name)?;
        let namespace = wanted.namespace.unwrap_or(namespace);
        self.services.iter().find(|service| service.name.value == wanted.name && service.namespace == namespace)
    }

    /// The Service of this namespace and name.
    pub(super) fn service_at(&self, wanted: (&str, &str)) -> Option<&'l Service> {
        self.services.iter().find(|service| service.path() == wanted)
    }

    /// Namespaces and names of all Services.
    pub(super) fn services(&self) -> impl Iterator<Item = (&'l str, &'l str)> {
        self.services.iter().map(Service::path)
    }

    /// Whether a host, as a provider of `namespace` calls it, is the Service of this namespace and name; no manifest
    /// need have it.
    pub(super) fn is_of_service(at: &Authority, namespace: &str, wanted: (&str, &str)) -> bool {
        let name = ServiceName::parse(at.host.trim_end_matches('.'));
        name.is_some_and(|name| (name.namespace.unwrap_or(namespace), name.name) == wanted)
    }

    /// Whether what answers at a host and port speaks HTTP/2 without TLS.
    pub(super) fn is_h2c(&self, at: &Authority, namespace: &str) -> bool {
        let service = self.service(at.host.trim_end_matches('.'), namespace);
        service.is_some_and(|service| service.ports.iter().any(|port| port.number.value == at.port && port.h2c))
    }

    fn no_host(&self, host: &Spanned<String>, name: &str, namespace: &str) -> Diagnostic {
        let diagnostic =
            Diagnostic::error(format!("the lab has no host `{}`", host.value)).at(host.place, "dangling reference");
        if host.contains("://") || host.contains('/') {
            return diagnostic.help("write the host alone: `port` and `path` are fields of their own");
        }
        if host.contains(':') {
            return diagnostic.help("write the host alone: `port` is a field of its own");
        }
        let diagnostic = match self.given.simulators.iter().find(|one| one.authority.value.host == name) {
            None => diagnostic,
            Some(other) => return diagnostic.help(format!("did you mean `{}`?", other.authority)),
        };
        let full: Vec<String> = self.services.iter().map(full_name).collect();
        if let Some(wanted) = ServiceName::parse(name) {
            let mut same_name = self.services.iter().filter(|service| service.name.value == wanted.name);
            if let Some(service) = same_name.next() {
                let asked = wanted.namespace.unwrap_or(namespace);
                let names = self.services.iter().map(|service| service.namespace.as_str());
                let near = nearest(asked, names).unwrap_or(&service.namespace);
                return diagnostic
                    .help(format!("the Service `{}` is in namespace `{near}`, not in `{asked}`", wanted.name))
                    .help(format!("did you mean `{}.{near}.svc.cluster.local`?", wanted.name));
            }
            let here: Vec<&Service> = self
                .services
                .iter()
                .filter(|service| service.namespace == wanted.namespace.unwrap_or(namespace))
                .collect();
            if let Some(near) = nearest(wanted.name, here.iter().map(|service| service.name.as_str())) {
                return diagnostic.help(format!("did you mean `{}`?", name.replacen(wanted.name, near, 1)));
            }
        }
        let openai = Authority::openai();
        let known: Vec<&str> = full.iter().map(String::as_str).chain([openai.host.as_str()]).collect();
        if let Some(near) = nearest(name, known.iter().copied()) {
            return diagnostic.help(format!("did you mean `{near}`?"));
        }
        diagnostic
            .help(format!("hosts of this lab: {}", list(&known)))
            .help("to simulate another one, add a Deployment of the simulator and a Service that leads to it")
            .help(format!(
                "or say in the scenario what answers there: `lab: {{ simulators: {{ \"{host}:PORT\": openai }} }}`"
            ))
    }
}

fn full_name(service: &Service) -> String {
    format!("{}.{}.svc.cluster.local", service.name.value, service.namespace)
}

fn no_port(service: &Service, port: &Spanned<u16>) -> Diagnostic {
    let known: Vec<String> = service
        .ports
        .iter()
        .map(|known| match &known.name {
            Some(name) => format!("{} ({name})", known.number.value),
            None => known.number.value.to_string(),
        })
        .collect();
    let diagnostic = Diagnostic::error(format!("the Service `{}` has no port {}", service.name.value, port.value))
        .at(port.place, "dangling reference")
        .note_at(service.name.place, "this Service")
        .code("service-port");
    match known.as_slice() {
        [] => diagnostic.help("it has no ports at all"),
        known => diagnostic.help(format!("it has {}", known.join(", "))),
    }
}
