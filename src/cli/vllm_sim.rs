//! `labsim vllm-sim`: the vLLM simulator alone, with the original's command line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::Exit;
use super::alone::{self, Drains};
use super::terminal::Stream;
use crate::sim::vllm::{Certificate, Config, Simulator};
use crate::world::FaultBoard;
use crate::world::net::Wrapper;

/// What `labsim vllm-sim` is told: the original's arguments, which have a grammar of their own.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The original's arguments, and `--host ADDRESS` to listen elsewhere than on 127.0.0.1
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    args: Vec<String>,
}

/// What stands below the help of the original's arguments.
const HOST_HELP: &str =
    "      --host address                                           Address to listen at (default 127.0.0.1)\n";

impl Drains for Simulator {
    fn drain(&self) {
        Simulator::drain(self);
    }

    fn is_idle(&self) -> bool {
        Simulator::is_idle(self)
    }
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let (host, args) = match host(&args.args) {
        Ok(split) => split,
        Err(message) => {
            eprintln!("error: {message}");
            return Ok(Exit::Usage);
        }
    };
    let env = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let config = match Config::parse(&args, &env) {
        Ok((config, warnings)) => {
            for warning in warnings {
                eprintln!("warning: {}", warning.message);
            }
            config
        }
        Err(error) if error.is_help() => {
            Stream::Out.tell(Config::usage() + HOST_HELP);
            return Ok(Exit::Passed);
        }
        Err(error) => {
            eprintln!("error: failed to read configuration: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("  = help: {hint}");
            }
            return Ok(Exit::Usage);
        }
    };
    let tls = match config.certificate().map(tls).transpose() {
        Ok(tls) => tls,
        Err(error) => {
            eprintln!("error: {error:#}");
            return Ok(Exit::Usage);
        }
    };
    eprintln!("{:#}", config.to_json());
    let address = SocketAddr::new(host, config.port());
    alone::serve("vllm-sim", address, 0, tls, |world, listener| {
        let board = FaultBoard::new(&world);
        let log = config.logs_http().then(alone::log);
        let simulator = Simulator::new(config, world, "vllm-sim");
        let serving = simulator.serve_alone(listener, &board, log);
        (simulator, serving)
    })
}

/// What serves TLS with a certificate.
#[cfg(feature = "tls")]
fn tls(certificate: Certificate) -> anyhow::Result<Arc<dyn Wrapper>> {
    use crate::world::tls::Tls;
    let tls = match certificate {
        Certificate::SelfSigned => Tls::self_signed()?,
        Certificate::Files { certificate, key } => Tls::from_files(certificate, key)?,
    };
    Ok(Arc::new(tls))
}

#[cfg(not(feature = "tls"))]
fn tls(_certificate: Certificate) -> anyhow::Result<Arc<dyn Wrapper>> {
    anyhow::bail!("this labsim was built without TLS (`--features tls`)")
}

/// Takes `--host ADDRESS` off the front.
fn host(args: &[String]) -> Result<(IpAddr, Vec<String>), String> {
    let is_host = |arg: &String| arg == "--host" || arg.starts_with("--host=");
    let Some(at) = args.iter().position(is_host) else {
        return Ok((IpAddr::V4(Ipv4Addr::LOCALHOST), args.to_vec()));
    };
    let (text, length) = match args[at].strip_prefix("--host=") {
        Some(text) => (text, 1),
        None => (args.get(at + 1).map_or("", String::as_str), 2),
    };
    let address = text.parse().map_err(|_| format!("`--host {text}` is not an IP address"))?;
    let rest = args.iter().take(at).chain(args.iter().skip(at + length));
    Ok((address, rest.cloned().collect()))
}
