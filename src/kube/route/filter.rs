//! Filters of a rule: changes of headers, host and path.

use crate::kube::fields::Fields;
use crate::source::{Diagnostic, Place, Spanned};
use crate::topology::{Filter, HeaderChange, PathRewrite};

/// A filter as it was found.
pub(super) struct Found {
    /// Its type.
    pub(super) kind: &'static str,
    /// Where the type stands.
    pub(super) place: Place,
    /// What it does; none if labsim does not model it.
    pub(super) filter: Option<Filter>,
}

/// The types of filters with the field that each must have.
const TYPES: [(&str, &str); 7] = [
    ("RequestHeaderModifier", "requestHeaderModifier"),
    ("ResponseHeaderModifier", "responseHeaderModifier"),
    ("URLRewrite", "urlRewrite"),
    ("RequestMirror", "requestMirror"),
    ("RequestRedirect", "requestRedirect"),
    ("ExtensionRef", "extensionRef"),
    ("CORS", "cors"),
];

/// Reads a filter.
pub(super) fn read(fields: &Fields<'_>) -> Option<Found> {
    let names = TYPES.map(|(name, _)| name);
    let Some(chosen) = fields.need("type", fields.choice("type", &names)) else {
        fields.find_any(&TYPES.map(|(_, field)| field));
        return None;
    };
    let (kind, field) = *TYPES.iter().find(|(name, _)| *name == chosen.value)?;
    let found = |filter| Some(Found { kind, place: chosen.place, filter });
    let others = fields.find_any(&TYPES.map(|(_, other)| if other == field { "type" } else { other }));
    for other in others.iter().filter(|other| other.key != "type") {
        let message = format!("a filter of the type {kind} has no `{}`", other.key);
        fields.log().push(Diagnostic::error(message).at(other.key_place, "does not belong here"));
    }
    let body = fields.map(field);
    if fields.find(field).is_none() && others.len() <= 1 {
        fields.need::<()>(field, None);
    }
    let Some(body) = body else { return found(None) };
    let filter = match kind {
        "RequestHeaderModifier" => Filter::RequestHeaders(header_change(&body)),
        "ResponseHeaderModifier" => Filter::ResponseHeaders(header_change(&body)),
        "URLRewrite" => rewrite(&body),
        "RequestRedirect" => redirect(&body),
        other => {
            body.pass_over();
            let message = format!("labsim does not model {other} filters; this one has no effect here");
            fields.log().push(Diagnostic::warning(message).at(chosen.place, "not modelled"));
            return found(None);
        }
    };
    found(Some(filter))
}

/// Reads changes of headers, of a filter or of a policy.
pub(in crate::kube) fn header_change(fields: &Fields<'_>) -> HeaderChange {
    let change = HeaderChange {
        set: headers(fields, "set"),
        add: headers(fields, "add"),
        remove: fields.texts("remove").into_iter().filter_map(|name| header_name(fields, name)).collect(),
        origin: fields.place().into(),
    };
    if fields.find_any(&["set", "add", "remove"]).is_empty() {
        fields.log().push(Diagnostic::warning("this filter changes nothing").at(fields.place(), "no effect"));
    }
    change
}

fn headers(fields: &Fields<'_>, name: &'static str) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for header in fields.maps(name) {
        let name = header.need_text("name").and_then(|name| header_name(&header, name));
        let value = header.need_text("value");
        if let Some(value) = &value {
            is_header_value(&header, value);
        }
        if let (Some(name), Some(value)) = (name, value) {
            headers.push((name, value.value));
        }
    }
    headers
}

/// Checks the value of a header.
pub(in crate::kube) fn is_header_value(fields: &Fields<'_>, value: &Spanned<String>) -> bool {
    let is_sound = !value.chars().any(|letter| letter.is_control() && letter != '\t');
    if !is_sound {
        let message = "the value of a header has no control characters or line breaks";
        fields.log().push(Diagnostic::error(message).at(value.place, "has one"));
    }
    is_sound
}

/// A header's name, if it is one.
pub(in crate::kube) fn header_name(fields: &Fields<'_>, name: Spanned<String>) -> Option<String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.bytes().all(token) && !name.is_empty() {
        return Some(name.value);
    }
    let message = format!("`{}` is not the name of a header", name.value);
    fields.log().push(Diagnostic::error(message).at(name.place, "letters, digits and `-`"));
    None
}

fn rewrite(fields: &Fields<'_>) -> Filter {
    let hostname = fields.need_text_if_there("hostname").map(|host| super::hostname(&host, fields.log()));
    Filter::UrlRewrite { hostname, path: fields.map("path").and_then(|path| path_rewrite(&path)) }
}

fn redirect(fields: &Fields<'_>) -> Filter {
    const STATUSES: [u64; 5] = [301, 302, 303, 307, 308];
    let status = fields.number("statusCode", 301..=308);
    if let Some(odd) = status.as_ref().filter(|status| !STATUSES.contains(&status.value)) {
        let diagnostic = Diagnostic::error(format!("{} is not the status of a redirect", odd.value));
        fields.log().push(diagnostic.at(odd.place, "301, 302, 303, 307 or 308"));
    }
    Filter::Redirect {
        scheme: fields.choice("scheme", &["http", "https"]).map(|scheme| scheme.value.to_owned()),
        hostname: fields.need_text_if_there("hostname").map(|host| super::hostname(&host, fields.log())),
        port: fields.port("port").map(|port| port.value),
        path: fields.map("path").and_then(|path| path_rewrite(&path)),
        status: status.and_then(|status| u16::try_from(status.value).ok()).unwrap_or(302),
    }
}

fn path_rewrite(path: &Fields<'_>) -> Option<PathRewrite> {
    let kind = path.need("type", path.choice("type", &["ReplaceFullPath", "ReplacePrefixMatch"]))?;
    let (full, prefix) = (path.text("replaceFullPath"), path.text("replacePrefixMatch"));
    let (given, other) = match kind.value {
        "ReplaceFullPath" => (path.need("replaceFullPath", full.clone()), prefix),
        _ => (path.need("replacePrefixMatch", prefix.clone()), full),
    };
    if let Some(other) = other {
        let message = format!("this does not go with the type {}", kind.value);
        path.log().push(Diagnostic::error(message).at(other.place, "does not belong here"));
    }
    let text = given?.value;
    Some(if kind.value == "ReplaceFullPath" { PathRewrite::Full(text) } else { PathRewrite::Prefix(text) })
}
