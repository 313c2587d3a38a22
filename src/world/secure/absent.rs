//! TLS to servers and to clients, where labsim is built without it: none is spoken, and nothing is sent instead.

use std::io;
use std::sync::Arc;

use super::net::{Stream, Wrapper};
use crate::topology::{Listener, Tls};

const ABSENT: &str = "this labsim is built without TLS (the feature `tls`)";

/// Would shake hands with servers.
#[derive(Clone)]
pub(crate) enum Secure {}

impl Secure {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn new(_: &Tls) -> Result<Self, String> {
        Err(ABSENT.to_owned())
    }

    /// What cannot be reached.
    pub(crate) async fn shake_hands(&self, _: &str, _: Stream) -> io::Result<Stream> {
        match *self {}
    }
}

/// Would shake hands with clients.
pub(crate) enum Certificates {}

impl Certificates {
    /// None, as long as no listener has any.
    ///
    /// # Errors
    /// One has.
    pub(crate) fn of<'l>(
        listeners: impl IntoIterator<Item = &'l Listener>,
    ) -> Result<Option<Arc<dyn Wrapper>>, String> {
        if listeners.into_iter().any(|listener| listener.tls.is_some()) { Err(ABSENT.to_owned()) } else { Ok(None) }
    }
}
