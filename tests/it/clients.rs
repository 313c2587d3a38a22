//! Clients that this project did not write.

use std::process::Command;

#[test]
#[ignore = "needs Python, Node and their package registries; `just clients` runs it"]
fn the_official_openai_clients_see_what_they_should() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/run.sh");
    let ran = Command::new(script).env("LABSIM", env!("CARGO_BIN_EXE_labsim")).status().expect("the script runs");
    assert!(ran.success());
}
