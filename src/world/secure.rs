//! TLS to servers: shakes hands over a connection before anything is sent on it. And to clients ([`Certificates`]).

mod clients;
mod verify;

use std::io;
use std::sync::{Arc, OnceLock};

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::{self, CryptoProvider};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::net::Stream;
use super::tls::Encrypted;
use crate::topology::{Pem, Tls, Verify};
use verify::{Lenient, Takes};

pub(crate) use clients::Certificates;

/// Shakes hands with servers over TLS 1.2 and 1.3.
#[derive(Clone)]
pub(crate) struct Secure {
    connector: TlsConnector,
    /// The name to ask for; the host's own where absent.
    name: Option<ServerName<'static>>,
}

/// What is offered where nothing is said: HTTP/2, and HTTP/1.1 to those that do not speak it.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

impl Secure {
    /// Makes it ready: reads the files that are named.
    ///
    /// # Errors
    /// What is wrong with them, or that the system trusts nobody.
    pub(crate) fn new(tls: &Tls) -> Result<Self, String> {
        let provider = Arc::new(crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier(tls, provider)?);
        let mut config = match &tls.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = certificates(&identity.certificate)?;
                let key = read(&identity.key, PrivateKeyDer::from_pem_slice)?;
                builder.with_client_auth_cert(chain, key).map_err(|error| format!("the client certificate: {error}"))?
            }
        };
        config.alpn_protocols = match tls.protocols.as_slice() {
            [] => PROTOCOLS.map(<[u8]>::to_vec).to_vec(),
            named => named.iter().map(|name| name.clone().into_bytes()).collect(),
        };
        let name = tls.server_name.as_deref().map(server_name).transpose()?;
        Ok(Self { connector: Arc::new(config).into(), name })
    }

    /// Shakes hands with the server of `host`.
    ///
    /// # Errors
    /// Why the two do not agree. A text of TLS's own has `TLS` in front.
    pub(crate) async fn shake_hands(&self, host: &str, stream: Stream) -> io::Result<Stream> {
        let failed = |text: String| io::Error::other(format!("TLS: {text}"));
        let name = match &self.name {
            Some(name) => name.clone(),
            None => server_name(host).map_err(failed)?,
        };
        let encrypted = self.connector.connect(name, stream).await.map_err(|error| failed(reason(&error)))?;
        Ok(Stream::Wrapped(Box::new(Encrypted::new(encrypted))))
    }
}

/// Why a handshake failed, in words of use to the one who reads the log.
fn reason(error: &io::Error) -> String {
    use tokio_rustls::rustls::Error as Alert;
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Alert>()) {
        Some(Alert::InvalidMessage(_)) => format!("{error} (does the server speak plain HTTP?)"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "the server broke the handshake off".to_owned(),
        _ => error.to_string(),
    }
}

fn server_name(host: &str) -> Result<ServerName<'static>, String> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(bare.to_owned()).map_err(|_| format!("`{host}` is no name that a certificate can be for"))
}

/// Who judges a server's certificate.
fn verifier(tls: &Tls, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let strict = || {
        let roots = roots(tls.roots.as_ref())?;
        WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build().map_err(|error| error.to_string())
    };
    let takes = match (tls.verify, tls.alternative_names.as_slice()) {
        (Verify::Nothing, _) => Takes::Anything,
        (Verify::Issuer, _) => Takes::AnyName(strict()?),
        (Verify::All, []) => return Ok(strict()?),
        (Verify::All, names) => {
            let names: Result<_, _> = names.iter().map(|name| server_name(name)).collect();
            Takes::OneOf(strict()?, names?)
        }
    };
    Ok(Arc::new(Lenient { takes, provider }))
}

fn roots(given: Option<&Pem>) -> Result<Arc<RootCertStore>, String> {
    let Some(given) = given else { return system_roots() };
    let mut store = RootCertStore::empty();
    for certificate in certificates(given)? {
        store.add(certificate).map_err(|error| format!("a root certificate: {error}"))?;
    }
    Ok(Arc::new(store))
}

/// Whom the system trusts, read once: a company's own root among them, or the file that
/// `SSL_CERT_FILE` names.
fn system_roots() -> Result<Arc<RootCertStore>, String> {
    static ROOTS: OnceLock<Result<Arc<RootCertStore>, String>> = OnceLock::new();
    ROOTS
        .get_or_init(|| {
            let found = rustls_native_certs::load_native_certs();
            let mut store = RootCertStore::empty();
            // A few of a system's are odd, and harm nobody.
            let (usable, _) = store.add_parsable_certificates(found.certs);
            if usable > 0 {
                return Ok(Arc::new(store));
            }
            let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
            Err(format!("this system has no root certificates{why}; `SSL_CERT_FILE` can name a file of them"))
        })
        .clone()
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = read(pem, |text| CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>())?;
    if all.is_empty() { Err(format!("{} holds no certificate", named(pem))) } else { Ok(all) }
}

fn read<T, E: std::fmt::Display>(pem: &Pem, parse: impl FnOnce(&[u8]) -> Result<T, E>) -> Result<T, String> {
    let parsed = match pem {
        Pem::Text(text) => parse(text.as_bytes()),
        Pem::File(path) => parse(&std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", named(pem)))?),
    };
    parsed.map_err(|error| format!("cannot read {}: {error}", named(pem)))
}

fn named(pem: &Pem) -> String {
    match pem {
        Pem::Text(_) => "the PEM text".to_owned(),
        Pem::File(path) => path.display().to_string(),
    }
}
