//! Where the words came from: files, places in them, YAML nodes and diagnostics.
//!
//! The leftmost part of the flow. Everything that a person writes (scenarios, manifests, gateway
//! configurations) is read through this module, so that every value that can be wrong keeps its
//! file, line and column, and all mistakes of a file are reported at once.

pub mod amount;
pub mod decode;
pub mod diagnostic;
pub mod duration;
pub mod emit;
pub mod yaml;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use decode::{Decoder, Spanned, UnknownField};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use duration::Span;
pub use yaml::{Entry, Node, Value};

/// The files that a lab was made from. A [`Place`] points into one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    files: Vec<SourceFile>,
}

/// One file as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// The name to show: the path as the user gave it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// The index of a file in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A range of bytes in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A line and a column, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineColumn {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Sources {
    /// Adds a file and returns its index.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(SourceFile { name: name.into(), text: text.into() });
        id
    }

    /// The file behind an index.
    #[must_use]
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// All files in the order in which they were read.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The same files with the text at `places` replaced by asterisks, byte for byte.
    #[must_use]
    pub fn without(&self, places: &[Place]) -> Self {
        let masked = |(index, file): (usize, &SourceFile)| {
            let own = places.iter().filter(|place| place.file.0 as usize == index);
            SourceFile { name: file.name.clone(), text: masked(&file.text, own) }
        };
        Self { files: self.files.iter().enumerate().map(masked).collect() }
    }

    /// Line and column of the first byte of a place.
    #[must_use]
    pub fn line_column(&self, place: Place) -> LineColumn {
        let text = &self.file(place.file).text;
        let upto = floor_char_boundary(text, place.start as usize);
        let before = &text[..upto];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        LineColumn {
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// The place as people write it: `file:line:column`.
    #[must_use]
    pub fn describe(&self, place: Place) -> String {
        let LineColumn { line, column } = self.line_column(place);
        format!("{}:{line}:{column}", self.file(place.file).name)
    }
}

impl Place {
    /// The start of a file, for what concerns the file as a whole.
    #[must_use]
    pub fn start_of(file: FileId) -> Self {
        Self { file, start: 0, end: 0 }
    }

    /// The same place, moved into `part` of it (byte offsets relative to its start).
    #[must_use]
    pub fn part(self, part: std::ops::Range<usize>) -> Self {
        let at = |offset: usize| self.start.saturating_add(u32::try_from(offset).unwrap_or(u32::MAX)).min(self.end);
        Self { file: self.file, start: at(part.start), end: at(part.end) }
    }
}

/// Where something stands, if it stands in a file. It says nothing of what the thing is, so that two
/// things are equal wherever they stand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin(pub Option<Place>);

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Origin {}

impl From<Place> for Origin {
    fn from(place: Place) -> Self {
        Self(Some(place))
    }
}

impl fmt::Display for LineColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// `text` with asterisks at `places`; line breaks stay.
fn masked<'p>(text: &str, places: impl Iterator<Item = &'p Place>) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for place in places {
        let start = floor_char_boundary(text, place.start as usize);
        let end = floor_char_boundary(text, place.end as usize).max(start);
        for byte in bytes.iter_mut().take(end).skip(start).filter(|byte| **byte != b'\n') {
            *byte = b'*';
        }
    }
    // Whole characters became asterisks, so that this is still UTF-8.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The largest character boundary of `text` that is not after `index`.
pub(crate) fn floor_char_boundary(text: &str, index: usize) -> usize {
    let mut at = index.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
