//! The gateway alone in front of providers that speak TLS, and of clients that do, with certificates of an
//! authority of the test's own.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::servers::{CHAT, client, start_command};
use crate::support::{Running, Scratch, labsim, run, stderr};

const KEY: &str = "sk-only-for-the-provider";
const ANSWER: &str = r#"{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Four."},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;

/// An authority that signs certificates, with its own in a file.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    fn new(scratch: &Scratch, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = scratch.path(&format!("{name}.pem"));
        fs::write(&file, issuer.pem()).unwrap();
        Self { issuer, file }
    }

    /// A certificate for this host, and its key.
    fn sign(&self, host: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([host.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        (certificate, key)
    }
}

/// What a provider has been asked: in which protocol, with which credential.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// A provider that speaks TLS, HTTP/2 before HTTP/1.1; `of_clients` signs the certificates that it asks for.
fn provider(authority: &Authority, host: &str, of_clients: Option<&Authority>) -> (u16, Asked) {
    let (certificate, key) = authority.sign(host);
    let builder = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match of_clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.issuer.der().clone()).unwrap();
            let provider = Arc::new(crypto::ring::default_provider());
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = listen();
    let port = listener.local_addr().unwrap().port();
    let asked = Asked::default();
    let heard = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, heard) = (acceptor.clone(), heard.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = hyper::service::service_fn(move |request| answer(request, heard.clone()));
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (port, asked)
}

async fn answer(request: Request<Incoming>, asked: Asked) -> Result<Response<Full<Bytes>>, Infallible> {
    let key = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    asked.lock().unwrap().push((format!("{:?}", request.version()), key.unwrap_or_default()));
    let _ = request.into_body().collect().await;
    let response = Response::builder().header("content-type", "application/json");
    Ok(response.body(Full::from(ANSWER)).unwrap())
}

fn listen() -> TcpListener {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    TcpListener::from_std(listener).unwrap()
}

/// A configuration whose only provider has these `policies` besides its key.
fn configuration(host: &str, policies: &str) -> String {
    let host = if host.is_empty() { String::new() } else { format!("hostOverride: \"{host}\"") };
    format!(
        "binds:\n- port: 3000\n  listeners:\n  - routes:\n    - backends:\n      - ai:\n          name: only\n          \
         {host}\n          provider: {{ openAI: {{ model: m }} }}\n        policies:\n          \
         backendAuth: {{ key: {KEY} }}\n          {policies}\n"
    )
}

/// A gateway with this configuration, and its access log.
struct Gateway {
    running: Running,
    url: String,
    log: PathBuf,
}

impl Gateway {
    fn start(scratch: &Scratch, name: &str, configuration: &str, more: &[&str], trusted: &Path) -> Self {
        let (file, log) = (scratch.path(&format!("{name}.yaml")), scratch.path(&format!("{name}.log")));
        fs::write(&file, configuration).unwrap();
        let mut command = labsim();
        command.args(["gateway", "--port", "0", "--metrics-port", "0", "--threads", "1", "-f"]).arg(&file);
        command.arg("--access-log").arg(&log).args(more).env("SSL_CERT_FILE", trusted);
        let (running, lines) = start_command(command);
        let told: Vec<String> = lines.iter().take_while(|line| !line.starts_with("Ctrl-C")).collect();
        let line = told.iter().find(|line| line.starts_with("gateway ")).unwrap_or_else(|| panic!("{told:#?}"));
        let url = line.split_whitespace().nth(1).unwrap().to_owned();
        std::thread::spawn(move || lines.into_iter().for_each(drop));
        Self { running, url, log }
    }

    /// Lets it end as if by Ctrl-C.
    fn end(mut self) {
        self.running.signal("-INT");
        assert_eq!(self.running.0.wait().unwrap().code(), Some(0));
    }

    /// Asks once: the status, the body, and the line of the access log.
    async fn ask(&self) -> (u16, String, String) {
        let answer = client().post(&self.url).body(CHAT).send().await.unwrap();
        let (status, body) = (answer.status().as_u16(), answer.text().await.unwrap());
        loop {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(line) = log.lines().last().filter(|_| log.ends_with('\n')) {
                return (status, body, line.to_owned());
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_provider_is_called_over_tls_as_its_policy_says() {
    let scratch = Scratch::new("tls-upstream");
    let (ours, strange) = (Authority::new(&scratch, "ours"), Authority::new(&scratch, "strange"));
    let (port, asked) = provider(&ours, "localhost", None);
    let (root, other) = (ours.file.display(), strange.file.display());
    let elsewhere = "hostname: elsewhere.example";
    for (number, (policies, status, expected)) in [
        (format!("backendTLS: {{ root: {root} }}"), 200, "HTTP/2.0"),
        (format!("backendTLS: {{ root: {root}, alpn: [http/1.1] }}"), 200, "HTTP/1.1"),
        (format!("backendTLS: {{ root: {root} }}\n          http: {{ version: HTTP/1.1 }}"), 200, "HTTP/1.1"),
        (format!("backendTLS: {{ root: {root} }}\n          http: {{ version: HTTP/2 }}"), 200, "HTTP/2.0"),
        (format!("backendTLS: {{ root: {other} }}"), 503, "invalid peer certificate: UnknownIssuer"),
        ("backendTLS: {}".to_owned(), 503, "invalid peer certificate: UnknownIssuer"),
        ("backendTLS: { insecure: true }".to_owned(), 200, "HTTP/2.0"),
        (format!("backendTLS: {{ root: {root}, {elsewhere} }}"), 503, "not valid for name"),
        (format!("backendTLS: {{ root: {root}, {elsewhere}, insecureHost: true }}"), 200, "HTTP/2.0"),
        (format!("backendTLS: {{ root: {other}, {elsewhere}, insecureHost: true }}"), 503, "UnknownIssuer"),
        (format!("backendTLS: {{ root: {root}, {elsewhere}, subjectAltNames: [a.b, localhost] }}"), 200, "HTTP/2.0"),
        (format!("backendTLS: {{ root: {root}, subjectAltNames: [a.b] }}"), 503, "not valid for name"),
    ]
    .into_iter()
    .enumerate()
    {
        asked.lock().unwrap().clear();
        let configuration = configuration(&format!("localhost:{port}"), &policies);
        // What the system trusts is the strange authority.
        let gateway = Gateway::start(&scratch, &number.to_string(), &configuration, &[], &strange.file);
        let (got, body, line) = gateway.ask().await;
        assert_eq!(got, status, "{policies}: {body}");
        let heard = asked.lock().unwrap().clone();
        if status == 200 {
            assert_eq!(heard, [(expected.to_owned(), format!("Bearer {KEY}"))], "{policies}");
        } else {
            assert_eq!(heard, [], "{policies}: nothing is asked before the handshake");
            assert!(body.starts_with("upstream call failed: Connect: TLS: "), "{policies}: {body}");
            assert!(body.contains(expected), "{policies}: {body}");
            assert!(line.contains("error=") && line.contains(expected), "{policies}: {line}");
            assert!(line.contains("reason=UpstreamFailure"), "{policies}: {line}");
        }
    }
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_the_gateways() {
    let scratch = Scratch::new("tls-mutual");
    let (ours, of_clients) = (Authority::new(&scratch, "ours"), Authority::new(&scratch, "of-clients"));
    let (port, asked) = provider(&ours, "localhost", Some(&of_clients));
    let (certificate, key) = of_clients.sign("gateway");
    let (certificate_file, key_file) = (scratch.path("gateway.pem"), scratch.path("gateway.key"));
    fs::write(&certificate_file, certificate.pem()).unwrap();
    fs::write(&key_file, key.serialize_pem()).unwrap();
    let (root, host) = (ours.file.display(), format!("localhost:{port}"));
    let own = format!("cert: {}, key: {}", certificate_file.display(), key_file.display());
    let with = configuration(&host, &format!("backendTLS: {{ root: {root}, {own} }}"));
    assert_eq!(Gateway::start(&scratch, "with", &with, &[], &ours.file).ask().await.0, 200);
    let without = configuration(&host, &format!("backendTLS: {{ root: {root} }}"));
    let (status, body, _) = Gateway::start(&scratch, "without", &without, &[], &ours.file).ask().await;
    assert_eq!(status, 503, "{body}");
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn openai_is_called_over_tls_and_what_resolve_says_counts() {
    let scratch = Scratch::new("tls-openai");
    let ours = Authority::new(&scratch, "ours");
    let (port, asked) = provider(&ours, "api.openai.com", None);
    let (plain, heard) = plain_server();
    let configuration = configuration("", "");
    let at = |scheme: &str, port: u16| format!("api.openai.com={scheme}127.0.0.1:{port}");
    for (name, resolve, trusted, status) in [
        ("trusted", at("https://", port), ours.file.clone(), 200),
        ("by-nobody", at("https://", port), Authority::new(&scratch, "strange").file, 503),
        ("no-tls", at("https://", plain), ours.file.clone(), 503),
        ("on-this-machine", at("", plain), ours.file.clone(), 200),
        ("said-plain", at("http://", plain), ours.file.clone(), 200),
    ] {
        asked.lock().unwrap().clear();
        heard.lock().unwrap().clear();
        let gateway = Gateway::start(&scratch, name, &configuration, &["--resolve", &resolve], &trusted);
        let (got, body, _) = gateway.ask().await;
        assert_eq!(got, status, "{name}: {body}");
        let over_tls = asked.lock().unwrap().len();
        assert_eq!(over_tls, usize::from(name == "trusted"), "{name}");
        let heard = heard.lock().unwrap().clone();
        let in_the_clear = heard.windows(KEY.len()).any(|window| window == KEY.as_bytes());
        assert_eq!(in_the_clear, matches!(name, "on-this-machine" | "said-plain"), "{name}");
        if name == "no-tls" {
            assert!(heard.starts_with(&[22, 3]), "it begins with a handshake: {heard:?}");
            assert!(body.contains("plain HTTP"), "{body}");
        }
    }
}

#[tokio::test]
async fn the_reference_answers_a_failed_handshake_with_502_and_a_slow_one_with_its_timeout() {
    let scratch = Scratch::new("tls-reference");
    let ours = Authority::new(&scratch, "ours");
    let (port, _) = provider(&ours, "elsewhere.example", None);
    let root = ours.file.display();
    let policies = format!("backendTLS: {{ root: {root} }}");
    let reference = ["--personality", "reference"];
    let refused = configuration(&format!("localhost:{port}"), &policies);
    let (status, body, _) = Gateway::start(&scratch, "refused", &refused, &reference, &ours.file).ask().await;
    assert_eq!(status, 502, "{body}");
    assert!(body.contains(r#""code":"upstream_unreachable""#), "{body}");
    // It accepts connections and says nothing.
    let silent = listen();
    let host = format!("localhost:{}", silent.local_addr().unwrap().port());
    let policies = format!("{policies}\n          tcp: {{ connectTimeout: 200ms }}");
    let gateway = Gateway::start(&scratch, "slow", &configuration(&host, &policies), &[], &ours.file);
    let (status, body, _) = gateway.ask().await;
    assert_eq!((status, body.as_str()), (503, "upstream call failed: Connect: deadline has elapsed"));
}

/// A server that does not know TLS, and what it has been sent.
fn plain_server() -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = listen();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::<Mutex<Vec<u8>>>::default();
    let keeps = heard.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut piece).await {
                let mut keeps = keeps.lock().unwrap();
                keeps.extend_from_slice(&piece[..length]);
                if !keeps.starts_with(b"POST ") || keeps.ends_with(b"}") {
                    break;
                }
            }
            let length = ANSWER.len();
            let start = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
            let _ = stream.write_all(format!("{start}{ANSWER}").as_bytes()).await;
        }
    });
    (port, heard)
}

#[test]
fn what_would_go_wrong_with_tls_is_told_before_it_starts() {
    let scratch = Scratch::new("tls-told");
    let ours = Authority::new(&scratch, "ours");
    let missing = scratch.path("missing.pem");
    let root = format!("root: {}", ours.file.display());
    for (host, policies, told) in [
        ("api.example.com:443", String::new(), "its key would go out in the clear"),
        ("h:1", format!("backendTLS: {{ root: {} }}", missing.display()), "missing.pem"),
        ("h:1", "backendTLS: { root: Cargo.toml }".to_owned(), "holds no certificate"),
        ("h:1", format!("backendTLS: {{ {root}, cert: a.pem }}"), "`cert` and `key` belong together"),
        ("h:1", format!("backendTLS: {{ {root}, subjectAltNames: [\"spiffe://a/b\"] }}"), "not the name of a host"),
        ("h:1", format!("backendTLS: {{ {root}, spiffe: {{}} }}"), "does not model certificates from SPIFFE"),
        ("h:1", "backendTLS: { isnecure: true }".to_owned(), "did you mean `insecure`?"),
        ("h:1", "backendTLS: { insecure: 1 }".to_owned(), "must be `true` or `false`"),
    ] {
        let file = scratch.path("config.yaml");
        fs::write(&file, configuration(host, &policies)).unwrap();
        let output = run(&["gateway", "--port", "0", "--metrics-port", "0", "-f", &file.display().to_string()]);
        assert_eq!(output.status.code(), Some(65), "{policies}: {}", stderr(&output));
        assert!(stderr(&output).contains(told), "{policies}: {}", stderr(&output));
        assert!(!stderr(&output).contains(KEY), "{}", stderr(&output));
    }
}

/// Asks over TLS for a host; gives the answer with its head, the protocol that was chosen, and the names in the certificate.
async fn ask_over_tls(url: &str, host: &str, roots: &Authority) -> Result<(String, Option<Vec<u8>>), String> {
    let mut store = RootCertStore::empty();
    store.add(roots.issuer.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()));
    let mut config =
        builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(store).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = std::net::TcpStream::connect(url.strip_prefix("https://").unwrap()).unwrap();
    stream.set_nonblocking(true).unwrap();
    let stream = tokio::net::TcpStream::from_std(stream).unwrap();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let mut stream = connected.map_err(|error| error.to_string())?;
    let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    let length = CHAT.len();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{CHAT}").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    Ok((String::from_utf8(answer).unwrap(), protocol))
}

#[tokio::test]
async fn a_listener_for_https_shows_the_certificate_of_the_host_that_is_asked_for() {
    let scratch = Scratch::new("tls-listener");
    let (ours, strange) = (Authority::new(&scratch, "ours"), Authority::new(&scratch, "strange"));
    let (plain, _) = plain_server();
    let listener = |host: &str| {
        let (certificate, key) = ours.sign(host.trim_start_matches("*."));
        let (certificate_file, key_file) = (scratch.path(&format!("{host}.pem")), scratch.path(&format!("{host}.key")));
        fs::write(&certificate_file, certificate.pem()).unwrap();
        fs::write(&key_file, key.serialize_pem()).unwrap();
        format!(
            "  - hostname: {host}\n    protocol: HTTPS\n    tls: {{ cert: '{}', key: '{}' }}\n    routes:\n    \
             - backends:\n      - ai:\n          name: only\n          hostOverride: 127.0.0.1:{plain}\n          \
             provider: {{ openAI: {{ model: m }} }}\n",
            certificate_file.display(),
            key_file.display()
        )
    };
    let configuration =
        format!("binds:\n- port: 3000\n  listeners:\n{}{}", listener("one.example"), listener("two.example"));
    let traces = scratch.path("traces.json");
    let more = ["--traces", traces.to_str().unwrap()];
    let gateway = Gateway::start(&scratch, "listener", &configuration, &more, &ours.file);
    assert!(gateway.url.starts_with("https://"), "{}", gateway.url);
    for host in ["one.example", "two.example"] {
        let (answer, protocol) = ask_over_tls(&gateway.url, host, &ours).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("Four."), "{host}: {answer}");
        assert_eq!(protocol.as_deref(), Some(&b"http/1.1"[..]));
    }
    assert!(ask_over_tls(&gateway.url, "three.example", &ours).await.is_err(), "no listener is for this host");
    let distrusted = ask_over_tls(&gateway.url, "one.example", &strange).await.unwrap_err();
    assert!(distrusted.contains("UnknownIssuer"), "{distrusted}");
    let in_the_clear = client().post(gateway.url.replace("https", "http")).body(CHAT).send().await;
    assert!(in_the_clear.is_err(), "{in_the_clear:?}");
    gateway.end();
    let told = fs::read_to_string(traces).unwrap();
    assert!(told.contains(r#"{"key":"url.scheme","value":{"stringValue":"https"}}"#), "{told}");
}
