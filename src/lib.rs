//! labsim
pub mod event;
pub mod sim;
pub mod kube;
pub mod source;
pub mod topology;
pub mod traffic;
pub mod world;
