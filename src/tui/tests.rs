//! Whole screens and whole sessions.

mod builder;
mod screens;
