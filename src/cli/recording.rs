//! `--record`: what happens in a run, written while it happens.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::exit::Unwritable;
use super::outputs;
use crate::event::log::{Header, Recorder};
use crate::event::{Event, Sink};

/// A recording under way. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(super) struct Recording {
    path: PathBuf,
    recorder: Arc<Mutex<Recorder<File>>>,
}

impl Recording {
    /// Makes the file and begins.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub(super) fn create(path: &Path, header: &Header) -> Result<Self, Unwritable> {
        let file = outputs::create_for("recording", path)?;
        Ok(Self { path: path.to_owned(), recorder: Arc::new(Mutex::new(Recorder::new(file, header))) })
    }

    /// What hears the run's events.
    pub(super) fn sink(&self) -> Box<dyn Sink> {
        Box::new(self.clone())
    }

    /// Writes out what is held back, once the run is over.
    ///
    /// # Errors
    /// [`Unwritable`], for the first line that was not written.
    pub(super) fn finish(&self) -> Result<(), Unwritable> {
        match self.lock().finish() {
            // Nobody is left to read.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            done => done.map_err(|error| Unwritable::new("recording", &self.path, &error)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Recorder<File>> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Recording {
    fn event(&mut self, event: &Event) {
        self.lock().event(event);
    }

    fn flush(&mut self) {
        self.lock().flush();
    }
}
