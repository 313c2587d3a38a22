//! Reads many streams of a server at once, and tells how evenly their tokens came.
//!
//! ```text
//! stream_reader 127.0.0.1:8000 MODEL STREAMS TOKENS GAP_MS [PID]
//! ```
//!
//! Every connection is opened first; the requests are then spread over eight gaps, so that tokens are due
//! evenly and not all at once, and the gaps tell of streams under way and not of a rush of requests. The server must echo, so that a prompt of so many words makes so many tokens.
//! With its PID, its resident memory is told per stream. Exits with 1 if a token is missing.
//! `benches/streams.sh` runs it; it is a process of its own, since one may not hold both ends.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "it measures a server from outside any lab")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// What is asked of the server.
struct Plan {
    address: SocketAddr,
    model: String,
    streams: u32,
    tokens: usize,
    gap: Duration,
    pid: Option<u32>,
}

/// Connections that are being opened at any time: fewer than a listener's backlog.
const OPENING: usize = 256;

/// Gaps over which the requests are spread; a fifth of the time of 40 tokens.
const SPREAD: u32 = 8;

/// What each token's frame has and nothing else.
const TOKEN: &[u8] = b"\"content\":\"";
const DONE: &[u8] = b"data: [DONE]";

fn main() -> anyhow::Result<()> {
    let plan = Plan::from_args()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(&plan))
}

impl Plan {
    fn from_args() -> anyhow::Result<Self> {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let [address, model, streams, tokens, gap, rest @ ..] = args.as_slice() else {
            anyhow::bail!("usage: stream_reader ADDRESS MODEL STREAMS TOKENS GAP_MS [PID]");
        };
        Ok(Self {
            address: address.parse()?,
            model: model.clone(),
            streams: streams.parse()?,
            tokens: tokens.parse()?,
            gap: Duration::from_millis(gap.parse()?),
            pid: rest.first().map(|pid| pid.parse()).transpose()?,
        })
    }

    fn request(&self) -> Vec<u8> {
        let prompt = vec!["word"; self.tokens].join(" ");
        let model = &self.model;
        let body =
            format!(r#"{{"model":"{model}","stream":true,"messages":[{{"role":"user","content":"{prompt}"}}]}}"#);
        let length = body.len();
        format!("POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
            .into_bytes()
    }
}

async fn measure(plan: &Plan) -> anyhow::Result<()> {
    let idle = resident(plan)?;
    let request: Arc<[u8]> = plan.request().into();
    let connections = open(plan).await?;
    let start = Instant::now();
    let mut reading = Vec::new();
    for (number, connection) in (0..).zip(connections) {
        let due = start + plan.gap * SPREAD * number / plan.streams;
        reading.push(tokio::spawn(read(connection, due, request.clone(), plan.tokens)));
    }
    // All streams are open once they are spread; half of the time of the first has passed here.
    let tokens = u32::try_from(plan.tokens)?;
    tokio::time::sleep_until((start + plan.gap * tokens / 2).into()).await;
    let busy = resident(plan)?;
    let mut deviations = Vec::with_capacity(reading.len() * plan.tokens);
    for stream in reading {
        let came = stream.await??;
        ensure!(came.len() == plan.tokens, "{} tokens of {}", came.len(), plan.tokens);
        let gaps = came.windows(2).map(|pair| pair[1] - pair[0]);
        deviations.extend(gaps.map(|gap| gap.abs_diff(plan.gap)));
    }
    tell(plan, start.elapsed(), deviations, idle.zip(busy));
    Ok(())
}

async fn open(plan: &Plan) -> anyhow::Result<Vec<TcpStream>> {
    let turns = Arc::new(Semaphore::new(OPENING));
    let mut opening = Vec::new();
    for _ in 0..plan.streams {
        let (turns, address) = (turns.clone(), plan.address);
        opening.push(tokio::spawn(async move {
            let _turn = turns.acquire().await?;
            let connection = TcpStream::connect(address).await?;
            connection.set_nodelay(true)?;
            anyhow::Ok(connection)
        }));
    }
    let mut open = Vec::new();
    for connection in opening {
        open.push(connection.await?.context("a connection was refused")?);
    }
    Ok(open)
}

/// Asks at `due`, and tells when each token came.
async fn read(mut from: TcpStream, due: Instant, request: Arc<[u8]>, tokens: usize) -> anyhow::Result<Vec<Instant>> {
    tokio::time::sleep_until(due.into()).await;
    from.write_all(&request).await?;
    let mut came = Vec::with_capacity(tokens);
    let mut text = Vec::with_capacity(1024);
    loop {
        let read = from.read_buf(&mut text).await?;
        ensure!(read > 0, "the stream ended after {} tokens", came.len());
        let now = Instant::now();
        let seen = text.windows(TOKEN.len()).filter(|window| *window == TOKEN).count();
        came.extend(std::iter::repeat_n(now, seen));
        if text.windows(DONE.len()).any(|window| window == DONE) {
            return Ok(came);
        }
        // Keeps what may be the beginning of a mark, and never a whole one.
        let keep = TOKEN.len().min(DONE.len()) - 1;
        text.drain(..text.len().saturating_sub(keep));
    }
}

/// Resident memory of the server in KiB.
fn resident(plan: &Plan) -> anyhow::Result<Option<u64>> {
    let Some(pid) = plan.pid else { return Ok(None) };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(Some(line.trim_end_matches("kB").trim().parse()?))
}

fn tell(plan: &Plan, took: Duration, mut deviations: Vec<Duration>, memory: Option<(u64, u64)>) {
    deviations.sort_unstable();
    let at = |share: usize| deviations.get(deviations.len() * share / 1000).or(deviations.last()).copied();
    let of = |share| at(share).unwrap_or_default().as_secs_f64() * 1000.0;
    println!("{} streams × {} tokens at {:?}: all came, in {took:.1?}", plan.streams, plan.tokens, plan.gap);
    println!(
        "gap off by: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, most {:.2} ms",
        of(500),
        of(990),
        of(999),
        of(1000)
    );
    if let Some((idle, busy)) = memory {
        let each = busy.saturating_sub(idle) / u64::from(plan.streams.max(1));
        println!("resident: {idle} KiB idle, {busy} KiB with all streams, {each} KiB a stream");
    }
}
