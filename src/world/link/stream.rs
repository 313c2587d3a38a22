//! A connection that faults can get hold of, in memory and over TCP alike.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::super::bell::Ear;
use super::super::net::{Breaker, Stream};
use super::{Active, Greeting, LinkEnds, Links};
use crate::fault::flow::{Chain, Item};
use crate::fault::network::{Begins, Way};

/// Bytes that faults may hold back in one direction before a writer has to wait.
const WINDOW: usize = 1 << 20;
/// Bytes that are read at once where faults are in between.
const READ: usize = 8 * 1024;

/// One end of a connection over a link.
pub struct Linked {
    /// None once the connection is over.
    inner: Option<Stream>,
    over: Option<Over>,
    side: Side,
    ends: LinkEnds,
    links: Arc<Links>,
    ear: Arc<Ear>,
    /// The state of the table that this connection has seen.
    seen: u64,
    /// Faults on the table that have made up their mind about it.
    met: Vec<u64>,
    exchange: Exchange,
    /// What faults hold back; none while there are none.
    shaped: Option<Box<Shaped>>,
    /// Nobody uses it any more; what is held back still goes out.
    lingers: bool,
}

/// Which end of the link this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Caller,
    Callee,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Closed,
    Reset,
}

/// How far the exchange under way has come. One begins when the caller writes after it has read.
#[derive(Debug, Default, Clone, Copy)]
struct Exchange {
    read: bool,
    written: bool,
}

struct Shaped {
    base: Instant,
    /// When bytes passed last, either way.
    passed: Duration,
    reading: Pipe,
    writing: Pipe,
}

/// One direction.
#[derive(Default)]
struct Pipe {
    chain: Chain,
    /// What has come through and not all been taken.
    current: Bytes,
    /// The end has gone in.
    ended: bool,
    /// The end has come out.
    done: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

/// What held-back writes wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drive {
    Drained,
    /// Time, or room: the task is woken.
    Waiting,
    /// A fault that is to be cleared.
    Held,
}

impl Side {
    fn way(self, reading: bool) -> Way {
        if (self == Self::Caller) == reading { Way::Down } else { Way::Up }
    }
}

impl Shaped {
    fn new() -> Self {
        let (reading, writing) = (Pipe::default(), Pipe::default());
        Self { base: Instant::now(), passed: Duration::ZERO, reading, writing }
    }

    fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.base)
    }

    fn pipe(&mut self, reading: bool) -> &mut Pipe {
        if reading { &mut self.reading } else { &mut self.writing }
    }

    fn is_idle(&self) -> bool {
        [&self.reading, &self.writing]
            .iter()
            .all(|pipe| pipe.chain.is_clear() && pipe.chain.is_empty() && pipe.current.is_empty())
    }
}

impl Pipe {
    /// Waits for the next thing to move. Ready when it is time.
    fn poll_next(&mut self, base: Instant, context: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.chain.next().and_then(|next| base.checked_add(next)) else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        timer.as_mut().poll(context)
    }
}

impl Linked {
    /// The caller's end, or the callee's, of a connection that faults have met as it was made.
    pub(crate) fn new(inner: Stream, side: Side, ends: LinkEnds, links: Arc<Links>, greeting: Greeting) -> Self {
        let ear = links.bell.ear();
        let mut linked = Self {
            inner: Some(inner),
            over: None,
            side,
            ends,
            // Whatever has changed since it was greeted is seen at the first read or write.
            seen: 0,
            links,
            ear,
            met: greeting.met,
            exchange: Exchange::default(),
            shaped: None,
            lingers: false,
        };
        for active in greeting.struck {
            linked.add(&active);
        }
        linked
    }

    /// A handle that can reset this connection.
    pub(crate) fn breaker(&self) -> Breaker {
        self.inner.as_ref().map_or_else(|| Breaker::Tcp(Arc::default()), Stream::breaker)
    }

    /// The other end's real address, where the network is TCP.
    pub(crate) fn peer(&self) -> Option<std::net::SocketAddr> {
        self.inner.as_ref().and_then(Stream::peer)
    }

    /// Resets the connection.
    pub(crate) fn reset(&mut self) {
        self.over = Some(Over::Reset);
        self.shaped = None;
        if let Some(inner) = self.inner.take() {
            inner.reset();
        }
    }

    fn close(&mut self) {
        self.over = Some(Over::Closed);
        self.shaped = None;
        self.inner = None;
    }

    /// Looks at the table, if it has changed.
    fn sync(&mut self) {
        let rung = self.links.bell.rung();
        if rung != self.seen {
            self.seen = rung;
            self.look();
        }
    }

    fn look(&mut self) {
        let meeting = self.links.meeting(&self.ends);
        let there = |id: &u64| meeting.iter().any(|active| active.id() == *id);
        self.met.retain(there);
        if let Some(shaped) = &mut self.shaped {
            let now = shaped.now();
            for reading in [true, false] {
                let chain = &mut shaped.pipe(reading).chain;
                let gone: Vec<u64> = chain.ids().filter(|id| !there(id)).collect();
                for id in gone {
                    chain.remove(id, now);
                }
            }
        }
        for active in &meeting {
            if self.met.contains(&active.id()) {
                continue;
            }
            self.met.push(active.id());
            if active.strikes() {
                active.tell(None, 0, &self.ends.label);
                self.add(active);
            }
        }
        if self.shaped.as_ref().is_some_and(|shaped| shaped.is_idle()) {
            self.shaped = None;
        }
    }

    fn add(&mut self, active: &Active) {
        let Some(fault) = active.injection().fault.of_links() else { return };
        for reading in [true, false] {
            let within = if reading { self.exchange.read } else { self.exchange.written };
            let begins = if within { Begins::Within } else { Begins::Before };
            if let Some(flow) = fault.flow(self.side.way(reading), begins, Box::new(active.dice())) {
                let shaped = self.shaped.get_or_insert_with(|| Box::new(Shaped::new()));
                let now = shaped.now();
                shaped.pipe(reading).chain.add(active.id(), flow, now);
            }
        }
    }

    /// Notes that bytes go: whether a new exchange begins with them.
    fn note(&mut self, reading: bool) {
        let begins = match self.side {
            Side::Caller => !reading && self.exchange.read,
            Side::Callee => reading && self.exchange.written,
        };
        if begins {
            self.exchange = Exchange::default();
            if let Some(shaped) = &mut self.shaped {
                let idle = shaped.now().saturating_sub(shaped.passed);
                shaped.reading.chain.exchange(idle);
                shaped.writing.chain.exchange(idle);
            }
        }
        if let Some(shaped) = &mut self.shaped {
            shaped.passed = shaped.now();
        }
        if reading {
            self.exchange.read = true;
        } else {
            self.exchange.written = true;
        }
    }

    fn over_error(&self) -> Option<io::Error> {
        self.over.map(|over| match over {
            Over::Closed => io::ErrorKind::BrokenPipe.into(),
            Over::Reset => io::ErrorKind::ConnectionReset.into(),
        })
    }

    /// Remembers who waits, so that a change of the table wakes it.
    fn wait(&self, reading: bool, context: &mut Context<'_>) {
        let waker = if reading { &self.ear.reader } else { &self.ear.writer };
        waker.register(context.waker());
        if self.links.bell.rung() != self.seen {
            context.waker().wake_by_ref();
        }
    }

    /// Moves what is held back on, as far as it is time and there is room.
    fn drive(&mut self, context: &mut Context<'_>) -> io::Result<Drive> {
        loop {
            let (Some(shaped), Some(inner)) = (&mut self.shaped, &mut self.inner) else { return Ok(Drive::Drained) };
            let now = shaped.now();
            let pipe = &mut shaped.writing;
            if !pipe.current.is_empty() {
                match Pin::new(inner).poll_write(context, &pipe.current) {
                    Poll::Ready(Ok(count)) => pipe.current.advance(count.min(pipe.current.len())),
                    Poll::Ready(Err(error)) => return Err(error),
                    Poll::Pending => return Ok(Drive::Waiting),
                }
                continue;
            }
            match pipe.chain.pop(now) {
                Some(Item::Bytes(bytes)) => pipe.current = bytes,
                Some(Item::End) => {
                    pipe.done = true;
                    // Both transports end their writing at once.
                    let _ = Pin::new(inner).poll_shutdown(context);
                }
                Some(Item::Close) => self.close(),
                Some(Item::Reset) => self.reset(),
                None if pipe.chain.is_empty() => return Ok(Drive::Drained),
                None => match pipe.poll_next(shaped.base, context) {
                    Poll::Ready(()) => {}
                    Poll::Pending if pipe.chain.next().is_some() => return Ok(Drive::Waiting),
                    Poll::Pending => return Ok(Drive::Held),
                },
            }
        }
    }

    fn read_shaped(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.over {
                Some(Over::Closed) => return Poll::Ready(Ok(())),
                Some(Over::Reset) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                None => {}
            }
            let (Some(shaped), Some(inner)) = (&mut self.shaped, &mut self.inner) else { return Poll::Ready(Ok(())) };
            let now = shaped.now();
            let base = shaped.base;
            let pipe = &mut shaped.reading;
            if !pipe.current.is_empty() {
                let count = pipe.current.len().min(buffer.remaining());
                buffer.put_slice(&pipe.current.split_to(count));
                self.note(true);
                return Poll::Ready(Ok(()));
            }
            match pipe.chain.pop(now) {
                Some(Item::Bytes(bytes)) => {
                    pipe.current = bytes;
                    continue;
                }
                Some(Item::End) => pipe.done = true,
                Some(Item::Close) => {
                    self.close();
                    continue;
                }
                Some(Item::Reset) => {
                    self.reset();
                    continue;
                }
                None => {}
            }
            if pipe.done {
                return Poll::Ready(Ok(()));
            }
            if !pipe.ended && pipe.chain.held() < WINDOW {
                let mut chunk = [0; READ];
                let mut chunk = ReadBuf::new(&mut chunk);
                match Pin::new(inner).poll_read(context, &mut chunk) {
                    Poll::Ready(Ok(())) if chunk.filled().is_empty() => {
                        pipe.ended = true;
                        pipe.chain.push(now, Item::End);
                        continue;
                    }
                    Poll::Ready(Ok(())) => {
                        pipe.chain.push(now, Bytes::copy_from_slice(chunk.filled()).into());
                        continue;
                    }
                    Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
                        pipe.ended = true;
                        pipe.chain.push(now, Item::Reset);
                        continue;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {}
                }
            }
            if pipe.poll_next(base, context).is_pending() {
                self.wait(true, context);
                return Poll::Pending;
            }
        }
    }

    fn write_shaped(&mut self, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.drive(context)?;
        if let Some(error) = self.over_error() {
            return Poll::Ready(Err(error));
        }
        let Some(shaped) = &mut self.shaped else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        let now = shaped.now();
        let pipe = &mut shaped.writing;
        if pipe.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = data.len().min(WINDOW.saturating_sub(pipe.chain.held()));
        if count == 0 && !data.is_empty() {
            self.wait(false, context);
            return Poll::Pending;
        }
        pipe.chain.push(now, Bytes::copy_from_slice(&data[..count]).into());
        // What was taken is taken; an error is for the next to meet.
        let _ = self.drive(context);
        match self.over {
            Some(Over::Reset) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Some(Over::Closed) | None => Poll::Ready(Ok(count)),
        }
    }

    fn end_writing(&mut self) {
        if let Some(shaped) = &mut self.shaped
            && !std::mem::replace(&mut shaped.writing.ended, true)
        {
            let now = shaped.now();
            shaped.writing.chain.push(now, Item::End);
        }
    }

    /// Sends what is held back after its owner has gone.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.sync();
        let driven = self.drive(context);
        let done = self.shaped.as_ref().is_none_or(|shaped| shaped.writing.done);
        if done || driven.is_err() {
            return Poll::Ready(());
        }
        self.wait(false, context);
        Poll::Pending
    }
}

impl AsyncRead for Linked {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.sync();
        if this.shaped.is_some() || this.over.is_some() {
            // What waits on its way out moves on with every poll; its errors are the writer's.
            let _ = this.drive(context);
            return this.read_shaped(context, buffer);
        }
        let Some(inner) = &mut this.inner else { return Poll::Ready(Ok(())) };
        let before = buffer.filled().len();
        let polled = Pin::new(inner).poll_read(context, buffer);
        match &polled {
            Poll::Ready(Ok(())) if buffer.filled().len() > before => this.note(true),
            Poll::Ready(_) => {}
            Poll::Pending => this.wait(true, context),
        }
        polled
    }
}

impl AsyncWrite for Linked {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(data)])
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.sync();
        if this.drive(context)? == Drive::Waiting {
            this.wait(false, context);
            return Poll::Pending;
        }
        match &mut this.inner {
            Some(inner) => Pin::new(inner).poll_flush(context),
            None => Poll::Ready(this.over_error().map_or(Ok(()), Err)),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.sync();
        if this.shaped.is_some() {
            // As with a socket the end goes its way behind what was written; nobody waits for it.
            this.end_writing();
            let _ = this.drive(context);
            return Poll::Ready(Ok(()));
        }
        match &mut this.inner {
            Some(inner) => Pin::new(inner).poll_shutdown(context),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.sync();
        if let Some(error) = this.over_error() {
            return Poll::Ready(Err(error));
        }
        this.note(false);
        if this.shaped.is_some() {
            let first = buffers.iter().find(|buffer| !buffer.is_empty()).map_or(&[][..], |buffer| buffer);
            return this.write_shaped(context, first);
        }
        let Some(inner) = &mut this.inner else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        let polled = Pin::new(inner).poll_write_vectored(context, buffers);
        if polled.is_pending() {
            this.wait(false, context);
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.as_ref().is_some_and(Stream::is_write_vectored)
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        let clear = self.shaped.as_ref().is_none_or(|shaped| {
            shaped.writing.done
                || shaped.writing.chain.is_clear()
                    && shaped.writing.chain.is_empty()
                    && shaped.writing.current.is_empty()
        });
        if self.lingers || clear {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        self.end_writing();
        let mut rest = Self {
            inner: self.inner.take(),
            over: self.over,
            side: self.side,
            ends: self.ends.clone(),
            links: self.links.clone(),
            ear: self.ear.clone(),
            seen: self.seen,
            met: std::mem::take(&mut self.met),
            exchange: self.exchange,
            shaped: self.shaped.take(),
            lingers: true,
        };
        runtime.spawn(async move { poll_fn(|context| rest.poll_linger(context)).await });
    }
}

impl fmt::Debug for Linked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Linked({}, {:?})", self.ends.label, self.inner)
    }
}
