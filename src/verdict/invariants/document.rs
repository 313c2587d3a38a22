//! The invariants and deviations in words, for `docs/invariants.md`.

use std::fmt::Write as _;

use super::{INVARIANTS, deviations};
use crate::topology::Personality;

const HEAD: &str = "# Invariants\n\n\
What holds in every run, whether a scenario asks or not. This page is written from the tables in the code\n\
(`src/verdict/invariants.rs`); `labsim invariants` prints the same, `--format json` for programs.\n\n\
An invariant that is broken fails the run. Its evidence is a small timeline: when, who, what. Each is broken\n\
by at least one of the [broken gateways](breaks.md), and by no scenario under `reference`.\n\n";

const OFF: &str = "\n## Turning one off\n\n\
A scenario that breaks one on purpose says so, with a reason. Reports tell of it.\n\n\
```yaml\n\
invariants:\n  \
off: { priority: \"the lower group is preferred on weekends\" }\n\
```\n";

const CHANCE: &str = "\n## What is left to chance\n\n\
`even-draws` is decided by one run where it has choices enough, ten for each pair that can be drawn, by a chi-squared\n\
test that blames one sound run in a thousand million. With `better-of-two` it says all that there is to say of a choice.\n\
What follows from many choices one run does not decide: which pattern of answers comes how often is counted over many\n\
seeds (`labsim run --seeds N`, [`frequencies`](scenarios.md#chance)). Shares, goodput, amplification, the time at a\n\
lower group and the time until a provider is back have no right value of their own: a scenario gives them bounds. That\n\
the same seed gives the same events again a test holds for every shipped scenario, by playing it twice.\n";

const DEVIATIONS: &str = "\n## Deviations\n\n\
A versioned personality is known for some of them: what it does is told as a deviation, with its evidence, and\n\
does not fail the run. Each follows from a row of the table of [personalities](personalities.md).\n\n\
| invariant | personalities | what they do instead | row |\n| --- | --- | --- | --- |\n";

/// The document.
#[must_use]
pub fn document() -> String {
    let mut text = String::from(HEAD);
    text.push_str("| name | class | what holds |\n| --- | --- | --- |\n");
    for one in INVARIANTS {
        let _ = writeln!(text, "| `{}` | {} | {} |", one.name, one.class.name(), one.statement);
    }
    text.push_str(CHANCE);
    text.push_str(OFF);
    text.push_str(DEVIATIONS);
    for (invariant, why, row, personalities) in grouped() {
        let names: Vec<String> = personalities.iter().map(|one| format!("`{one}`")).collect();
        let _ = writeln!(text, "| `{invariant}` | {} | {why} | {row} |", names.join(", "));
    }
    text
}

/// Deviations, those that are alike together.
fn grouped() -> Vec<(&'static str, &'static str, &'static str, Vec<Personality>)> {
    let mut groups: Vec<(&str, &str, &str, Vec<Personality>)> = Vec::new();
    for one in deviations::all() {
        match groups.iter_mut().find(|(invariant, why, ..)| *invariant == one.invariant && *why == one.why) {
            Some((.., personalities)) => personalities.push(one.personality),
            None => groups.push((one.invariant, one.why, one.row, vec![one.personality])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_written_from_the_tables() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/invariants.md");
        if std::env::var_os("LABSIM_BLESS").is_some() {
            std::fs::write(path, document()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == document(), "docs/invariants.md is stale: run this test with LABSIM_BLESS=1");
    }
}
