//! Who answers: simulated LLM servers, each of which a real client cannot tell from its original.
//!
//! A simulator reads requests, answers them in the lab's time, and tells the event bus what it saw.
//! Chance comes from named streams of the seed, and every byte goes through [`crate::world`].

pub mod openai;
pub mod sse;
