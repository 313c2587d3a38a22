//! What the screen's fold needs of an event: small, borrowed, and written down in a few bytes.
//!
//! A lab may tell of more than a hundred thousand events a second. Its thread writes each down while it is
//! at hand, so that nothing is copied piece by piece and nothing is freed by another thread than made it.

use super::rows::OUTCOMES;
use crate::event::{At, Kind, Outcome, Usage};

/// What an event says, as far as a fold listens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fact<'e> {
    /// It is there, and changes nothing that is shown.
    Nothing,
    /// Something that happens seldom, in full.
    Rare(&'e Kind),
    Sent {
        request: &'e str,
        step: Option<u32>,
        replica: Option<u32>,
        path: &'e str,
        stream: bool,
        intended: Option<At>,
    },
    Started {
        request: &'e str,
        status: u16,
    },
    FirstToken {
        request: &'e str,
    },
    Ended {
        request: &'e str,
        end: End<'e>,
    },
    Received {
        request: &'e str,
        replica: u32,
        path: &'e str,
    },
    Selected {
        request: &'e str,
        replica: u32,
        attempt: u32,
        backend: &'e str,
        provider: &'e str,
    },
    Attempted {
        request: &'e str,
        endpoint: &'e str,
        model: Option<&'e str>,
    },
    AttemptEnded {
        request: &'e str,
        attempt: u32,
        outcome: Outcome,
        status: Option<u16>,
    },
    Health {
        replica: u32,
        backend: &'e str,
        provider: &'e str,
        score: f64,
        latency_seconds: f64,
        failures: u32,
    },
    GatewayEnded {
        request: &'e str,
        replica: u32,
        end: End<'e>,
    },
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct End<'e> {
    pub(super) outcome: Outcome,
    pub(super) status: Option<u16>,
    /// The model that answered.
    pub(super) model: Option<&'e str>,
    pub(super) usage: Option<Usage>,
}

impl<'e> Fact<'e> {
    /// What an event says.
    pub(super) fn of(kind: &'e Kind) -> Self {
        match kind {
            Kind::ClientRequestSent { request, step, replica, path, stream, intended_us, .. } => Self::Sent {
                request,
                step: step.and_then(|step| u32::try_from(step).ok()),
                replica: *replica,
                path,
                stream: *stream,
                intended: *intended_us,
            },
            Kind::ClientResponseStarted { request, status, .. } => Self::Started { request, status: *status },
            Kind::ClientFirstToken { request } => Self::FirstToken { request },
            Kind::ClientRequestEnded { request, outcome, status, model, usage, .. } => Self::Ended {
                request,
                end: End { outcome: *outcome, status: *status, model: model.as_deref(), usage: *usage },
            },
            Kind::GatewayRequestReceived { request, replica, path, .. } => {
                Self::Received { request, replica: *replica, path }
            }
            Kind::ProviderSelected { request, replica, attempt, backend, provider, .. } => {
                Self::Selected { request, replica: *replica, attempt: *attempt, backend, provider }
            }
            Kind::AttemptStarted { request, endpoint, model, .. } => {
                Self::Attempted { request, endpoint, model: model.as_deref() }
            }
            Kind::AttemptEnded { request, attempt, outcome, status, .. } => {
                Self::AttemptEnded { request, attempt: *attempt, outcome: *outcome, status: *status }
            }
            Kind::HealthChanged {
                replica, backend, provider, health, latency_seconds, consecutive_failures, ..
            } => Self::Health {
                replica: *replica,
                backend,
                provider,
                score: *health,
                latency_seconds: *latency_seconds,
                failures: *consecutive_failures,
            },
            Kind::GatewayRequestEnded { request, replica, status, outcome, response_model, usage, .. } => {
                let (status, model) = (Some(*status), response_model.as_deref());
                let end = End { outcome: *outcome, status, model, usage: *usage };
                Self::GatewayEnded { request, replica: *replica, end }
            }
            Kind::GatewayRequestRouted { .. }
            | Kind::ProviderRequestReceived { .. }
            | Kind::ProviderRequestEnded { .. } => Self::Nothing,
            Kind::StepStarted { .. }
            | Kind::StepEnded { .. }
            | Kind::Note { .. }
            | Kind::ReplicaStarted { .. }
            | Kind::ReplicaStopped { .. }
            | Kind::ReplicaConfigured { .. }
            | Kind::ProviderEvicted { .. }
            | Kind::ProviderReturned { .. }
            | Kind::FaultInjected { .. }
            | Kind::FaultStruck { .. }
            | Kind::FaultCleared { .. } => Self::Rare(kind),
        }
    }

    /// Writes it down. What is rare is told in full elsewhere.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Nothing => out.push(0),
            Self::Rare(_) => out.push(1),
            Self::Sent { request, step, replica, path, stream, intended } => {
                out.push(2);
                put_text(out, request);
                put_some(out, step, |out, step| out.extend(step.to_le_bytes()));
                put_some(out, replica, |out, replica| out.extend(replica.to_le_bytes()));
                put_text(out, path);
                out.push(u8::from(stream));
                put_some(out, intended, |out, at| out.extend(at.0.to_le_bytes()));
            }
            Self::Started { request, status } => {
                out.push(3);
                put_text(out, request);
                out.extend(status.to_le_bytes());
            }
            Self::FirstToken { request } => {
                out.push(4);
                put_text(out, request);
            }
            Self::Ended { request, end } => {
                out.push(5);
                put_text(out, request);
                end.write(out);
            }
            Self::Received { request, replica, path } => {
                out.push(6);
                put_text(out, request);
                out.extend(replica.to_le_bytes());
                put_text(out, path);
            }
            Self::Selected { request, replica, attempt, backend, provider } => {
                out.push(7);
                put_text(out, request);
                out.extend(replica.to_le_bytes());
                out.extend(attempt.to_le_bytes());
                put_text(out, backend);
                put_text(out, provider);
            }
            Self::Attempted { request, endpoint, model } => {
                out.push(8);
                put_text(out, request);
                put_text(out, endpoint);
                put_some(out, model, put_text);
            }
            Self::AttemptEnded { request, attempt, outcome, status } => {
                out.push(9);
                put_text(out, request);
                out.extend(attempt.to_le_bytes());
                put_outcome(out, outcome);
                put_some(out, status, |out, status| out.extend(status.to_le_bytes()));
            }
            Self::Health { replica, backend, provider, score, latency_seconds, failures } => {
                out.push(10);
                out.extend(replica.to_le_bytes());
                put_text(out, backend);
                put_text(out, provider);
                out.extend(score.to_le_bytes());
                out.extend(latency_seconds.to_le_bytes());
                out.extend(failures.to_le_bytes());
            }
            Self::GatewayEnded { request, replica, end } => {
                out.push(11);
                put_text(out, request);
                out.extend(replica.to_le_bytes());
                end.write(out);
            }
        }
    }
}

impl End<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        put_outcome(out, self.outcome);
        put_some(out, self.status, |out, status| out.extend(status.to_le_bytes()));
        put_some(out, self.model, put_text);
        put_some(out, self.usage, |out, usage| {
            out.extend(usage.input.to_le_bytes());
            out.extend(usage.output.to_le_bytes());
        });
    }
}

/// A text may be as long as a request's path.
fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend(u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_some<T>(out: &mut Vec<u8>, some: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    out.push(u8::from(some.is_some()));
    if let Some(one) = some {
        put(out, one);
    }
}

fn put_outcome(out: &mut Vec<u8>, outcome: Outcome) {
    out.push(OUTCOMES.iter().position(|one| *one == outcome).and_then(|at| u8::try_from(at).ok()).unwrap_or(0));
}

/// Facts that were written down, each after its moment, to be read in order.
pub(super) struct Facts<'b>(pub(super) &'b [u8]);

/// What was written down, as it is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Written<'b> {
    /// To be looked up in full.
    Rare,
    Fact(Fact<'b>),
}

impl<'b> Facts<'b> {
    /// The next one, and when it happened.
    pub(super) fn next(&mut self) -> (At, Written<'b>) {
        (At(self.long()), self.fact())
    }

    fn fact(&mut self) -> Written<'b> {
        Written::Fact(match self.byte() {
            1 => return Written::Rare,
            2 => Fact::Sent {
                request: self.text(),
                step: self.some(Self::whole),
                replica: self.some(Self::whole),
                path: self.text(),
                stream: self.byte() == 1,
                intended: self.some(|facts| At(facts.long())),
            },
            3 => Fact::Started { request: self.text(), status: self.short() },
            4 => Fact::FirstToken { request: self.text() },
            5 => Fact::Ended { request: self.text(), end: self.end() },
            6 => Fact::Received { request: self.text(), replica: self.whole(), path: self.text() },
            7 => Fact::Selected {
                request: self.text(),
                replica: self.whole(),
                attempt: self.whole(),
                backend: self.text(),
                provider: self.text(),
            },
            8 => Fact::Attempted { request: self.text(), endpoint: self.text(), model: self.some(Self::text) },
            9 => Fact::AttemptEnded {
                request: self.text(),
                attempt: self.whole(),
                outcome: self.outcome(),
                status: self.some(Self::short),
            },
            10 => Fact::Health {
                replica: self.whole(),
                backend: self.text(),
                provider: self.text(),
                score: f64::from_bits(self.long()),
                latency_seconds: f64::from_bits(self.long()),
                failures: self.whole(),
            },
            11 => Fact::GatewayEnded { request: self.text(), replica: self.whole(), end: self.end() },
            _ => Fact::Nothing,
        })
    }

    fn end(&mut self) -> End<'b> {
        End {
            outcome: self.outcome(),
            status: self.some(Self::short),
            model: self.some(Self::text),
            usage: self.some(|facts| Usage { input: facts.long(), output: facts.long() }),
        }
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_first_chunk().map_or(([0; N], &[][..]), |(taken, rest)| (*taken, rest));
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        let [byte] = self.bytes();
        byte
    }

    fn short(&mut self) -> u16 {
        u16::from_le_bytes(self.bytes())
    }

    fn whole(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }

    fn long(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    fn some<T>(&mut self, take: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.byte() == 1).then(|| take(self))
    }

    fn text(&mut self) -> &'b str {
        let length = self.whole() as usize;
        let (taken, rest) = self.0.split_at_checked(length).unwrap_or_default();
        self.0 = rest;
        std::str::from_utf8(taken).unwrap_or_default()
    }

    fn outcome(&mut self) -> Outcome {
        OUTCOMES.get(usize::from(self.byte())).copied().unwrap_or(Outcome::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let end = End { outcome: Outcome::Cut, status: Some(503), model: Some("m"), usage: None };
        let facts = [
            Fact::Nothing,
            Fact::Sent {
                request: "req-1",
                step: Some(7),
                replica: None,
                path: "/a?b",
                stream: true,
                intended: Some(At(u64::MAX)),
            },
            Fact::Sent { request: "", step: None, replica: Some(3), path: "", stream: false, intended: None },
            Fact::Started { request: "req-1", status: 599 },
            Fact::FirstToken { request: "ü" },
            Fact::Ended { request: "req-1", end },
            Fact::Received { request: "req-1", replica: 2, path: "/" },
            Fact::Selected { request: "r", replica: 0, attempt: u32::MAX, backend: "ns/b", provider: "p" },
            Fact::Attempted { request: "r", endpoint: "host:80", model: None },
            Fact::AttemptEnded { request: "r", attempt: 1, outcome: Outcome::Timeout, status: None },
            Fact::Health {
                replica: 1,
                backend: "b",
                provider: "p",
                score: 0.3,
                latency_seconds: f64::MAX,
                failures: 4,
            },
            Fact::GatewayEnded {
                request: "r",
                replica: 1,
                end: End { usage: Some(Usage { input: 3, output: u64::MAX }), model: None, ..end },
            },
        ];
        let mut bytes = Vec::new();
        let rare = Kind::Note { text: String::new() };
        for fact in facts.iter().chain([&Fact::Rare(&rare)]) {
            bytes.extend(9u64.to_le_bytes());
            fact.write(&mut bytes);
        }
        let mut read = Facts(&bytes);
        for fact in facts {
            assert_eq!(read.next(), (At(9), Written::Fact(fact)));
        }
        assert_eq!((read.next(), read.0), ((At(9), Written::Rare), &[][..]));
        assert_eq!(Facts(&[2, 9]).fact(), Facts(&[2]).fact(), "what is cut off is empty");
    }
}
