//! An HTTP/1.1 client that calls in the clear. Its connections have tasks of their own, or none: then whoever waits for
//! an answer drives the connection that it comes over.
//!
//! ```text
//!  with tasks:  request ─ channel ─▶ connection's task ─ channel ─▶ answer     two tasks to wake
//!  without:     request ─▶ connection ─▶ answer                               none but one's own
//! ```
//!
//! Without, nobody looks after a connection that rests; that its server has closed it is seen when it is next used, and
//! then another is taken. Where faults act on connections that rest, they have to have tasks.
//!
//! hyper's own client opens a connection beside every request for which none rests, also where one comes back sooner.
//! Under a load that comes at a rate those are thousands, and cost more than the requests.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Request, Response, Uri};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::connector::Connector;
use super::lanes::Lanes;
use super::net::Stream;
use super::pool::{Pool, Room, Taken};

/// How long a connection may rest: as with hyper's client.
const LONGEST_REST: Duration = Duration::from_secs(90);

/// Calls servers over connections that it keeps. Cheap to clone; all clones share the connections.
#[derive(Clone)]
pub struct Caller {
    connector: Connector,
    keeping: Keeping,
    /// Each lane's own: a connection is waited for on the thread that opened it.
    resting: Arc<[Arc<Resting>]>,
}

/// How connections are kept.
#[derive(Debug, Clone, Copy, Default)]
struct Keeping {
    tasks: bool,
    grows_slowly: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum CallError {
    /// There is no connection.
    Connect(io::Error),
    /// The connection broke before the answer's head.
    Send(hyper::Error),
}

/// The body of an answer. Dropped before its end it takes the connection with it.
pub struct Reply {
    incoming: Incoming,
    /// The connection, unless something else drives it.
    line: Option<Line>,
}

/// A connection.
struct Line {
    sender: SendRequest<Full<Bytes>>,
    wire: Wire,
    to: Authority,
    /// Since when it rests.
    since: Instant,
    /// Where it rests.
    home: Weak<Resting>,
    _room: Room,
}

type Wired = Connection<TokioIo<Stream>, Full<Bytes>>;

/// Who drives a connection.
enum Wire {
    /// Whoever uses it.
    User(Box<Wired>),
    /// A task.
    Task,
    /// Nobody any more: it is over.
    Over,
}

/// The connections that nobody uses.
#[derive(Default)]
struct Resting(Mutex<Rest>);

#[derive(Default)]
struct Rest {
    /// By server, as calls name it.
    lines: BTreeMap<Box<str>, Arc<Pool<Line>>>,
    /// Whether somebody closes those that have rested too long.
    swept: bool,
}

impl Caller {
    /// Calls over connections that `connector` opens.
    #[must_use]
    pub fn new(connector: Connector) -> Self {
        let resting = (0..connector.lanes()).map(|_| Arc::default()).collect();
        Self { connector, keeping: Keeping::default(), resting }
    }

    /// The same, whose connections have tasks of their own.
    #[must_use]
    pub fn with_tasks(self) -> Self {
        Self { keeping: Keeping { tasks: true, ..self.keeping }, ..self }
    }

    /// The same, which opens few connections to a server at a time and waits for another to be free meanwhile.
    #[must_use]
    pub fn growing_slowly(self) -> Self {
        Self { keeping: Keeping { grows_slowly: true, ..self.keeping }, ..self }
    }

    /// Sends a request and waits for the answer's head. Dropping the future breaks it off.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Reply>, CallError> {
        let to = Connector::in_the_clear(request.uri()).map_err(CallError::Connect)?;
        make_ready(&mut request, &to);
        let home = &self.resting[Lanes::here() % self.resting.len()];
        let pool = home.pool(to.as_str(), self.keeping);
        loop {
            let (mut line, is_used) = match pool.take().await {
                Taken::Resting(line) if line.is_fit() => (line, true),
                Taken::Resting(_) => continue,
                Taken::Room(room) => (self.connect(to.clone(), Arc::downgrade(home), room).await?, false),
            };
            match line.ask(request).await {
                Ok(answer) => return Ok(answer.map(|incoming| Reply::over(incoming, line))),
                // Its server has closed it while it rested.
                Err(mut error) => match error.take_message().filter(|_| is_used) {
                    Some(again) => request = again,
                    None => return Err(CallError::Send(error.into_error())),
                },
            }
        }
    }

    async fn connect(&self, to: Authority, home: Weak<Resting>, room: Room) -> Result<Line, CallError> {
        let stream = self.connector.connect(&to).await.map_err(CallError::Connect)?;
        let (sender, wire) = handshake(TokioIo::new(stream)).await.map_err(CallError::Send)?;
        let wire = if self.keeping.tasks {
            tokio::spawn(wire);
            Wire::Task
        } else {
            Wire::User(Box::new(wire))
        };
        Ok(Line { sender, wire, to, since: Instant::now(), home, _room: room })
    }
}

/// A request as it stands on a connection to its server.
fn make_ready(request: &mut Request<Full<Bytes>>, to: &Authority) {
    if !request.headers().contains_key(HOST) {
        let host = if matches!(to.port_u16(), None | Some(80)) { to.host() } else { to.as_str() };
        if let Ok(host) = HeaderValue::from_str(host) {
            request.headers_mut().insert(HOST, host);
        }
    }
    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(path);
}

impl Line {
    async fn ask(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        let mut answer = std::pin::pin!(self.sender.try_send_request(request));
        let wire = &mut self.wire;
        std::future::poll_fn(|context| {
            wire.drive(context);
            answer.as_mut().poll(context)
        })
        .await
    }

    /// Whether one that has rested can be used: it has not rested too long, and as far as anybody knows it is open.
    fn is_fit(&self) -> bool {
        !self.is_old() && (matches!(self.wire, Wire::User(_)) || self.sender.is_ready())
    }

    fn is_old(&self) -> bool {
        self.since.elapsed() >= LONGEST_REST
    }

    /// Whether nothing more has to be done for its answer, which has come whole.
    fn is_done(&self) -> bool {
        match self.wire {
            Wire::User(_) => self.sender.is_ready(),
            Wire::Task => true,
            Wire::Over => false,
        }
    }

    /// Rests as soon as it can take the next request.
    fn rest(mut self) {
        if self.sender.is_ready() {
            self.go_home();
        } else {
            tokio::spawn(async move {
                if self.sender.ready().await.is_ok() {
                    self.go_home();
                }
            });
        }
    }

    fn go_home(self) {
        if let Some(home) = self.home.upgrade() {
            home.put(self);
        }
    }
}

impl Wire {
    /// Reads and writes as far as it goes.
    fn drive(&mut self, context: &mut Context<'_>) {
        // What becomes of it, the request is told.
        if let Self::User(wire) = self
            && Pin::new(wire).poll(context).is_ready()
        {
            *self = Self::Over;
        }
    }
}

impl Resting {
    fn pool(&self, to: &str, keeping: Keeping) -> Arc<Pool<Line>> {
        let mut rest = self.lock();
        if let Some(pool) = rest.lines.get(to) {
            return pool.clone();
        }
        let pool = Arc::new(if keeping.grows_slowly { Pool::growing_slowly() } else { Pool::new() });
        rest.lines.insert(to.into(), pool.clone());
        pool
    }

    fn put(self: &Arc<Self>, mut line: Line) {
        line.since = Instant::now();
        let mut rest = self.lock();
        if !std::mem::replace(&mut rest.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
        if let Some(pool) = rest.lines.get(line.to.as_str()) {
            pool.put(line);
        }
    }

    /// Closes those that have rested too long; says whether any is left.
    fn close_old(&self) -> bool {
        let mut rest = self.lock();
        let mut left = false;
        for pool in rest.lines.values() {
            left |= pool.drop_old(Line::is_old);
        }
        rest.swept = left;
        left
    }

    fn lock(&self) -> MutexGuard<'_, Rest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes connections that have rested too long, while there are any.
async fn sweep(resting: Weak<Resting>) {
    loop {
        tokio::time::sleep(LONGEST_REST).await;
        if !resting.upgrade().is_some_and(|resting| resting.close_old()) {
            return;
        }
    }
}

impl Reply {
    fn over(incoming: Incoming, line: Line) -> Self {
        let is_over = incoming.is_end_stream();
        let mut reply = Self { incoming, line: Some(line) };
        if is_over {
            reply.end();
        }
        reply
    }

    /// The answer has come whole: its connection may rest.
    fn end(&mut self) {
        if let Some(line) = self.line.take_if(|line| line.is_done()) {
            line.rest();
        }
    }
}

impl From<Incoming> for Reply {
    /// The body of an answer over a connection that something else drives.
    fn from(incoming: Incoming) -> Self {
        Self { incoming, line: None }
    }
}

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let mut frame = Pin::new(&mut this.incoming).poll_frame(context);
        if let (Poll::Pending, Some(line)) = (&frame, &mut this.line) {
            line.wire.drive(context);
            frame = Pin::new(&mut this.incoming).poll_frame(context);
        }
        let is_over = match &frame {
            Poll::Ready(None) => true,
            Poll::Ready(Some(Ok(_))) => this.incoming.is_end_stream(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => false,
        };
        if is_over {
            this.end();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reply").field(&self.incoming).finish()
    }
}

#[cfg(test)]
mod tests;
