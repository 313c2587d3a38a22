//! Walks `tests/cases`: each folder has a `cmd` (the arguments), the files that it needs, and what
//! must come of it: `stdout`, `stderr` (where not empty) and `exit`. `just bless` writes them anew.

use std::fs;
use std::path::Path;

use crate::support::{labsim, root, stderr, stdout};

#[test]
fn every_case_gives_what_it_says() {
    let bless = std::env::var_os("LABSIM_BLESS").is_some();
    let mut folders: Vec<_> =
        fs::read_dir(root().join("tests/cases")).expect("the cases").flatten().map(|entry| entry.path()).collect();
    folders.sort();
    let mut wrong = Vec::new();
    for folder in &folders {
        wrong.extend(differences(folder, bless));
    }
    assert!(folders.len() >= 10, "only {} cases", folders.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn differences(folder: &Path, bless: bool) -> Vec<String> {
    let words = fs::read_to_string(folder.join("cmd")).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let output = labsim().args(words.split_whitespace()).current_dir(folder).output().expect("labsim runs");
    let exit = output.status.code().map_or_else(|| "killed".to_owned(), |code| code.to_string());
    let came = [("exit", format!("{exit}\n")), ("stdout", stdout(&output)), ("stderr", stderr(&output))];
    let mut wrong = Vec::new();
    for (name, text) in came {
        let file = folder.join(name);
        let expected = fs::read_to_string(&file).unwrap_or_default();
        if bless && expected != text {
            if text.is_empty() {
                let _ = fs::remove_file(&file);
            } else {
                fs::write(&file, &text).expect("the case can be written");
            }
        } else if expected != text {
            wrong.push(format!("{}: expected\n{expected}\n--- but came\n{text}", file.display()));
        }
    }
    wrong
}
