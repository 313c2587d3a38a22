//! A file without a name for what is too much for memory: written at its end, read back in pieces.
//!
//! It goes away with the process, however that ends. It is the screen's own, also where a recording is
//! written: that may be a pipe, or on a slow disk, and its writer holds lines back.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// Where bytes are kept that are rarely looked at.
#[derive(Default)]
pub(super) struct Spill {
    file: Option<File>,
    /// Holds everything once there is no file to be had.
    memory: Vec<u8>,
    end: u64,
}

/// Where a piece stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed {
    offset: u64,
    bytes: u32,
}

impl Spill {
    /// Adds a piece.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Packed {
        if self.file.is_none() && self.end == 0 {
            self.file = nameless_file().ok();
        }
        let packed = Packed { offset: self.end, bytes: u32::try_from(bytes.len()).unwrap_or(0) };
        let written = self.file.as_mut().is_some_and(|file| file.write_all(bytes).is_ok());
        if !written {
            self.fall_back();
            self.memory.extend_from_slice(bytes);
        }
        self.end += bytes.len() as u64;
        packed
    }

    /// A full disk must not lose what happened: everything moves into memory.
    fn fall_back(&mut self) {
        let Some(file) = self.file.take() else { return };
        let mut memory = vec![0; usize::try_from(self.end).unwrap_or(0)];
        if file.read_exact_at(&mut memory, 0).is_ok() {
            self.memory = memory;
        }
    }

    /// Reads a piece back.
    pub(super) fn read(&self, packed: Packed) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; packed.bytes as usize];
        if let Some(file) = &self.file {
            file.read_exact_at(&mut bytes, packed.offset)?;
        } else {
            let start = usize::try_from(packed.offset).unwrap_or(usize::MAX);
            let end = start.saturating_add(bytes.len());
            let kept = self.memory.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
            bytes.copy_from_slice(kept);
        }
        Ok(bytes)
    }
}

/// Pieces that were looked at lately, the latest last.
pub(super) struct Cache<T> {
    most: usize,
    kept: Vec<(usize, Arc<T>)>,
}

impl<T> Cache<T> {
    /// A cache of `most` pieces.
    pub(super) fn new(most: usize) -> Self {
        Self { most, kept: Vec::with_capacity(most) }
    }

    /// The piece of a number, made if it is not there.
    pub(super) fn get(&mut self, number: usize, make: impl FnOnce() -> T) -> Arc<T> {
        let found = if let Some(at) = self.kept.iter().position(|(of, _)| *of == number) {
            self.kept.remove(at)
        } else {
            if self.kept.len() == self.most {
                self.kept.remove(0);
            }
            (number, Arc::new(make()))
        };
        let piece = found.1.clone();
        self.kept.push(found);
        piece
    }

    /// Forgets a piece that has changed.
    pub(super) fn forget(&mut self, number: usize) {
        self.kept.retain(|(of, _)| *of != number);
    }
}

/// A file that goes away with the process, however it ends.
fn nameless_file() -> io::Result<File> {
    for attempt in 0..64 {
        let path = std::env::temp_dir().join(format!("labsim-{}-{attempt}.screen", std::process::id()));
        match File::options().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fails_loses_nothing() {
        let mut spill = Spill::default();
        let first = spill.append(b"first");
        spill.fall_back();
        let second = spill.append(b"second");
        assert_eq!(spill.read(first).unwrap(), b"first");
        assert_eq!(spill.read(second).unwrap(), b"second");
    }

    #[test]
    fn a_cache_keeps_what_was_looked_at_last() {
        let mut cache = Cache::new(2);
        cache.get(1, || "one");
        cache.get(2, || "two");
        assert_eq!(*cache.get(1, || "again"), "one");
        cache.get(3, || "three");
        assert_eq!(*cache.get(1, || "again"), "one");
        assert_eq!(*cache.get(2, || "anew"), "anew");
        cache.forget(2);
        assert_eq!(*cache.get(2, || "once more"), "once more");
    }
}
