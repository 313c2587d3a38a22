//! Matches of a rule: path, headers, query parameters, method.

use regex::Regex;

use super::filter::header_name;
use crate::kube::fields::Fields;
use crate::source::{Diagnostic, Spanned};
use crate::topology::{PathMatch, RouteMatch, TextMatch};

/// The methods that a match can ask for.
pub(in crate::kube) const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
const EXACT: &str = "Exact";
const REGULAR_EXPRESSION: &str = "RegularExpression";
/// What a path to compare with does not contain; the gateway compares normal forms.
const NOT_IN_PATHS: [&str; 6] = ["//", "/./", "/../", "%2f", "%2F", "#"];

/// What a rule without matches matches.
pub(in crate::kube) fn every_path() -> RouteMatch {
    RouteMatch { path: Some(PathMatch::Prefix("/".to_owned())), ..RouteMatch::default() }
}

/// Reads one match. Where a part is wrong, the match has none.
pub(super) fn read(fields: &Fields<'_>) -> RouteMatch {
    let path = match fields.map("path") {
        Some(path) => read_path(&path),
        None => every_path().path,
    };
    RouteMatch {
        path,
        headers: pairs(fields, "headers"),
        query: pairs(fields, "queryParams"),
        method: fields.choice("method", &METHODS).map(|method| method.value.to_owned()),
    }
}

fn read_path(fields: &Fields<'_>) -> Option<PathMatch> {
    let kind = fields.choice("type", &[EXACT, "PathPrefix", REGULAR_EXPRESSION]);
    let value = match fields.find("value") {
        None => Spanned::new("/".to_owned(), fields.place()),
        Some(_) => fields.text("value")?,
    };
    let kind = match fields.find("type") {
        None => "PathPrefix",
        Some(_) => kind?.value,
    };
    if kind == REGULAR_EXPRESSION {
        return regex(fields, &value).map(PathMatch::Regex);
    }
    check_path(fields, &value);
    Some(if kind == EXACT { PathMatch::Exact(value.value) } else { PathMatch::Prefix(value.value) })
}

/// Checks a path to compare with.
pub(in crate::kube) fn check_path(fields: &Fields<'_>, path: &Spanned<String>) {
    let error = |label: String| {
        let message = format!("`{}` is not a path to match", path.value);
        fields.log().push(Diagnostic::error(message).at(path.place, label));
    };
    if !path.starts_with('/') {
        return error("a path begins with `/`".to_owned());
    }
    if let Some(part) = NOT_IN_PATHS.iter().find(|part| path.contains(**part)) {
        return error(format!("a path has no `{part}`"));
    }
    if path.ends_with("/..") || path.ends_with("/.") {
        return error("a path does not end in dots".to_owned());
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-/._~!$&'()*+,;=:@%".contains(&byte);
    if !path.bytes().all(allowed) {
        error("spaces and the like are written as `%20`".to_owned());
    }
}

fn pairs(fields: &Fields<'_>, name: &'static str) -> Vec<(String, TextMatch)> {
    let mut pairs: Vec<(String, TextMatch)> = Vec::new();
    for pair in fields.maps(name) {
        let kind = pair.choice("type", &[EXACT, REGULAR_EXPRESSION]);
        let is_regex = kind.is_some_and(|kind| kind.value == REGULAR_EXPRESSION);
        let name = pair.need_text("name").and_then(|name| header_name(&pair, name));
        let value = pair.need_text("value").and_then(|value| {
            if is_regex {
                return regex(&pair, &value).map(TextMatch::Regex);
            }
            Some(TextMatch::Exact(value.value))
        });
        if let (Some(name), Some(value)) = (name, value) {
            pairs.push((name, value));
        }
    }
    pairs
}

/// Compiles a regular expression.
pub(in crate::kube) fn regex(fields: &Fields<'_>, pattern: &Spanned<String>) -> Option<Regex> {
    match Regex::new(&pattern.value) {
        Ok(regex) => Some(regex),
        Err(error) => {
            let text = error.to_string();
            let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            fields.log().push(
                Diagnostic::error(format!("`{}` is not a regular expression", pattern.value)).at(pattern.place, why),
            );
            None
        }
    }
}
