//! labsim
pub mod event;
pub mod source;
pub mod topology;
pub mod traffic;
pub mod tui;
pub mod world;
