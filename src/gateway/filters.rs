//! What a rule changes on the way in and on the way out.

use bytes::Bytes;
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri};

use super::error::Error;
use crate::topology::{Filter, HeaderChange, PathMatch, PathRewrite, RouteMatch};

/// Applies a rule's filters to a request. Says whether one of them has set the host.
///
/// # Errors
/// [`Error::Filter`] where a filter makes no sense: an invalid header or path, or a prefix to be
/// replaced where none was matched.
pub(crate) fn on_request(filters: &[Filter], matched: Option<&RouteMatch>, request: &mut Parts) -> Result<bool, Error> {
    let mut host_is_set = false;
    for filter in filters {
        match filter {
            Filter::RequestHeaders(change) => change_headers(change, &mut request.headers)?,
            Filter::ResponseHeaders(_) | Filter::DirectResponse { .. } | Filter::Redirect { .. } => {}
            Filter::UrlRewrite { hostname, path } => {
                if let Some(hostname) = hostname {
                    request.headers.insert(http::header::HOST, value(hostname)?);
                    host_is_set = true;
                }
                if let Some(path) = path {
                    request.uri = rewritten(path, matched, &request.uri)?;
                }
            }
        }
    }
    Ok(host_is_set)
}

/// The answer that a rule gives itself, if it is such a rule. `request` is as it came.
///
/// # Errors
/// [`Error::Filter`] where a status, a header or an address is invalid.
pub(crate) fn own_answer(
    filters: &[Filter],
    matched: Option<&RouteMatch>,
    request: &Parts,
) -> Result<Option<Response<Bytes>>, Error> {
    for filter in filters {
        let (status, body, location) = match filter {
            Filter::DirectResponse { status, body } => (*status, body.clone(), None),
            Filter::Redirect { status, .. } => (*status, String::new(), Some(address(filter, matched, request)?)),
            Filter::RequestHeaders(_) | Filter::ResponseHeaders(_) | Filter::UrlRewrite { .. } => continue,
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() =
            StatusCode::from_u16(status).map_err(|error| Error::Filter(format!("invalid status: {error}")))?;
        if let Some(location) = location {
            response.headers_mut().insert(http::header::LOCATION, value(&location)?);
        }
        return Ok(Some(response));
    }
    Ok(None)
}

/// Where a redirect leads. The port of the scheme itself is left out.
fn address(redirect: &Filter, matched: Option<&RouteMatch>, request: &Parts) -> Result<String, Error> {
    let Filter::Redirect { scheme, hostname, port, path, .. } = redirect else { return Ok(String::new()) };
    let asked = request.uri.authority().cloned().or_else(|| {
        let host = request.headers.get(http::header::HOST)?;
        http::uri::Authority::try_from(host.as_bytes()).ok()
    });
    let host = hostname.as_deref().or_else(|| asked.as_ref().map(http::uri::Authority::host)).unwrap_or_default();
    let own_port = asked.as_ref().and_then(http::uri::Authority::port_u16).filter(|_| scheme.is_none());
    let scheme = scheme.as_deref().unwrap_or(request.extensions.get::<Scheme>().map_or("http", Scheme::as_str));
    let port = match (port.or(own_port), scheme) {
        (None, _) | (Some(80), "http") | (Some(443), "https") => String::new(),
        (Some(port), _) => format!(":{port}"),
    };
    let uri = match path {
        Some(path) => rewritten(path, matched, &request.uri)?,
        None => request.uri.clone(),
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Ok(format!("{scheme}://{host}{port}{path}"))
}

/// Applies a rule's filters to a response, whatever its status and whoever made it.
///
/// # Errors
/// [`Error::Filter`] where a header is invalid.
pub(crate) fn on_response(filters: &[Filter], headers: &mut HeaderMap) -> Result<(), Error> {
    for filter in filters {
        if let Filter::ResponseHeaders(change) = filter {
            change_headers(change, headers)?;
        }
    }
    Ok(())
}

/// Adds, then sets, then removes: in the order of agentgateway, all versions.
fn change_headers(change: &HeaderChange, headers: &mut HeaderMap) -> Result<(), Error> {
    for (header, content) in &change.add {
        headers.append(name(header)?, value(content)?);
    }
    for (header, content) in &change.set {
        headers.insert(name(header)?, value(content)?);
    }
    for header in &change.remove {
        headers.remove(name(header)?);
    }
    Ok(())
}

fn name(text: &str) -> Result<HeaderName, Error> {
    HeaderName::from_bytes(text.as_bytes()).map_err(|error| Error::Filter(format!("invalid header name: {error}")))
}

fn value(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|error| Error::Filter(format!("invalid header value: {error}")))
}

/// A URI with another path. The query stays.
fn rewritten(rewrite: &PathRewrite, matched: Option<&RouteMatch>, uri: &Uri) -> Result<Uri, Error> {
    let path = match rewrite {
        PathRewrite::Full(path) => path.clone(),
        PathRewrite::Prefix(new) => {
            let prefix = match matched.and_then(|matched| matched.path.as_ref()) {
                None => "/",
                Some(PathMatch::Prefix(prefix)) => prefix,
                Some(PathMatch::Exact(_) | PathMatch::Regex(_)) => {
                    return Err(Error::Filter(
                        "invalid filter configuration: prefix redirect requires prefix match".to_owned(),
                    ));
                }
            };
            let rest = uri.path().strip_prefix(prefix.trim_end_matches('/')).unwrap_or_default();
            match (new.trim_end_matches('/'), rest) {
                ("", "") => "/".to_owned(),
                (_, "") => new.clone(),
                (new, rest) if rest.starts_with('/') => format!("{new}{rest}"),
                (new, rest) => format!("{new}/{rest}"),
            }
        }
    };
    let text = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let invalid = |error| Error::Filter(format!("invalid URI: {error}"));
    text.parse::<http::uri::PathAndQuery>().map_err(invalid).map(Uri::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str) -> Parts {
        http::Request::builder().uri(uri).header("host", "gw").header("x-old", "1").body(()).unwrap().into_parts().0
    }

    fn change(add: &[(&str, &str)], set: &[(&str, &str)], remove: &[&str]) -> HeaderChange {
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let remove = remove.iter().map(|&name| name.to_owned()).collect();
        HeaderChange { add: pairs(add), set: pairs(set), remove, ..HeaderChange::default() }
    }

    #[test]
    fn headers_are_added_set_and_removed_in_this_order() {
        let mut request = parts("/");
        let change = change(&[("x-old", "2"), ("x-new", "a"), ("x-gone", "1")], &[("x-new", "b")], &["x-gone"]);
        on_request(&[Filter::RequestHeaders(change)], None, &mut request).unwrap();
        let all = |name: &str| request.headers.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(all("x-old"), ["1", "2"]);
        assert_eq!(all("x-new"), ["b"]);
        assert!(all("x-gone").is_empty());
    }

    #[test]
    fn a_path_is_rewritten_whole_or_by_its_prefix() {
        let prefix = |text: &str| RouteMatch { path: Some(PathMatch::Prefix(text.into())), ..RouteMatch::default() };
        for (uri, matched, rewrite, expected) in [
            ("/openai/v1?a=b", "/openai", PathRewrite::Prefix("/x".into()), "/x/v1?a=b"),
            ("/openai", "/openai", PathRewrite::Prefix("/x".into()), "/x"),
            ("/openai", "/openai/", PathRewrite::Prefix("/".into()), "/"),
            ("/openai/v1", "/openai", PathRewrite::Prefix("/".into()), "/v1"),
            ("/a/b", "/", PathRewrite::Prefix("/x/".into()), "/x/a/b"),
            ("/a/b?q", "/", PathRewrite::Full("/z".into()), "/z?q"),
        ] {
            let mut request = parts(uri);
            let filter = Filter::UrlRewrite { hostname: None, path: Some(rewrite) };
            assert_eq!(on_request(&[filter], Some(&prefix(matched)), &mut request), Ok(false));
            assert_eq!(request.uri.to_string(), expected, "{uri} by {matched}");
        }
        let exact = RouteMatch { path: Some(PathMatch::Exact("/a".into())), ..RouteMatch::default() };
        let filter = Filter::UrlRewrite { hostname: None, path: Some(PathRewrite::Prefix("/x".into())) };
        assert!(on_request(&[filter], Some(&exact), &mut parts("/a")).is_err());
    }

    #[test]
    fn a_redirect_keeps_what_it_does_not_change() {
        let redirect = |scheme: Option<&str>, hostname: Option<&str>, port, path| Filter::Redirect {
            scheme: scheme.map(str::to_owned),
            hostname: hostname.map(str::to_owned),
            port,
            path,
            status: 302,
        };
        for (filter, expected) in [
            (redirect(None, None, None, None), "http://gw:8080/a/b?q"),
            (redirect(Some("https"), None, None, None), "https://gw/a/b?q"),
            (redirect(Some("https"), None, Some(443), None), "https://gw/a/b?q"),
            (redirect(None, Some("other"), Some(80), None), "http://other/a/b?q"),
            (redirect(None, None, Some(81), Some(PathRewrite::Prefix("/x".into()))), "http://gw:81/x/b?q"),
            (redirect(None, None, None, Some(PathRewrite::Full("/z".into()))), "http://gw:8080/z?q"),
        ] {
            let mut request = parts("/a/b?q");
            request.headers.insert("host", HeaderValue::from_static("gw:8080"));
            let matched = RouteMatch { path: Some(PathMatch::Prefix("/a".into())), ..RouteMatch::default() };
            let answer = own_answer(&[filter], Some(&matched), &request).unwrap().unwrap();
            assert_eq!((answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()), (302, expected));
        }
        assert!(own_answer(&[Filter::UrlRewrite { hostname: None, path: None }], None, &parts("/")).unwrap().is_none());
        assert!(own_answer(&[Filter::DirectResponse { status: 99, body: String::new() }], None, &parts("/")).is_err());
    }

    #[test]
    fn nonsense_is_an_error_and_not_a_panic() {
        for bad in [change(&[("bad name", "x")], &[], &[]), change(&[], &[("x", "a\nb")], &[])] {
            let mut headers = HeaderMap::new();
            assert!(on_response(&[Filter::ResponseHeaders(bad)], &mut headers).is_err());
        }
        let filter = Filter::UrlRewrite { hostname: Some("a\nb".into()), path: Some(PathRewrite::Full(" ".into())) };
        assert!(on_request(&[filter], None, &mut parts("/")).is_err());
    }
}
