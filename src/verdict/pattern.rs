//! Matching a pattern against requests in order.
//!
//! The pattern becomes a finite automaton: quantifiers are written out, and `any(…)` becomes the
//! product of its items' counters. All its states are followed at once, so that matching takes time
//! in proportion to the requests times the states, and never more. (Thompson 1968.)

use crate::scenario::pattern::{Counted, Item, Pattern, Piece, What};

/// What came of matching.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match<'p> {
    /// The requests follow the pattern.
    Whole,
    /// A request came that nothing in the pattern allows.
    Stuck {
        /// Position of the request; all before it match.
        at: usize,
        /// Items that could have come. Where this is empty, the pattern was over.
        expected: Vec<&'p Item>,
        /// Whether the pattern could also have been over.
        could_end: bool,
    },
    /// The requests ended too early.
    TooFew {
        /// Items that could have come next.
        expected: Vec<&'p Item>,
    },
}

/// Matches `requests` against `pattern`, where `means` tells whether an item means a request.
pub fn run<'p, T>(pattern: &'p Pattern, requests: &[T], means: impl Fn(&Item, &T) -> bool) -> Match<'p> {
    let automaton = Automaton::of(&pattern.pieces);
    let mut seen = Seen { round: 0, last: vec![0; automaton.takes.len()] };
    let mut current = automaton.closure(vec![automaton.start], &mut seen);
    for (at, request) in requests.iter().enumerate() {
        let next = automaton.step(&current, |item| means(item, request));
        if next.is_empty() {
            let could_end = current.contains(&automaton.end);
            return Match::Stuck { at, expected: automaton.expected(&current), could_end };
        }
        current = automaton.closure(next, &mut seen);
    }
    if current.contains(&automaton.end) {
        Match::Whole
    } else {
        Match::TooFew { expected: automaton.expected(&current) }
    }
}

type State = usize;

/// A nondeterministic finite automaton over items.
struct Automaton<'p> {
    /// Moves that take a request.
    takes: Vec<Vec<(&'p Item, State)>>,
    /// Moves that take nothing.
    skips: Vec<Vec<State>>,
    start: State,
    end: State,
}

/// In which round each state was reached last.
struct Seen {
    round: usize,
    last: Vec<usize>,
}

impl<'p> Automaton<'p> {
    fn of(pieces: &'p [Piece]) -> Self {
        let mut automaton = Self { takes: Vec::new(), skips: Vec::new(), start: 0, end: 0 };
        automaton.start = automaton.state();
        automaton.end = automaton.sequence(pieces, automaton.start);
        automaton
    }

    fn state(&mut self) -> State {
        self.takes.push(Vec::new());
        self.skips.push(Vec::new());
        self.takes.len() - 1
    }

    fn skip(&mut self, from: State, to: State) {
        self.skips[from].push(to);
    }

    /// Adds pieces behind `from`; returns where they end.
    fn sequence(&mut self, pieces: &'p [Piece], from: State) -> State {
        pieces.iter().fold(from, |at, piece| self.piece(piece, at))
    }

    fn piece(&mut self, piece: &'p Piece, from: State) -> State {
        let mut at = from;
        for _ in 0..piece.min {
            at = self.once(&piece.what, at);
        }
        match piece.max {
            None => {
                let round = self.state();
                self.skip(at, round);
                let back = self.once(&piece.what, round);
                self.skip(back, round);
                round
            }
            Some(max) => {
                let end = self.state();
                self.skip(at, end);
                for _ in piece.min..max {
                    at = self.once(&piece.what, at);
                    self.skip(at, end);
                }
                end
            }
        }
    }

    fn once(&mut self, what: &'p What, from: State) -> State {
        match what {
            What::One(item) => {
                let to = self.state();
                self.takes[from].push((item, to));
                to
            }
            What::Group(pieces) => self.sequence(pieces, from),
            What::Any(items) => self.any(items, from),
        }
    }

    /// A state for every combination of counts; a count that no longer matters stays at its cap.
    fn any(&mut self, items: &'p [Counted], from: State) -> State {
        let sizes: Vec<usize> = items.iter().map(|item| item.cap() as usize + 1).collect();
        let first = self.takes.len();
        for _ in 0..sizes.iter().product() {
            self.state();
        }
        let end = self.state();
        self.skip(from, first);
        for index in 0..end - first {
            let mut enough = true;
            let mut stride = 1;
            for (counted, size) in items.iter().zip(&sizes) {
                let count = index / stride % size;
                enough &= count >= counted.min as usize;
                if count + 1 < *size {
                    self.takes[first + index].push((&counted.item, first + index + stride));
                } else if counted.max.is_none() {
                    self.takes[first + index].push((&counted.item, first + index));
                }
                stride *= size;
            }
            if enough {
                self.skip(first + index, end);
            }
        }
        end
    }

    /// `from` and every state that is reached from there without taking a request.
    fn closure(&self, from: Vec<State>, seen: &mut Seen) -> Vec<State> {
        seen.round += 1;
        let mut reached = Vec::new();
        let mut open = from;
        while let Some(state) = open.pop() {
            if std::mem::replace(&mut seen.last[state], seen.round) != seen.round {
                reached.push(state);
                open.extend(&self.skips[state]);
            }
        }
        reached
    }

    fn step(&self, current: &[State], means: impl Fn(&Item) -> bool) -> Vec<State> {
        let moves = current.iter().flat_map(|state| &self.takes[*state]);
        moves.filter(|(item, _)| means(item)).map(|(_, to)| *to).collect()
    }

    /// The items that could come next, each once, in the order of the pattern.
    fn expected(&self, current: &[State]) -> Vec<&'p Item> {
        let mut items: Vec<&Item> =
            current.iter().flat_map(|state| &self.takes[*state]).map(|(item, _)| *item).collect();
        items.sort_by_key(|item| (item.place.file, item.place.start));
        items.dedup();
        items
    }
}

#[cfg(test)]
mod tests;
