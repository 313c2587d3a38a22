//! labsim
pub mod event;
pub mod scenario;
pub mod kube;
pub mod source;
pub mod topology;
pub mod verdict;
pub mod world;
