//! Data flows from left to right: no module uses one to the right of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::root;

/// What each part may use besides itself.
const EDGES: &[(&str, &[&str])] = &[
    ("source", &[]),
    ("topology", &["source"]),
    ("event", &["source"]),
    ("fault", &["source", "topology", "event"]),
    ("world", &["event", "topology", "fault"]),
    ("kube", &["source", "topology"]),
    ("scenario", &["source", "topology", "kube", "fault"]),
    ("lint", &["source", "topology", "scenario", "gateway"]),
    ("verdict", &["source", "topology", "event", "fault", "scenario"]),
    ("sim", &["source", "topology", "event", "world", "fault"]),
    ("gateway", &["source", "topology", "event", "world"]),
    ("traffic", &["topology", "event", "world"]),
    ("lab", &["source", "topology", "event", "world", "scenario", "verdict", "sim", "gateway", "traffic", "fault"]),
    ("report", &["source", "event", "scenario", "verdict", "lab"]),
    ("tui", &["source", "event", "verdict"]),
    (
        "cli",
        &[
            "source", "topology", "event", "world", "kube", "scenario", "verdict", "sim", "gateway", "traffic", "lab",
            "report", "tui", "fault", "lint",
        ],
    ),
];

/// Parts that know no runtime.
const PURE: &[&str] = &["source", "topology", "event", "fault", "kube", "scenario", "lint", "verdict", "report"];

#[test]
fn modules_use_only_what_stands_to_their_left() {
    let edges: BTreeMap<_, _> = EDGES.iter().copied().collect();
    let mut wrong = Vec::new();
    each_file(&root().join("src"), &mut |path, text| {
        let relative = path.strip_prefix(root().join("src")).expect("inside src");
        let part = relative
            .components()
            .next()
            .map(|first| first.as_os_str().to_string_lossy().replace(".rs", ""))
            .unwrap_or_default();
        if part == "lib" || part == "main" {
            return;
        }
        let allowed = edges.get(part.as_str()).unwrap_or_else(|| panic!("{part} has no place in the drawing"));
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            for used in used_parts(line) {
                if used != part && !allowed.contains(&used.as_str()) {
                    wrong.push(format!("{}:{}: {part} uses {used}", relative.display(), number + 1));
                }
            }
            if PURE.contains(&part.as_str()) && line.contains("tokio::") && !line.trim_start().starts_with("//") {
                wrong.push(format!("{}:{}: {part} knows tokio", relative.display(), number + 1));
            }
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn used_parts(line: &str) -> Vec<String> {
    if line.trim_start().starts_with("//") {
        return Vec::new();
    }
    let mut parts = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        let name: String = rest.chars().take_while(|one| one.is_alphanumeric() || *one == '_').collect();
        if !name.is_empty() {
            parts.push(name);
        }
    }
    parts
}

fn each_file(folder: &Path, visit: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            each_file(&path, visit);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            visit(&path, &fs::read_to_string(&path).expect("a source file"));
        }
    }
}
