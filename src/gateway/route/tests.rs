use super::*;
use crate::source::{FileId, Place};
use crate::world::Seed;

fn path(path: PathMatch) -> RouteMatch {
    RouteMatch { path: Some(path), ..RouteMatch::default() }
}

fn prefix(text: &str) -> RouteMatch {
    path(PathMatch::Prefix(text.into()))
}

fn exact(text: &str) -> RouteMatch {
    path(PathMatch::Exact(text.into()))
}

fn regex(text: &str) -> RouteMatch {
    path(PathMatch::Regex(regex::Regex::new(text).unwrap()))
}

fn with(mut base: RouteMatch, method: Option<&str>, headers: &[&str], query: &[&str]) -> RouteMatch {
    let exact = |pair: &&str| {
        let (name, value) = pair.split_once('=').unwrap();
        (name.to_owned(), TextMatch::Exact(value.to_owned()))
    };
    base.method = method.map(Into::into);
    base.headers = headers.iter().map(exact).collect();
    base.query = query.iter().map(exact).collect();
    base
}

/// Routes of one rule each, with these host names and matches.
fn routes(routes: &[(&[&str], &[RouteMatch])]) -> Routes {
    let mut topology = Topology::default();
    topology.listeners.push(crate::topology::Listener {
        tls: None,
        gateway: "ns/gw".into(),
        name: "http".into(),
        port: 8080,
        hostname: None,
    });
    for (index, (hostnames, matches)) in routes.iter().enumerate() {
        topology.routes.push(crate::topology::Route {
            name: format!("route-{index}"),
            namespace: "ns".into(),
            listeners: vec![0],
            hostnames: hostnames.iter().map(|&name| name.to_owned()).collect(),
            rules: vec![Rule { matches: matches.to_vec(), ..Rule::default() }],
            place: Place { file: FileId(0), start: 0, end: 0 },
        });
    }
    Routes::new(&topology)
}

fn take(routes: &Routes, method: &str, uri: &str, headers: &[(&str, &str)]) -> Option<usize> {
    let mut request = http::Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let host = listener::host_of(&parts).unwrap_or_default();
    routes.find(0, &host, &parts).map(|found| found.route)
}

#[test]
fn paths_rank_exact_then_longest_prefix_then_longest_expression() {
    let table = routes(&[
        (&[], &[regex("/v[0-9]/.*")]),
        (&[], &[regex("/v[0-9]/long.*")]),
        (&[], &[prefix("/")]),
        (&[], &[prefix("/openai")]),
        (&[], &[prefix("/openai/deep/")]),
        (&[], &[exact("/openai/deep")]),
    ]);
    for (path, expected) in [
        ("/openai/deep", 5),
        ("/openai/deep/er", 4),
        ("/openai", 3),
        ("/openai/", 3),
        ("/openai/x", 3),
        ("/openaix", 2),
        ("/v1/long", 2),
        ("/", 2),
    ] {
        assert_eq!(take(&table, "GET", path, &[]), Some(expected), "{path}");
    }
    let expressions = routes(&[(&[], &[regex("/v[0-9]/.*")]), (&[], &[regex("/v[0-9]/long.*")])]);
    assert_eq!(take(&expressions, "GET", "/v1/longer", &[]), Some(1));
    assert_eq!(take(&expressions, "GET", "/v1/x", &[]), Some(0));
    assert_eq!(take(&expressions, "GET", "/x/v1/x", &[]), None, "an expression matches the whole path");
}

#[test]
fn then_the_method_then_headers_then_query_then_the_order() {
    let table = routes(&[
        (&[], &[prefix("/a")]),
        (&[], &[prefix("/a")]),
        (&[], &[with(prefix("/a"), None, &[], &["q=1"])]),
        (&[], &[with(prefix("/a"), None, &["x-a=1"], &[])]),
        (&[], &[with(prefix("/a"), None, &["x-a=1", "x-b=1"], &[])]),
        (&[], &[with(prefix("/a"), Some("POST"), &[], &[])]),
    ]);
    assert_eq!(take(&table, "POST", "/a?q=1", &[("x-a", "1"), ("x-b", "1")]), Some(5));
    assert_eq!(take(&table, "GET", "/a?q=1", &[("x-a", "1"), ("x-b", "1")]), Some(4));
    assert_eq!(take(&table, "GET", "/a?q=1", &[("X-A", "1")]), Some(3));
    assert_eq!(take(&table, "GET", "/a?p=0&q=1", &[]), Some(2));
    assert_eq!(take(&table, "GET", "/a?q=2", &[]), Some(0));
}

#[test]
fn the_closest_host_name_goes_first_and_the_next_has_its_turn() {
    let table = routes(&[
        (&[], &[exact("/only-here")]),
        (&["*.example.com"], &[prefix("/")]),
        (&["api.example.com", "other.org"], &[prefix("/api")]),
    ]);
    let at = |host: &str, path: &str| take(&table, "GET", path, &[("host", host)]);
    assert_eq!(at("api.example.com", "/api/x"), Some(2));
    assert_eq!(at("API.example.com:8080", "/api/x"), Some(2));
    assert_eq!(at("api.example.com", "/x"), Some(1), "the wildcard's turn");
    assert_eq!(at("other.org", "/x"), None);
    assert_eq!(at("other.org", "/only-here"), Some(0));
    assert_eq!(at("example.com", "/x"), None, "a wildcard wants a label");
}

#[test]
fn any_of_several_matches_will_do_and_no_match_takes_everything() {
    let table = routes(&[(&[], &[]), (&[], &[exact("/a"), exact("/b")])]);
    assert_eq!(take(&table, "GET", "/b", &[]), Some(1));
    assert_eq!(take(&table, "DELETE", "/c/d", &[]), Some(0));
    assert_eq!(take(&routes(&[]), "GET", "/", &[]), None);
}

#[test]
fn query_parameters_are_compared_without_their_escapes() {
    let table = routes(&[(&[], &[with(prefix("/"), None, &[], &["q=a b&c"])])]);
    assert_eq!(take(&table, "GET", "/?x&q=a+b%26c", &[]), Some(0));
    assert_eq!(take(&table, "GET", "/?q=a+b%2", &[]), None);
}

#[test]
fn of_a_query_parameter_that_stands_twice_the_last_counts() {
    let table = routes(&[(&[], &[with(prefix("/"), None, &[], &["q=2"])])]);
    assert_eq!(take(&table, "GET", "/?q=1&q=2", &[]), Some(0));
    assert_eq!(take(&table, "GET", "/?q=2&q=1", &[]), None);
}

#[test]
fn backends_are_picked_by_weight() {
    let weights = |weights: &[u32]| -> Vec<WeightedBackend> {
        weights.iter().enumerate().map(|(backend, &weight)| WeightedBackend { backend, weight }).collect()
    };
    let mut random = Seed(1).stream("routes");
    let mut counts = [0; 3];
    for _ in 0..10_000 {
        counts[pick(&weights(&[1, 0, 3]), &mut random).unwrap()] += 1;
    }
    assert_eq!(counts[1], 0);
    assert!((2_300..2_700).contains(&counts[0]), "{counts:?}");
    assert_eq!(pick(&weights(&[0, 7]), &mut random), Some(1));
    assert_eq!(pick(&weights(&[0, 0]), &mut random), None);
    assert_eq!(pick(&[], &mut random), None);
    assert!(pick(&weights(&[u32::MAX, u32::MAX]), &mut random).is_some());
}
