//! Who answers: the simulators that stand in for model servers.

pub mod openai;
