//! The table of fields: well formed, and the same as the published schemas where those are at hand.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::*;
use crate::source::{Sources, yaml};

#[test]
fn every_shape_that_is_named_is_defined_and_used() {
    let texts = [include_str!("../fields.txt"), include_str!("../standalone/fields.txt")];
    let named: BTreeSet<&str> = texts
        .iter()
        .flat_map(|text| text.lines())
        .filter(|line| line.starts_with(' '))
        .filter_map(|line| line.split(' ').find(|word| word.starts_with('@')))
        .collect();
    let defined: BTreeSet<&str> = TABLE.keys().copied().filter(|name| name.starts_with('@')).collect();
    assert_eq!(named, defined);
    for fields in TABLE.values() {
        let own: BTreeSet<&str> = fields.iter().map(|field| field.name).collect();
        assert_eq!(own.len(), fields.len(), "a field stands twice: {own:?}");
        assert!(!own.is_empty());
    }
}

#[test]
fn fields_are_found_by_their_path() {
    let names = |path: &str| -> Vec<&str> { fields_at(path).into_iter().flatten().map(|field| field.name).collect() };
    assert_eq!(names("HTTPRoute.spec.rules.timeouts"), ["backendRequest", "request"]);
    assert!(names("Deployment.spec.template.spec.containers").contains(&"imagePullPolicy"));
    assert!(names("Service").contains(&"metadata"));
    assert!(names("AgentgatewayBackend.spec.ai.groups.providers.policies.health.eviction").contains(&"duration"));
    assert!(fields_at("Nothing.spec").is_none() && fields_at("HTTPRoute.metadata.labels").is_none());
}

/// The folder of published schemas, which is not part of the repository.
fn published() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/crds");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("passed over: there are no published schemas in ../shared/crds");
    None
}

/// All paths of fields in a published schema; `*` where anything may stand.
fn paths_of_schema(node: &Node, path: &str, found: &mut BTreeSet<String>) {
    let free = node.get("x-kubernetes-preserve-unknown-fields").is_some();
    if free || node.get("additionalProperties").is_some() {
        found.insert(format!("{path}.*"));
        return;
    }
    if let Some(items) = node.get("items") {
        return paths_of_schema(items, path, found);
    }
    for property in node.get("properties").map(Node::entries).unwrap_or_default() {
        let path = format!("{path}.{}", property.key);
        paths_of_schema(&property.value, &path, found);
        found.insert(path);
    }
}

fn paths_of_table(fields: &'static [Field], path: &str, found: &mut BTreeSet<String>) {
    for field in fields {
        let path = format!("{path}.{}", field.name);
        match field.fields() {
            Some(fields) => paths_of_table(fields, &path, found),
            None if matches!(field.below, Below::Anything) => {
                found.insert(format!("{path}.*"));
            }
            None => {}
        }
        found.insert(path);
    }
}

#[test]
fn the_table_has_the_fields_of_the_published_schemas() {
    let Some(folder) = published() else { return };
    for (kind, files) in [
        ("HTTPRoute", ["gateway.networking.k8s.io_httproutes.yaml"].as_slice()),
        (
            "AgentgatewayBackend",
            &["agentgateway.dev_agentgatewaybackends-v1.0.1.yaml", "agentgateway.dev_agentgatewaybackends-v1.3.1.yaml"],
        ),
        (
            "AgentgatewayPolicy",
            &["agentgateway.dev_agentgatewaypolicies-v1.0.1.yaml", "agentgateway.dev_agentgatewaypolicies-v1.3.1.yaml"],
        ),
        (
            "AgentgatewayParameters",
            &[
                "agentgateway.dev_agentgatewayparameters-v1.0.1.yaml",
                "agentgateway.dev_agentgatewayparameters-v1.3.1.yaml",
            ],
        ),
    ] {
        let mut schema = BTreeSet::new();
        for file in files {
            let mut sources = Sources::default();
            let id = sources.add(*file, std::fs::read_to_string(folder.join(file)).expect("a schema"));
            for document in yaml::parse(&sources, id).expect("YAML") {
                let versions = document.get("spec").and_then(|spec| spec.get("versions")).expect("versions");
                let Value::Seq(versions) = &versions.value else { panic!("{file}: versions are no list") };
                for version in versions {
                    let root =
                        version.get("schema").and_then(|schema| schema.get("openAPIV3Schema")).expect("a schema");
                    let properties = root.get("properties").expect("properties");
                    paths_of_schema(properties.get("spec").expect("spec"), ".spec", &mut schema);
                }
            }
        }
        let mut table = BTreeSet::new();
        let spec = fields_at(&format!("{kind}.spec")).expect("a kind");
        paths_of_table(spec, ".spec", &mut table);
        let missing: Vec<_> = schema.difference(&table).collect();
        // The experimental channel has them.
        let experimental =
            |path: &str| [".rules.retry", ".rules.sessionPersistence"].iter().any(|one| path.contains(one));
        let invented: Vec<_> = table.difference(&schema).filter(|path| !experimental(path)).collect();
        assert!(missing.is_empty() && invented.is_empty(), "{kind}: missing {missing:?}, invented {invented:?}");
        assert!(table.len() > 50, "{kind}: only {} fields", table.len());
    }
}
