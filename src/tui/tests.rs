//! Whole screens and whole sessions.

mod builder;
mod chance;
mod long;
mod panics;
mod screens;
mod taken_away;
