//! The vLLM simulator over TLS: with a certificate that it makes, and with one from files.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedKey, KeyPair};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, StreamOwned, crypto,
};

use crate::servers::{client, free_port, start_and_read};
use crate::support::{Running, Scratch, run, stderr};

/// Takes any certificate, as `curl -k` does.
#[derive(Debug)]
struct Anything;

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Sends a request over TLS and reads the answer; `trusted` is the only certificate that will do.
fn get(port: &str, trusted: Option<&CertificateDer<'static>>, request: &str) -> io::Result<String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let config = match trusted {
        None => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anything)).with_no_client_auth(),
        Some(certificate) => {
            let mut roots = RootCertStore::empty();
            roots.add(certificate.clone()).unwrap();
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    };
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(format!("127.0.0.1:{port}"))?);
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        // A server that closes without a farewell is as good as one with.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(answer),
        read => read.map(|_| answer),
    }
}

const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";

/// Starts the simulator with more arguments, and waits until it listens.
fn start(port: &str, args: &[&str]) -> Running {
    let (running, lines) = start_and_read(&[&["vllm-sim", "--model", "m", "--port", port], args].concat());
    let line = lines.iter().find(|line| line.contains("listens at")).expect("it says where it listens");
    assert!(line.contains("https://127.0.0.1:"), "{line}");
    std::thread::spawn(move || lines.into_iter().for_each(drop));
    running
}

#[tokio::test]
async fn a_certificate_that_signs_itself() {
    let port = free_port();
    let _running = start(&port, &["--self-signed-certs", "--mode", "echo"]);
    let answer = get(&port, None, HEALTH).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"over TLS"}]}"#;
    let length = body.len();
    let chat = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let answer = get(&port, None, &chat).unwrap();
    assert!(answer.contains(r#"{"content":"over "}"#) && answer.contains("data: [DONE]"), "{answer}");
    let moved = get(&port, None, "GET /health/ HTTP/1.1\r\nhost: h:1\r\nconnection: close\r\n\r\n").unwrap();
    assert!(moved.contains("location: https://h:1/health\r\n"), "{moved}");
    let plain = client().get(format!("http://127.0.0.1:{port}/health")).send().await;
    assert!(plain.is_err(), "plain HTTP is refused: {plain:?}");
    assert!(get(&port, None, HEALTH).is_ok(), "and harms nobody");
}

/// A certificate for `localhost` in files of this folder.
fn write_certificate(scratch: &Scratch) -> (CertifiedKey<KeyPair>, PathBuf, PathBuf) {
    let signing_key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&signing_key).unwrap();
    let (certificate, key) = (scratch.path("certificate.pem"), scratch.path("key.pem"));
    fs::write(&key, signing_key.serialize_pem()).unwrap();
    fs::write(&certificate, cert.pem()).unwrap();
    (CertifiedKey { cert, signing_key }, certificate, key)
}

#[test]
fn a_certificate_from_files_that_change() {
    let scratch = Scratch::new("tls");
    let (first, certificate, key) = write_certificate(&scratch);
    let port = free_port();
    let files = ["--ssl-certfile", certificate.to_str().unwrap(), "--ssl-keyfile", key.to_str().unwrap()];
    let _running = start(&port, &files);
    assert!(get(&port, Some(first.cert.der()), HEALTH).unwrap().starts_with("HTTP/1.1 200"));
    let (second, ..) = write_certificate(&scratch);
    assert!(get(&port, Some(second.cert.der()), HEALTH).unwrap().starts_with("HTTP/1.1 200"));
    assert!(get(&port, Some(first.cert.der()), HEALTH).is_err(), "the old one is gone");
    fs::write(&certificate, "no certificate").unwrap();
    let answer = get(&port, Some(second.cert.der()), HEALTH).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "as long as the new one is none, the old one serves: {answer}");
}

#[test]
fn files_that_hold_no_certificate_are_told() {
    let scratch = Scratch::new("no-tls");
    let (_, certificate, key) = write_certificate(&scratch);
    let missing = scratch.path("missing.pem");
    for (certificate, key, text) in [(&missing, &key, "missing.pem"), (&key, &certificate, "cannot")] {
        let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
        let output = run(&["vllm-sim", "--model", "m", "--ssl-certfile", certificate, "--ssl-keyfile", key]);
        assert_eq!(output.status.code(), Some(64), "{}", stderr(&output));
        assert!(stderr(&output).contains(text), "{}", stderr(&output));
    }
}
