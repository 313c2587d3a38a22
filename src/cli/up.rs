//! `labsim up`: a scenario's lab on real ports.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Exit;
use super::beside::{Beside, Warnings};
use super::observe;
use super::outputs::{self, Output, is_stdout};
use super::recording::Recording;
use super::run::{lines, warn};
use super::screen;
use super::set;
use super::signals;
use super::terminal::{Colour, Stream};
use crate::event::log::Header;
use crate::event::{Event, Kind, Sink};
use crate::lab::{Interrupt, Lab, Mode, Up, UpOptions};
use crate::report::console::Detail;
use crate::scenario::LoadError;

/// What `labsim up` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The scenario file
    #[arg(value_name = "FILE")]
    path: PathBuf,
    /// Port of the gateway; 0 lets the system pick
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Address to listen at
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// Play the scenario's steps as well
    #[arg(long)]
    play: bool,
    /// How many replicas of the gateway stand behind the port, each with its own health, in place of the
    /// scenario's number
    #[arg(long, value_name = "N")]
    replicas: Option<u32>,
    /// What is set in the scenario
    #[command(flatten)]
    set: set::Args,
    /// Seed in place of the file's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write the events as JSON Lines
    #[arg(long, value_name = "PATH")]
    record: Option<PathBuf>,
    /// Port for metrics and health, on loopback; 0 lets the system pick
    #[arg(long, value_name = "PORT", default_value_t = 15020)]
    metrics_port: u16,
    /// What operators of the gateway would look at
    #[command(flatten)]
    observe: observe::Args,
    /// How the live screen looks
    #[command(flatten)]
    screen: screen::LookArgs,
    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    color: Colour,
    /// Show how each provider was chosen as well
    #[arg(short, long)]
    verbose: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    args.screen.check()?;
    let set = match args.replicas {
        Some(count) => args.set.with(format!("lab.gateway.replicas={count}")),
        None => args.set.clone(),
    };
    let lab = match set.lab(&args.path) {
        Ok(lab) => lab,
        Err(error) => {
            eprintln!("{error}");
            return Ok(if matches!(error, LoadError::Unreadable(_)) { Exit::Usage } else { Exit::Invalid });
        }
    };
    warn(&lab, args.color.for_stderr().colour);
    let interrupt = signals::interrupt()?;
    let mut lab = lab.mode(Mode::Real).interrupt(interrupt.clone());
    if let Some(seed) = args.seed {
        lab = lab.seed(seed);
    }
    let lab = lab.settled();
    stay_up(args, &set, &lab, &interrupt)
}

/// Keeps the lab up that the command line's settings make of the scenario.
fn stay_up(args: &Args, set: &set::Args, lab: &Lab, interrupt: &Interrupt) -> anyhow::Result<Exit> {
    let header = Header { unplayed: !args.play, ..lab.header() };
    let written: Vec<_> =
        args.record.iter().map(|path| Output::of_one("--record", path)).chain(args.observe.outputs()).collect();
    outputs::check(lab.scenario().sources.files().iter().map(|file| Path::new(&file.name)), &written)?;
    let recording = args.record.as_ref().map(|path| Recording::create(path, &header)).transpose()?;
    let watch = args.observe.open()?.watch(&header, None)?;
    let beside = Beside::new(&header);
    let warnings = Warnings::default();
    let metrics = match beside.start(args.metrics_port, watch.clone(), &warnings)? {
        Ok(address) => address,
        Err(exit) => return Ok(exit),
    };
    let mut sinks: Vec<Box<dyn Sink>> = vec![watch.sink(), beside.sink()];
    sinks.extend(recording.as_ref().map(Recording::sink));
    let people = Stream::for_people(args.observe.take_stdout() || args.record.as_deref().is_some_and(is_stdout));
    let under_way = UnderWay::default();
    sinks.push(under_way.sink());
    let options = UpOptions { address: SocketAddr::new(args.address, args.port), play: args.play };
    let done = if people == Stream::Out && args.screen.is_wanted() {
        let above = screen::Above::open(&args.screen, lab, set.original(&args.path), interrupt, args.play)?;
        sinks.extend(above.sinks());
        warnings.on(above.notices());
        let ready = |up: &Up| {
            beside.ready();
            above.addresses(addresses(up, metrics));
        };
        let mut closed = Ok(());
        let leaving = || {
            // On the screen nobody would see what is told.
            closed = above.close();
            warnings.below();
            people.tell(under_way.told());
        };
        let done = above.over(lab).up(&options, sinks, ready, leaving);
        let closed = closed.and_then(|()| above.close());
        warnings.below();
        closed?;
        done
    } else {
        let detail = if args.verbose { Detail::Verbose } else { Detail::Normal };
        let (head, live) = lines(&header, people.into(), args.color.on(people), detail);
        sinks.push(live);
        let ready = |up: &Up| {
            beside.ready();
            people.tell(announcement(&addresses(up, metrics)) + &head);
        };
        lab.up(&options, sinks, ready, || people.tell(under_way.told()))
    };
    let written = watch.finish();
    recording.map_or(Ok(()), |recording| recording.finish())?;
    match done {
        Ok(()) => Ok(written.map_or_else(|exit| exit, |()| Exit::Passed)),
        Err(error) => {
            eprintln!("error: {error}");
            if error.is_address_in_use() {
                eprintln!("help: another program has this port; `--port 0` lets the system pick a free one");
            }
            Ok(Exit::Unavailable)
        }
    }
}

/// Requests that the gateway is at.
#[derive(Default)]
struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    fn sink(&self) -> Box<dyn Sink> {
        let count = self.0.clone();
        Box::new(move |event: &Event| {
            match event.kind {
                Kind::GatewayRequestReceived { .. } => count.fetch_add(1, Ordering::Relaxed),
                Kind::GatewayRequestEnded { .. } => count.fetch_sub(1, Ordering::Relaxed),
                _ => return,
            };
        })
    }

    /// What somebody who wants to leave waits for.
    fn told(&self) -> String {
        match self.0.load(Ordering::Relaxed) {
            0 => String::new(),
            1 => "one request is under way and may end; Ctrl-C ends it now\n".to_owned(),
            count => format!("{count} requests are under way and may end; Ctrl-C ends them now\n"),
        }
    }
}

/// Where everything can be reached: what, and its address.
fn addresses(up: &Up, metrics: SocketAddr) -> Vec<(String, String)> {
    let gateway = up.gateway.iter().map(|address| ("gateway".to_owned(), format!("http://{address}")));
    let providers = up.providers.iter().map(|(name, address)| (name.clone(), format!("http://{address}")));
    let beside = [("metrics", "metrics"), ("health", "health/providers")];
    let beside = beside.map(|(what, path)| (what.to_owned(), format!("http://{metrics}/{path}")));
    gateway.chain(providers).chain(beside).collect()
}

fn announcement(addresses: &[(String, String)]) -> String {
    let mut text = String::new();
    for (what, address) in addresses {
        let _ = match what.as_str() {
            "gateway" | "metrics" | "health" => writeln!(text, "{what:<11}{address}"),
            provider => writeln!(text, "provider   {provider} is {address}"),
        };
    }
    text.push_str("Ctrl-C ends it\n\n");
    text
}
