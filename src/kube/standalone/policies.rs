//! Policies of agentgateway's own configuration: of routes, of backends, of providers.

use std::time::Duration;

use crate::kube::backend::{Login, one_of};
use crate::kube::fields::Fields;
use crate::kube::policy::{BackendPart, codes, condition, direct_response, of_request};
use crate::kube::route::{header_name, hostname, is_header_value};
use crate::kube::tls::{Wish, read_own};
use crate::source::{Diagnostic, Origin, Span, Spanned, Value};
use crate::topology::{
    EvictionPolicy, Filter, HeaderChange, HealthPolicy, PathMatch, PathRewrite, RateLimit, RateUnit, Retry, RouteMatch,
    Rule,
};

const HTTP1: &str = "HTTP/1.1";

/// What the policies of a route say.
#[derive(Default)]
pub(super) struct OfRoute {
    pub(super) filters: Vec<Filter>,
    pub(super) request_timeout: Option<Duration>,
    pub(super) timeout_origin: Origin,
    pub(super) backend_request_timeout: Option<Duration>,
    pub(super) retry: Option<Retry>,
    pub(super) rate_limits: Vec<RateLimit>,
    pub(super) part: BackendPart,
}

/// What the policies of a backend say.
#[derive(Default)]
pub(super) struct OfBackend {
    pub(super) part: BackendPart,
    request: Option<Filter>,
    response: Option<Filter>,
}

/// Reads the policies of a route, which takes what `matches` say.
pub(super) fn of_route(fields: &Fields<'_>, matches: &[RouteMatch]) -> OfRoute {
    let mut filters: Vec<Filter> = header_changes(fields).into_iter().flatten().collect();
    filters.extend(fields.map("urlRewrite").map(|fields| rewrite(&fields, matches)));
    filters.extend(fields.map("requestRedirect").map(|fields| redirect(&fields, matches)));
    if let Some(direct) = fields.map("directResponse") {
        filters.extend(unconditional(&direct).then(|| direct_response(&direct)).flatten());
    }
    let timeout = fields.map("timeout");
    let of_timeout = |name| timeout.as_ref().and_then(|fields| duration(fields, name)).filter(|one| !one.is_zero());
    OfRoute {
        filters,
        request_timeout: of_timeout("requestTimeout"),
        backend_request_timeout: of_timeout("backendRequestTimeout"),
        timeout_origin: Origin(fields.find("timeout").map(|entry| entry.key_place)),
        retry: fields.map("retry").map(|fields| retry(&fields)),
        rate_limits: rate_limits(fields),
        part: BackendPart { login: login(fields), tls: tls(fields), ..BackendPart::default() },
    }
}

/// Reads the policies of a backend.
pub(super) fn of_backend(fields: &Fields<'_>) -> OfBackend {
    let part = of_provider(fields);
    let [request, response] = header_changes(fields);
    let http = fields.map("http");
    let version = http.as_ref().and_then(|http| http.choice("version", &[HTTP1, "HTTP/2", "HTTP/2.0"]));
    let request_timeout = http.and_then(|http| duration(&http, "requestTimeout")).filter(|one| !one.is_zero());
    let http2 = version.map(|version| version.value != HTTP1);
    OfBackend { part: BackendPart { request_timeout, http2, ..part }, request, response }
}

/// Reads the policies of a provider.
pub(super) fn of_provider(fields: &Fields<'_>) -> BackendPart {
    let connect_timeout = fields.map("tcp").and_then(|tcp| duration(&tcp, "connectTimeout"));
    BackendPart {
        health: fields.map("health").map(|fields| health(&fields)),
        login: login(fields),
        connect_timeout: connect_timeout.filter(|timeout| !timeout.is_zero()),
        tls: tls(fields),
        ..BackendPart::default()
    }
}

fn tls(fields: &Fields<'_>) -> Option<Wish> {
    fields.map("backendTLS").map(|fields| read_own(&fields))
}

/// Whether a rule with this filter answers itself.
pub(super) fn answers_itself(filter: &Filter) -> bool {
    matches!(filter, Filter::DirectResponse { .. } | Filter::Redirect { .. })
}

impl OfBackend {
    /// Whether they say anything that a rule has to do.
    pub(super) fn changes_requests(&self) -> bool {
        self.part.health.is_some()
            || self.request.is_some()
            || self.response.is_some()
            || self.part.request_timeout.is_some()
    }

    /// Has a rule do what they say: on the way to the backend after the route's own, back before them.
    pub(super) fn add_to(self, rule: &mut Rule) {
        rule.filters.extend(self.request);
        if let Some(response) = self.response {
            rule.filters.insert(0, response);
        }
        rule.backend_request_timeout = rule.backend_request_timeout.or(self.part.request_timeout);
        rule.health = rule.health.take().or(self.part.health);
    }
}

/// A duration such as `3s`, `1.5s` or `250ms`.
fn duration(fields: &Fields<'_>, name: &'static str) -> Option<Duration> {
    if let Some(entry) = fields.find(name)
        && let Value::Int(number) = entry.value.value
    {
        let diagnostic = Diagnostic::error(format!("`{name}` has no unit")).at(entry.value.place, "not a duration");
        fields.log().push(diagnostic.help(format!("write `{number}s` for seconds")));
        return None;
    }
    let text = fields.text(name)?;
    match Span::parse(&text.value) {
        Ok(span) => Some(span.0),
        Err(why) => {
            fields.log().push(Diagnostic::error(why).at(text.place, "not a duration"));
            None
        }
    }
}

/// The changes of request and response headers.
fn header_changes(fields: &Fields<'_>) -> [Option<Filter>; 2] {
    [
        fields.map("requestHeaderModifier").map(|fields| Filter::RequestHeaders(header_change(&fields))),
        fields.map("responseHeaderModifier").map(|fields| Filter::ResponseHeaders(header_change(&fields))),
    ]
}

fn header_change(fields: &Fields<'_>) -> HeaderChange {
    let headers = |name| {
        let mut headers = Vec::new();
        for (name, value) in fields.labels(name) {
            let name = header_name(fields, Spanned::new(name, value.place));
            if is_header_value(fields, &value) {
                headers.extend(name.map(|name| (name, value.value)));
            }
        }
        headers
    };
    HeaderChange {
        set: headers("set"),
        add: headers("add"),
        remove: fields.texts("remove").into_iter().filter_map(|name| header_name(fields, name)).collect(),
        origin: fields.place().into(),
    }
}

fn rewrite(fields: &Fields<'_>, matches: &[RouteMatch]) -> Filter {
    let (hostname, port) = authority(fields);
    if let Some(port) = port.filter(|_| hostname.is_none()) {
        let diagnostic = Diagnostic::warning("labsim does not model a rewrite of the port alone");
        fields.log().push(diagnostic.at(port.place, "not modelled"));
    }
    Filter::UrlRewrite { hostname, path: path(fields, matches) }
}

fn redirect(fields: &Fields<'_>, matches: &[RouteMatch]) -> Filter {
    let status = fields.number("status", 300..=399).and_then(|status| u16::try_from(status.value).ok());
    let (hostname, port) = authority(fields);
    Filter::Redirect {
        scheme: fields.choice("scheme", &["http", "https"]).map(|scheme| scheme.value.to_owned()),
        hostname,
        port: port.map(|port| port.value),
        path: path(fields, matches),
        status: status.unwrap_or(302),
    }
}

/// The host and the port that an authority changes.
fn authority(fields: &Fields<'_>) -> (Option<String>, Option<Spanned<u16>>) {
    let Some(entry) = fields.find("authority") else { return (None, None) };
    if let Value::String(word) = &entry.value.value {
        if word != "auto" {
            fields.choice("authority", &["auto", "none"]);
            fields.not_modelled(entry);
        }
        return (None, None);
    }
    let Some(fields) = fields.map("authority") else { return (None, None) };
    if let Some(full) = fields.need_text_if_there("full") {
        return match full.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
            Some((host, Ok(port))) => {
                let host = Spanned::new(host.to_owned(), full.place);
                (Some(hostname(&host, fields.log())), Some(Spanned::new(port, full.place)))
            }
            _ => (Some(hostname(&full, fields.log())), None),
        };
    }
    let host = fields.need_text_if_there("host").map(|host| hostname(&host, fields.log()));
    (host, fields.port("port"))
}

fn path(fields: &Fields<'_>, matches: &[RouteMatch]) -> Option<PathRewrite> {
    let path = fields.map("path")?;
    if let Some(full) = path.text("full") {
        return Some(PathRewrite::Full(full.value));
    }
    let prefix = path.need("prefix", path.text("prefix"))?;
    if !matches.iter().all(|one| matches!(one.path, Some(PathMatch::Prefix(_)))) {
        let diagnostic = Diagnostic::error("a prefix is replaced only where the route matches by `pathPrefix`");
        path.log().push(diagnostic.at(prefix.place, "no such match"));
    }
    Some(PathRewrite::Prefix(prefix.value))
}

/// Whether a policy holds for every request; others are not modelled.
fn unconditional(fields: &Fields<'_>) -> bool {
    match fields.find("conditional") {
        None => true,
        Some(entry) => {
            fields.not_modelled(entry);
            false
        }
    }
}

fn retry(fields: &Fields<'_>) -> Retry {
    let attempts = fields.number("attempts", 1..=u64::from(u8::MAX));
    let condition = condition(fields, "condition");
    if condition.is_none() {
        fields.need("codes", fields.find("codes"));
    }
    Retry {
        attempts: attempts.and_then(|number| u32::try_from(number.value).ok()).unwrap_or(1),
        codes: codes(fields, 100..=999),
        condition,
        precondition: of_request(fields, "precondition"),
        backoff: duration(fields, "backoff"),
        origin: fields.place().into(),
    }
}

fn rate_limits(policies: &Fields<'_>) -> Vec<RateLimit> {
    let Some(entry) = policies.find("localRateLimit") else { return Vec::new() };
    if matches!(entry.value.value, Value::Map(_)) {
        policies.map("localRateLimit").as_ref().map(unconditional);
        return Vec::new();
    }
    let limits = policies.maps("localRateLimit");
    limits.iter().filter_map(rate_limit).collect()
}

fn rate_limit(fields: &Fields<'_>) -> Option<RateLimit> {
    let count = |name| fields.number(name, 0..=u64::MAX).map_or(0, |count| count.value);
    let (capacity, refill) = (count("maxTokens"), count("tokensPerFill"));
    let unit = fields.choice("type", &["requests", "tokens"]);
    let interval = fields.need("fillInterval", duration(fields, "fillInterval"))?;
    let unit = if unit.is_some_and(|unit| unit.value == "tokens") { RateUnit::Tokens } else { RateUnit::Requests };
    let place_of = |name| fields.find(name).map_or(fields.place(), |entry| entry.value.place);
    if interval.is_zero() {
        let diagnostic = Diagnostic::error("an interval is longer than nothing");
        fields.log().push(diagnostic.at(place_of("fillInterval"), "is zero"));
        return None;
    }
    if capacity == 0 && fields.find("maxTokens").is_some() {
        let diagnostic = Diagnostic::warning("this limit lets nothing through");
        fields.log().push(diagnostic.at(place_of("maxTokens"), "every request is refused with 429"));
    }
    Some(RateLimit { unit, capacity, refill, interval })
}

fn health(fields: &Fields<'_>) -> HealthPolicy {
    HealthPolicy {
        unhealthy: condition(fields, "unhealthyExpression"),
        unhealthy_origin: Origin(fields.find("unhealthyExpression").map(|entry| entry.value.place)),
        origin: fields.place().into(),
        eviction: fields.map("eviction").map(|fields| EvictionPolicy {
            duration: duration(&fields, "duration"),
            consecutive_failures: fields
                .number("consecutiveFailures", 0..=i32::MAX.unsigned_abs().into())
                .and_then(|failures| u32::try_from(failures.value).ok()),
            health_threshold: fields.share("healthThreshold"),
            restore_health: fields.share("restoreHealth"),
            origin: fields.find("duration").map_or(fields.place(), |entry| entry.value.place).into(),
        }),
    }
}

/// Which credential is sent.
fn login(policies: &Fields<'_>) -> Option<Login> {
    const WAYS: [&str; 9] =
        ["key", "passthrough", "aws", "azure", "gcp", "copilot", "credentials", "oauthTokenExchange", "crossAppAccess"];
    let auth = policies.map("backendAuth")?;
    let entry = one_of(&auth, &WAYS, "backendAuth")?;
    match entry.key.as_str() {
        "passthrough" => {
            drop(auth.map("passthrough"));
            Some(Login::Passthrough)
        }
        "key" => key(&auth),
        other => {
            let message = format!("labsim does not model `{other}` credentials; none is sent");
            auth.log().push(Diagnostic::warning(message).at(entry.key_place, "not modelled"));
            None
        }
    }
}

/// A key: as it is, from the environment (`$NAME`), or from a file.
fn key(auth: &Fields<'_>) -> Option<Login> {
    let entry = auth.find("key")?;
    if !matches!(entry.value.value, Value::Map(_)) {
        return auth.need_text("key").map(plain_key);
    }
    let fields = auth.map("key")?;
    let inner = match fields.find("value").map(|entry| &entry.value.value) {
        Some(Value::Map(_)) => fields.map("value"),
        Some(_) => return fields.need_text("value").map(plain_key),
        None => None,
    };
    let file = inner.as_ref().unwrap_or(&fields).need_text("file")?;
    Some(Login::File(file))
}

fn plain_key(key: Spanned<String>) -> Login {
    let name = key.value.strip_prefix('$').map(|name| name.trim_start_matches('{').trim_end_matches('}').to_owned());
    match name.filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
    {
        Some(name) => Login::Variable(key.map(|_| name)),
        None => Login::Key(key.value),
    }
}
