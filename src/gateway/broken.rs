//! A gateway with a bug, to test the checker with and to teach by.
//!
//! The other layers ask a [`Broken`] at few seams, each a method here: what the personality's row is,
//! who is chosen, what is learnt of an answer, what becomes of an eviction, what is sent, how often,
//! and what is told. Where there is no bug each gives back what it got. A bug is one of [`Bug`].

mod health;
mod pool;
mod stream;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;

use super::body::Source;
use super::error::Error;
use super::group::{Pool, Seat};
use super::personality::{Accounting, AllOut, Behaviour, Comeback, CutStream, Failures, Told, Trigger};
use super::replica::Replica;
use super::upstream::{Upstream, Way};
use crate::event::Usage;
use crate::topology::Bug;
use crate::world::caller::Reply;

pub(crate) use stream::Warped;

/// The bug that the gateway has, if any, and what its replicas share by it. Cheap to clone; all clones
/// are of one gateway.
#[derive(Clone, Default)]
pub struct Broken {
    bug: Option<Bug>,
    shared: Option<Arc<Shared>>,
}

/// What replicas of a sound gateway do not share.
#[derive(Default)]
struct Shared {
    counter: AtomicU64,
    replicas: Mutex<Vec<Weak<Replica>>>,
    pools: Mutex<BTreeMap<u32, Vec<Pool>>>,
    /// A piece of somebody's stream, and whose.
    piece: Mutex<Option<(u64, Bytes)>>,
    /// The latest answer that is no stream.
    latest: Mutex<Bytes>,
}

/// Headers that a leak lets through.
const LEAKED: [HeaderName; 3] =
    [HeaderName::from_static("keep-alive"), HeaderName::from_static("te"), HeaderName::from_static("proxy-connection")];

/// What a client is told where the cause is masked.
const MASK: &str = r#"{"error":{"message":"This model does not support assistant message prefill.","type":"invalid_request_error","param":null,"code":null}}"#;

impl Broken {
    /// A gateway with this bug.
    #[must_use]
    pub fn new(bug: Option<Bug>) -> Self {
        Self { bug, shared: bug.map(|_| Arc::default()) }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    fn shared(&self) -> Option<&Shared> {
        self.shared.as_deref()
    }

    /// Whether this is every third time.
    fn third(&self) -> bool {
        self.shared().is_some_and(|shared| shared.counter.fetch_add(1, Ordering::Relaxed) % 3 == 2)
    }

    /// The personality's row.
    pub(super) fn row(&self, row: &Behaviour) -> Behaviour {
        let row = *row;
        match self.bug {
            Some(Bug::HalfOpenHerd) => Behaviour { comeback: Comeback::Fully, ..row },
            Some(Bug::CutIsSuccess) => Behaviour { cut_stream: CutStream::ByItsStatus, ..row },
            Some(Bug::PoisonEvicts) => Behaviour { failures: Failures::ClientAndServerErrors, ..row },
            Some(Bug::AllOutFirstGroup) => Behaviour { all_out: AllOut::FirstGroup, ..row },
            Some(Bug::BlindRetries) => Behaviour { accounting: Accounting::LastAttempt, ..row },
            Some(Bug::NeedsRetryAfter) => Behaviour { trigger: Trigger::RateLimitWait, ..row },
            Some(Bug::HidesFirst) => Behaviour { told: Told::Last, ..row },
            _ => row,
        }
    }

    /// Whether a request is dropped when it comes.
    pub(super) fn loses_request(&self) -> bool {
        self.has(Bug::LosesRequest) && self.third()
    }

    /// Whether a replica does not take other manifests.
    pub(super) fn misses_changes(&self, replica: u32) -> bool {
        self.has(Bug::MissesChanges) && replica > 0
    }

    /// Calls a provider. When nobody waits for the answer any more, the call is broken off.
    pub(super) async fn call(
        &self,
        upstream: &Upstream,
        request: Request<Full<Bytes>>,
        way: &Way,
    ) -> Result<Response<Reply>, Error> {
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if self.has(Bug::LeavesAttempts) => {
                let (upstream, way) = (upstream.clone(), way.clone());
                // Nobody breaks off what runs by itself.
                let call = runtime.spawn(async move { upstream.call(request, &way).await });
                call.await.unwrap_or(Err(Error::CallTimeout))
            }
            _ => upstream.call(request, way).await,
        }
    }

    /// How often a request may be tried again.
    pub(super) fn retries(&self, allowed: u32) -> u32 {
        if self.has(Bug::OneTooMany) { allowed + 1 } else { allowed }
    }

    /// Whether retries cost nothing.
    pub(super) fn retries_are_free(&self) -> bool {
        self.has(Bug::NoRetryBudget)
    }

    /// The request's timeout.
    pub(super) fn timeout(&self, timeout: Option<Duration>) -> Option<Duration> {
        timeout.filter(|_| !self.has(Bug::IgnoresDeadline))
    }

    /// Whether an answer is accounted when its head has come.
    pub(super) fn accounts_at_head(&self) -> bool {
        self.has(Bug::HealthAtHead)
    }

    /// What is sent to a provider, on the `number`th attempt from 0. `first` is the credential of the
    /// backend's first provider.
    pub(super) fn request(
        &self,
        mut request: Request<Full<Bytes>>,
        number: u32,
        client: &Parts,
        first: Option<&HeaderValue>,
    ) -> Request<Full<Bytes>> {
        match self.bug {
            Some(Bug::KeyOfTheFirst) if number > 0 => {
                if let Some(first) = first {
                    request.headers_mut().insert(AUTHORIZATION, first.clone());
                }
            }
            Some(Bug::EmptyRetry) if number > 0 => *request.body_mut() = Full::default(),
            Some(Bug::UnmarkedRetry) => drop(request.headers_mut().remove("x-retry-attempt")),
            Some(Bug::LeaksHeaders) => {
                for name in LEAKED {
                    if let Some(value) = client.headers.get(&name) {
                        request.headers_mut().insert(name, value.clone());
                    }
                }
            }
            _ => {}
        }
        request
    }

    /// The answer of a provider, before the client gets it. `attempts` is how many there were.
    pub(super) fn answer(&self, mut response: Response<Source>, attempts: u32) -> Response<Source> {
        let failed = response.status().as_u16() >= 400;
        match self.bug {
            Some(Bug::ErrorAsSuccess) if failed => *response.status_mut() = StatusCode::OK,
            Some(Bug::MixesAnswers) if !failed => self.mix(response.body_mut()),
            Some(Bug::MasksCause) if failed && attempts > 1 => {
                *response.status_mut() = StatusCode::BAD_REQUEST;
                *response.body_mut() = Source::Whole(Some(Bytes::from_static(MASK.as_bytes())));
            }
            _ => {}
        }
        response
    }

    /// Now and then puts the answer before in the place of one.
    fn mix(&self, body: &mut Source) {
        let (Source::Whole(Some(body)), Some(shared)) = (body, self.shared()) else { return };
        let mut latest = shared.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *latest, body.clone());
        if !before.is_empty() && self.third() {
            *body = before;
        }
    }

    /// The body of a stream.
    pub(super) fn stream(&self, source: Source) -> Source {
        match (self.bug, source) {
            (Some(bug), Source::Upstream(incoming, Some(tap))) if stream::concerns(bug) => {
                Source::Warped(Box::new(Warped::new(self.clone(), bug, incoming, tap)))
            }
            (_, source) => source,
        }
    }

    /// How often a request is told of in the access log.
    pub(super) fn log_lines(&self) -> usize {
        match self.bug {
            Some(Bug::LosesLogLine) if self.third() => 0,
            Some(Bug::LogsTwice) if self.third() => 2,
            _ => 1,
        }
    }

    /// The tokens that the access log has.
    pub(super) fn usage(&self, usage: Option<Usage>) -> Option<Usage> {
        let twice = |usage: Usage| Usage { input: usage.input * 2, output: usage.output * 2 };
        if self.has(Bug::CountsTokensTwice) { usage.map(twice) } else { usage }
    }

    /// Whether a refusal by a limit of the gateway's own is blamed on the first provider.
    pub(super) fn blames_for_own_limit(&self) -> Option<Seat> {
        self.has(Bug::OwnLimitEvicts).then_some(Seat { group: 0, index: 0 })
    }
}

/// Locks, whatever became of who had it before.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
