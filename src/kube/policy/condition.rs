//! Expressions in manifests: compiled while they are read, and a mistake shown where it stands.

use crate::kube::fields::Fields;
use crate::source::{Diagnostic, Place, Spanned};
use crate::topology::Condition;

/// Reads a CEL expression about a response.
pub(in crate::kube) fn condition(fields: &Fields<'_>, name: &'static str) -> Option<Condition> {
    let condition = of_request(fields, name)?;
    if !condition.is_about_response() && condition.doubts().is_empty() {
        let message = format!("`{name}` does not ask about the response");
        let place = fields.find(name).map_or(fields.place(), |entry| entry.value.place);
        let diagnostic = Diagnostic::warning(message).at(place, "the same for every answer");
        fields.log().push(diagnostic.help("such as `response.code >= 500`"));
    }
    Some(condition)
}

/// Reads a CEL expression that may be about a request alone.
pub(in crate::kube) fn of_request(fields: &Fields<'_>, name: &'static str) -> Option<Condition> {
    let text = fields.need_text_if_there(name)?;
    let log = fields.log();
    match Condition::compile(&text.value) {
        Ok(condition) => {
            for doubt in condition.doubts() {
                let raw = log.text_at(text.place);
                let whole = |start: Place| Place { end: start.start + width(&doubt.word), ..start };
                let place = place_in(&text, raw, doubt.offset).map_or(text.place, whole);
                let diagnostic = Diagnostic::warning(doubt.message.clone()).at(place, "");
                log.push(doubt.help.iter().fold(diagnostic, Diagnostic::help));
            }
            Some(condition)
        }
        Err(error) => {
            let raw = log.text_at(text.place);
            let diagnostic = Diagnostic::error(format!("`{name}` is not a CEL expression: {}", error.message));
            let shown = if let Some(place) = place_in(&text, raw, error.offset) {
                diagnostic.at(place, "here")
            } else {
                let column = text.value.get(..error.offset).map_or(0, |before| before.chars().count()) + 1;
                diagnostic.at(text.place, format!("at its character {column}"))
            };
            log.push(shown);
            None
        }
    }
}

fn width(word: &str) -> u32 {
    u32::try_from(word.len()).unwrap_or(u32::MAX)
}

/// Where the byte at `offset` of a text stands in the file, whose lines may be folded. None where the file writes
/// it with escapes.
fn place_in(text: &Spanned<String>, raw: &str, offset: usize) -> Option<Place> {
    let before = text.value.get(..offset)?;
    let letter = text.value.get(offset..)?.chars().next().filter(|letter| !letter.is_whitespace());
    let begin = match raw.chars().next()? {
        _ if raw == text.value => 0,
        '|' | '>' => raw.find('\n')?,
        '"' | '\'' => 1,
        _ => 0,
    };
    let mut at = begin;
    for wanted in before.chars().chain(letter).filter(|letter| !letter.is_whitespace()) {
        let rest = raw.get(at..)?;
        at += rest.len() - rest.trim_start().len();
        if !raw.get(at..)?.starts_with(wanted) {
            return None;
        }
        at += wanted.len_utf8();
    }
    let width = letter.map_or(0, char::len_utf8);
    let start = text.place.start + u32::try_from(at.checked_sub(width)?).ok()?;
    let end = start + u32::try_from(width).ok()?;
    Some(Place { start, end: end.min(text.place.end).max(start), ..text.place })
}
