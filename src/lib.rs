//! labsim
pub mod source;
