//! Who asks: the client's side of a lab.
//!
//! Sends requests over the lab's network and tells in events what came back, byte for byte as a
//! client sees it: the status, the first token, the end, and how it ended.

pub mod arrivals;
pub mod client;
pub mod departures;
pub mod generate;
pub mod retry;
pub mod sse;

pub use arrivals::{Arrivals, Stretch};
pub use client::{Answered, Ask, Client};
pub use departures::Departures;
