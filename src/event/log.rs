//! A recording: the event stream as JSON Lines, headed by what it was made from.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use super::{At, Event, Kind, Sink};
use crate::source::Sources;

/// Version of the recording format. It changes when an old reader could misread a new recording.
pub const FORMAT: u32 = 1;

/// The first line of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`] of the writer.
    pub labsim_recording: u32,
    /// Version of labsim that wrote it.
    pub version: String,
    /// Name of the scenario.
    pub name: String,
    /// Seed of the run.
    pub seed: u64,
    /// Whether the run was one of many seeds, so that patterns of its steps were counted and not judged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub patterns_counted: bool,
    /// Whether the scenario's steps were left alone: a lab that stays up plays none unless it is asked to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unplayed: bool,
    /// Which of several runs of one command line it is; none where it is the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    /// Personality of the gateway.
    pub personality: String,
    /// Whether the configuration has the access log be JSON.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub json_log: bool,
    /// `virtual` or `real`.
    pub clock: String,
    /// Wall-clock time of the lab's start, RFC 3339.
    pub start: String,
    /// The scenario file first, then its manifests; credentials as references.
    pub sources: Sources,
    /// Replicas of the gateway at the start.
    pub replicas: u32,
    /// Backends with their groups of providers.
    pub backends: Vec<BackendRecord>,
}

/// One run among several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its position among them, from 0.
    pub number: u64,
    /// How many seeds of its scenario there were, where it was played with many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeds: Option<u64>,
}

/// A backend, for those who draw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackendRecord {
    /// Backend as `namespace/name`.
    pub name: String,
    /// Groups, the preferred one first.
    pub groups: Vec<Vec<ProviderRecord>>,
    /// What metrics call it since 1.2, where that is not its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// A provider, for those who draw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderRecord {
    /// Its name.
    pub name: String,
    /// Its address, as the configuration has it.
    pub endpoint: String,
    /// The model that it is asked for.
    pub model: Option<String>,
}

/// Writes a recording. An error is kept and told by [`Recorder::finish`].
pub struct Recorder<W: Write + Send> {
    out: io::BufWriter<W>,
    failed: Option<io::Error>,
}

impl<W: Write + Send> Recorder<W> {
    /// Starts a recording with its header.
    pub fn new(out: W, header: &Header) -> Self {
        let mut recorder = Self { out: io::BufWriter::new(out), failed: None };
        recorder.line(header);
        recorder
    }

    fn line(&mut self, value: &impl Serialize) {
        if self.failed.is_some() {
            return;
        }
        let written = serde_json::to_writer(&mut self.out, value)
            .map_err(io::Error::from)
            .and_then(|()| self.out.write_all(b"\n"));
        self.failed = written.err();
    }

    /// Writes out what is held back.
    ///
    /// # Errors
    /// The first error that any write met.
    pub fn finish(&mut self) -> io::Result<()> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.out.flush(),
        }
    }
}

impl<W: Write + Send> Sink for Recorder<W> {
    fn event(&mut self, event: &Event) {
        self.line(event);
    }

    fn flush(&mut self) {
        if let Err(error) = self.finish() {
            self.failed = Some(error);
        }
    }
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be read.
    #[error("cannot read the recording: {0}")]
    Io(#[from] io::Error),
    /// It has no line at all.
    #[error("the recording is empty")]
    Empty,
    /// A line is not what it should be.
    #[error("line {line} of the recording is not {expected}: {error}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
        /// What the parser says.
        error: serde_json::Error,
    },
    /// It was written by another format.
    #[error("the recording has format {0}, this labsim reads format {FORMAT}")]
    Format(u32),
}

/// Reads a whole recording.
///
/// # Errors
/// The first line that is wrong.
pub fn read(input: impl BufRead) -> Result<(Header, Vec<Event>), ReadError> {
    let (header, events) = open(input)?;
    Ok((header, events.collect::<Result<_, _>>()?))
}

/// Reads a recording's header, and its events as they are asked for.
///
/// # Errors
/// What is wrong with the header; each event has its own.
pub fn open<R: BufRead>(input: R) -> Result<(Header, Events<R>), ReadError> {
    let mut lines = Lines(input);
    let (first, _) = lines.next().ok_or(ReadError::Empty)??;
    let wrong = |error| ReadError::Line { line: 1, expected: "a header", error };
    let format: serde_json::Value = serde_json::from_str(&first).map_err(wrong)?;
    match format.get("labsim_recording").and_then(serde_json::Value::as_u64) {
        Some(found) if found != u64::from(FORMAT) => {
            return Err(ReadError::Format(u32::try_from(found).unwrap_or(u32::MAX)));
        }
        _ => {}
    }
    let header = serde_json::from_str(&first).map_err(wrong)?;
    Ok((header, Events { lines, line: 1, next_seq: 0, now: At::default() }))
}

/// The events of a recording, read as they are asked for. Where its last line breaks off, as when whoever wrote it
/// was killed, a note says so in its place.
#[derive(Debug)]
pub struct Events<R> {
    lines: Lines<R>,
    line: usize,
    /// What comes after the last event.
    next_seq: u64,
    now: At,
}

/// Lines, each with whether it has its end.
#[derive(Debug)]
struct Lines<R>(R);

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<(String, bool)>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => {
                let is_whole = line.ends_with('\n');
                Some(Ok((line, is_whole)))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

impl<R: BufRead> Iterator for Events<R> {
    type Item = Result<Event, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (line, is_whole) = match self.lines.next()? {
            Ok(line) => line,
            Err(error) => return Some(Err(ReadError::Io(error))),
        };
        self.line += 1;
        let event = match serde_json::from_str::<Event>(&line) {
            Ok(event) => event,
            Err(error) if !is_whole && error.is_eof() => self.broken_off(),
            Err(error) => return Some(Err(ReadError::Line { line: self.line, expected: "an event", error })),
        };
        (self.next_seq, self.now) = (event.seq + 1, event.at_us);
        Some(Ok(event))
    }
}

impl<R> Events<R> {
    fn broken_off(&self) -> Event {
        let text = format!("the recording breaks off here, in its line {}", self.line);
        Event { seq: self.next_seq, at_us: self.now, kind: Kind::Note { text } }
    }
}
