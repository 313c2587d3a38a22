//! `labsim gateway`: the embedded gateway alone, in front of real providers.

mod load;
mod resolve;

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::ValueEnum;

use super::Exit;
use super::apart;
use super::beside::{Beside, Warnings};
use super::observe;
use super::outputs;
use super::signals;
use super::terminal::Stream;
use crate::lab::{GatewayAlone, Interrupt, Opened, StartError};
use crate::scenario::Spread;
use crate::topology::{Backend, Personality};
use crate::world::Clock;

use load::Loaded;
use resolve::Resolve;

/// What `labsim gateway` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Kubernetes manifests, configurations of agentgateway, or folders to search for them
    #[arg(short, long = "filename", required = true, num_args = 1.., value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// Which version of which gateway it is; the newest version of agentgateway where absent
    #[arg(long, value_name = "NAME", value_parser = clap::value_parser!(Personality))]
    personality: Option<Personality>,
    /// Where a provider really is: `HOST[:PORT]=ADDRESS[:PORT]`, with `https://` before the address for TLS
    /// and `http://` for none; without either, a server on this machine speaks plain HTTP. May be given
    /// several times. Other hosts are looked up in the system's DNS
    #[arg(long, value_name = "NAME=ADDR")]
    resolve: Vec<Resolve>,
    /// Port to listen at in place of the configuration's first; 0 lets the system pick
    #[arg(long)]
    port: Option<u16>,
    /// Address to listen at
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// How many replicas, each with its own health, stand behind the port; what the manifests say, else 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(crate::scenario::MAX_REPLICAS)))]
    replicas: Option<u32>,
    /// Which replica takes a request
    #[arg(long, value_enum, value_name = "HOW", default_value_t = SpreadChoice::RoundRobin)]
    spread: SpreadChoice,
    /// Threads that requests are handled on; one for each core where absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Seed of its choices
    #[arg(long, value_name = "N", default_value_t = crate::lab::DEFAULT_SEED)]
    seed: u64,
    /// Port for metrics and health, on loopback; 0 lets the system pick
    #[arg(long, value_name = "PORT", default_value_t = 15020)]
    metrics_port: u16,
    /// What operators of the gateway would look at
    #[command(flatten)]
    observe: observe::Args,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SpreadChoice {
    /// One after the other
    RoundRobin,
    /// Any, each as likely
    Random,
    /// The same for all requests with the same key
    Sticky,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let personality = args.personality.unwrap_or(Personality::newest());
    let Loaded { topology, findings } = match load::load(&args.files, personality, &args.resolve) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    eprint!("{findings}");
    let replicas = args.replicas.or(topology.replicas.as_ref().map(|count| count.value)).unwrap_or(1);
    let gateway = GatewayAlone {
        resolved: resolve::targets(&args.resolve, &topology),
        topology: Arc::new(topology),
        personality,
        replicas: replicas.clamp(1, crate::scenario::MAX_REPLICAS),
        spread: args.spread.into(),
        seed: args.seed,
        address: args.address,
        port: args.port,
        threads: args.threads.map(usize::from),
        start: Clock::real().start(),
    };
    let interrupt = signals::interrupt()?;
    serve(args, &gateway, &interrupt)
}

fn serve(args: &Args, gateway: &GatewayAlone, interrupt: &Interrupt) -> anyhow::Result<Exit> {
    let header = gateway.header();
    let observe = args.observe.clone().or_traces_to(gateway.topology.tracing.as_ref());
    let written: Vec<_> = observe.outputs().collect();
    outputs::check(args.files.iter().map(PathBuf::as_path), &written)?;
    let watch = observe.open_in_heaps()?.watch(&header, None)?;
    let beside = Beside::new(&header);
    let metrics = match beside.start(args.metrics_port, watch.clone(), &Warnings::default())? {
        Ok(address) => address,
        Err(exit) => return Ok(exit),
    };
    let people = Stream::for_people(observe.take_stdout());
    let reports = if observe.any() { beside.sink_with(&watch) } else { beside.sink() };
    let sinks = vec![apart::on_a_thread(vec![reports]).context("cannot start a thread")?];
    let done = gateway.serve(sinks, interrupt, |opened| {
        beside.ready();
        people.tell(announcement(gateway, opened, metrics));
    });
    let written = watch.finish();
    Ok(match done {
        Ok(()) => written.map_or_else(|exit| exit, |()| Exit::Passed),
        Err(error) => failed(&error),
    })
}

fn failed(error: &StartError) -> Exit {
    eprintln!("error: {error}");
    if error.is_address_in_use() {
        eprintln!("help: another program has this port; `--port 0` lets the system pick a free one");
    }
    Exit::Unavailable
}

fn announcement(gateway: &GatewayAlone, opened: &Opened, metrics: SocketAddr) -> String {
    let mut text = String::new();
    for url in &opened.urls {
        let _ = writeln!(text, "gateway    {url}");
    }
    let providers = gateway.topology.backends.iter().flat_map(Backend::providers);
    let mut endpoints: Vec<_> = providers.map(|(_, provider)| (&provider.endpoint, provider.tls.is_some())).collect();
    endpoints.sort();
    endpoints.dedup();
    for (endpoint, secure) in endpoints {
        let how = if secure { "over TLS" } else { "in plain HTTP" };
        let _ = match gateway.resolved.iter().find(|(name, _)| name == endpoint) {
            Some((_, target)) => writeln!(text, "provider   {endpoint} is {target}, {how}"),
            None => writeln!(text, "provider   {endpoint}, {how}"),
        };
    }
    let _ = writeln!(text, "version    {}", gateway.personality);
    let _ = writeln!(text, "metrics    http://{metrics}/metrics");
    let _ = writeln!(text, "health     http://{metrics}/health/providers");
    text.push_str("Ctrl-C ends it\n");
    text
}

impl From<SpreadChoice> for Spread {
    fn from(choice: SpreadChoice) -> Self {
        match choice {
            SpreadChoice::RoundRobin => Self::RoundRobin,
            SpreadChoice::Random => Self::Random,
            SpreadChoice::Sticky => Self::Sticky,
        }
    }
}
