//! Walks the rows of `tests/conformance/`: requests, and what must come back.
//!
//! Each row runs in virtual time over the network in memory, and in real time over loopback TCP.
//! `tests/conformance/README.md` lists the words of a row.

#[path = "conformance/row.rs"]
mod row;
#[path = "conformance/step.rs"]
mod step;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
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
use tokio::sync::Semaphore;

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
        Mode::Tcp => simulator.serve_alone(listener, &board, None),
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

fn judge(row: &Row, played: Result<(), String>) -> Result<(), String> {
    match (&row.rejects, played) {
        (None, played) => played,
        (Some(text), Err(error)) if error.contains(text) => Ok(()),
        (Some(text), Err(error)) => Err(format!("refused with {error:?}, not {text:?}")),
        (Some(text), Ok(())) => Err(format!("accepted, where {text:?} was expected")),
    }
}

/// Plays each row by itself: no time passes but the row's own.
fn in_virtual_time(rows: &[Row]) -> Vec<Result<(), String>> {
    let one = |row| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(play(row, Mode::Virtual))
    };
    rows.iter().map(one).collect()
}

/// Plays the rows side by side, since they mostly wait, and on one thread: when the machine is slow, what is due
/// first still happens first.
fn over_tcp(rows: &[Row]) -> Vec<Result<(), String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let turns = Semaphore::new(64);
    runtime.block_on(join_all(rows.iter().map(async |row| {
        let _turn = turns.acquire().await;
        play(row, Mode::Tcp).await
    })))
}

fn walk(kind: Kind, mode: Mode) {
    let mut names = Vec::new();
    let mut rows = Vec::new();
    for file in files(kind) {
        for row in row::read(&file, kind) {
            if mode == Mode::Tcp && (row.only_virtual || row.rejects.is_some()) {
                continue;
            }
            names.push(format!("{}: {}", file.file_name().unwrap().display(), row.name));
            rows.push(row);
        }
    }
    let played = match mode {
        Mode::Virtual => in_virtual_time(&rows),
        Mode::Tcp => over_tcp(&rows),
    };
    let judged = names.iter().zip(&rows).zip(played).map(|((name, row), played)| (name, judge(row, played)));
    let wrong: Vec<String> = judged.filter_map(|(name, one)| one.err().map(|text| format!("{name}: {text}"))).collect();
    assert!(wrong.is_empty(), "{} of {} rows fail:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    assert!(rows.len() > 20, "only {} rows were walked", rows.len());
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

/// The original's own tests that are ported, in groups: failures, headers and the rest of HTTP, chat, text,
/// workers, metrics.
const PORTED: [(char, u32); 6] = [('F', 9), ('H', 20), ('C', 6), ('T', 8), ('W', 3), ('P', 10)];
/// TLS is no matter of requests and answers: `tests/it/tls.rs`.
const ELSEWHERE: &str = "H17";

#[test]
fn every_test_of_the_original_is_a_row() {
    let mut ported = BTreeSet::from([ELSEWHERE.to_owned()]);
    for file in files(Kind::Vllm) {
        for row in row::read(&file, Kind::Vllm) {
            let marks =
                row.name.split(' ').take_while(|word| word.get(1..).is_some_and(|rest| rest.parse::<u32>().is_ok()));
            ported.extend(marks.map(str::to_owned));
        }
    }
    let all = PORTED.iter().flat_map(|(group, count)| (1..=*count).map(move |number| format!("{group}{number}")));
    let missing: Vec<String> = all.filter(|mark| !ported.contains(mark)).collect();
    assert!(missing.is_empty(), "no row for {}", missing.join(", "));
}
