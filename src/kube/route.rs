//! `HTTPRoute`: which requests go to which backends, and what is changed on the way.

mod attach;
mod filter;
mod matching;
mod timeout;

use super::backend::Backend;
use super::fields::{Fields, Log, did_you_mean};
use super::gateway::Gateway;
use super::kinds::{GATEWAY_API, KINDS, Kind, Role};
use super::object::{Object, dangling, is_one_nameless};
use super::policy::limit_attempts;
use crate::source::{Diagnostic, Origin, Place, Spanned};
use crate::topology::{self, Filter, PathMatch, PathRewrite, RouteMatch, Rule, WeightedBackend};

pub(super) use attach::imply;
pub(super) use filter::{header_change, header_name, is_header_value};
pub(super) use matching::{METHODS, check_path, every_path, regex};

/// A route.
pub(super) struct HttpRoute {
    name: Spanned<String>,
    namespace: String,
    parents: Vec<Parent>,
    hostnames: Vec<String>,
    rules: Vec<(Rule, Vec<BackendRef>)>,
}

/// A reference to a Gateway, or to some of its listeners.
struct Parent {
    name: Spanned<String>,
    namespace: String,
    section: Option<Spanned<String>>,
    port: Option<Spanned<u16>>,
}

/// A reference to a backend.
struct BackendRef {
    kind: &'static Kind,
    name: Spanned<String>,
    namespace: String,
    weight: u32,
    filters: Vec<Filter>,
    place: Place,
}

/// Limits of the Gateway API.
const MAX_RULES: usize = 16;
const MAX_WEIGHT: u64 = 1_000_000;

/// Reads a route.
pub(super) fn read(object: Object<'_>) -> HttpRoute {
    let Object { name, namespace, fields, .. } = object;
    let mut route = HttpRoute { name, namespace, parents: Vec::new(), hostnames: Vec::new(), rules: Vec::new() };
    let Some(spec) = fields.need_map("spec") else { return route };
    let warn = |message: String, label: &str| {
        fields.log().push(Diagnostic::warning(message).at(route.name.place, label));
    };
    let parents = spec.maps("parentRefs");
    if parents.is_empty() && spec.find("parentRefs").is_none() && !spec.is_any_misspelt(&["parentRefs"]) {
        warn(
            format!("the route `{}` has no `parentRefs`", route.name.value),
            "attached to no Gateway: nothing serves it",
        );
    }
    route.parents = parents.iter().filter_map(|fields| parent(fields, &route.namespace)).collect();
    route.hostnames = spec.texts("hostnames").into_iter().map(|host| hostname(&host, spec.log())).collect();
    if spec.find("rules").is_some() {
        let rules = spec.need_maps("rules", MAX_RULES);
        route.rules = rules.iter().map(|fields| rule(fields, &route.namespace)).collect();
    } else if !spec.is_any_misspelt(&["rules"]) {
        warn(format!("the route `{}` has no `rules`", route.name.value), "matches every path and leads nowhere");
        route.rules = vec![(Rule { matches: vec![matching::every_path()], ..Rule::default() }, Vec::new())];
    }
    route
}

impl HttpRoute {
    /// The names of its rules, where they have one.
    pub(super) fn rule_names(&self) -> Vec<Option<String>> {
        self.rules.iter().map(|(rule, _)| rule.name.clone()).collect()
    }
}

fn parent(fields: &Fields<'_>, namespace: &str) -> Option<Parent> {
    let group = fields.text("group").map_or_else(|| GATEWAY_API.to_owned(), |group| group.value);
    let kind = fields.text("kind").map_or_else(|| "Gateway".to_owned(), |kind| kind.value);
    let parent = Parent {
        section: fields.need_text_if_there("sectionName"),
        port: fields.port("port"),
        namespace: fields.need_text_if_there("namespace").map_or_else(|| namespace.to_owned(), |space| space.value),
        name: fields.need_text("name")?,
    };
    if (group.as_str(), kind.as_str()) == (GATEWAY_API, "Gateway") {
        return Some(parent);
    }
    let shown = if group.is_empty() { kind.clone() } else { format!("{group}/{kind}") };
    let diagnostic = Diagnostic::error(format!("labsim attaches routes to Gateways, not to `{shown}`"))
        .at(parent.name.place, "not a Gateway");
    fields.log().push(if group == GATEWAY_API { did_you_mean(diagnostic, &kind, &["Gateway"]) } else { diagnostic });
    None
}

/// A host name, in lower case; only its first label may be `*`.
pub(super) fn hostname(host: &Spanned<String>, log: &Log<'_>) -> String {
    let lower = host.value.to_ascii_lowercase();
    let plain = lower.strip_prefix("*.").unwrap_or(&lower);
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    if !plain.split('.').all(label) {
        log.push(
            Diagnostic::error(format!("`{}` is not a host name", host.value))
                .at(host.place, "not a host name")
                .help("a name such as `llm.example.com` or `*.example.com`, without scheme, port and path"),
        );
    }
    lower
}

fn rule(fields: &Fields<'_>, namespace: &str) -> (Rule, Vec<BackendRef>) {
    let mut matches: Vec<RouteMatch> = fields.maps("matches").iter().map(matching::read).collect();
    if matches.is_empty() {
        matches.push(matching::every_path());
    }
    let filters = filters(fields, &matches);
    let (request_timeout, backend_request_timeout) =
        fields.map("timeouts").map_or((None, None), |timeouts| timeout::read(&timeouts));
    let retry = fields.map("retry").map(|fields| super::policy::retry(&fields, None));
    let given = fields.maps("backendRefs");
    if given.is_empty() && fields.find("filters").is_none() && !fields.is_any_misspelt(&["backendRefs", "filters"]) {
        fields.log().push(Diagnostic::warning("this rule has no `backendRefs`").at(fields.place(), "leads nowhere"));
    }
    let refs = given.iter().filter_map(|fields| backend_ref(fields, namespace)).collect();
    let timeout_origin = Origin(fields.find("timeouts").map(|entry| entry.key_place));
    let origin = fields.place().into();
    let rule = Rule {
        name: fields.text("name").map(|name| name.value),
        matches,
        filters,
        request_timeout,
        backend_request_timeout,
        retry,
        origin,
        timeout_origin,
        ..Rule::default()
    };
    (rule, refs)
}

fn filters(fields: &Fields<'_>, matches: &[RouteMatch]) -> Vec<Filter> {
    let mut found: Vec<filter::Found> = Vec::new();
    for filter in fields.maps("filters").iter().filter_map(filter::read) {
        if let Some(first) = found.iter().find(|other| other.kind == filter.kind && filter.filter.is_some()) {
            fields.log().push(
                Diagnostic::error(format!("two filters of the type {} in one rule", filter.kind))
                    .at(filter.place, "again here")
                    .note_at(first.place, "first here")
                    .help("one filter can set, add and remove any number of headers"),
            );
        }
        let needs_prefix = matches!(
            filter.filter,
            Some(
                Filter::UrlRewrite { path: Some(PathRewrite::Prefix(_)), .. }
                    | Filter::Redirect { path: Some(PathRewrite::Prefix(_)), .. }
            )
        );
        if needs_prefix && !matches!(matches, [RouteMatch { path: Some(PathMatch::Prefix(_)), .. }]) {
            fields.log().push(
                Diagnostic::error("ReplacePrefixMatch needs a rule with one match, by PathPrefix")
                    .at(filter.place, "no such match"),
            );
        }
        found.push(filter);
    }
    found.into_iter().filter_map(|found| found.filter).collect()
}

fn backend_ref(fields: &Fields<'_>, namespace: &str) -> Option<BackendRef> {
    let kind = backend_kind(fields);
    let name = fields.need_text("name");
    fields.port("port");
    let weight = fields.number("weight", 0..=MAX_WEIGHT).map_or(1, |weight| weight.value);
    let namespace = fields.need_text_if_there("namespace").map_or_else(|| namespace.to_owned(), |space| space.value);
    let weight = u32::try_from(weight).unwrap_or(u32::MAX);
    let filters = filters_of_ref(fields);
    Some(BackendRef { kind: kind?, name: name?, namespace, weight, filters, place: fields.place() })
}

/// The filters of a reference: those that change headers.
fn filters_of_ref(fields: &Fields<'_>) -> Vec<Filter> {
    let mut filters = Vec::new();
    for found in fields.maps("filters").iter().filter_map(filter::read) {
        match found.filter {
            Some(filter @ (Filter::RequestHeaders(_) | Filter::ResponseHeaders(_))) => filters.push(filter),
            Some(_) => {
                let message = format!("labsim does not model {} filters of one backend", found.kind);
                let diagnostic = Diagnostic::warning(message).at(found.place, "not modelled");
                fields.log().push(diagnostic.help("a filter of the rule has an effect"));
            }
            None => {}
        }
    }
    filters
}

/// The kind of backend that a reference means by its `group` and `kind`.
fn backend_kind(fields: &Fields<'_>) -> Option<&'static Kind> {
    let (group, kind) = (fields.text("group"), fields.text("kind"));
    let group_text = group.as_ref().map_or("", |group| group.value.as_str());
    let kind_text = kind.as_ref().map_or("Service", |kind| kind.value.as_str());
    let backends = || KINDS.iter().filter(|kind| kind.role == Role::Backend);
    if let Some(found) = backends().find(|kind| (kind.group, kind.name) == (group_text, kind_text)) {
        return Some(found);
    }
    let place = |part: &Option<Spanned<String>>| part.as_ref().map_or(fields.place(), |part| part.place);
    let diagnostic = if let Some(right) = backends().find(|kind| kind.name == kind_text) {
        let diagnostic = match &group {
            Some(group) => Diagnostic::error(format!("{} is not in the group `{group_text}`", right.name))
                .at(group.place, "the group is wrong"),
            None => Diagnostic::error(format!("{} needs its `group` beside it", right.name))
                .at(place(&kind), "`group` is missing"),
        };
        diagnostic.help(format!("write `group: {}`", right.group))
    } else if let Some(right) = backends().find(|kind| kind.group == group_text) {
        let diagnostic = Diagnostic::error(format!("there is no backend of the kind `{kind_text}`"))
            .at(place(&kind), "the kind is wrong");
        match kind {
            Some(_) => did_you_mean(diagnostic, kind_text, &[right.name]),
            None => diagnostic.help(format!("write `kind: {}`", right.name)),
        }
    } else {
        Diagnostic::error(format!("labsim routes to AI backends only, not to the kind `{kind_text}`"))
            .at(place(&kind), "not modelled")
            .help("for an AI backend, write `group: agentgateway.dev` and `kind: AgentgatewayBackend`")
    };
    fields.log().push(diagnostic);
    None
}

/// Attaches routes to listeners and leads their rules to backends.
pub(super) fn link(
    routes: Vec<HttpRoute>,
    backends: &[Backend],
    gateways: &[Gateway],
    listeners: &[topology::Listener],
    log: &Log<'_>,
) -> Vec<topology::Route> {
    let link = |route: HttpRoute| topology::Route {
        listeners: attach::attach(&route, gateways, listeners, log),
        place: route.name.place,
        name: route.name.value,
        namespace: route.namespace,
        hostnames: route.hostnames,
        rules: route.rules.into_iter().map(|(rule, refs)| lead(rule, &refs, backends, log)).collect(),
    };
    routes.into_iter().map(link).collect()
}

fn lead(mut rule: Rule, refs: &[BackendRef], backends: &[Backend], log: &Log<'_>) -> Rule {
    for one in refs {
        let found = backends.iter().position(|backend| {
            backend.kind == one.kind.name && backend.name.value == one.name.value && backend.namespace == one.namespace
        });
        let Some(backend) = found else {
            let same = backends.iter().filter(|backend| backend.kind == one.kind.name).map(Backend::path);
            if !is_one_nameless(&one.namespace, same) {
                log.push(no_backend(one, backends));
            }
            continue;
        };
        if backends.get(backend).is_some_and(|backend| backend.is_other) {
            log.push(
                Diagnostic::error(format!("the backend `{}` is not an AI backend", one.name.value))
                    .at(one.name.place, "labsim does not model it"),
            );
        }
        rule.backends.push(WeightedBackend { backend, weight: one.weight });
    }
    for index in rule.backends.iter().map(|one| one.backend).collect::<Vec<_>>() {
        limit_attempts(&mut rule, index, backends.get(index).and_then(|backend| backend.request_timeout));
    }
    match refs {
        [only] => add_filters(&mut rule, &only.filters),
        refs => {
            for one in refs.iter().filter(|one| !one.filters.is_empty()) {
                let message = "labsim models filters of a backend only where its rule has no other one";
                log.push(Diagnostic::warning(message).at(one.place, "not modelled"));
            }
        }
    }
    rule
}

/// Has a rule do what a reference says: on the way to the backend after the rule's own, back before them.
fn add_filters(rule: &mut Rule, filters: &[Filter]) {
    let (response, request): (Vec<_>, Vec<_>) =
        filters.iter().cloned().partition(|filter| matches!(filter, Filter::ResponseHeaders(_)));
    rule.filters.splice(0..0, response);
    rule.filters.extend(request);
}

fn no_backend(one: &BackendRef, backends: &[Backend]) -> Diagnostic {
    let (same, other): (Vec<_>, Vec<_>) = backends.iter().partition(|backend| backend.kind == one.kind.name);
    let twin = other.iter().find(|twin| twin.name.value == one.name.value && twin.namespace == one.namespace);
    let known = same.iter().map(|backend| backend.path());
    let diagnostic = dangling(one.kind.name, &one.name, &one.namespace, known);
    match twin {
        None => diagnostic,
        Some(twin) => diagnostic.note_at(twin.name.place, format!("a {} of that name", twin.kind)),
    }
}
