//! `labsim openai`: the fake OpenAI alone.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::ValueEnum;

use super::Exit;
use super::alone::{self, Drains};
use crate::sim;
use crate::sim::openai::{Config, FakeOpenai, LatencyModel};

/// What `labsim openai` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Port to listen at; 0 lets the system pick
    #[arg(long, default_value_t = 8001)]
    port: u16,
    /// Address to listen at
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// A key that is accepted; may be given several times. Without any, every key is refused
    #[arg(long = "api-key", value_name = "KEY", env = "OPENAI_API_KEY", hide_env_values = true)]
    api_keys: Vec<String>,
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
    let mut config = Config::accepting(args.api_keys.iter().cloned());
    if args.latency == Latency::None {
        config.latency = LatencyModel::none();
    }
    let address = SocketAddr::new(args.address, args.port);
    alone::serve("openai", address, args.seed, |world, listener| {
        let openai = FakeOpenai::new(config, world);
        let serving = sim::serve(listener, openai.router());
        (openai, serving)
    })
}
