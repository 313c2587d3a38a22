//! Deployment: the pods of a simulator.

use std::collections::BTreeMap;

use super::fields::{Fields, did_you_mean, not_modelled};
use super::object::Object;
use crate::source::{Diagnostic, Spanned};
use crate::topology::{POD_NAME_PLACEHOLDER, Simulator};

/// A Deployment, whatever its pods run.
pub(super) struct Deployment {
    /// Its name.
    pub(super) name: Spanned<String>,
    /// Its namespace.
    pub(super) namespace: String,
    /// The labels of its pods.
    pub(super) labels: BTreeMap<String, String>,
    /// The ports that its containers name or number.
    pub(super) ports: Vec<ContainerPort>,
    /// Whether ports or the simulator may be missing here, because of mistakes that have been reported.
    pub(super) unsure: bool,
    /// The simulator in its pods.
    pub(super) simulator: Option<Simulator>,
}

/// A port of a container.
pub(super) struct ContainerPort {
    /// Its name.
    pub(super) name: Option<String>,
    /// Its number.
    pub(super) number: u16,
}

/// A container by this image is a simulator.
const SIMULATOR_IMAGE: &str = "llm-d-inference-sim";
/// More pods than this are no lab.
const MAX_REPLICAS: u64 = 1_000;
/// Programs that would run something else.
const SHELLS: [&str; 5] = ["sh", "bash", "ash", "dash", "env"];

/// Reads a Deployment.
pub(super) fn read(object: Object<'_>) -> Deployment {
    let Object { name, namespace, fields, .. } = object;
    let mut deployment =
        Deployment { name, namespace, labels: BTreeMap::new(), ports: Vec::new(), unsure: false, simulator: None };
    let Some(spec) = fields.need_map("spec") else { return deployment };
    let replicas = spec.number("replicas", 0..=MAX_REPLICAS).and_then(|replicas| u32::try_from(replicas.value).ok());
    let selector = spec.need_map("selector");
    let Some(template) = spec.need_map("template") else { return deployment };
    if let Some(metadata) = template.map("metadata") {
        metadata.find_any(&["name", "namespace"]);
        deployment.labels = metadata.labels("labels").into_iter().map(|(key, value)| (key, value.value)).collect();
    }
    if let Some(selector) = selector {
        check_selector(&selector, &deployment.labels);
    }
    if let Some(pod) = template.need_map("spec") {
        read_pod(&pod, &mut deployment);
    }
    if let (Some(simulator), Some(replicas)) = (&mut deployment.simulator, replicas) {
        simulator.replicas = replicas;
    }
    deployment
}

/// Finds the simulator among the containers, and everything that they listen on.
fn read_pod(pod: &Fields<'_>, deployment: &mut Deployment) {
    let log = pod.log();
    let errors_before = log.errors();
    for container in pod.need_maps("containers", usize::MAX) {
        container.need_text("name");
        let errors = log.errors();
        deployment.ports.extend(ports(&container));
        deployment.unsure |= log.errors() > errors;
        let image = container.need_text("image");
        let Some(image) = image.filter(|image| image.contains(SIMULATOR_IMAGE)) else {
            pass_over(&container);
            continue;
        };
        if deployment.simulator.is_none() {
            deployment.simulator = Some(simulator(&container, deployment));
        } else {
            pass_over(&container);
            let message = "a second simulator in the same pod; labsim starts the first one only";
            log.push(Diagnostic::warning(message).at(image.place, "not simulated"));
        }
    }
    if deployment.simulator.is_some() {
        return;
    }
    if log.errors() > errors_before {
        deployment.unsure = true;
    } else {
        log.push(
            Diagnostic::warning(format!("labsim does not simulate the Deployment `{}`", deployment.name.value))
                .at(deployment.name.place, format!("none of its containers has an image with `{SIMULATOR_IMAGE}`")),
        );
    }
}

fn simulator(container: &Fields<'_>, deployment: &Deployment) -> Simulator {
    let env = environment(container, &deployment.namespace, &deployment.labels);
    Simulator {
        name: deployment.name.value.clone(),
        namespace: deployment.namespace.clone(),
        replicas: 1,
        args: arguments(container, &env),
        env,
        place: deployment.name.place,
    }
}

/// Nothing that another container says has an effect here.
fn pass_over(container: &Fields<'_>) {
    let names = ["args", "command", "env", "envFrom", "lifecycle", "volumeMounts", "volumeDevices"];
    container.find_any(&names);
    container.find_any(&["livenessProbe", "readinessProbe", "startupProbe"]);
}

/// A Deployment's selector must pick its own pods; Kubernetes refuses it otherwise.
fn check_selector(selector: &Fields<'_>, labels: &BTreeMap<String, String>) {
    let wanted = selector.labels("matchLabels");
    for (key, value) in &wanted {
        if labels.get(key) == Some(&value.value) {
            continue;
        }
        let shown: Vec<String> = labels.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        let diagnostic = Diagnostic::error("the selector does not pick the Deployment's own pods")
            .at(value.place, format!("its pods have no label `{key}: {}`", value.value));
        selector.log().push(match shown.as_slice() {
            [] => diagnostic.help("give the pods labels: `spec.template.metadata.labels`"),
            shown => diagnostic.help(format!("`spec.template.metadata.labels` says `{}`", shown.join(", "))),
        });
    }
    if let Some(entry) = selector.find("matchExpressions") {
        selector.not_modelled(entry);
    } else if wanted.is_empty() {
        selector.need::<()>("matchLabels", None);
    }
}

fn ports(container: &Fields<'_>) -> Vec<ContainerPort> {
    let ports = container.maps("ports");
    ports
        .iter()
        .filter_map(|port| {
            let name = port.text("name").map(|name| name.value);
            let number = port.need("containerPort", port.port("containerPort"))?.value;
            Some(ContainerPort { name, number })
        })
        .collect()
}

/// The simulator's arguments: those of `command` after the program, then `args`, with `$(NAME)` replaced.
fn arguments(container: &Fields<'_>, env: &BTreeMap<String, String>) -> Vec<Spanned<String>> {
    let mut command = container.texts("command").into_iter();
    if let Some(program) = command.next()
        && SHELLS.contains(&program.rsplit('/').next().unwrap_or_default())
    {
        container.log().push(
            Diagnostic::error(format!("labsim does not run `{}`", program.value))
                .at(program.place, "another program than the simulator")
                .help("leave `command` out, and write the simulator's flags under `args`"),
        );
    }
    command.chain(container.texts("args")).map(|argument| argument.map(|text| expand(&text, env))).collect()
}

/// The container's environment, in the order of the manifest; later variables may use earlier ones.
fn environment(container: &Fields<'_>, namespace: &str, labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for variable in container.maps("env") {
        let name = variable.need_text("name");
        let given = variable.text("value");
        let from = variable.find("valueFrom").and_then(|_| variable.map("valueFrom"));
        if let (Some(value), Some(from)) = (&given, &from) {
            variable.log().push(
                Diagnostic::error("a variable has either `value` or `valueFrom`")
                    .at(from.place(), "not both")
                    .note_at(value.place, "the value"),
            );
        }
        let value = match (given, from) {
            (Some(value), from) => {
                if let Some(from) = from {
                    from.pass_over();
                }
                Some(expand(&value, &env))
            }
            (None, Some(from)) => downward(&from, namespace, labels),
            (None, None) => Some(String::new()),
        };
        if let (Some(name), Some(value)) = (name, value) {
            env.insert(name.value, value);
        }
    }
    env
}

/// Fields of a pod that its containers may ask for and that labsim does not know.
const OTHER_POD_FIELDS: [&str; 8] = [
    "metadata.uid",
    "metadata.labels",
    "metadata.annotations",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIPs",
];

/// The value that the downward API gives; nothing for what labsim does not model.
fn downward(from: &Fields<'_>, namespace: &str, labels: &BTreeMap<String, String>) -> Option<String> {
    let field = from.map("fieldRef")?;
    let path = field.need_text("fieldPath")?;
    match path.as_str() {
        "metadata.name" => return Some(POD_NAME_PLACEHOLDER.to_owned()),
        "metadata.namespace" => return Some(namespace.to_owned()),
        "status.podIP" => return Some("127.0.0.1".to_owned()),
        _ => {}
    }
    if let Some(label) = path.strip_prefix("metadata.labels['").and_then(|rest| rest.strip_suffix("']")) {
        return Some(labels.get(label).cloned().unwrap_or_default());
    }
    if OTHER_POD_FIELDS.contains(&path.as_str()) || path.starts_with("metadata.annotations['") {
        field.log().push(not_modelled(&path.value, path.place));
        return None;
    }
    let known: Vec<&str> =
        ["metadata.name", "metadata.namespace", "status.podIP"].into_iter().chain(OTHER_POD_FIELDS).collect();
    let diagnostic = Diagnostic::error(format!("a pod has no field `{}`", path.value)).at(path.place, "no such field");
    field.log().push(did_you_mean(diagnostic, &path.value, &known));
    None
}

/// Replaces `$(NAME)` by the variable, as Kubernetes does: `$$` stands for `$`, and what is not a
/// variable stays as it is.
fn expand(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let name = rest.strip_prefix("$(").and_then(|inner| inner.split_once(')'));
        if let Some(after) = rest.strip_prefix("$$") {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = name
            && let Some(value) = env.get(name)
        {
            out.push_str(value);
            rest = after;
        } else {
            out.push('$');
            rest = &rest[1..];
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_as_kubernetes_does() {
        let env = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        for (text, expanded) in
            [("$(A)x", "1x"), ("$$(A)", "$(A)"), ("$(B)", "$(B)"), ("$5 $", "$5 $"), ("a$$b", "a$b"), ("$(A", "$(A")]
        {
            assert_eq!(expand(text, &env), expanded, "{text}");
        }
    }
}
