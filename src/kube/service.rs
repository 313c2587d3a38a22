//! Service: a name and ports that lead to the pods of a Deployment.

use super::RealHosts;
use super::deployment::Deployment;
use super::fields::{Fields, Log, NumberOrName, did_you_mean, list, not_modelled};
use super::object::Object;
use crate::source::diagnostic::nearest;
use crate::source::{Diagnostic, Place, Spanned};
use crate::topology;

/// A Service.
pub(super) struct Service {
    /// Its name.
    pub(super) name: Spanned<String>,
    /// Its namespace.
    pub(super) namespace: String,
    /// Its ports.
    pub(super) ports: Vec<Port>,
    selector: Vec<(String, Spanned<String>)>,
    selector_place: Place,
    headless: bool,
    /// Why it leads to nothing in a lab, though nothing is wrong with it.
    pub(super) nowhere: Option<String>,
    /// Whether ports may be missing here, because of mistakes that have been reported.
    pub(super) unsure: bool,
}

/// A port of a Service.
pub(super) struct Port {
    /// Its name.
    pub(super) name: Option<String>,
    /// Its number.
    pub(super) number: Spanned<u16>,
    target: Option<Spanned<NumberOrName>>,
    /// Whether what answers there speaks HTTP/2 without TLS.
    pub(super) h2c: bool,
}

/// The `appProtocol` of ports that speak HTTP/2 without TLS.
const H2C: &str = "kubernetes.io/h2c";

/// Reads a Service.
pub(super) fn read(object: Object<'_>) -> Service {
    let Object { name, namespace, fields, .. } = object;
    let place = name.place;
    let mut service = Service {
        name,
        namespace,
        ports: Vec::new(),
        selector: Vec::new(),
        selector_place: place,
        headless: false,
        nowhere: None,
        unsure: false,
    };
    let Some(spec) = fields.need_map("spec") else { return service };
    let kind = spec.choice("type", &["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]);
    let external = kind.filter(|kind| kind.value == "ExternalName");
    if let Some(external) = &external {
        fields.log().push(
            Diagnostic::warning("labsim does not model Services of the type ExternalName; this one leads nowhere")
                .at(external.place, "not modelled"),
        );
        service.nowhere = Some("is of the type ExternalName".to_owned());
        spec.find("externalName");
    }
    if let Some(affinity) = spec.choice("sessionAffinity", &["None", "ClientIP"])
        && affinity.value == "ClientIP"
    {
        fields.log().push(not_modelled("sessionAffinity", affinity.place));
    }
    service.headless = spec.text("clusterIP").is_some_and(|address| address.value == "None");
    let selector = spec.find("selector");
    service.selector = spec.labels("selector");
    service.selector_place = selector.map_or(place, |entry| entry.key_place);
    if external.is_some() {
        service.selector.clear();
    } else if selector.is_none() && !spec.is_any_misspelt(&["selector"]) {
        fields.log().push(
            Diagnostic::warning(format!("the Service `{}` has no selector; it leads nowhere here", service.name.value))
                .at(place, "not modelled"),
        );
        service.nowhere = Some("has no selector".to_owned());
    }
    let errors = fields.log().errors();
    let ports = if external.is_some() || service.headless { spec.maps("ports") } else { spec.need_maps("ports", 250) };
    service.ports = ports.iter().filter_map(|fields| port(fields, ports.len() > 1)).collect();
    service.unsure = fields.log().errors() > errors;
    check_ports(&service.ports, fields.log());
    service
}

fn port(fields: &Fields<'_>, several: bool) -> Option<Port> {
    let protocol = fields.choice("protocol", &["TCP", "UDP", "SCTP"]);
    let name = if several { fields.need_text("name") } else { fields.text("name") };
    let number = fields.need("port", fields.port("port"));
    let target = fields.port_or_name("targetPort");
    if let Some(other) = protocol.filter(|protocol| protocol.value != "TCP") {
        fields.log().push(not_modelled(other.value, other.place));
        return None;
    }
    let h2c = fields.text("appProtocol").is_some_and(|protocol| protocol.value == H2C);
    Some(Port { name: name.map(|name| name.value), number: number?, target, h2c })
}

fn check_ports(ports: &[Port], log: &Log<'_>) {
    for (index, port) in ports.iter().enumerate() {
        let Some(twin) = ports
            .iter()
            .take(index)
            .find(|other| other.number.value == port.number.value || (other.name.is_some() && other.name == port.name))
        else {
            continue;
        };
        log.push(
            Diagnostic::error("two ports of the Service have the same number or name")
                .at(port.number.place, "again here")
                .note_at(twin.number.place, "first here"),
        );
    }
}

/// Finds the simulator behind each port. `simulators` holds, for each Deployment, the index of its simulator.
/// Where hosts may be anywhere, files without a Deployment are no whole lab.
pub(super) fn link(
    services: &mut [Service],
    deployments: &[Deployment],
    (simulators, real_hosts): (&[Option<usize>], RealHosts),
    log: &Log<'_>,
) -> Vec<topology::Service> {
    if deployments.is_empty() && real_hosts == RealHosts::All {
        // Whatever the selectors pick runs somewhere else.
        return Vec::new();
    }
    let mut linked = Vec::new();
    for service in services.iter_mut().filter(|service| !service.selector.is_empty()) {
        let picked: Vec<usize> = (0..deployments.len())
            .filter(|index| deployments.get(*index).is_some_and(|one| service.picks(one)))
            .collect();
        let (Some(index), None) = (picked.first().copied(), picked.get(1)) else {
            if !picked.is_empty() {
                log.push(service.picks_several(picked.iter().filter_map(|index| deployments.get(*index))));
            } else if !deployments.iter().any(|one| one.namespace == service.namespace && one.labels.is_empty()) {
                // Pods without labels have been reported already.
                log.push(service.picks_nothing(deployments));
            }
            continue;
        };
        let Some(deployment) = deployments.get(index) else { continue };
        let Some(simulator) = simulators.get(index).copied().flatten() else {
            let nowhere =
                format!("leads to the Deployment `{}`, which labsim does not simulate", deployment.name.value);
            service.nowhere = Some(nowhere).filter(|_| !deployment.unsure);
            continue;
        };
        for port in &service.ports {
            linked.push(topology::Service {
                name: service.name.value.clone(),
                namespace: service.namespace.clone(),
                port: port.number.value,
                simulator,
                target_port: service.target(port, deployment, log),
                place: port.number.place,
            });
        }
    }
    linked
}

impl Service {
    /// Its namespace and its name.
    pub(super) fn path(&self) -> (&str, &str) {
        (&self.namespace, &self.name.value)
    }

    /// Whether it has a port, or may have it, since not all of it could be read.
    pub(super) fn has(&self, port: u16) -> bool {
        self.unsure || self.ports.iter().any(|known| known.number.value == port)
    }

    fn picks(&self, deployment: &Deployment) -> bool {
        deployment.namespace == self.namespace && self.matches_labels(deployment)
    }

    fn matches_labels(&self, deployment: &Deployment) -> bool {
        self.selector.iter().all(|(key, value)| deployment.labels.get(key) == Some(&value.value))
    }

    /// The pods' port behind a port of the Service.
    fn target(&self, port: &Port, deployment: &Deployment, log: &Log<'_>) -> u16 {
        // A headless name leads to the pods themselves: nothing translates the port.
        let Some(target) = port.target.as_ref().filter(|_| !self.headless) else { return port.number.value };
        match &target.value {
            NumberOrName::Number(number) => {
                warn_of_closed_port(*number, target.place, deployment, log);
                *number
            }
            NumberOrName::Name(name) => {
                let mut ports = deployment.ports.iter();
                let Some(found) = ports.find(|port| port.name.as_ref() == Some(name)) else {
                    if !deployment.unsure {
                        log.push(no_such_name(name, target.place, deployment));
                    }
                    return port.number.value;
                };
                found.number
            }
        }
    }

    fn picks_several<'d>(&self, picked: impl Iterator<Item = &'d Deployment>) -> Diagnostic {
        let names: Vec<&str> = picked.map(|deployment| deployment.name.as_str()).collect();
        Diagnostic::error(format!("the Service `{}` picks the pods of {}", self.name.value, list(&names)))
            .at(self.selector_place, "labsim leads a Service to one Deployment")
            .help("give each Deployment a label of its own, and a Service")
    }

    fn picks_nothing(&self, deployments: &[Deployment]) -> Diagnostic {
        let here: Vec<&Deployment> =
            deployments.iter().filter(|deployment| deployment.namespace == self.namespace).collect();
        let message =
            format!("the Service `{}` picks no Deployment in namespace `{}`", self.name.value, self.namespace);
        let unmet = self
            .selector
            .iter()
            .find(|(key, value)| !here.iter().any(|deployment| deployment.labels.get(key) == Some(&value.value)));
        let diagnostic = match unmet {
            None => Diagnostic::error(message).at(self.selector_place, "no pods have all of these labels"),
            Some((key, value)) => {
                let values = here.iter().filter_map(|deployment| deployment.labels.get(key)).map(String::as_str);
                let diagnostic = Diagnostic::error(message)
                    .at(value.place, format!("dangling reference: no pods have the label `{key}: {}`", value.value));
                let diagnostic = diagnostic.suggest(&value.value, values);
                if diagnostic.replacement.is_some() {
                    return diagnostic;
                }
                let keys = here.iter().flat_map(|deployment| deployment.labels.keys()).map(String::as_str);
                match nearest(key, keys).filter(|near| near != key) {
                    Some(near) => return diagnostic.help(format!("did you mean the label `{near}`?")),
                    None => diagnostic,
                }
            }
        };
        if let Some(elsewhere) = deployments.iter().find(|deployment| self.matches_labels(deployment)) {
            return diagnostic.help(format!(
                "the pods of `{}` have these labels, in namespace `{}`",
                elsewhere.name.value, elsewhere.namespace
            ));
        }
        let known: Vec<String> = here.iter().flat_map(|deployment| labels_of(deployment)).collect();
        match known.as_slice() {
            [] => diagnostic.help("no manifest has a Deployment there"),
            known => diagnostic.help(format!("the labels of pods there: {}", list(known))),
        }
    }
}

fn warn_of_closed_port(number: u16, place: Place, deployment: &Deployment, log: &Log<'_>) {
    let ports = &deployment.ports;
    if ports.is_empty() || ports.iter().any(|port| port.number == number) {
        return;
    }
    let known: Vec<String> = ports.iter().map(|port| port.number.to_string()).collect();
    log.push(
        Diagnostic::warning(format!("no container of `{}` has the port {number}", deployment.name.value))
            .at(place, "leads to a closed port, perhaps")
            .help(format!("its containers list {}", list(&known)))
            .code("service-port"),
    );
}

fn no_such_name(name: &str, place: Place, deployment: &Deployment) -> Diagnostic {
    let names: Vec<&str> = deployment.ports.iter().filter_map(|port| port.name.as_deref()).collect();
    let message = format!("no container of `{}` has a port named `{name}`", deployment.name.value);
    let diagnostic = Diagnostic::error(message).at(place, "dangling reference").code("service-port");
    did_you_mean(diagnostic, name, &names)
}

fn labels_of(deployment: &Deployment) -> Vec<String> {
    deployment.labels.iter().map(|(key, value)| format!("{key}: {value}")).collect()
}
