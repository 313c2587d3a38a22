//! `labsim up`: a scenario's lab on real ports.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context as _;

use super::Exit;
use super::signals;
use super::terminal::Colour;
use crate::event::log::Recorder;
use crate::event::{Event, Sink};
use crate::lab::{Interrupt, Lab, Mode, Up, UpOptions};
use crate::report::console::{Detail, Live};
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
    /// Seed in place of the file's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write the events as JSON Lines
    #[arg(long, value_name = "PATH")]
    record: Option<PathBuf>,
    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    color: Colour,
    /// Show how each provider was chosen as well
    #[arg(short, long)]
    verbose: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let lab = match Lab::from_file(&args.path) {
        Ok(lab) => lab,
        Err(error) => {
            eprintln!("{error}");
            return Ok(if matches!(error, LoadError::Unreadable(_)) { Exit::Usage } else { Exit::Invalid });
        }
    };
    let interrupt = Interrupt::default();
    let of_signals = interrupt.clone();
    signals::watch(move |count| {
        of_signals.trigger();
        if count > 1 {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    })
    .context("cannot wait for signals")?;
    let mut lab = lab.mode(Mode::Real).interrupt(interrupt);
    if let Some(seed) = args.seed {
        lab = lab.seed(seed);
    }
    let header = lab.header();
    let detail = if args.verbose { Detail::Verbose } else { Detail::Normal };
    let mut live = Live::new(&header, args.color.for_stdout(), detail);
    let head = live.head(&header);
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    if let Some(path) = &args.record {
        match File::create(path) {
            Ok(file) => sinks.push(Box::new(Recorder::new(file, &header))),
            Err(error) => {
                eprintln!("error: cannot write the recording {}: {error}", path.display());
                return Ok(Exit::Unavailable);
            }
        }
    }
    let mut out = io::stdout();
    sinks.push(Box::new(move |event: &Event| {
        for line in live.lines(event) {
            let _ = writeln!(out, "{line}");
        }
    }));
    let options = UpOptions { address: SocketAddr::new(args.address, args.port), play: args.play };
    match lab.up(&options, sinks, |up| announce(up, &head)) {
        Ok(()) => Ok(Exit::Passed),
        Err(error) => {
            eprintln!("error: {error}");
            if error.is_address_in_use() {
                eprintln!("help: another program has this port; `--port 0` lets the system pick a free one");
            }
            Ok(Exit::Unavailable)
        }
    }
}

fn announce(up: &Up, head: &str) {
    let mut text = String::new();
    for address in &up.gateway {
        let _ = writeln!(text, "gateway    http://{address}");
    }
    for (name, address) in &up.providers {
        let _ = writeln!(text, "provider   {name} is http://{address}");
    }
    text.push_str("Ctrl-C ends it\n\n");
    text.push_str(head);
    let _ = io::stdout().write_all(text.as_bytes());
}
