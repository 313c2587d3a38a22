//! What the terminal wants, and which stream it is told on.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use clap::ValueEnum;

use super::Exit;
use crate::report::style::Style;

/// Where a person is told what happens. Standard error where standard output is asked for by
/// something that a program reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

impl Stream {
    /// The stream for people, given whether standard output is taken.
    pub(super) fn for_people(out_is_taken: bool) -> Self {
        if out_is_taken { Self::Err } else { Self::Out }
    }

    /// Writes text. A closed pipe is no reason to stop: the verdict still counts. What else goes wrong with
    /// standard output [`finish`] tells.
    pub(super) fn tell(self, text: impl AsRef<str>) {
        let text = text.as_ref().as_bytes();
        match self {
            Self::Out => keep(io::stdout().write_all(text)),
            Self::Err => drop(io::stderr().write_all(text)),
        }
    }

    /// Writes a line.
    pub(super) fn line(self, text: impl AsRef<str>) {
        self.tell(format!("{}\n", text.as_ref()));
    }
}

/// The first thing that went wrong with standard output.
static FAILED: OnceLock<io::Error> = OnceLock::new();

/// Takes note of what went wrong with it, unless nobody is left to read.
pub(super) fn keep(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = FAILED.set(error);
    }
}

/// Writes out what is held back of standard output, at the end of a command.
///
/// # Errors
/// [`Exit::Unavailable`], after telling why some of it was not written.
pub(super) fn finish() -> Result<(), Exit> {
    keep(io::stdout().flush());
    let Some(error) = FAILED.get() else { return Ok(()) };
    // Where nothing can be told either, the terminal is gone, and with it whoever wanted to read.
    writeln!(io::stderr(), "error: cannot write to standard output: {error}")
        .map_or(Ok(()), |()| Err(Exit::Unavailable))
}

/// Where a run tells people: on a stream as it goes, or into a text that is told later.
#[derive(Debug, Clone)]
pub(super) struct People {
    /// The stream.
    pub(super) stream: Stream,
    held: Option<Arc<Mutex<String>>>,
}

impl From<Stream> for People {
    fn from(stream: Stream) -> Self {
        Self { stream, held: None }
    }
}

impl People {
    /// Keeps what is told until [`People::take`].
    pub(super) fn holding(stream: Stream) -> Self {
        Self { stream, held: Some(Arc::default()) }
    }

    /// What was told and kept.
    pub(super) fn take(&self) -> String {
        let held = self.held.as_ref().map(|held| held.lock().unwrap_or_else(PoisonError::into_inner));
        held.map(|mut held| std::mem::take(&mut *held)).unwrap_or_default()
    }

    /// Tells text.
    pub(super) fn tell(&self, text: impl AsRef<str>) {
        match &self.held {
            Some(held) => held.lock().unwrap_or_else(PoisonError::into_inner).push_str(text.as_ref()),
            None => self.stream.tell(text),
        }
    }

    /// Tells a line.
    pub(super) fn line(&self, text: impl AsRef<str>) {
        self.tell(format!("{}\n", text.as_ref()));
    }
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Colour {
    /// The style for a stream.
    pub(super) fn on(self, stream: Stream) -> Style {
        match stream {
            Stream::Out => Style { colour: self.wanted(std::io::stdout().is_terminal()) },
            Stream::Err => self.for_stderr(),
        }
    }

    /// The style for standard error.
    pub(super) fn for_stderr(self) -> Style {
        Style { colour: self.wanted(std::io::stderr().is_terminal()) }
    }

    fn wanted(self, is_terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
                is_terminal && !no_color && !dumb
            }
        }
    }
}
