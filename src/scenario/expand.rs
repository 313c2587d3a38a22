//! Variables in scenario files: `${NAME}`, `${NAME:-default}`, and `$$` for a dollar sign.
//!
//! They stand in values, not in keys. An unquoted value that becomes a number is one.

use std::ops::Range;

use crate::source::yaml::plain;
use crate::source::{Diagnostic, Node, Place, Value};

/// Where variables come from.
pub(super) type Variables<'v> = &'v dyn Fn(&str) -> Option<String>;

/// What became of the variables of a file.
#[derive(Debug, Default)]
pub(super) struct Expansion {
    /// Scalars that were expanded, with what they became.
    pub(super) values: Vec<(Place, String)>,
    /// Scalars that could not be expanded.
    pub(super) broken: Vec<Place>,
    /// Why not.
    pub(super) findings: Vec<Diagnostic>,
}

/// Expands every variable under `root`. `part` tells the place of a part of a scalar.
pub(super) fn expand(
    root: &mut Node,
    text: &str,
    variables: Variables<'_>,
    part: &dyn Fn(&str, Place, Range<usize>) -> Place,
) -> Expansion {
    let mut expansion = Expansion::default();
    walk(root, &mut |node| {
        let Value::String(written) = &node.value else { return };
        if !written.contains('$') {
            return;
        }
        match expanded_text(written, variables) {
            Ok(value) => {
                expansion.values.push((node.place, value.clone()));
                let quoted =
                    text.get(node.place.start as usize..).is_some_and(|at| at.starts_with(['"', '\'', '|', '>']));
                node.value = if quoted { Value::String(value) } else { plain(&value) };
            }
            Err((range, message)) => {
                let place = part(written, node.place, range);
                expansion.findings.push(Diagnostic::error(message).at(place, "").help(HELP));
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
fn expanded_text(text: &str, variables: Variables<'_>) -> Result<String, (Range<usize>, String)> {
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

/// The value of `NAME` or `NAME:-default`.
fn value_of(inside: &str, variables: Variables<'_>) -> Result<String, String> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let valid = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    if !valid {
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
        expanded_text(text, &|name| match name {
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
