//! The gateway from end to end, in virtual time, over the network in memory; and its pure core
//! against a model of its own.

mod chances;
mod failover;
mod failures;
mod lab;
mod model;
mod path;
mod policies;
mod recorded;
mod reference;
mod reload;
mod retries;
mod streaming;
mod uploads;
