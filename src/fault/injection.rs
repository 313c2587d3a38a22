//! To whom a fault happens, how likely, and when.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use super::{Aim, Ends, Fault, Target};
use crate::source::{Decoder, Diagnostic, Sources, Span, yaml};
use crate::topology::Topology;

/// A fault with all that goes around it: the value of an `inject` step.
///
/// ```yaml
/// inject:
///   fault: { status: { code: 503 } }
///   target: mock-gpt-4o-provider
///   probability: 0.5
///   window: { after: 5s, for: 60s, first: 3 }
///   name: outage
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Injection {
    /// What happens.
    pub fault: Fault,
    /// Whom it meets; everything where absent.
    #[serde(default)]
    pub target: Target,
    /// How likely each request, or each connection for a fault of the network, is struck: 0 to 1.
    #[serde(default = "certain")]
    pub probability: f64,
    /// When it strikes.
    #[serde(default, skip_serializing_if = "Window::is_open")]
    pub window: Window,
    /// A name by which it can be cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// When a fault strikes: in time, and in counts of the requests (or connections) that it meets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Window {
    /// How long after its injection it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// How long it lasts from there; it is cleared then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#for: Option<Span>,
    /// How often it strikes at most: the first N.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Of those that it meets it strikes only every Nth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<NonZeroU64>,
}

/// Which faults are taken back: the value of a `clear` step. In a file: `all`, `{ name: outage }`,
/// `{ fault: stall }` or `{ target: mock-gpt-4o-provider }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clear {
    /// All.
    All,
    /// The one with this number, as `fault-injected` events tell it.
    Id(u64),
    /// Those of this name.
    Name(String),
    /// Those of this kind: `stall`.
    Fault(String),
    /// Those with this target.
    Target(Target),
}

fn certain() -> f64 {
    1.0
}

impl Window {
    /// Whether it leaves nothing out.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }
}

impl Injection {
    /// This fault, to everything, always.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self { fault, target: Target::Everything, probability: 1.0, window: Window::default(), name: None }
    }

    /// Reads an injection from a line of YAML, or the bare name of a fault: for command lines and the screen.
    ///
    /// # Errors
    /// What is wrong with it, rendered with the place.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut sources = Sources::default();
        let file = sources.add("fault", text);
        let nodes = yaml::parse(&sources, file).map_err(|error| error.render(&sources, false))?;
        let decoder = Decoder::default();
        let injection = nodes.first().and_then(|node| match node.get("fault") {
            Some(_) => decoder.decode::<Self>(node),
            None => decoder.decode::<Fault>(node).map(Self::new),
        });
        let findings = decoder.finish_strict();
        match injection {
            Some(injection) if !findings.has_errors() => match injection.check() {
                Ok(()) => Ok(injection),
                Err(error) => Err(error.render(&sources, false)),
            },
            _ if nodes.is_empty() => Err("the name of a fault is missing".to_owned()),
            _ => Err(findings.render(&sources, false)),
        }
    }

    /// The fault of this name with parameters as a person typed them, for menus: `3s`, `true`,
    /// `{uniform: {from: 1s, to: 5s}}`.
    ///
    /// # Errors
    /// As [`Injection::parse`].
    pub fn of(fault: &str, parameters: &[(String, String)]) -> Result<Self, String> {
        if parameters.is_empty() {
            return Self::parse(fault);
        }
        let lines: Vec<String> = parameters.iter().map(|(name, value)| format!("  {name}: {value}\n")).collect();
        Self::parse(&format!("{fault}:\n{}", lines.concat()))
    }

    /// What can be judged without a lab.
    ///
    /// # Errors
    /// A probability beyond 0 to 1, an answer's fault on a link, or a window in which it never strikes.
    pub fn check(&self) -> Result<(), Diagnostic> {
        self.mistakes().into_iter().next().map_or(Ok(()), |(_, finding)| Err(finding))
    }

    /// What is wrong with it without a lab, and the keys on the way to each mistake.
    #[must_use]
    pub fn mistakes(&self) -> Vec<(&'static [&'static str], Diagnostic)> {
        let mut found: Vec<(&[&str], Diagnostic)> = Vec::new();
        if !(0.0..=1.0).contains(&self.probability) {
            let message = format!("`probability` is {}; it goes from 0 (never) to 1 (always)", self.probability);
            found.push((&["probability"], Diagnostic::error(message)));
        }
        if !self.fault.acts().on_link()
            && matches!(
                self.target,
                Target::Link { .. } | Target::To(super::target::End::Gateway(_) | super::target::End::Client)
            )
        {
            let message = format!("`{}` acts on the answers of a provider, not on a link", self.fault);
            let help =
                "aim it at a provider, or inject a fault of the network here: `reset`, `latency`, `black-hole`, …";
            found.push((&["target"], Diagnostic::error(message).help(help)));
        }
        if self.window.first == Some(0) {
            found.push((&["window", "first"], Diagnostic::error("the first 0 are none: this fault never strikes")));
        }
        if self.window.r#for.is_some_and(|span| span.0.is_zero()) {
            let over = Diagnostic::error("this fault is over as soon as it begins");
            found.push((&["window", "for"], over.help("leave `for` out, and it lasts until it is cleared")));
        }
        found
    }

    /// Whom it meets in a lab of this topology.
    ///
    /// # Errors
    /// What is wrong with it, without a place: the caller knows where it stands.
    pub fn aim(&self, topology: &Topology) -> Result<Aim, Diagnostic> {
        self.check()?;
        let aim = self.target.aim(topology)?;
        debug_assert!(self.fault.acts().on_link() || aim.from == Ends::Any, "checked above");
        Ok(aim)
    }
}

impl Clear {
    /// Whether it means this one.
    #[must_use]
    pub fn means(&self, id: u64, injection: &Injection) -> bool {
        match self {
            Self::All => true,
            Self::Id(wanted) => *wanted == id,
            Self::Name(name) => injection.name.as_ref() == Some(name),
            Self::Fault(kind) => injection.fault.name() == kind,
            Self::Target(target) => injection.target == *target,
        }
    }
}
