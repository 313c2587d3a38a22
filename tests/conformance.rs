//! Walks the rows of `tests/conformance/`: requests, and what must come back.
//!
//! Each row runs in virtual time over the network in memory, and over loopback TCP as well where it
//! does not wait. `tests/conformance/README.md` lists the words of a row.

#[path = "conformance/row.rs"]
mod row;
#[path = "conformance/step.rs"]
mod step;

use std::path::{Path, PathBuf};

use labsim::event::Bus;
use labsim::sim::vllm::{Config, Simulator};
use labsim::topology::Authority;
use labsim::world::clock::VIRTUAL_START;
use labsim::world::{Clock, Credentials, Net, Seed, World};
use row::Row;

/// A runtime's kind, and with it the network's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Virtual,
    Tcp,
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/vllm");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(!files.is_empty());
    files
}

async fn play(row: &Row, mode: Mode) -> Result<(), String> {
    let args: Vec<String> = row.args.clone();
    let (config, _) =
        Config::parse_with(&args, &row.env, |_| Ok(row.config.clone())).map_err(|error| error.to_string())?;
    let (clock, net) = match mode {
        Mode::Virtual => (Clock::starting_at(VIRTUAL_START), Net::memory()),
        Mode::Tcp => (Clock::real(), Net::tcp()),
    };
    let world = World { clock, bus: Bus::silent(), credentials: Credentials::default(), seed: Seed(7), net };
    let simulator = Simulator::new(config, world.clone(), "sim-0");
    let authority = Authority::new("sim-0", 8000);
    let listener = world.net.listen(&authority).await.map_err(|error| error.to_string())?;
    // One row in memory, the same over TCP without the router: both ways lead to the same place.
    let server = match mode {
        Mode::Virtual => labsim::sim::serve(listener, simulator.router()),
        Mode::Tcp => simulator.serve(listener),
    };
    for (at, step) in row.steps.iter().enumerate() {
        let played = step::play(step, &world.net, &authority, &simulator, mode == Mode::Virtual).await;
        played.map_err(|text| format!("step {at}: {text}"))?;
    }
    server.stop();
    Ok(())
}

fn judge(row: &Row, mode: Mode) -> Result<(), String> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all();
    if mode == Mode::Virtual {
        builder.start_paused(true);
    }
    let runtime = builder.build().unwrap();
    let played = runtime.block_on(play(row, mode));
    match (&row.rejects, played) {
        (None, played) => played,
        (Some(text), Err(error)) if error.contains(text) => Ok(()),
        (Some(text), Err(error)) => Err(format!("refused with {error:?}, not {text:?}")),
        (Some(text), Ok(())) => Err(format!("accepted, where {text:?} was expected")),
    }
}

fn walk(mode: Mode) {
    let mut wrong = Vec::new();
    let mut walked = 0;
    for file in files() {
        for row in row::read(&file) {
            if mode == Mode::Tcp && (row.waits() || row.rejects.is_some()) {
                continue;
            }
            walked += 1;
            if let Err(text) = judge(&row, mode) {
                wrong.push(format!("{}: {}: {text}", file.file_name().unwrap().display(), row.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {walked} rows fail:\n{}", wrong.len(), wrong.join("\n"));
    assert!(walked > 20, "only {walked} rows were walked");
}

#[test]
fn every_row_holds_in_virtual_time() {
    walk(Mode::Virtual);
}

#[test]
fn every_row_holds_over_tcp() {
    walk(Mode::Tcp);
}
