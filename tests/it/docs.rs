//! The documents say what the program does.

use std::fs;

use crate::support::{root, run, stdout};

#[test]
fn every_kind_of_event_is_described() {
    let text = fs::read_to_string(root().join("docs/events.md")).expect("docs/events.md");
    // serde names all variants when it meets one that it does not know.
    let error =
        serde_json::from_str::<labsim::event::Event>(r#"{"seq":0,"at_us":0,"kind":"?"}"#).expect_err("no such kind");
    let error = error.to_string();
    let kinds: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
    assert!(kinds.len() > 15, "{error}");
    for kind in kinds {
        assert!(text.contains(&format!("`{kind}`")), "docs/events.md does not describe {kind}");
    }
    assert!(
        text.contains(&format!("format {}", labsim::event::log::FORMAT)),
        "docs/events.md does not name the format"
    );
}

#[test]
fn the_readme_has_the_two_commands_and_a_run_as_it_is_printed() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    assert!(readme.contains("cargo run --release -- run scenarios/intra-group.yaml"));
    assert!(readme.contains("cargo test"));
    let printed = stdout(&run(&["run", "scenarios/intra-group.yaml"]));
    assert!(readme.contains(printed.trim_end()), "the README shows another run than this:\n{printed}");
}
