//! labsim
pub mod event;
pub mod kube;
pub mod scenario;
pub mod source;
pub mod topology;
pub mod verdict;
pub mod world;
