//! Who is told: text, files and pictures made from events.
//!
//! The last part of the flow. Every report is a pure fold over the one stream of events; writing it
//! to a file or a socket is the caller's.

pub mod access_log;
mod exchange;
pub mod health;
pub mod metrics;
mod prometheus;
mod providers;
#[cfg(test)]
mod testing;
pub mod traces;
