//! `labsim openai`: the fake OpenAI alone.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::ValueEnum;

use super::Exit;
use super::alone::{self, Drains};
use crate::fault::Injection;
use crate::sim;
use crate::sim::faults::alone as faults;
use crate::sim::log::logged;
use crate::sim::openai::{Config, FakeOpenai, HOST, Key, LatencyModel, Limit, RateLimits};
use crate::world::FaultBoard;

/// What `labsim openai` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Port to listen at; 0 lets the system pick
    #[arg(long, default_value_t = 8001)]
    port: u16,
    /// Address to listen at
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// A key that is accepted, with the organisations that it may ask for; may be given several times.
    /// Without any, every key is refused
    #[arg(long = "api-key", value_name = "KEY[=ORG,…]", env = "OPENAI_API_KEY", hide_env_values = true)]
    api_keys: Vec<String>,
    /// Requests a minute that each key may ask of each model, for each organisation (no limit unless given)
    #[arg(long, value_name = "N")]
    requests_per_minute: Option<u64>,
    /// Tokens a minute that each key may ask of each model, for each organisation (no limit unless given)
    #[arg(long, value_name = "N")]
    tokens_per_minute: Option<u64>,
    /// Limits of one model, which take the place of the others
    #[arg(long = "model-limit", value_name = "MODEL=REQUESTS,TOKENS", value_parser = model_limit)]
    model_limits: Vec<(String, Limit)>,
    /// A fault of answers from the start, as docs/faults.md has them; may be given several times
    #[arg(long = "fault", visible_alias = "labsim-fault", value_name = "YAML", value_parser = fault)]
    faults: Vec<Injection>,
    /// Show requests and responses, without the data of streams
    #[arg(long)]
    log_http: bool,
    /// How long answers take
    #[arg(long, value_enum, default_value_t = Latency::Realistic)]
    latency: Latency,
    /// Seed of answers and latencies
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Latency {
    /// As OpenAI's: a median near 800 ms, the first token near 300 ms
    Realistic,
    /// None
    None,
}

impl Drains for FakeOpenai {
    fn drain(&self) {
        FakeOpenai::drain(self);
    }
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let config = config(args);
    if config.keys.is_empty() {
        eprintln!("warning: every key is refused; `--api-key KEY` accepts one");
    }
    let address = SocketAddr::new(args.address, args.port);
    alone::serve("openai", address, args.seed, None, |world, listener| {
        let board = FaultBoard::new(&world);
        for injection in &args.faults {
            // They were checked when they were read.
            let _ = faults::inject_alone(&board, injection.clone());
        }
        let openai = FakeOpenai::new(config, world);
        let mut router = faults::alone(openai.router(), &board, HOST);
        if args.log_http {
            router = logged(router, alone::log());
        }
        let serving = sim::serve(listener, router);
        (openai, serving)
    })
}

fn config(args: &Args) -> Config {
    let mut config = Config { keys: args.api_keys.iter().map(|text| key(text)).collect(), ..Config::default() };
    if args.latency == Latency::None {
        config.latency = LatencyModel::none();
    }
    let given = (args.requests_per_minute, args.tokens_per_minute);
    if given != (None, None) || !args.model_limits.is_empty() {
        let without = |limit: Option<u64>| limit.unwrap_or(UNLIMITED);
        config.rate_limits = Some(RateLimits {
            default: Limit { requests_per_minute: without(given.0), tokens_per_minute: without(given.1) },
            models: args.model_limits.iter().cloned().collect(),
        });
    }
    config
}

/// So much that nobody reaches it.
const UNLIMITED: u64 = 1_000_000_000;

/// `KEY`, or `KEY=ORG,ORG`.
fn key(text: &str) -> Key {
    match text.split_once('=') {
        Some((key, organizations)) => Key::new(key).of(organizations.split(',').map(str::to_owned)),
        None => Key::new(text),
    }
}

/// `gpt-4o=500,30000`.
fn model_limit(text: &str) -> Result<(String, Limit), String> {
    let read = || {
        let (model, limits) = text.split_once('=')?;
        let (requests, tokens) = limits.split_once(',')?;
        let limit = Limit { requests_per_minute: requests.parse().ok()?, tokens_per_minute: tokens.parse().ok()? };
        Some((model.to_owned(), limit))
    };
    read().ok_or_else(|| "write the model, its requests and its tokens a minute: `gpt-4o=500,30000`".to_owned())
}

fn fault(text: &str) -> Result<Injection, String> {
    let injection = Injection::parse(text)?;
    faults::aim(&injection).map(|_| injection)
}
