//! What one provider makes of a request: its address, path, host, and credential.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, TE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use http_body_util::Full;

use super::encoding;
use super::error::Error;
use super::personality::Credentials;
use super::replica::Identity;
use super::upstream::Way;
use crate::event::facts::OWN_ID_HEADER;
use crate::topology::{Auth, Provider};

/// A provider, made ready to be called.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Its name.
    pub(crate) name: String,
    /// Its address, as the configuration has it.
    pub(crate) endpoint: String,
    /// The model that takes the place of the client's.
    pub(crate) model: Option<String>,
    /// Reference of its own credential.
    pub(crate) credential: Option<String>,
    /// How it is reached.
    pub(crate) way: Way,
    uri: Result<Uri, String>,
    keeps_query: bool,
    own_host: Option<HeaderValue>,
    auth: AuthHeader,
}

#[derive(Debug, Clone)]
enum AuthHeader {
    Remove,
    Keep,
    Set(HeaderValue),
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const OWN_REQUEST_ID: HeaderName = HeaderName::from_static(OWN_ID_HEADER);
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const RETRY_ATTEMPT: HeaderName = HeaderName::from_static("x-retry-attempt");

/// What tells an attempt from others.
#[derive(Debug)]
pub(crate) struct Marks<'m> {
    /// The request's id.
    pub(crate) identity: &'m Identity,
    /// The attempt, from 0.
    pub(crate) attempt: u32,
    /// The trace that it belongs to.
    pub(crate) traceparent: Option<HeaderValue>,
}

impl Target {
    /// Makes a provider ready; where it has no credential, with this for the client's.
    #[must_use]
    pub(crate) fn new(provider: &Provider, credentials: Credentials) -> Self {
        let Provider { name, model, endpoint, path, keeps_query, auth, tls, .. } = provider;
        let scheme = if tls.is_some() { "https" } else { "http" };
        // A name is sent as the host, an address is not: the client's host then stays.
        let is_address = endpoint.host.parse::<std::net::IpAddr>().is_ok();
        let own_host = if is_address { None } else { HeaderValue::from_str(&endpoint.host).ok() };
        let (auth, credential) = match auth {
            Auth::None if credentials == Credentials::Removed => (AuthHeader::Remove, None),
            Auth::None | Auth::Passthrough => (AuthHeader::Keep, None),
            Auth::Credential(credential) => {
                let header = HeaderValue::from_str(&credential.authorization()).map(|mut value| {
                    value.set_sensitive(true);
                    value
                });
                (header.map_or(AuthHeader::Remove, AuthHeader::Set), Some(credential.reference.clone()))
            }
        };
        Self {
            name: name.value.clone(),
            endpoint: endpoint.to_string(),
            model: model.clone(),
            credential,
            way: Way::to(provider),
            uri: format!("{scheme}://{endpoint}{path}")
                .parse()
                .map_err(|error: http::uri::InvalidUri| error.to_string()),
            keeps_query: *keeps_query,
            own_host,
            auth,
        }
    }

    /// Whether the client's own credential is sent along.
    #[must_use]
    pub(crate) fn passes_credential(&self) -> bool {
        matches!(self.auth, AuthHeader::Keep)
    }

    /// Its own credential, as a header.
    #[must_use]
    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        match &self.auth {
            AuthHeader::Set(value) => Some(value),
            AuthHeader::Remove | AuthHeader::Keep => None,
        }
    }

    /// The request that goes to the provider. `host_is_set` tells that a filter has set the host.
    ///
    /// # Errors
    /// [`Error::Filter`] where the configured path makes no URI.
    pub(crate) fn request(
        &self,
        client: &Parts,
        host_is_set: bool,
        marks: Marks<'_>,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, Error> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = client.method.clone();
        *request.uri_mut() = self.uri_with(client.uri.query())?;
        let headers = request.headers_mut();
        headers.clone_from(&client.headers);
        let takes_trailers = takes_trailers(headers);
        strip_hop_by_hop(headers);
        if takes_trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
        headers.remove(CONTENT_LENGTH);
        encoding::offer_what_can_be_read(headers);
        match &self.auth {
            AuthHeader::Remove => drop(headers.remove(AUTHORIZATION)),
            AuthHeader::Keep => {}
            AuthHeader::Set(value) => drop(headers.insert(AUTHORIZATION, value.clone())),
        }
        match &self.own_host {
            Some(host) if !host_is_set => drop(headers.insert(HOST, host.clone())),
            _ => {}
        }
        headers.insert(REQUEST_ID, marks.identity.header.clone());
        if let Some(own) = &marks.identity.own {
            headers.insert(OWN_REQUEST_ID, own.clone());
        }
        if marks.attempt > 0 {
            headers.insert(RETRY_ATTEMPT, HeaderValue::from(marks.attempt));
        }
        if let Some(traceparent) = marks.traceparent {
            headers.insert(TRACEPARENT, traceparent);
        }
        Ok(request)
    }

    fn uri_with(&self, query: Option<&str>) -> Result<Uri, Error> {
        let uri = self.uri.as_ref().map_err(|text| Error::Filter(format!("invalid URI: {text}")))?;
        match query.filter(|_| self.keeps_query) {
            None => Ok(uri.clone()),
            Some(query) => {
                format!("{uri}?{query}").parse().map_err(|error| Error::Filter(format!("invalid URI: {error}")))
            }
        }
    }
}

/// Whether a header concerns one connection only, besides those that `Connection` names.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Whether whoever asks takes trailers; then the gateway does too.
fn takes_trailers(headers: &HeaderMap) -> bool {
    headers.get(TE).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains("trailers"))
}

/// Takes away what concerns one connection only.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if let Some(named) = headers.get(CONNECTION).and_then(|value| value.to_str().ok()) {
        let named: Vec<_> = named.split(',').map(|name| name.trim().to_owned()).collect();
        for name in named {
            headers.remove(name.as_str());
        }
    }
    while let Some(name) = headers.keys().find(|name| is_hop_by_hop(name.as_str())) {
        let name = name.clone();
        headers.remove(name);
    }
}
