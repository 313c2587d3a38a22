//! The fake as a client sees it, over a network in memory and in virtual time.

mod chat;
mod client;
mod errors;
mod limits;
mod mutants;
mod others;
mod responses;
mod tools;
