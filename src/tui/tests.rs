//! Whole screens and whole sessions.

mod builder;
mod chance;
mod screens;
mod taken_away;
