//! What the screen's fold needs of an event: small, and borrowed from the bytes that it stands in.
//!
//! A lab may tell of more than a hundred thousand events a second. Its thread writes each down while it is
//! at hand, so that nothing is copied piece by piece and nothing is freed by another thread than made it;
//! what it says is found by the screen's thread, which has the time.

use super::pack::Tag;
use super::rows::OUTCOMES;
use super::values::Values;
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
    /// What a packed event says; none where it happens seldom, and is to be looked at in full.
    ///
    /// Fields go by their positions in [`Kind`], and are asked for in that order.
    pub(super) fn read(tag: Tag, fields: &'e [u8]) -> Option<Self> {
        let mut fields = Values::of(fields);
        let fact = match tag {
            Tag::ClientRequestSent => Self::Sent {
                request: fields.text(0),
                step: fields.some_whole(1),
                replica: fields.some_whole(2),
                path: fields.text(4),
                stream: fields.truth(5),
                intended: fields.some_whole(8).map(At),
            },
            Tag::ClientResponseStarted => Self::Started { request: fields.text(0), status: fields.whole(1) },
            Tag::ClientFirstToken => Self::FirstToken { request: fields.text(0) },
            Tag::ClientRequestEnded => Self::Ended {
                request: fields.text(0),
                end: End {
                    outcome: outcome(fields.text(1)),
                    status: fields.some_whole(2),
                    model: fields.some_text(3),
                    usage: usage(fields.some_struct(4)),
                },
            },
            Tag::GatewayRequestReceived => {
                Self::Received { request: fields.text(0), replica: fields.whole(1), path: fields.text(3) }
            }
            Tag::ProviderSelected => Self::Selected {
                request: fields.text(0),
                replica: fields.whole(1),
                attempt: fields.whole(2),
                backend: fields.text(3),
                provider: fields.text(5),
            },
            Tag::AttemptStarted => {
                Self::Attempted { request: fields.text(0), endpoint: fields.text(4), model: fields.some_text(5) }
            }
            Tag::AttemptEnded => Self::AttemptEnded {
                request: fields.text(0),
                attempt: fields.whole(2),
                outcome: outcome(fields.text(4)),
                status: fields.some_whole(5),
            },
            Tag::HealthChanged => Self::Health {
                replica: fields.whole(0),
                backend: fields.text(1),
                provider: fields.text(2),
                score: fields.number(4),
                latency_seconds: fields.number(5),
                failures: fields.whole(6),
            },
            Tag::GatewayRequestEnded => Self::GatewayEnded {
                request: fields.text(0),
                replica: fields.whole(1),
                end: End {
                    status: fields.some_whole(2),
                    outcome: outcome(fields.text(3)),
                    model: fields.some_text(8),
                    usage: usage(fields.some_struct(9)),
                },
            },
            Tag::GatewayRequestRouted | Tag::ProviderRequestReceived | Tag::ProviderRequestEnded => Self::Nothing,
            Tag::StepStarted
            | Tag::StepEnded
            | Tag::Note
            | Tag::ReplicaStarted
            | Tag::ReplicaStopped
            | Tag::ReplicaConfigured
            | Tag::ProviderEvicted
            | Tag::ProviderReturned
            | Tag::FaultInjected
            | Tag::FaultStruck
            | Tag::FaultCleared => return None,
        };
        Some(fact)
    }
}

fn outcome(name: &str) -> Outcome {
    OUTCOMES.into_iter().find(|outcome| outcome.name() == name).unwrap_or(Outcome::Failed)
}

fn usage(fields: Option<Values<'_>>) -> Option<Usage> {
    fields.map(|mut fields| Usage { input: fields.whole(0), output: fields.whole(1) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Candidate, Event};
    use crate::tui::pack;

    /// Hears what an event says, by way of its bytes.
    fn says(kind: Kind, expected: &Fact<'_>) {
        let mut bytes = Vec::new();
        pack::pack(&Event { seq: 7, at_us: At(9), kind }, &mut bytes);
        let (tag, fields) = pack::parts(&bytes).expect("an event");
        assert_eq!(Fact::read(tag, fields).as_ref(), Some(expected));
    }

    fn request() -> String {
        "req-1".to_owned()
    }

    #[test]
    fn what_a_client_tells_is_found_by_its_position() {
        let headers = || vec![("content-type".to_owned(), "application/json".to_owned())];
        let usage = Some(Usage { input: 3, output: u64::MAX });
        let sent = |step, replica, intended_us| Kind::ClientRequestSent {
            request: request(),
            step,
            replica,
            method: "POST".to_owned(),
            path: "/a?b=ü".to_owned(),
            stream: true,
            headers: headers(),
            body: "x".repeat(300),
            intended_us,
            retry_of: Some("req-0".to_owned()),
        };
        let told = |step, replica, intended| Fact::Sent {
            request: "req-1",
            step,
            replica,
            path: "/a?b=ü",
            stream: true,
            intended,
        };
        says(sent(Some(700), None, Some(At(u64::MAX))), &told(Some(700), None, Some(At(u64::MAX))));
        // A field that was left out is none, and shifts nothing.
        says(sent(None, Some(70_000), None), &told(None, Some(70_000), None));
        says(
            Kind::ClientResponseStarted { request: request(), status: 599, headers: headers() },
            &Fact::Started { request: "req-1", status: 599 },
        );
        says(Kind::ClientFirstToken { request: request() }, &Fact::FirstToken { request: "req-1" });
        says(
            Kind::ClientRequestEnded {
                request: request(),
                outcome: Outcome::Cut,
                status: None,
                model: Some("m".to_owned()),
                usage,
                body: String::new(),
                text: None,
                body_bytes: 0,
                digest: None,
            },
            &Fact::Ended {
                request: "req-1",
                end: End { outcome: Outcome::Cut, status: None, model: Some("m"), usage },
            },
        );
    }

    #[test]
    fn what_a_gateway_tells_is_found_by_its_position() {
        let (backend, provider) = (|| "lab/llm".to_owned(), || "p".to_owned());
        says(
            Kind::GatewayRequestReceived {
                request: request(),
                replica: 2,
                method: "GET".to_owned(),
                path: "/".to_owned(),
                credential: None,
                arrival: Box::default(),
            },
            &Fact::Received { request: "req-1", replica: 2, path: "/" },
        );
        let candidate = Candidate { provider: provider(), score: 0.5, health: 1.0, latency_seconds: 0.1, pending: 3 };
        says(
            Kind::ProviderSelected {
                request: request(),
                replica: 0,
                attempt: u32::MAX,
                backend: backend(),
                group: 1,
                provider: provider(),
                fallback: false,
                candidates: vec![candidate; 20],
                draws: vec![0, 1],
            },
            &Fact::Selected { request: "req-1", replica: 0, attempt: u32::MAX, backend: "lab/llm", provider: "p" },
        );
        says(
            Kind::AttemptStarted {
                request: request(),
                replica: 0,
                attempt: 1,
                provider: provider(),
                endpoint: "host:80".to_owned(),
                model: None,
                credential: None,
            },
            &Fact::Attempted { request: "req-1", endpoint: "host:80", model: None },
        );
        says(
            Kind::AttemptEnded {
                request: request(),
                replica: 0,
                attempt: 1,
                provider: provider(),
                outcome: Outcome::Timeout,
                status: Some(504),
                error: None,
                retry_after: None,
            },
            &Fact::AttemptEnded { request: "req-1", attempt: 1, outcome: Outcome::Timeout, status: Some(504) },
        );
        says(
            Kind::HealthChanged {
                replica: 1,
                backend: backend(),
                provider: provider(),
                request: None,
                health: 0.3,
                latency_seconds: f64::MAX,
                consecutive_failures: 4,
                times_ejected: 1,
            },
            &Fact::Health {
                replica: 1,
                backend: "lab/llm",
                provider: "p",
                score: 0.3,
                latency_seconds: f64::MAX,
                failures: 4,
            },
        );
        says(
            Kind::GatewayRequestEnded {
                request: request(),
                replica: 1,
                status: 503,
                outcome: Outcome::Failed,
                provider: None,
                group: None,
                endpoint: None,
                request_model: Some("asked".to_owned()),
                response_model: Some("answered".to_owned()),
                usage: None,
                attempts: 2,
                error: Some("no".to_owned()),
                reason: None,
                answer: Box::default(),
            },
            &Fact::GatewayEnded {
                request: "req-1",
                replica: 1,
                end: End { outcome: Outcome::Failed, status: Some(503), model: Some("answered"), usage: None },
            },
        );
    }

    #[test]
    fn what_is_rare_is_looked_at_in_full() {
        let mut bytes = Vec::new();
        pack::pack(&Event { seq: 0, at_us: At(0), kind: Kind::ReplicaStarted { replica: 0 } }, &mut bytes);
        let (tag, fields) = pack::parts(&bytes).expect("an event");
        assert_eq!(Fact::read(tag, fields), None);
    }
}
