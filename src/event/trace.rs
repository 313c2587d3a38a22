//! W3C trace context: reading and writing `traceparent`, and ids that come from the seed.
//!
//! The gateway and the trace report derive the ids of a request's spans from the same names, so that
//! what is sent to a provider agrees with what is exported, and no event has to carry an id.

use std::fmt;

/// A span's place in a trace, as `traceparent` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// Id of the trace: 32 hexadecimal digits, not all zero.
    pub trace_id: u128,
    /// Id of the span: 16 hexadecimal digits, not all zero.
    pub span_id: u64,
    /// The flags; the lowest bit says that the trace is sampled.
    pub flags: u8,
}

impl TraceContext {
    /// Reads a `traceparent` header.
    ///
    /// None for what the recommendation calls invalid: capital digits, ids of zeros only, version
    /// `ff`, or a version 00 with something behind it.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.trim().split('-');
        let version = hex(parts.next()?, 2)?;
        let trace_id = hex(parts.next()?, 32)?;
        let span_id = u64::try_from(hex(parts.next()?, 16)?).ok()?;
        let flags = u8::try_from(hex(parts.next()?, 2)?).ok()?;
        let trailing = parts.next().is_some();
        let valid = version != 0xff && trace_id != 0 && span_id != 0 && !(version == 0 && trailing);
        valid.then_some(Self { trace_id, span_id, flags })
    }

    /// The gateway's span of a request: in the trace that the client's header names, else in one of
    /// its own. `seed` and `start_seconds` (the lab's start) keep runs apart.
    #[must_use]
    pub fn of_request(seed: u64, start_seconds: i64, request: &str, incoming: Option<&Self>) -> Self {
        let id = |what: &str| {
            hash(&[&seed.to_le_bytes(), &start_seconds.to_le_bytes(), request.as_bytes(), what.as_bytes()])
        };
        let trace_id = match incoming {
            Some(parent) => parent.trace_id,
            None => (u128::from(id("trace/high")) << 64) | u128::from(id("trace/low")),
        };
        Self { trace_id, span_id: id("request"), flags: incoming.map_or(1, |parent| parent.flags) }
    }

    /// The span of one attempt under the request's span: what the provider is sent.
    #[must_use]
    pub fn of_attempt(&self, attempt: u32) -> Self {
        Self { span_id: hash(&[&self.span_id.to_le_bytes(), b"attempt", &attempt.to_le_bytes()]), ..*self }
    }

    /// The trace's id as 32 digits.
    #[must_use]
    pub fn trace_hex(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// The span's id as 16 digits.
    #[must_use]
    pub fn span_hex(&self) -> String {
        format!("{:016x}", self.span_id)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

/// A number of exactly `digits` small hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let small = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == digits && text.bytes().all(small)).then(|| u128::from_str_radix(text, 16).ok())?
}

/// FNV-1a over the parts, mixed (the finaliser of `SplitMix64`) so that near names give far ids.
/// Never 0, which is no id.
fn hash(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.iter().copied().chain([0xff]));
    let mut hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (hash ^ (hash >> 31)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_header_comes_out_as_it_went_in() {
        assert_eq!(TraceContext::parse(HEADER).unwrap().to_string(), HEADER);
    }

    #[test]
    fn what_the_recommendation_forbids_is_no_context() {
        for wrong in [
            "",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(wrong), None, "{wrong}");
        }
        assert!(TraceContext::parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").is_some());
    }

    #[test]
    fn a_trace_is_continued_with_a_span_of_its_own() {
        let client = TraceContext::parse(HEADER).unwrap();
        let request = TraceContext::of_request(7, 0, "r1", Some(&client));
        assert_eq!(request.trace_id, client.trace_id);
        let first = request.of_attempt(0);
        let spans = [client.span_id, request.span_id, first.span_id, request.of_attempt(1).span_id];
        for (index, span) in spans.iter().enumerate() {
            assert!(!spans[..index].contains(span), "{spans:x?}");
        }
        assert_eq!(first.trace_id, client.trace_id);
    }

    #[test]
    fn ids_come_from_the_seed_and_the_request() {
        let context = |seed, request| TraceContext::of_request(seed, 0, request, None);
        assert_eq!(context(7, "r1"), context(7, "r1"));
        assert_ne!(context(7, "r1").trace_id, context(8, "r1").trace_id);
        assert_ne!(context(7, "r1").trace_id, context(7, "r2").trace_id);
    }
}
