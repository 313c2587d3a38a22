//! TLS to servers, where labsim is built without it: none is spoken, and nothing is sent instead.

use std::io;

use super::net::Stream;
use crate::topology::Tls;

/// Would shake hands with servers.
#[derive(Clone)]
pub(crate) enum Secure {}

impl Secure {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn new(_: &Tls) -> Result<Self, String> {
        Err("this labsim is built without TLS (the feature `tls`)".to_owned())
    }

    /// What cannot be reached.
    pub(crate) async fn shake_hands(&self, _: &str, _: Stream) -> io::Result<(Stream, bool)> {
        match *self {}
    }
}
