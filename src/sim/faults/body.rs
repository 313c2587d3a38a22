//! A body whose bytes pass through faults, each at its time, and that may end as no body should.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::fault::flow::{Chain, Item};
use crate::fault::frame::Frames;
use crate::world::bell::Ear;
use crate::world::faults::FaultBoard;
use crate::world::net::Breaker;

/// Bytes that faults may hold back before the simulator has to wait.
const WINDOW: usize = 1 << 20;
/// From the last byte to a reset, so that the byte arrives: a reset overtakes what is under way.
const GRACE: Duration = Duration::from_millis(5);

/// The body.
pub(super) struct FaultyBody {
    /// The simulator's own; none once it is over.
    inner: Option<Body>,
    frames: Frames,
    chain: Chain,
    base: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    /// Tells when a fault is over that may hold something back.
    watched: Option<(FaultBoard, Arc<Ear>, u64)>,
    breaker: Option<Breaker>,
    state: State,
}

enum State {
    Open,
    /// What was sent goes out first.
    Closing,
    Resetting(Pin<Box<Sleep>>),
    Over,
}

impl FaultyBody {
    /// A stream whose events pass through `chain`.
    pub(super) fn new(inner: Body, chain: Chain, board: FaultBoard, breaker: Option<Breaker>) -> Self {
        let (ear, rung) = (board.bell().ear(), board.bell().rung());
        Self { inner: Some(inner), chain, watched: Some((board, ear, rung)), ..Self::of(Vec::new(), breaker) }
    }

    /// A body of just these things.
    pub(super) fn of(items: Vec<Item>, breaker: Option<Breaker>) -> Self {
        let mut chain = Chain::default();
        for item in items {
            chain.push(Duration::ZERO, item);
        }
        Self {
            inner: None,
            frames: Frames::default(),
            chain,
            base: Instant::now(),
            timer: None,
            watched: None,
            breaker,
            state: State::Open,
        }
    }

    /// Takes in what comes for this long, and hands nothing on.
    pub(super) async fn absorb_for(&mut self, time: Duration) {
        if time.is_zero() {
            return;
        }
        let mut sleep = Box::pin(tokio::time::sleep(time));
        poll_fn(|context| {
            self.absorb(context);
            sleep.as_mut().poll(context)
        })
        .await;
    }

    fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.base)
    }

    /// Takes in what has come.
    fn absorb(&mut self, context: &mut Context<'_>) {
        while let Some(inner) = &mut self.inner
            && self.chain.held() < WINDOW
        {
            let polled = http_body::Body::poll_frame(Pin::new(inner), context);
            let now = self.now();
            match polled {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(frame))) => {
                    if let Some(data) = frame.data_ref() {
                        self.frames.feed(data);
                    }
                    while let Some(frame) = self.frames.next_frame() {
                        self.chain.push(now, frame.into());
                    }
                }
                Poll::Ready(end) => {
                    self.inner = None;
                    if let Some(rest) = self.frames.rest() {
                        self.chain.push(now, rest.into());
                    }
                    self.chain.push(now, if end.is_none() { Item::End } else { Item::Close });
                }
            }
        }
    }

    /// Lets go of what faults held back that are over.
    fn sync(&mut self) {
        let now = self.now();
        let Some((board, _, seen)) = &mut self.watched else { return };
        let rung = board.bell().rung();
        if rung != *seen {
            *seen = rung;
            let gone: Vec<u64> = self.chain.ids().filter(|id| *id != 0 && !board.has(*id)).collect();
            for id in gone {
                self.chain.remove(id, now);
            }
        }
    }

    /// Remembers who waits, for the time of the next thing and for the end of a fault.
    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some((board, ear, seen)) = &self.watched {
            ear.reader.register(context.waker());
            if board.bell().rung() != *seen {
                return Poll::Ready(());
            }
        }
        let Some(due) = self.chain.next().and_then(|next| self.base.checked_add(next)) else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        timer.as_mut().poll(context)
    }

    /// The body is over: the simulator is told, by dropping its own.
    fn over(&mut self, state: State) {
        self.inner = None;
        self.state = state;
    }
}

impl http_body::Body for FaultyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                State::Open => {}
                State::Over => return Poll::Ready(None),
                State::Closing => {
                    this.state = State::Over;
                    return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
                }
                State::Resetting(grace) => {
                    std::task::ready!(grace.as_mut().poll(context));
                    let Some(breaker) = this.breaker.take() else {
                        this.state = State::Closing;
                        continue;
                    };
                    breaker.reset();
                    // Whoever drives the connection gives it up; nothing more is to come from here.
                    this.state = State::Resetting(Box::pin(tokio::time::sleep(GRACE)));
                    continue;
                }
            }
            this.sync();
            this.absorb(context);
            match this.chain.pop(this.now()) {
                Some(Item::Bytes(bytes)) if bytes.is_empty() => {}
                Some(Item::Bytes(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Item::End) => this.over(State::Over),
                Some(Item::Close) => {
                    this.over(State::Closing);
                    // What was handed over is flushed before the next poll.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Item::Reset) => this.over(State::Resetting(Box::pin(tokio::time::sleep(GRACE)))),
                None => std::task::ready!(this.poll_wait(context)),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Over)
    }
}
