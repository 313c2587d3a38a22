//! labsim
pub mod event;
pub mod report;
pub mod source;
pub mod topology;
pub mod traffic;
pub mod verdict;
pub mod world;
