//! The integration tests, in one binary that links once.

mod cases;
mod chance;
mod determinism;
mod docs;
mod layers;
mod library;
mod parity;
mod screen;
mod servers;
mod signals;
mod support;
