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
use labsim::fault::Injection;
use labsim::sim::faults::alone::{alone, inject_alone};
use labsim::sim::openai::{self, FakeOpenai};
use labsim::sim::{self, vllm};
use labsim::topology::Authority;
use labsim::world::clock::VIRTUAL_START;
use labsim::world::serve::Server;
use labsim::world::{Clock, Credentials, FaultBoard, Listener, Net, Seed, World};
use row::{Kind, Row};
use step::Player;

/// A runtime's kind, and with it the network's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Virtual,
    Tcp,
}

fn files(kind: Kind) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(kind.folder());
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(!files.is_empty());
    files
}

/// A simulator that was started, and how it is told to end.
type Started = (Server, Box<dyn Fn()>);

fn start_vllm(config: vllm::Config, world: &World, listener: Listener, mode: Mode) -> Started {
    let simulator = vllm::Simulator::new(config, world.clone(), "sim-0");
    let board = FaultBoard::new(world);
    // One row in memory, the same over TCP on the short way: both lead to the same place.
    let server = match mode {
        Mode::Virtual => {
            for injection in simulator.config().faults() {
                inject_alone(&board, injection.clone()).unwrap();
            }
            sim::serve(listener, alone(simulator.router(), &board, "sim-0"))
        }
        Mode::Tcp => simulator.serve_alone(listener, &board),
    };
    (server, Box::new(move || simulator.drain()))
}

fn start_openai(config: openai::Config, row: &Row, world: &World, listener: Listener) -> Result<Started, String> {
    let fake = FakeOpenai::new(config, world.clone());
    let board = FaultBoard::new(world);
    for text in &row.faults {
        inject_alone(&board, Injection::parse(text)?)?;
    }
    let server = sim::serve(listener, alone(fake.router(), &board, openai::HOST));
    Ok((server, Box::new(move || fake.drain())))
}

async fn play(row: &Row, mode: Mode) -> Result<(), String> {
    let (clock, net) = match mode {
        Mode::Virtual => (Clock::starting_at(VIRTUAL_START), Net::memory()),
        Mode::Tcp => (Clock::real(), Net::tcp()),
    };
    let world = World { clock, bus: Bus::silent(), credentials: Credentials::default(), seed: Seed(7), net };
    let to = Authority::new("sim-0", 8000);
    let (server, drain) = match row.kind {
        Kind::Vllm => {
            let config = vllm::Config::parse_with(&row.args, &row.env, |_| Ok(row.config.clone()));
            let (config, _) = config.map_err(|error| error.to_string())?;
            let listener = world.net.listen(&to).await.map_err(|error| error.to_string())?;
            start_vllm(config, &world, listener, mode)
        }
        Kind::Openai => {
            let listener = world.net.listen(&to).await.map_err(|error| error.to_string())?;
            start_openai(row.openai(), row, &world, listener)?
        }
    };
    let player = Player { net: &world.net, to: &to, kind: row.kind, drain, is_virtual: mode == Mode::Virtual };
    for (at, step) in row.steps.iter().enumerate() {
        player.play(step).await.map_err(|text| format!("step {at}: {text}"))?;
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

fn walk(kind: Kind, mode: Mode) {
    let mut wrong = Vec::new();
    let mut walked = 0;
    for file in files(kind) {
        for row in row::read(&file, kind) {
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
    walk(Kind::Vllm, Mode::Virtual);
}

#[test]
fn every_row_holds_over_tcp() {
    walk(Kind::Vllm, Mode::Tcp);
}

#[test]
fn every_row_of_the_fake_openai_holds_in_virtual_time() {
    walk(Kind::Openai, Mode::Virtual);
}

#[test]
fn every_row_of_the_fake_openai_holds_over_tcp() {
    walk(Kind::Openai, Mode::Tcp);
}
