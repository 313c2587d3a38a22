//! Tests somebody's own gateway configuration: labsim as a dev-dependency.
//!
//! `cargo run --example own_config`, or the same lines in a `#[test]` or `#[tokio::test]`.

fn main() {
    let lab = labsim::Lab::from_file("scenarios/intra-group.yaml").unwrap_or_else(|wrong| panic!("{wrong}"));
    let lab = lab.on_event(|event| println!("{} {:?}", event.at_us, event.kind));
    let run = lab.seed(7).run().unwrap_or_else(|error| panic!("{error}"));
    assert!(run.passed(), "{run}");
    println!("{run}");
}
