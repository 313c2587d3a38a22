//! Variables in scenario files: `${NAME}`, `${NAME:-default}`, and `$$` for a dollar sign.
//!
//! They stand in values, not in keys. An unquoted value that becomes a number is one. The value is
//! that of the command line, else that under `vars`, else that of the environment, else the default.

use std::collections::BTreeMap;
use std::ops::Range;

use super::fields::written;
use crate::source::yaml::plain;
use crate::source::{Diagnostic, Node, Place, Sources, Value};

/// Variables that the scenario or the command line names.
#[derive(Debug, Clone, Default)]
pub(super) struct Named(pub(super) BTreeMap<String, (String, Place)>);

/// What became of the variables of a scenario.
#[derive(Debug, Default)]
pub(super) struct Expansion {
    /// Scalars that were expanded, with what they became.
    pub(super) values: Vec<(Place, String)>,
    /// Scalars that could not be expanded.
    pub(super) broken: Vec<Place>,
    /// Why not.
    pub(super) findings: Vec<Diagnostic>,
    /// Variables that were used, with the place of the scalar, and of their value where it stands in a file.
    pub(super) used: Vec<Use>,
    /// Parts of the command line that a recording does not need, since they have been expanded.
    pub(super) spent: Vec<Place>,
}

/// One use of a variable.
#[derive(Debug, Clone)]
pub(super) struct Use {
    pub(super) name: String,
    /// The scalar.
    pub(super) place: Place,
    /// Where its value stands.
    pub(super) origin: Option<Place>,
}

/// Expands every variable under `root`; `environment` has those that are not named. `part` tells the
/// place of a part of a scalar.
pub(super) fn expand(
    root: &mut Node,
    sources: &Sources,
    named: &Named,
    environment: &dyn Fn(&str) -> Option<String>,
    part: &dyn Fn(&str, Place, Range<usize>) -> Place,
) -> Expansion {
    let mut expansion = Expansion::default();
    walk(root, &mut |node| {
        let Value::String(text) = &node.value else { return };
        if !text.contains('$') {
            return;
        }
        let mut used = Vec::new();
        let expanded = expanded_text(text, &mut |name| {
            let found = named.0.get(name);
            used.push(Use { name: name.to_owned(), place: node.place, origin: found.map(|(_, origin)| *origin) });
            found.map(|(value, _)| value.clone()).or_else(|| environment(name))
        });
        expansion.used.append(&mut used);
        match expanded {
            Ok(value) => {
                expansion.values.push((node.place, value.clone()));
                let quoted = written(sources, node.place).starts_with(['"', '\'', '|', '>']);
                node.value = if quoted { Value::String(value) } else { plain(&value) };
            }
            Err((range, message)) => {
                let place = part(text, node.place, range);
                let diagnostic = Diagnostic::error(message).at(place, "").help(HELP);
                expansion.findings.push(diagnostic);
                expansion.broken.push(node.place);
            }
        }
    });
    expansion
}

const HELP: &str = "`${NAME:-default}` has a default, and `$$` is a dollar sign";

fn walk(node: &mut Node, change: &mut impl FnMut(&mut Node)) {
    match &mut node.value {
        Value::Seq(items) => items.iter_mut().for_each(|item| walk(item, change)),
        Value::Map(entries) => entries.iter_mut().for_each(|entry| walk(&mut entry.value, change)),
        _ => change(node),
    }
}

/// The text with its variables replaced, or what is wrong and where.
fn expanded_text(
    text: &str,
    variables: &mut dyn FnMut(&str) -> Option<String>,
) -> Result<String, (Range<usize>, String)> {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(dollar) = text[at..].find('$').map(|found| at + found) {
        out.push_str(&text[at..dollar]);
        let rest = &text[dollar + 1..];
        if rest.starts_with('$') {
            out.push('$');
            at = dollar + 2;
        } else if let Some(inside) = rest.strip_prefix('{') {
            let Some(length) = inside.find('}') else {
                return Err((dollar..text.len(), "this variable is never closed".to_owned()));
            };
            at = dollar + 2 + length + 1;
            out.push_str(&value_of(&inside[..length], variables).map_err(|message| (dollar..at, message))?);
        } else {
            out.push('$');
            at = dollar + 1;
        }
    }
    out.push_str(&text[at..]);
    Ok(out)
}

/// Whether a variable can be called so.
pub(super) fn is_name(name: &str) -> bool {
    let within = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    name.bytes().all(within) && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
}

/// The value of `NAME` or `NAME:-default`.
fn value_of(inside: &str, variables: &mut dyn FnMut(&str) -> Option<String>) -> Result<String, String> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if !is_name(name) {
        return Err(format!("`{name}` is not the name of a variable"));
    }
    match (variables(name), default) {
        // As in a shell, an empty variable gives way to the default.
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!("the variable `{name}` is not set and has no default")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand_text(text: &str) -> Result<String, (Range<usize>, String)> {
        expanded_text(text, &mut |name| match name {
            "SET" => Some("value".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn variables_take_their_value_or_their_default() {
        for (text, expected) in [
            ("a ${SET} b", "a value b"),
            ("${SET:-other}", "value"),
            ("${UNSET:-other}", "other"),
            ("${UNSET:-}", ""),
            ("${EMPTY:-other}", "other"),
            ("${EMPTY}", ""),
            ("$${SET} costs $5 $", "${SET} costs $5 $"),
            ("${SET}${SET}ä", "valuevalueä"),
        ] {
            assert_eq!(expand_text(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn an_unset_variable_says_which_and_where() {
        assert_eq!(
            expand_text("ä ${UNSET}"),
            Err((3..11, "the variable `UNSET` is not set and has no default".to_owned()))
        );
        assert_eq!(expand_text("${SET").unwrap_err().0, 0..5);
        assert!(expand_text("${1}").unwrap_err().1.contains("not the name"));
        assert!(expand_text("${}").unwrap_err().1.contains("not the name"));
    }
}
