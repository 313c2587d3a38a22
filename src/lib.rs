//! labsim
pub mod event;
pub mod sim;
pub mod source;
pub mod topology;
pub mod world;
