//! Whole screens and whole sessions.

mod acts;
mod bench;
mod builder;
mod chance;
mod long;
mod looks;
mod manual;
mod panics;
pub(crate) mod screens;
mod taken_away;
mod time;
