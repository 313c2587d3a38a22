//! The documents say what the program does.

use std::fs;

use crate::support::{root, run, stderr, stdout};

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
fn the_readme_has_the_two_commands() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    assert!(readme.contains("cargo run --release -- run scenarios/intra-group.yaml"));
    assert!(readme.contains("cargo test"));
}

/// What the README shows between `<!-- NAME -->` and `<!-- /NAME -->` is what the command prints.
#[test]
fn the_readme_shows_what_is_printed() {
    let file = root().join("README.md");
    let mut readme = fs::read_to_string(&file).expect("README.md");
    let intra = "scenarios/intra-group.yaml";
    let error = run(&["run", "tests/cases/dangling-backend/scenario.yaml"]);
    let shown = [
        ("run", stdout(&run(&["run", intra]))),
        ("seeds", stdout(&run(&["run", intra, "--seeds", "1000"]))),
        ("error", stderr(&error)),
    ];
    for (name, printed) in shown {
        let (open, close) = (format!("<!-- {name} -->\n```text\n"), format!("```\n<!-- /{name} -->"));
        let start = readme.find(&open).unwrap_or_else(|| panic!("no {open}")) + open.len();
        let end = start + readme[start..].find(&close).unwrap_or_else(|| panic!("no {close}"));
        let printed = format!("{}\n", printed.trim_end());
        if std::env::var_os("LABSIM_BLESS").is_some() {
            readme.replace_range(start..end, &printed);
            fs::write(&file, &readme).expect("the README can be written");
        } else {
            assert_eq!(&readme[start..end], printed, "{name}: `just bless` writes it anew");
        }
    }
}
