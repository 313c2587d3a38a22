//! What an LLM gateway does while its providers fail: simulators, a gateway and clients in one
//! process, on a virtual clock, and verdicts on what happened.
//!
//! ```text
//!             manifests          clock  seed  net
//!                 │                └─ world ─┘
//!  source ──▶ kube ──▶ scenario ──▶ lab ──────────────────▶ event ──▶ verdict ──▶ report
//!  text, places    steps, expectations   traffic ▶ gateway ▶ sim  └───────────────▶ tui
//!                     └──▶ lint
//! ```
//!
//! Start at [`Lab`]: it reads a scenario file, runs it, and gives a [`Run`](lab::Run).

pub mod cli;
pub mod event;
pub mod fault;
pub mod gateway;
pub mod kube;
pub mod lab;
pub mod lint;
pub mod report;
pub mod scenario;
pub mod sim;
pub mod source;
pub mod topology;
pub mod traffic;
pub mod tui;
pub mod verdict;
pub mod world;

pub use lab::Lab;
