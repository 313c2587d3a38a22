//! A connection in memory: two pipes, each with latency, back-pressure, end and reset.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Bytes that may be under way in one direction before a writer has to wait.
const CAPACITY: usize = 64 * 1024;

/// One end of a connection in memory.
#[derive(Debug)]
pub struct MemoryStream {
    reads: Shared,
    writes: Shared,
    arrival: Option<Pin<Box<Sleep>>>,
}

type Shared = Arc<Mutex<Pipe>>;

#[derive(Debug, Default)]
struct Pipe {
    latency: Duration,
    in_flight: VecDeque<(Instant, Bytes)>,
    buffered: usize,
    /// The writer is done: what is in flight still arrives, then the end.
    ended: Option<Instant>,
    /// The connection is reset: what is in flight is lost.
    reset: bool,
    /// The reader is gone.
    abandoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    fn wake_both(&mut self) {
        self.wake_reader();
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }
}

fn lock(pipe: &Shared) -> MutexGuard<'_, Pipe> {
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Two ends of a connection whose bytes take `latency` each way.
pub(super) fn pair(latency: Duration) -> (MemoryStream, MemoryStream) {
    let pipe = || Arc::new(Mutex::new(Pipe { latency, ..Pipe::default() }));
    let (up, down) = (pipe(), pipe());
    let client = MemoryStream { reads: down.clone(), writes: up.clone(), arrival: None };
    let server = MemoryStream { reads: up, writes: down, arrival: None };
    (client, server)
}

/// Something that can break a connection in memory from outside.
#[derive(Debug, Clone)]
pub struct MemoryBreaker(Shared, Shared);

impl MemoryBreaker {
    /// Resets the connection: both ends see an error at their next read or write.
    pub fn reset(&self) {
        for pipe in [&self.0, &self.1] {
            let mut pipe = lock(pipe);
            pipe.reset = true;
            pipe.wake_both();
        }
    }
}

impl MemoryStream {
    /// A handle that can reset this connection.
    pub fn breaker(&self) -> MemoryBreaker {
        MemoryBreaker(self.reads.clone(), self.writes.clone())
    }

    fn end_writing(&mut self) {
        let mut pipe = lock(&self.writes);
        if pipe.ended.is_none() {
            let latency = pipe.latency;
            pipe.ended = Some(Instant::now() + latency);
            pipe.wake_reader();
        }
    }

    /// What can be read now, or the instant at which something arrives.
    fn read_now(&self, context: &Context<'_>, buffer: &mut ReadBuf<'_>) -> Result<Poll<()>, ReadLater> {
        let mut pipe = lock(&self.reads);
        if pipe.reset {
            return Err(ReadLater::Reset);
        }
        let now = Instant::now();
        let before = buffer.filled().len();
        while buffer.remaining() > 0 {
            let Some((arrives, bytes)) = pipe.in_flight.front_mut() else { break };
            if *arrives > now {
                break;
            }
            let take = bytes.len().min(buffer.remaining());
            buffer.put_slice(&bytes[..take]);
            bytes.advance(take);
            if bytes.is_empty() {
                pipe.in_flight.pop_front();
            }
            pipe.buffered -= take;
        }
        if buffer.filled().len() > before {
            if let Some(waker) = pipe.writer.take() {
                waker.wake();
            }
            return Ok(Poll::Ready(()));
        }
        let next = pipe.in_flight.front().map(|(arrives, _)| *arrives).or(pipe.ended);
        match next {
            Some(arrives) if arrives <= now => Ok(Poll::Ready(())),
            Some(arrives) => {
                pipe.reader = Some(context.waker().clone());
                Err(ReadLater::At(arrives))
            }
            None => {
                pipe.reader = Some(context.waker().clone());
                Ok(Poll::Pending)
            }
        }
    }
}

enum ReadLater {
    At(Instant),
    Reset,
}

fn reset_error() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionReset)
}

impl AsyncRead for MemoryStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.read_now(context, buffer) {
                Ok(poll) => {
                    if poll.is_ready() {
                        self.arrival = None;
                    }
                    return poll.map(Ok);
                }
                Err(ReadLater::Reset) => return Poll::Ready(Err(reset_error())),
                Err(ReadLater::At(arrives)) => {
                    match &mut self.arrival {
                        Some(sleep) if sleep.deadline() == arrives => {}
                        Some(sleep) => sleep.as_mut().reset(arrives),
                        None => self.arrival = Some(Box::pin(sleep_until(arrives))),
                    }
                    if let Some(sleep) = &mut self.arrival
                        && sleep.as_mut().poll(context).is_pending()
                    {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut pipe = lock(&self.writes);
        if pipe.reset {
            return Poll::Ready(Err(reset_error()));
        }
        if pipe.abandoned || pipe.ended.is_some() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = CAPACITY.saturating_sub(pipe.buffered);
        if room == 0 {
            pipe.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let take = data.len().min(room);
        let arrives = Instant::now() + pipe.latency;
        pipe.buffered += take;
        pipe.in_flight.push_back((arrives, Bytes::copy_from_slice(&data[..take])));
        pipe.wake_reader();
        Poll::Ready(Ok(take))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end_writing();
        Poll::Ready(Ok(()))
    }
}

impl Drop for MemoryStream {
    fn drop(&mut self) {
        self.end_writing();
        let mut pipe = lock(&self.reads);
        pipe.abandoned = true;
        pipe.wake_both();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_arrive_after_the_latency_and_then_the_end() {
        let (mut client, mut server) = pair(Duration::from_millis(3));
        let start = Instant::now();
        client.write_all(b"hello").await.unwrap();
        drop(client);
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
        assert_eq!(start.elapsed(), Duration::from_millis(3));
        assert_eq!(server.write_all(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_waits_for_a_slow_reader() {
        let (mut client, mut server) = pair(Duration::ZERO);
        let writer = tokio::spawn(async move {
            client.write_all(&vec![7; 10 * CAPACITY]).await.unwrap();
            Instant::now()
        });
        tokio::time::sleep(Duration::from_secs(5)).await;
        let start = Instant::now();
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 10 * CAPACITY);
        assert!(writer.await.unwrap() >= start);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reset_is_seen_by_both_ends() {
        let (mut client, mut server) = pair(Duration::from_millis(1));
        client.write_all(b"lost").await.unwrap();
        server.breaker().reset();
        assert_eq!(server.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(client.write_all(b"x").await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
