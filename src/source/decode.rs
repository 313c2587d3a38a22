//! YAML nodes → typed values, through serde, keeping places and finding all mistakes.
//!
//! Fields that a struct does not have are collected rather than raised, so that one pass finds them
//! all. Any other mistake ends the value that is being decoded (a step, a manifest); its caller
//! goes on with the next one.

mod at;
mod mistake;
mod spanned;

use std::cell::RefCell;

use serde::de::DeserializeOwned;

pub use spanned::Spanned;

use super::diagnostic::nearest;
use super::{Diagnostic, Diagnostics, Node, Place};
use at::At;

/// A field that the type being decoded does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownField {
    /// The path from the decoded value to the field, list positions left out: `spec.rules.filters`.
    pub path: String,
    /// The field's name.
    pub name: String,
    /// Where its key stands.
    pub place: Place,
    /// The fields that the type has.
    pub known: &'static [&'static str],
}

/// Decodes nodes and keeps what it finds wrong.
#[derive(Debug, Default)]
pub struct Decoder {
    findings: RefCell<Diagnostics>,
    unknown: RefCell<Vec<UnknownField>>,
}

impl Decoder {
    /// Decodes `node`; a mistake is kept and gives `None`.
    pub fn decode<T: DeserializeOwned>(&self, node: &Node) -> Option<T> {
        self.decode_at(node, "")
    }

    /// Decodes `node`, which stands at `path` of a larger value.
    pub fn decode_at<T: DeserializeOwned>(&self, node: &Node, path: &str) -> Option<T> {
        match T::deserialize(At { node, decoder: self, path: path.to_owned() }) {
            Ok(value) => Some(value),
            Err(error) => {
                self.findings.borrow_mut().push(error.into_diagnostic(node.place));
                None
            }
        }
    }

    /// Keeps a finding.
    pub fn push(&self, diagnostic: Diagnostic) {
        self.findings.borrow_mut().push(diagnostic);
    }

    /// Ends the decoding, judging each unknown field with `judge`.
    pub fn finish(self, mut judge: impl FnMut(&UnknownField) -> Diagnostic) -> Diagnostics {
        let mut findings = self.findings.into_inner();
        for field in self.unknown.into_inner() {
            findings.push(judge(&field));
        }
        findings
    }

    /// Ends the decoding; every unknown field is an error.
    pub fn finish_strict(self) -> Diagnostics {
        self.finish(UnknownField::error)
    }
}

impl UnknownField {
    /// The error for a field that does not exist, with "did you mean".
    pub fn error(&self) -> Diagnostic {
        let diagnostic =
            Diagnostic::error(format!("unknown field `{}`", self.name)).at(self.place, "there is no such field");
        if nearest(&self.name, self.known.iter().copied()).is_some() {
            return diagnostic.suggest(&self.name, self.known.iter().copied());
        }
        diagnostic.help(format!("known here: {}", list(self.known)))
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
