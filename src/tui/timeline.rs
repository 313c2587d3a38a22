//! Everything that has happened, with a way to any moment of it.
//!
//! Events are kept in a [`Store`]; the fold is kept at its head and, as checkpoints, at moments on
//! the way. To seek is to take the checkpoint before and to apply the few events after it. Requests
//! that are over stand in [`Rows`]: at a moment they are those that had begun by then and were not
//! under way.

use std::sync::Arc;

use super::fold::Fold;
use super::lineup::Lineup;
use super::row::{Names, Row, Rows};
use super::store::Store;
use super::{Finding, Judge};
use crate::event::{At, Event, Kind};

/// All moments of a session.
pub(super) struct Timeline {
    pub(super) lineup: Lineup,
    pub(super) names: Names,
    store: Store,
    /// When each event happened; never falling.
    times: Vec<At>,
    rows: Rows,
    head: Fold,
    checkpoints: Vec<Fold>,
    spacing: usize,
    landmarks: Vec<Landmark>,
    evictions: Vec<Span>,
    findings: Vec<(usize, Arc<Vec<Finding>>)>,
    judge: Option<Box<dyn Judge>>,
}

/// A moment worth jumping to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Landmark {
    /// Position of its event.
    pub(super) position: usize,
    pub(super) at: At,
    pub(super) sort: Sort,
}

/// What is worth jumping to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Eviction,
    Return,
    Failure,
    Step,
}

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
            spacing: store.chunk_size(),
            store,
            times: Vec::new(),
            rows: Rows::default(),
            head: start.clone(),
            checkpoints: vec![start],
            landmarks: Vec::new(),
            evictions: Vec::new(),
            findings: Vec::new(),
            judge,
        };
        timeline.note_findings(None);
        timeline
    }

    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// The time of the last event.
    pub(super) fn end(&self) -> At {
        self.times.last().copied().unwrap_or_default()
    }

    /// The state after the last event.
    pub(super) fn head(&self) -> &Fold {
        &self.head
    }

    /// Takes in the next event.
    pub(super) fn push(&mut self, event: Event) {
        let at = event.at_us.max(self.end());
        let position = self.times.len();
        self.times.push(at);
        self.note_landmark(&event, position, at);
        self.note_eviction(&event, position, at);
        let closed = self.head.apply(&event, at, &self.lineup, &mut self.names);
        if let Some(row) = closed {
            if row.failed() {
                self.landmarks.push(Landmark { position, at, sort: Sort::Failure });
            }
            self.rows.close(Arc::unwrap_or_clone(row));
        }
        self.note_findings(Some(&event));
        self.store.push(event);
        if self.times.len().is_multiple_of(self.spacing) {
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

    fn note_landmark(&mut self, event: &Event, position: usize, at: At) {
        let sort = match &event.kind {
            Kind::ProviderEvicted { .. } => Sort::Eviction,
            Kind::ProviderReturned { .. } => Sort::Return,
            Kind::StepStarted { .. } => Sort::Step,
            _ => return,
        };
        self.landmarks.push(Landmark { position, at, sort });
    }

    fn note_eviction(&mut self, event: &Event, position: usize, at: At) {
        match &event.kind {
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

    fn note_findings(&mut self, event: Option<&Event>) {
        let Some(judge) = &mut self.judge else { return };
        if let Some(findings) = judge.judge(event) {
            self.findings.push((self.times.len(), Arc::new(findings)));
        }
    }

    /// Tells that nothing more will come: what is still open is decided.
    pub(super) fn conclude(&mut self) {
        let Some(judge) = &mut self.judge else { return };
        if let Some(findings) = judge.conclude() {
            self.findings.push((self.times.len(), Arc::new(findings)));
        }
    }

    /// The expectations as they stood after `position` events.
    pub(super) fn findings(&self, position: usize) -> Arc<Vec<Finding>> {
        let upto = self.findings.partition_point(|(at, _)| *at <= position);
        upto.checked_sub(1).and_then(|last| self.findings.get(last)).map(|(_, found)| found.clone()).unwrap_or_default()
    }

    /// How many events had happened at a moment.
    pub(super) fn position_at(&self, at: At) -> usize {
        self.times.partition_point(|time| *time <= at)
    }

    /// When the event at a position happened.
    pub(super) fn time_of(&self, position: usize) -> Option<At> {
        self.times.get(position).copied()
    }

    /// Moves a fold to where `position` events have happened.
    pub(super) fn seek(&mut self, fold: &mut Fold, position: usize) {
        let position = position.min(self.len());
        if position == self.len() {
            // `clone_from` keeps what is allocated.
            fold.clone_from(&self.head);
            return;
        }
        let checkpoint = &self.checkpoints[(position / self.spacing).min(self.checkpoints.len() - 1)];
        if position < fold.position || checkpoint.position > fold.position {
            fold.clone_from(checkpoint);
        }
        let (times, lineup, names) = (&self.times, &self.lineup, &mut self.names);
        self.store.scan(fold.position..position, |at, event| {
            fold.apply(event, times[at], lineup, names);
            true
        });
    }

    /// A request as it was at the fold's moment.
    pub(super) fn row<'a>(&'a self, fold: &'a Fold, index: usize) -> Option<&'a Row> {
        if index >= fold.begun {
            return None;
        }
        fold.open_row(index).map(Arc::as_ref).or_else(|| self.rows.get(index))
    }

    /// The event at a position.
    pub(super) fn event(&self, position: usize) -> Option<Event> {
        self.store.get(position)
    }

    /// Calls `look` with each event of a range, in order, until it returns false.
    pub(super) fn scan(&self, range: std::ops::Range<usize>, look: impl FnMut(usize, &Event) -> bool) {
        self.store.scan(range, look);
    }

    /// Moments worth jumping to, in order.
    pub(super) fn landmarks(&self) -> &[Landmark] {
        &self.landmarks
    }

    /// The next landmark after `position` events, or the one before.
    pub(super) fn landmark(&self, position: usize, forward: bool, which: impl Fn(Sort) -> bool) -> Option<Landmark> {
        let split = self.landmarks.partition_point(|landmark| landmark.position < position);
        let fits = |landmark: &&Landmark| which(landmark.sort);
        if forward {
            return self.landmarks[split..].iter().find(fits).copied();
        }
        // The one that has just happened is where we are.
        self.landmarks[..split].iter().rev().filter(|one| one.position + 1 < position).find(fits).copied()
    }

    /// Evictions that had begun after `position` events; one that ended later is still open.
    pub(super) fn evictions(&self, position: usize) -> impl Iterator<Item = Span> {
        let begun = self.evictions.partition_point(|span| span.position < position);
        self.evictions[..begun]
            .iter()
            .map(move |span| Span { ended: span.ended.filter(|(at, _)| *at < position), ..span.clone() })
    }
}
