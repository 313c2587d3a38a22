//! labsim
pub mod event;
pub mod gateway;
pub mod source;
pub mod topology;
pub mod world;
