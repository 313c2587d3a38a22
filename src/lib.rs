//! labsim
pub mod event;
pub mod kube;
pub mod source;
pub mod topology;
pub mod world;
