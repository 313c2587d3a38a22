//! Everything that has happened, with a way to any moment of it.
//!
//! Events are kept in a [`Store`]; the fold is kept at its head and, as checkpoints, at moments on
//! the way. To seek is to take the checkpoint before and to apply the few events after it. Requests
//! that are over stand in [`Rows`]: at a moment they are those that had begun by then and were not
//! under way.

use std::sync::Arc;

use super::breath;
use super::fact::Fact;
use super::fold::Fold;
use super::kept::Batch;
use super::landmarks::{Landmark, Landmarks, Sort};
use super::lineup::Lineup;
use super::row::{Names, Row};
use super::rows::Rows;
use super::store::Store;
use super::{Finding, Judge};
use crate::event::{At, Event, Kind};

/// All moments of a session.
pub(super) struct Timeline {
    pub(super) lineup: Lineup,
    pub(super) names: Names,
    store: Store,
    pub(super) rows: Rows,
    head: Fold,
    checkpoints: Vec<Fold>,
    spacing: usize,
    pub(super) landmarks: Landmarks,
    evictions: Vec<Span>,
    findings: Vec<(usize, Arc<Findings>)>,
    judge: Option<Box<dyn Judge>>,
}

/// All findings of a moment. Those that did not change share their text with the moment before.
pub(super) type Findings = Vec<Arc<Finding>>;

/// An eviction from its beginning to its end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    pub(super) replica: u32,
    pub(super) provider: usize,
    position: usize,
    pub(super) began: At,
    pub(super) until: At,
    pub(super) ended: Option<(usize, At)>,
}

/// Events that are taken in between two breaths, some 10 µs of work.
const BETWEEN_BREATHS: usize = 32;
/// Chunks of the store from one checkpoint to the next.
const CHUNKS_BETWEEN: usize = 4;
/// Bytes that checkpoints may take together before every second one is let go.
const CHECKPOINT_BUDGET: usize = 96 << 20;

impl Timeline {
    pub(super) fn new(lineup: Lineup, judge: Option<Box<dyn Judge>>) -> Self {
        Self::over(lineup, judge, Store::default())
    }

    /// A timeline that keeps its events in `store`.
    pub(super) fn over(lineup: Lineup, judge: Option<Box<dyn Judge>>, store: Store) -> Self {
        let start = Fold::new(&lineup);
        let mut timeline = Self {
            lineup,
            names: Names::default(),
            spacing: CHUNKS_BETWEEN * store.chunk_size(),
            store,
            rows: Rows::default(),
            head: start.clone(),
            checkpoints: vec![start],
            landmarks: Landmarks::default(),
            evictions: Vec::new(),
            findings: Vec::new(),
            judge,
        };
        let found = timeline.judge.as_mut().and_then(|judge| judge.judge(None));
        timeline.note_findings(found);
        timeline
    }

    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        self.store.len()
    }

    /// The time of the last event.
    pub(super) fn end(&self) -> At {
        self.store.end()
    }

    /// The state after the last event.
    pub(super) fn head(&self) -> &Fold {
        &self.head
    }

    /// Whether somebody wants to hear the events themselves.
    pub(super) fn is_heard(&self) -> bool {
        self.judge.as_ref().is_some_and(|judge| judge.listens())
    }

    /// Takes in the next events.
    pub(super) fn feed(&mut self, mut events: Vec<Event>) {
        while !events.is_empty() {
            let rest = events.split_off(events.len().min(self.store.room()));
            self.extend(&Batch::of(events, self.end()));
            events = rest;
        }
    }

    /// Takes in the next batch, which goes into a chunk of the store.
    pub(super) fn extend(&mut self, batch: &Batch) {
        for index in 0..batch.kept.len() {
            if index.is_multiple_of(BETWEEN_BREATHS) {
                breath::breathe();
            }
            batch.kept.tell(index, |fact, at| {
                if let Fact::Rare(kind) = fact {
                    self.note(kind, at);
                }
                self.take_in(fact, at);
            });
            if let Some(event) = batch.heard.get(index) {
                let found = self.judge.as_mut().and_then(|judge| judge.judge(Some(event)));
                self.note_findings(found);
            }
        }
        breath::breathe();
        self.store.extend(&batch.kept);
        breath::breathe();
    }

    /// Takes note of what somebody may want to jump to.
    fn note(&mut self, kind: &Kind, at: At) {
        let position = self.head.position;
        if let Kind::ReplicaConfigured { backends, .. } = kind {
            self.lineup.join(backends);
        }
        self.note_landmark(kind, position, at);
        self.note_eviction(kind, position, at);
    }

    fn take_in(&mut self, fact: Fact<'_>, at: At) {
        let position = self.head.position;
        let closed = self.head.apply(fact, at, &self.lineup, &mut self.names);
        if let Some(row) = closed {
            if row.failed() {
                self.landmarks.push(position, at, Sort::Failure);
            }
            self.rows.close(*row);
        }
        if self.head.position.is_multiple_of(self.spacing) {
            self.checkpoint();
        }
    }

    fn checkpoint(&mut self) {
        self.checkpoints.push(self.head.clone());
        if self.checkpoints.len() > 8 && self.checkpoints.len() * self.head.weight() > CHECKPOINT_BUDGET {
            self.spacing *= 2;
            let spacing = self.spacing;
            self.checkpoints.retain(|fold| fold.position.is_multiple_of(spacing));
        }
    }

    fn note_landmark(&mut self, kind: &Kind, position: usize, at: At) {
        // Failures are known by the row that is closed.
        if let Some(sort) = Sort::of(kind).filter(|sort| *sort != Sort::Failure) {
            self.landmarks.push(position, at, sort);
        }
    }

    fn note_eviction(&mut self, kind: &Kind, position: usize, at: At) {
        match kind {
            Kind::ProviderEvicted { replica, backend, provider, until_us, .. } => {
                let Some(provider) = self.lineup.find(backend, provider) else { return };
                self.end_evictions(position, at, |span| span.replica == *replica && span.provider == provider);
                let span = Span { replica: *replica, provider, position, began: at, until: *until_us, ended: None };
                self.evictions.push(span);
            }
            Kind::ProviderReturned { replica, backend, provider, .. } => {
                let Some(provider) = self.lineup.find(backend, provider) else { return };
                self.end_evictions(position, at, |span| span.replica == *replica && span.provider == provider);
            }
            Kind::ReplicaStopped { replica } => self.end_evictions(position, at, |span| span.replica == *replica),
            Kind::ReplicaConfigured { replica, reset, .. } => {
                for one in reset {
                    let Some(provider) = self.lineup.find(&one.backend, &one.provider) else { continue };
                    self.end_evictions(position, at, |span| span.replica == *replica && span.provider == provider);
                }
            }
            _ => {}
        }
    }

    fn end_evictions(&mut self, position: usize, at: At, which: impl Fn(&Span) -> bool) {
        // Open evictions are few and young.
        for span in self.evictions.iter_mut().rev().take(512) {
            if span.ended.is_none() && which(span) {
                span.ended = Some((position, at));
            }
        }
    }

    fn note_findings(&mut self, found: Option<Vec<Finding>>) {
        let Some(found) = found else { return };
        let before = self.findings.last().map(|(_, before)| before.clone()).unwrap_or_default();
        let same = |place: usize, finding: &Finding| before.get(place).filter(|known| ***known == *finding).cloned();
        let shared =
            found.into_iter().enumerate().map(|(place, one)| same(place, &one).unwrap_or_else(|| Arc::new(one)));
        self.findings.push((self.head.position, Arc::new(shared.collect())));
    }

    /// Tells that nothing more will come unless somebody acts: what is still open is decided for now.
    pub(super) fn rest(&mut self) {
        let found = self.judge.as_mut().and_then(|judge| judge.conclude());
        self.note_findings(found);
    }

    /// Tells that nothing more will come: what is still open is decided, by `verdict` where somebody
    /// has judged the whole.
    pub(super) fn conclude(&mut self, verdict: Option<Vec<Finding>>) {
        match verdict {
            None => self.rest(),
            found => self.note_findings(found),
        }
        self.judge = None;
    }

    /// The expectations as they stood after `position` events.
    pub(super) fn findings(&self, position: usize) -> Arc<Findings> {
        let upto = self.findings.partition_point(|(at, _)| *at <= position);
        upto.checked_sub(1).and_then(|last| self.findings.get(last)).map(|(_, found)| found.clone()).unwrap_or_default()
    }

    /// How many events had happened at a moment.
    pub(super) fn position_at(&self, at: At) -> usize {
        self.store.position_at(at)
    }

    /// When the event at a position happened.
    pub(super) fn time_of(&self, position: usize) -> Option<At> {
        self.store.time_of(position)
    }

    /// Moves a fold to where `position` events have happened. Returns how many of them were looked at.
    pub(super) fn seek(&mut self, fold: &mut Fold, position: usize) -> usize {
        let position = position.min(self.len());
        if position == self.len() {
            // `clone_from` keeps what is allocated.
            fold.clone_from(&self.head);
            return 0;
        }
        let checkpoint = &self.checkpoints[(position / self.spacing).min(self.checkpoints.len() - 1)];
        if position < fold.position || checkpoint.position > fold.position {
            fold.clone_from(checkpoint);
        }
        let (lineup, names) = (&self.lineup, &mut self.names);
        let from = fold.position;
        self.store.scan_kept(from..position, |_, kept, index| {
            kept.tell(index, |fact, at| drop(fold.apply(fact, at, lineup, names)));
            true
        });
        position - from
    }

    /// A request as it was at the fold's moment.
    pub(super) fn row(&self, fold: &Fold, index: usize) -> Option<Row> {
        if index >= fold.begun {
            return None;
        }
        fold.open_row(index).map(|row| **row).or_else(|| self.rows.get(index))
    }

    /// The event at a position.
    pub(super) fn event(&self, position: usize) -> Option<Event> {
        self.store.get(position)
    }

    /// Calls `look` with each event of a range, in order, until it returns false.
    pub(super) fn scan(&self, range: std::ops::Range<usize>, look: impl FnMut(usize, &Event) -> bool) {
        self.store.scan(range, look);
    }

    /// The next landmark after `position` events, or the one before.
    pub(super) fn landmark(&self, position: usize, forward: bool, which: impl Fn(Sort) -> bool) -> Option<Landmark> {
        // The one that has just happened is where we are.
        let position = if forward { position } else { position.saturating_sub(1) };
        self.landmarks.near(position, forward, which)
    }

    /// Evictions that had begun after `position` events; one that ended later is still open.
    pub(super) fn evictions(&self, position: usize) -> impl Iterator<Item = Span> {
        let begun = self.evictions.partition_point(|span| span.position < position);
        self.evictions[..begun]
            .iter()
            .map(move |span| Span { ended: span.ended.filter(|(at, _)| *at < position), ..span.clone() })
    }
}
