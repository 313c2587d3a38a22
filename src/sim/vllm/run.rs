//! Runs requests: through the queue into a slot, and then token by token in the lab's time.
//!
//! Each choice of a request runs by itself, as in the original, and goes on when the client leaves.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::Inner;
use super::answer::{self, Finish};
use super::ask::{Ask, Prompt};
use super::config::Config;
use super::engine::{Admission, Slot};
use super::error::ApiError;
use super::latency;
use super::metrics::Finished;
use super::reply::{Event, Part, Step};

/// A request that was accepted.
pub(crate) struct Job {
    pub(crate) ask: Ask,
    pub(crate) lora: Option<Arc<str>>,
    pub(crate) id: String,
    pub(crate) config: Arc<Config>,
    pub(crate) accepted: Instant,
}

/// What becomes of a request.
pub(crate) enum Running {
    /// It took no time.
    Done(Vec<Part>),
    /// It takes its time, and tells its steps.
    Live(mpsc::UnboundedReceiver<Event>),
}

/// Runs every choice of a request. The first error is the request's; the other choices go on.
pub(crate) fn start(sim: &Arc<Inner>, job: Job) -> Result<Running, ApiError> {
    let instant = latency::is_instant(&job.config.latency);
    let choices = job.ask.choices();
    let full = || ApiError::new(429, "Failed to enqueue request, waiting requests queue is full");
    if choices > sim.engine.capacity() {
        return Err(full());
    }
    let mut done = Vec::with_capacity(choices);
    if instant {
        // As long as slots are free, nothing has to be spawned.
        while done.len() < choices
            && let Some(slot) = sim.engine.admit_now(job.lora.as_ref())
        {
            done.push(run_now(sim, &job, done.len(), slot)?);
        }
        if done.len() == choices {
            return Ok(Running::Done(done));
        }
    }
    let job = Arc::new(job);
    let (steps, events) = mpsc::unbounded_channel();
    for choice in done.len()..choices {
        let start = match sim.engine.admit(job.lora.as_ref()) {
            Admission::Running(slot) => Start::Now(slot),
            Admission::Waiting(slot) => Start::Later(slot),
            Admission::Refused => return Err(full()),
        };
        drop(tokio::spawn(run(sim.clone(), job.clone(), choice, start, steps.clone())));
    }
    for (choice, part) in done.into_iter().enumerate() {
        let pieces = part.answer.pieces();
        for step in [Step::Begin(Box::new(part)), Step::Pieces(pieces), Step::End] {
            // The receiver is at hand.
            drop(steps.send((choice, step)));
        }
    }
    Ok(Running::Live(events))
}

/// Makes the answer of a choice.
fn answer(sim: &Inner, job: &Job, choice: usize) -> Result<(Part, usize), ApiError> {
    let nothing = Prompt::text(String::new());
    let (prompt, first) = job.ask.prompt_of(choice).unwrap_or((&nothing, true));
    let mut chance = sim.answers.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = answer::make(&job.config, &job.ask, prompt, &mut chance, &job.id)?;
    Ok((Part { prompt_tokens: if first { prompt.tokens } else { 0 }, answer }, prompt.tokens))
}

fn run_now(sim: &Inner, job: &Job, choice: usize, slot: Slot) -> Result<Part, ApiError> {
    let (part, prompt_tokens) = answer(sim, job, choice)?;
    let waits = part.answer.pieces().saturating_sub(part.answer.runs().len());
    drop(slot);
    sim.metrics.finished(&Finished {
        reason: part.answer.finish.name(),
        prompt_tokens,
        generated: part.answer.tokens,
        max_tokens: job.ask.max_tokens,
        between_ms: if waits > 0 { vec![(0, waits as u64)] } else { Vec::new() },
        ..Finished::default()
    });
    Ok(part)
}

enum Start {
    Now(Slot),
    Later(oneshot::Receiver<Slot>),
}

async fn run(sim: Arc<Inner>, job: Arc<Job>, choice: usize, start: Start, steps: mpsc::UnboundedSender<Event>) {
    // Whoever asked may have left; the request runs all the same.
    let tell = |step| drop(steps.send((choice, step)));
    let (slot, waited) = match start {
        Start::Now(slot) => (slot, false),
        Start::Later(slot) => match slot.await {
            Ok(slot) => (slot, true),
            Err(_) => return,
        },
    };
    let started = Instant::now();
    let (part, prompt_tokens) = match answer(&sim, &job, choice) {
        Ok(made) => made,
        Err(error) => {
            drop(slot);
            return tell(Step::Fail(error));
        }
    };
    let mut finished = Finished {
        reason: part.answer.finish.name(),
        prompt_tokens,
        generated: part.answer.tokens,
        max_tokens: job.ask.max_tokens,
        queued: waited.then(|| started - job.accepted),
        ..Finished::default()
    };
    let mut pace = Pace { sim: &sim, config: &job.config, due: started };
    let skip = part.answer.finish == Finish::CacheThreshold;
    let runs = if skip { Vec::new() } else { part.answer.runs() };
    if !skip {
        finished.first_token_ms = pace.first_token(prompt_tokens, job.ask.remote_prefill);
        pace.catch_up().await;
    }
    let first = Instant::now();
    let tell_end = if job.ask.stream {
        tell(Step::Begin(Box::new(part)));
        pace.stream(&runs, &mut finished.between_ms, |pieces| tell(Step::Pieces(pieces))).await;
        None
    } else {
        pace.whole(&runs, &mut finished.between_ms).await;
        Some(part)
    };
    let ended = Instant::now();
    finished.prefill = first - started;
    finished.decode = ended - first;
    finished.inference = ended - started;
    finished.end_to_end = ended - job.accepted;
    drop(slot);
    sim.metrics.finished(&finished);
    if let Some(part) = tell_end {
        tell(Step::Begin(Box::new(part)));
    }
    tell(Step::End);
}

/// When the next token is due.
struct Pace<'p> {
    sim: &'p Arc<Inner>,
    config: &'p Config,
    due: Instant,
}

impl Pace<'_> {
    fn load(&self) -> f64 {
        if self.config.latency.load_factor > 1.0 {
            return latency::load(&self.config.latency, self.sim.engine.running(), self.config.max_num_seqs);
        }
        1.0
    }

    fn first_token(&mut self, prompt_tokens: usize, remote_prefill: bool) -> u64 {
        let load = self.load();
        let mut chance = self.sim.pacing.lock().unwrap_or_else(PoisonError::into_inner);
        let millis = latency::first_token(&self.config.latency, load, prompt_tokens, remote_prefill, &mut chance);
        self.due += Duration::from_millis(millis);
        millis
    }

    /// Moves the due time on to the next token, and counts the time between.
    fn next_token(&mut self, between: &mut Vec<(u64, u64)>) {
        let load = self.load();
        let mut chance = self.sim.pacing.lock().unwrap_or_else(PoisonError::into_inner);
        let millis = latency::next_token(&self.config.latency, load, &mut chance);
        match between.last_mut() {
            Some((last, times)) if *last == millis => *times += 1,
            _ => between.push((millis, 1)),
        }
        self.due += Duration::from_millis(millis);
    }

    async fn catch_up(&self) {
        if self.due > Instant::now() {
            sleep_until(self.due).await;
        }
    }

    /// Waits before each token but the first of a run, with one timer for all of them.
    async fn stream(&mut self, runs: &[usize], between: &mut Vec<(u64, u64)>, mut tell: impl FnMut(usize)) {
        let mut timer = std::pin::pin!(sleep_until(self.due));
        let mut ready = 0;
        for tokens in runs {
            for token in 0..*tokens {
                if token > 0 {
                    self.next_token(between);
                    if self.due > Instant::now() {
                        tell(std::mem::take(&mut ready));
                        timer.as_mut().reset(self.due);
                        timer.as_mut().await;
                    }
                }
                ready += 1;
            }
        }
        tell(ready);
    }

    /// Waits as long as a stream would take. Where the load does not matter, once.
    async fn whole(&mut self, runs: &[usize], between: &mut Vec<(u64, u64)>) {
        let each = self.config.latency.load_factor > 1.0;
        for tokens in runs {
            for _ in 1..*tokens {
                self.next_token(between);
                if each {
                    self.catch_up().await;
                }
            }
        }
        self.catch_up().await;
    }
}
