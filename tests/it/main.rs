//! The integration tests, in one binary that links once.

mod acts;
mod breaks;
mod cases;
mod catalogue;
mod chance;
mod clients;
mod commands;
mod determinism;
mod deviations;
mod docs;
mod faults;
mod fuzz;
mod gateway;
mod heredocs;
mod invariants;
mod layers;
mod library;
mod memory;
mod observed;
mod parity;
mod properties;
mod replicas;
mod reports;
mod rig;
mod screen;
mod screen_acts;
mod screen_exits;
mod servers;
mod session;
mod signals;
mod storm;
mod support;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_upstream;
