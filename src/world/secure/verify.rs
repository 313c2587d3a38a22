//! Who judges a server's certificate less strictly than browsers do.

use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

/// A judge of certificates. That the server has the certificate's key is verified in any case.
#[derive(Debug)]
pub(super) struct Lenient {
    pub(super) takes: Takes,
    pub(super) provider: Arc<CryptoProvider>,
}

/// Which certificates it takes.
#[derive(Debug)]
pub(super) enum Takes {
    /// Any, as `curl --insecure` does.
    Anything,
    /// One of any name, if somebody trusted has signed it.
    AnyName(Arc<WebPkiServerVerifier>),
    /// One that has one of these names, whatever name was asked for; at least one is there.
    OneOf(Arc<WebPkiServerVerifier>, Vec<ServerName<'static>>),
}

fn is_only_the_name(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })
    )
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        asked: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.takes {
            Takes::Anything => Ok(ServerCertVerified::assertion()),
            Takes::AnyName(strict) => match strict.verify_server_cert(certificate, others, asked, ocsp, now) {
                Err(error) if is_only_the_name(&error) => Ok(ServerCertVerified::assertion()),
                judged => judged,
            },
            Takes::OneOf(strict, names) => {
                let mut judged = Err(Error::InvalidCertificate(CertificateError::NotValidForName));
                for name in names {
                    judged = strict.verify_server_cert(certificate, others, name, ocsp, now);
                    if !judged.as_ref().is_err_and(is_only_the_name) {
                        break;
                    }
                }
                judged
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
