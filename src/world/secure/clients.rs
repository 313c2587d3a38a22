//! TLS to clients: each is shown the certificate of the listener that it asks for by name.

use std::cmp::Reverse;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::{PROTOCOLS, certificates, read};
use crate::topology::{Identity, Listener};
use crate::world::net::{Stream, Wrapper};
use crate::world::tls::Encrypted;

/// Shakes hands with the clients of a port, over TLS 1.2 and 1.3, for HTTP/2 and HTTP/1.1.
pub(crate) struct Certificates(TlsAcceptor);

/// The certificates of a port's listeners, each with the host that its listener serves.
struct ByName(Vec<(Option<String>, Arc<CertifiedKey>)>);

impl Certificates {
    /// Those of these listeners, as far as they have any; none where none has.
    ///
    /// # Errors
    /// What is wrong with one.
    pub(crate) fn of<'l>(
        listeners: impl IntoIterator<Item = &'l Listener>,
    ) -> Result<Option<Arc<dyn Wrapper>>, String> {
        let mut all = Vec::new();
        for listener in listeners {
            if let Some(identity) = &listener.tls {
                all.push((listener.hostname.clone(), Arc::new(certified(identity)?)));
            }
        }
        if all.is_empty() {
            return Ok(None);
        }
        let builder = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(ByName(all)));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Some(Arc::new(Self(TlsAcceptor::from(Arc::new(config))))))
    }
}

fn certified(identity: &Identity) -> Result<CertifiedKey, String> {
    let chain = certificates(&identity.certificate)?;
    let key = read(&identity.key, PrivateKeyDer::from_pem_slice)?;
    CertifiedKey::from_der(chain, key, &crypto::ring::default_provider())
        .map_err(|error| format!("the certificate and its key: {error}"))
}

impl ByName {
    /// The certificate of the listener whose host is closest to `name`: the host itself, else the longest
    /// wildcard, else one for all hosts.
    fn closest(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let fitting = self.0.iter().enumerate().filter_map(|(index, (host, key))| {
            let length = match (host.as_deref(), name) {
                (None, _) => 0,
                (Some(host), Some(name)) => fit(host, name)?,
                (Some(_), None) => return None,
            };
            Some((length, Reverse(index), key))
        });
        fitting.max_by_key(|(length, index, _)| (*length, *index)).map(|(_, _, key)| key)
    }
}

/// How closely a listener's host fits a name; none where it does not.
fn fit(host: &str, name: &str) -> Option<usize> {
    match host.strip_prefix('*') {
        Some(suffix) => (name.len() > suffix.len() && name.ends_with(suffix)).then_some(suffix.len()),
        None => (host == name).then_some(usize::MAX),
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        self.closest(name.as_deref()).cloned()
    }
}

impl fmt::Debug for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(host, _)| host)).finish()
    }
}

impl Wrapper for Certificates {
    fn wrap(&self, stream: Stream) -> Pin<Box<dyn Future<Output = io::Result<Stream>> + Send + '_>> {
        Box::pin(async move {
            let encrypted = self.0.accept(stream).await?;
            Ok(Stream::Wrapped(Box::new(Encrypted::new(encrypted))))
        })
    }
}
