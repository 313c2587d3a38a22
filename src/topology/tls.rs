//! How TLS is spoken to a provider.

use std::fmt;
use std::path::PathBuf;

use crate::source::Origin;

/// What holds for the TLS connections to a provider. The default is what a public server asks for: the
/// system's roots, and the provider's own host name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The name that the server is asked for and that its certificate must be for; the provider's host
    /// where absent.
    pub server_name: Option<String>,
    /// Who may have signed its certificate; whom the system trusts where absent.
    pub roots: Option<Pem>,
    /// What of the certificate is verified.
    pub verify: Verify,
    /// Names of which the certificate must have one, in place of the server's; none where the server's
    /// counts.
    pub alternative_names: Vec<String>,
    /// The protocols that are offered (ALPN), the preferred one first; `h2` and `http/1.1` where empty.
    pub protocols: Vec<String>,
    /// The gateway's own certificate, for servers that ask for one.
    pub identity: Option<Identity>,
    /// Where it is said; nowhere for OpenAI, which is called over TLS without a word.
    pub origin: Origin,
}

/// What of a server's certificate is verified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verify {
    /// Who signed it, and for whom.
    #[default]
    All,
    /// Who signed it.
    Issuer,
    /// Nothing.
    Nothing,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, with those that lead to its root.
    pub certificate: Pem,
    /// The key.
    pub key: Pem,
}

/// Certificates or a key in the PEM format. `Debug` does not show what is in it.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// The text itself.
    Text(String),
    /// A file that holds it.
    File(PathBuf),
}

impl Tls {
    /// Whether nobody says it: the provider is OpenAI.
    #[must_use]
    pub fn is_implied(&self) -> bool {
        self.origin.0.is_none()
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(…)"),
            Self::File(path) => write!(f, "File({})", path.display()),
        }
    }
}
