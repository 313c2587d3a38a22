//! The table of findings, for `docs/check.md`.

use std::fmt::Write as _;

use super::lints;
use super::said::LOADER;
use crate::source::Severity;

/// The document.
#[must_use]
pub fn document() -> String {
    let mut text = String::from(HEAD);
    table(&mut text, lints().map(|lint| (lint.code, lint.severity, lint.finds, lint.fix)));
    text.push_str(
        "\n## What is found while files are read\n\nWith `invalid`, `secret-key` and the errors of `service-port` the exit is \
         65, and nothing lets\nthem pass.\n\n",
    );
    table(&mut text, LOADER.into_iter());
    text.push_str(FOOT);
    text
}

fn table(text: &mut String, rows: impl Iterator<Item = (&'static str, Severity, &'static str, &'static str)>) {
    text.push_str("| code | severity | finds | what to do |\n| --- | --- | --- | --- |\n");
    for (code, severity, finds, fix) in rows {
        let severity = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        // Writing to a text cannot fail; a bar would end a cell, also in code.
        let _ = writeln!(text, "| `{code}` | {severity} | {} | {} |", escaped(finds), escaped(fix));
    }
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

const HEAD: &str = "# Checking before running\n\n\
`labsim check FILE|DIR…` reads scenarios and manifests and says what will go wrong, before anything runs.\n\n\
```sh\n\
labsim check manifests/                                  # all of them together, as `kubectl apply` would have them\n\
labsim check manifests/ --personality agentgateway-1.2   # as that version takes them\n\
labsim check scenarios --strict --format github          # in CI\n\
```\n\n\
The version is the one of `--personality`; else a scenario is checked as each of its `personalities`, and a finding that is so only under\n\
some of them says under which, and is a warning where the first is not among them; else it is the newest. What several scenarios have in common, such as a manifest, is told of once. Manifests that a scenario names are\n\
checked with it; all others on the command line are taken together. A Secret that they do not have is taken to be sound.\n\
Without a simulator among them they are not a whole lab, and their hosts may be anywhere. A configuration of agentgateway's own\n\
is checked as manifests are.\n\n\
Exit 65: a file is invalid. Exit 1: there is an error, or a warning with `--strict`. Exit 0 otherwise.\n\n\
A finding that is meant is let pass by `--allow CODE`, or by a comment, which holds for its file (and in a scenario for all\n\
the files that it names):\n\n\
```yaml\n\
# labsim: allow no-failover\n\
```\n\n\
`--format json` gives `findings`, each with `code`, `severity`, `personalities`, `message`, `file`, `line`, `column`, `label`, `related`,\n\
`reason` and `fix`, and the counts of `errors` and `warnings`. `--format github` gives annotations.\n\n\
This document is written from the table in the code, `src/lint`.\n\n\
## What is found\n\n";

const FOOT: &str = "\n## What it does not say\n\n\
- What providers send by themselves is not known before they are asked: a `Retry-After` of their own, an outage.\n\
- In agentgateway a client's own mistake is blamed on the provider that was chosen: JSON that cannot be read is a 503 of\n  \
the gateway, and so a failure to every policy that takes a 503 for one. There is nothing that a manifest could do about it.\n";
