//! TLS around the connections of a server: with a certificate from files, read anew when they change,
//! or with one that signs itself.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::SystemTime;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::net::{Stream, Wrapped, Wrapper};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read, or that holds something else.
    #[error("cannot read {path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// A certificate that does not fit its key, or that could not be made.
    #[error("cannot use the certificate: {0}")]
    Certificate(String),
}

/// Shakes hands with clients over TLS 1.2 and 1.3. It offers no protocol by name, so HTTP/1.1 is spoken.
pub struct Tls {
    files: Option<Files>,
    current: Mutex<Loaded>,
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

struct Loaded {
    acceptor: TlsAcceptor,
    /// When the files were last changed, as far as that is known.
    changed: [Option<SystemTime>; 2],
}

impl Tls {
    /// A certificate that is made now and signs itself, for `localhost` and the loopback addresses.
    ///
    /// # Errors
    /// [`TlsError::Certificate`], if none can be made.
    pub fn self_signed() -> Result<Self, TlsError> {
        let failed = |error: rcgen::Error| TlsError::Certificate(error.to_string());
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new(["localhost".to_owned()]).map_err(failed)?;
        params.subject_alt_names.extend([
            SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into()),
            SanType::IpAddress(std::net::Ipv6Addr::LOCALHOST.into()),
        ]);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "labsim");
        let certificate = params.self_signed(&key).map_err(failed)?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| TlsError::Certificate(error.into()))?;
        let acceptor = acceptor(vec![certificate.der().clone()], key)?;
        Ok(Self { files: None, current: Mutex::new(Loaded { acceptor, changed: [None; 2] }) })
    }

    /// The certificate and the key in these files (PEM). When they change, the next connection gets the
    /// new ones; as long as those cannot be used, the old ones.
    ///
    /// # Errors
    /// [`TlsError`], if they cannot be used now.
    pub fn from_files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let files = Files { certificate: certificate.into(), key: key.into() };
        let loaded = files.load()?;
        Ok(Self { files: Some(files), current: Mutex::new(loaded) })
    }

    /// What the next connection is served with.
    fn acceptor(&self) -> TlsAcceptor {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(files) = &self.files
            && files.changed() != current.changed
            && let Ok(loaded) = files.load()
        {
            *current = loaded;
        }
        current.acceptor.clone()
    }
}

impl Files {
    fn changed(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate, &self.key].map(|path| std::fs::metadata(path).and_then(|file| file.modified()).ok())
    }

    fn load(&self) -> Result<Loaded, TlsError> {
        let changed = self.changed();
        let failed =
            |path: &Path, cause: &dyn fmt::Display| TlsError::File { path: path.to_owned(), cause: cause.to_string() };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&self.certificate).and_then(Iterator::collect);
        let chain = chain.map_err(|error| failed(&self.certificate, &error))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| failed(&self.key, &error))?;
        Ok(Loaded { acceptor: acceptor(chain, key)?, changed })
    }
}

fn acceptor(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<TlsAcceptor, TlsError> {
    let failed = |error: tokio_rustls::rustls::Error| TlsError::Certificate(error.to_string());
    let builder = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(failed)?.with_no_client_auth();
    Ok(TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).map_err(failed)?)))
}

impl Wrapper for Tls {
    fn wrap(&self, stream: Stream) -> Pin<Box<dyn Future<Output = io::Result<Stream>> + Send + '_>> {
        let acceptor = self.acceptor();
        Box::pin(async move {
            let encrypted = acceptor.accept(stream).await?;
            Ok(Stream::Wrapped(Box::new(Encrypted::new(encrypted))))
        })
    }
}

/// A connection inside TLS, as either of its ends has it.
pub(super) struct Encrypted(TlsStream<Stream>);

impl Encrypted {
    /// One after its handshake.
    pub(super) fn new(stream: impl Into<TlsStream<Stream>>) -> Self {
        Self(stream.into())
    }
}

impl Wrapped for Encrypted {
    fn inner(&self) -> &Stream {
        self.0.get_ref().0
    }

    fn unwrap(self: Box<Self>) -> Stream {
        match self.0 {
            TlsStream::Client(stream) => stream.into_inner().0,
            TlsStream::Server(stream) => stream.into_inner().0,
        }
    }

    fn speaks_http2(&self) -> bool {
        let (_, agreed) = self.0.get_ref();
        agreed.alpn_protocol() == Some(b"h2")
    }
}

impl fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TLS over {:?}", self.inner())
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(context, data)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(context)
    }
}
