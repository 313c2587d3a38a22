//! Who is told: text, files and pictures made from events.
//!
//! The last part of the flow. Every report is a pure fold over the one stream of events; writing it
//! to a file or a socket is the caller's. Those that follow a lab while it runs take one event after
//! the other (console, access log, metrics, traces, health); those that are made when runs are over
//! take [`RunRecord`]s.

pub mod access_log;
pub mod check;
pub mod console;
pub mod exchange;
pub mod github;
pub mod health;
pub mod html;
pub mod json;
pub mod junit;
pub mod load;
pub mod markdown;
pub mod metrics;
mod prometheus;
pub mod providers;
mod record;
pub mod style;
pub mod table;
pub mod tap;
#[cfg(test)]
mod testing;
pub mod traces;
mod xml;

pub use record::RunRecord;

/// Whether a personality is of a version before 1.2, by its name in a recording's header.
fn is_before_1_2(personality: &str) -> bool {
    personality.starts_with("agentgateway-0.")
}
