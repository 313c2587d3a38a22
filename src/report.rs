//! Who is told: events and verdicts → text.
//!
//! Every report is a pure function of what happened; reading and writing take place elsewhere.

pub mod console;
pub mod style;
pub mod table;
