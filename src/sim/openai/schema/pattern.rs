//! A text that a regular expression matches, for the expressions that people write in schemas.

use std::iter::Peekable;
use std::str::Chars;

use crate::world::Random;

/// Unbounded repetitions go on for at most so many more rounds.
const MORE: u64 = 4;
const MOST_REPEATS: u64 = 200;
const LONGEST: usize = 2_000;
const DEEPEST: u32 = 20;

/// A text in which `pattern` is found, or nothing if the pattern is beyond this.
pub(super) fn text(pattern: &str, random: &mut Random) -> Option<String> {
    let wanted = regex::Regex::new(pattern).ok()?;
    for _ in 0..8 {
        let mut out = String::new();
        let mut walk = Walk { chars: pattern.chars().peekable(), random };
        walk.alternatives(&mut out, 0)?;
        if walk.chars.next().is_none() && wanted.is_match(&out) {
            return Some(out);
        }
    }
    None
}

/// Goes through a pattern once and writes what it matches.
struct Walk<'p, 'r> {
    chars: Peekable<Chars<'p>>,
    random: &'r mut Random,
}

impl Walk<'_, '_> {
    /// `a|b|c`, up to the end or a closing parenthesis: writes one of them.
    fn alternatives(&mut self, out: &mut String, depth: u32) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        let start = out.len();
        let mut chosen = String::new();
        for seen in 1_u64.. {
            self.sequence(out, depth)?;
            let made = out.split_off(start);
            if self.random.below(seen) == 0 {
                chosen = made;
            }
            if self.chars.next_if_eq(&'|').is_none() {
                break;
            }
        }
        out.push_str(&chosen);
        (out.len() <= LONGEST).then_some(())
    }

    fn sequence(&mut self, out: &mut String, depth: u32) -> Option<()> {
        while let Some(&next) = self.chars.peek() {
            if matches!(next, '|' | ')') {
                break;
            }
            let rest = self.chars.clone();
            let start = out.len();
            self.atom(out, depth)?;
            let rounds = self.rounds()?;
            if rounds == 0 {
                out.truncate(start);
            }
            // Each further round draws anew from the same part of the pattern.
            let after = std::mem::replace(&mut self.chars, rest.clone());
            for _ in 1..rounds {
                self.chars = rest.clone();
                self.atom(out, depth)?;
            }
            self.chars = after;
            if out.len() > LONGEST {
                return None;
            }
        }
        Some(())
    }

    fn atom(&mut self, out: &mut String, depth: u32) -> Option<()> {
        match self.chars.next()? {
            '^' | '$' => {}
            '.' => out.push('a'),
            '(' => {
                if self.chars.next_if_eq(&'?').is_some() {
                    self.group_kind()?;
                }
                self.alternatives(out, depth + 1)?;
                self.chars.next_if_eq(&')')?;
            }
            '[' => {
                let class = self.class()?;
                out.push(self.pick(&class)?);
            }
            '\\' => {
                let escaped = self.chars.next()?;
                match escape(escaped)? {
                    Escaped::Boundary => {}
                    Escaped::Class(class) => out.push(self.pick(&class)?),
                }
            }
            '*' | '+' | '?' => return None,
            other => out.push(other),
        }
        Some(())
    }

    /// What stands after `(?`: `:`, or a name. Looking around is beyond this.
    fn group_kind(&mut self) -> Option<()> {
        match self.chars.next()? {
            ':' => Some(()),
            'P' | '<' => {
                let mut name = self.chars.by_ref().take_while(|&c| c != '>');
                name.all(|c| c.is_alphanumeric() || matches!(c, '_' | '<')).then_some(())
            }
            _ => None,
        }
    }

    /// How often the atom before is to come.
    fn rounds(&mut self) -> Option<u64> {
        let (low, high) = match self.chars.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                self.chars.next();
                let inside: String = self.chars.by_ref().take_while(|&c| c != '}').collect();
                let (low, high) = match inside.split_once(',') {
                    None => (inside.parse().ok()?, Some(inside.parse().ok()?)),
                    Some((low, "")) => (low.parse().ok()?, None),
                    Some((low, high)) => (low.parse().ok()?, Some(high.parse().ok()?)),
                };
                return self.lazy(low, high);
            }
            _ => return Some(1),
        };
        self.chars.next();
        self.lazy(low, high)
    }

    fn lazy(&mut self, low: u64, high: Option<u64>) -> Option<u64> {
        self.chars.next_if_eq(&'?');
        let high = high.unwrap_or(low + MORE).min(low + MORE);
        (low <= high && high <= MOST_REPEATS).then(|| low + self.random.below(high - low + 1))
    }

    /// What stands between `[` and `]`.
    fn class(&mut self) -> Option<Vec<(char, char)>> {
        let negated = self.chars.next_if_eq(&'^').is_some();
        let mut ranges: Vec<(char, char)> = Vec::new();
        loop {
            let low = match self.chars.next()? {
                ']' if !ranges.is_empty() => break,
                '[' => return None,
                '\\' => match escape(self.chars.next()?)? {
                    Escaped::Class(class) if class.len() == 1 && class[0].0 == class[0].1 => class[0].0,
                    Escaped::Class(class) => {
                        ranges.extend(class);
                        continue;
                    }
                    Escaped::Boundary => return None,
                },
                other => other,
            };
            let mut ahead = self.chars.clone();
            if ahead.next() == Some('-') && ahead.next().is_some_and(|high| high != ']') {
                self.chars.next();
                let high = self.chars.next().filter(|&high| high != '\\' && high >= low)?;
                ranges.push((low, high));
            } else {
                ranges.push((low, low));
            }
        }
        if !negated {
            return Some(ranges);
        }
        let free = (' '..='~').filter(|c| !ranges.iter().any(|(low, high)| (low..=high).contains(&c)));
        Some(free.map(|c| (c, c)).collect())
    }

    fn pick(&mut self, ranges: &[(char, char)]) -> Option<char> {
        let &(low, high) = ranges.get(self.random.index(ranges.len()))?;
        let span = u64::from(u32::from(high) - u32::from(low)) + 1;
        let offset = u32::try_from(self.random.below(span.min(0xd000))).ok()?;
        char::from_u32(u32::from(low) + offset)
    }
}

enum Escaped {
    Boundary,
    Class(Vec<(char, char)>),
}

fn escape(letter: char) -> Option<Escaped> {
    Some(Escaped::Class(match letter {
        'b' | 'A' | 'z' => return Some(Escaped::Boundary),
        'd' => vec![('0', '9')],
        'w' => vec![('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')],
        's' => vec![(' ', ' ')],
        'D' | 'W' | 'S' => vec![if letter == 'W' { ('-', '-') } else { ('a', 'z') }],
        'n' => vec![('\n', '\n')],
        't' => vec![('\t', '\t')],
        other if other.is_alphanumeric() => return None,
        other => vec![(other, other)],
    }))
}
