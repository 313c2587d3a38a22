//! Invariants hold on everything that is shipped, or the personality is known for breaking them.

use labsim::Lab;
use labsim::scenario::{Overridden, load_from};
use labsim::topology::Personality;
use labsim::verdict::{Finding, Outcome};

use crate::support::{root, shipped};

/// A shipped scenario with these settings, ready to run.
fn lab(scenario: &std::path::Path, settings: &[String]) -> Lab {
    let scenario = load_from(&Overridden { settings }, scenario);
    Lab::new(scenario.unwrap_or_else(|wrong| panic!("{wrong}"))).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// Expectations are written for one personality; invariants are for all of them.
#[test]
fn they_hold_on_every_shipped_scenario_under_every_personality() {
    let mut broken = Vec::new();
    for scenario in shipped() {
        for personality in Personality::ALL {
            let settings = [format!("lab.gateway.personality={personality}")];
            let run = lab(&root().join(&scenario), &settings).run().expect("the lab runs");
            let failed = run.verdict.invariants().filter(|finding| finding.outcome == Outcome::Fail);
            broken.extend(failed.map(|finding| told(&scenario, personality, finding)));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

fn told(scenario: &std::path::Path, personality: Personality, finding: &Finding) -> String {
    let detail = finding.detail.join("\n  ");
    format!("{} under {personality}: {:?}\n  {detail}", scenario.display(), finding.about)
}
