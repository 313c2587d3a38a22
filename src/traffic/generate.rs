//! Makes load on one address outside a lab, in real time, as fast as it goes.
//!
//! The client of a lab tells of each request in events; this one only measures. Every thread has a
//! runtime and histograms of its own, and every connection is driven by the task that uses it, so that
//! a request wakes nobody else.
//!
//! ```text
//!   closed: users ─ ask ─▶ answer ─ think ─▶ ask …       open: arrivals ─▶ a free connection each
//! ```

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout};

use super::arrivals::{Arrivals, Stretch};
use super::client::has_text;
use super::departures::Departures;
use super::sse;
use crate::event::measured::{Aims, Measured, Sample};
use crate::event::{Outcome, Usage};
use crate::world::Random;
use crate::world::net::dial;
use crate::world::pool::{Pool, Room, Taken};

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whom to connect to.
    pub address: SocketAddr,
    /// The request: method, path with query, headers with `Host`, body.
    pub method: Method,
    /// See `method`.
    pub path: Uri,
    /// See `method`.
    pub headers: HeaderMap,
    /// See `method`.
    pub body: Bytes,
    /// How long an answer may take as a whole.
    pub timeout: Option<Duration>,
    /// Who asks, and when.
    pub pace: Pace,
    /// No request begins after this long.
    pub lasts: Option<Duration>,
    /// How many requests at most.
    pub times: u64,
    /// What counts as good.
    pub aims: Aims,
    /// How many threads work.
    pub threads: usize,
}

/// Who asks, and when.
#[derive(Debug, Clone)]
pub enum Pace {
    /// So many users, each of whom waits for an answer, thinks, and asks again.
    Users {
        /// How many.
        count: usize,
        /// From the end of an answer to the next request.
        think: Duration,
    },
    /// Requests at a rate, whatever becomes of them.
    Rate {
        /// The rate over time.
        profile: Vec<Stretch>,
        /// Where chance comes from, if they come by chance.
        chance: Option<Box<Random>>,
    },
}

/// What came of it.
#[derive(Debug)]
pub struct Generated {
    /// The figures.
    pub measured: Measured,
    /// From the beginning to the end of the last request.
    pub elapsed: Duration,
    /// Why the first request failed that did, in words.
    pub trouble: Option<String>,
}

/// What all threads have in common.
struct Shared {
    plan: Plan,
    left: AtomicU64,
    begin: Instant,
    stop: Arc<AtomicBool>,
}

/// What the tasks of one thread have in common.
struct Worker {
    shared: Arc<Shared>,
    measured: RefCell<Measured>,
    /// The connections that nobody uses.
    resting: Pool<Connection>,
    trouble: RefCell<Option<String>>,
}

type Driver = http1::Connection<TokioIo<TcpStream>, Full<Bytes>>;

/// A connection, and the half of it that must be polled.
struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Pin<Box<Driver>>,
    room: Room,
}

/// Makes the load, until it is over or `stop` says so.
///
/// # Errors
/// The machine's, if it gives no thread or no runtime.
pub fn generate(plan: &Plan, stop: &Arc<AtomicBool>) -> io::Result<Generated> {
    let shared = Arc::new(Shared {
        plan: plan.clone(),
        left: AtomicU64::new(plan.times),
        begin: Instant::now(),
        stop: stop.clone(),
    });
    let all: Vec<io::Result<(Measured, Option<String>)>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.threads.max(1))
            .map(|number| {
                let shared = shared.clone();
                std::thread::Builder::new()
                    .name(format!("load-{number}"))
                    .spawn_scoped(scope, move || work(&shared, number))
            })
            .collect();
        let join = |thread: io::Result<std::thread::ScopedJoinHandle<'_, _>>| {
            thread?.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
        };
        threads.into_iter().map(join).collect()
    });
    let elapsed = shared.begin.elapsed();
    let mut generated = Generated { measured: Measured::new(plan.aims), elapsed, trouble: None };
    for one in all {
        let (measured, trouble) = one?;
        generated.measured.merge(&measured);
        generated.trouble = generated.trouble.or(trouble);
    }
    Ok(generated)
}

/// The share of one thread.
fn work(shared: &Arc<Shared>, number: usize) -> io::Result<(Measured, Option<String>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let worker = Rc::new(Worker {
        shared: shared.clone(),
        measured: RefCell::new(Measured::new(shared.plan.aims)),
        resting: Pool::growing_slowly(),
        trouble: RefCell::default(),
    });
    let local = LocalSet::new();
    let begun = worker.clone();
    let beginning = local.spawn_local(async move { begun.begin(number).await });
    // It ends once every task has.
    runtime.block_on(local);
    runtime.block_on(beginning).unwrap_or_else(|panic| Err(io::Error::other(panic)))?;
    Ok((worker.measured.take(), worker.trouble.take()))
}

impl Worker {
    async fn begin(self: Rc<Self>, number: usize) -> io::Result<()> {
        let threads = self.shared.plan.threads.max(1);
        match &self.shared.plan.pace {
            Pace::Users { count, think } => {
                for _ in (0..*count).skip(number).step_by(threads) {
                    let (worker, think) = (self.clone(), *think);
                    tokio::task::spawn_local(async move { worker.user(think).await });
                }
            }
            Pace::Rate { profile, chance } => {
                let mut chance = chance.clone();
                let step = move || chance.as_mut().map_or(1.0, |chance| chance.exponential(1.0));
                let (shared, begin) = (self.shared.clone(), self.shared.begin);
                // Every thread draws the same moments, and takes its own.
                let moments = Arrivals::new(profile.clone(), step).skip(number).step_by(threads);
                let moments = moments.map(move |due| begin + due).take_while(move |at| shared.goes_on(*at));
                self.open(Departures::in_real_time(moments)?).await;
            }
        }
        Ok(())
    }

    /// Asks again and again.
    async fn user(&self, think: Duration) {
        while self.shared.goes_on(Instant::now()) && self.take() {
            let went_well = self.ask(None).await;
            if !think.is_zero() {
                sleep(think).await;
            } else if !went_well {
                // A server that refuses must not be asked as fast as the machine can.
                sleep(Duration::from_millis(1)).await;
            }
        }
    }

    /// Asks at these moments, whatever becomes of the requests before.
    async fn open(self: Rc<Self>, mut due: Departures) {
        while let Some(at) = self.next(&mut due).await {
            if !self.take() {
                break;
            }
            let worker = self.clone();
            tokio::task::spawn_local(async move { worker.ask(Some(at)).await });
        }
    }

    /// Waits for the next moment; none if there is none, or it is over.
    async fn next(&self, due: &mut Departures) -> Option<Instant> {
        const LOOK: Duration = Duration::from_millis(100);
        while !self.shared.is_stopped() {
            if let Ok(moment) = timeout(LOOK, due.next()).await {
                return moment;
            }
        }
        None
    }

    /// Takes one of the requests that are left.
    fn take(&self) -> bool {
        let left = &self.shared.left;
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    /// Sends a request, which was due then if anything says so, and measures its answer. Says whether the connection
    /// can be used again.
    async fn ask(&self, due: Option<Instant>) -> bool {
        let taken = self.resting.take().await;
        let sent = Instant::now();
        let intended = due.unwrap_or(sent);
        let mut seen = Seen::default();
        let talk = self.talk(taken, &mut seen);
        let (outcome, connection) = match self.shared.plan.timeout {
            Some(limit) => tokio::time::timeout(limit, talk).await.unwrap_or((Outcome::Timeout, None)),
            None => talk.await,
        };
        let ended = Instant::now();
        let gaps = seen.tokens.saturating_sub(1);
        let inter_token = seen.first_token.filter(|_| gaps > 0).map(|first| (ended - first) / gaps);
        self.measured.borrow_mut().add(&Sample {
            status: seen.status,
            outcome,
            latency: ended.saturating_duration_since(intended),
            service: ended - sent,
            first_token: seen.first_token.map(|first| first.saturating_duration_since(intended)),
            inter_token,
            late: due.map(|due| sent.saturating_duration_since(due)),
        });
        let is_kept = connection.is_some();
        if let Some(connection) = connection {
            self.resting.put(connection);
        }
        is_kept
    }

    async fn talk(&self, taken: Taken<Connection>, seen: &mut Seen) -> (Outcome, Option<Connection>) {
        let address = self.shared.plan.address;
        let connection = match taken {
            Taken::Resting(connection) if !connection.sender.is_closed() => Ok(connection),
            Taken::Resting(Connection { room, .. }) | Taken::Room(room) => Connection::open(address, room).await,
        };
        let mut connection = match connection {
            Ok(connection) => connection,
            Err(error) => return (self.failed(&error), None),
        };
        let request = self.shared.plan.request();
        let Connection { sender, driver, .. } = &mut connection;
        let work = async {
            sender.ready().await?;
            let response = sender.send_request(request).await?;
            Ok::<_, hyper::Error>(seen.read(response).await)
        };
        match beside(driver, work).await {
            Some(Ok(outcome)) => (outcome, Some(connection).filter(|_| outcome == Outcome::Complete)),
            Some(Err(error)) => {
                self.trouble.borrow_mut().get_or_insert_with(|| error.to_string());
                (Outcome::Reset, None)
            }
            None => (Outcome::Reset, None),
        }
    }

    fn failed(&self, error: &io::Error) -> Outcome {
        self.trouble.borrow_mut().get_or_insert_with(|| error.to_string());
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Outcome::Refused,
            io::ErrorKind::TimedOut => Outcome::Timeout,
            _ => Outcome::Failed,
        }
    }
}

impl Shared {
    fn goes_on(&self, at: Instant) -> bool {
        !self.is_stopped() && self.plan.lasts.is_none_or(|lasts| at < self.begin + lasts)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Plan {
    fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        request.method_mut().clone_from(&self.method);
        request.uri_mut().clone_from(&self.path);
        request.headers_mut().clone_from(&self.headers);
        request
    }
}

impl Connection {
    async fn open(address: SocketAddr, room: Room) -> io::Result<Self> {
        let stream = dial(address).await?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        Ok(Self { sender, driver: Box::pin(driver), room })
    }
}

/// Does `work` while its connection is driven; none where the connection ends and the work does not.
async fn beside<T>(driver: &mut Pin<Box<Driver>>, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        let over = driver.as_mut().poll(context).is_ready();
        match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if over => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// What has been seen of an answer.
#[derive(Default)]
struct Seen {
    status: Option<u16>,
    first_token: Option<Instant>,
    tokens: u32,
    done: bool,
}

impl Seen {
    /// Reads an answer to its end.
    async fn read(&mut self, response: Response<Incoming>) -> Outcome {
        self.status = Some(response.status().as_u16());
        let content_type = response.headers().get(CONTENT_TYPE);
        let is_stream = content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
        let mut events = sse::Decoder::default();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return Outcome::Cut };
            if let (true, Some(data)) = (is_stream, frame.data_ref()) {
                events.feed(data, |event| self.event(event));
            }
        }
        if is_stream && !self.done { Outcome::Truncated } else { Outcome::Complete }
    }

    fn event(&mut self, event: &[u8]) {
        if event == b"[DONE]" {
            self.done = true;
            return;
        }
        let Ok(json) = serde_json::from_slice::<Json>(event) else { return };
        if has_text(&json) {
            self.first_token.get_or_insert_with(Instant::now);
            self.tokens += 1;
        }
        if let Some(usage) = Usage::of_json(&json) {
            self.tokens = u32::try_from(usage.output).unwrap_or(self.tokens);
        }
        let ends = ["response.completed", "response.incomplete", "message_stop"];
        self.done |= json.get("type").and_then(Json::as_str).is_some_and(|kind| ends.contains(&kind));
    }
}
