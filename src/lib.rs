//! labsim
pub mod event;
pub mod sim;
pub mod kube;
pub mod gateway;
pub mod source;
pub mod topology;
pub mod traffic;
pub mod world;
