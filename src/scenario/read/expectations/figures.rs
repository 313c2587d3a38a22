//! Expectations that are figures over many requests, or over many runs.

use super::{Fields, Read, nothing_expected};
use crate::scenario::expect::{
    Agreement, Bounds, Check, DEFAULT_LEVEL, Figure, Frequencies, ROUNDING, Share, Timed, TokenKind,
};
use crate::scenario::fields::whole_entry;
use crate::source::{Diagnostic, Entry, Spanned};

/// What an example of a figure looks like.
const SHARE: &str = "a share, such as `40%`, `\">=99%\"` or `40%..60%`";

impl Read<'_> {
    /// Everything that is a figure over the requests.
    pub(super) fn figures(&mut self, fields: Fields<'_>) {
        self.group(fields);
        self.shares(fields);
        if let Some(entry) = fields.value("success")
            && let Some(share) = self.bounds(entry, SHARE, Bounds::share)
        {
            self.add(whole_entry(entry), Check::Success(share));
        }
        if let Some(entry) = fields.value("amplification")
            && let Some(ratio) = self.bounds(entry, "a ratio, such as `\"<=1.5\"`", Bounds::ratio)
        {
            self.add(whole_entry(entry), Check::Amplification(ratio));
        }
        for (of, key, _) in Timed::TABLE {
            self.timing(fields, of, key);
        }
        self.tokens(fields);
        self.cost(fields);
    }

    fn group(&mut self, fields: Fields<'_>) {
        let Some(entry) = fields.value("group") else { return };
        for one in self.reader.entries(&entry.value, "from a group to its count") {
            let count = self.count(one);
            if let (Some(group), Some(count)) = (self.group_of(one), count) {
                self.add(whole_entry(one), Check::Group { group, count });
            }
        }
    }

    fn group_of(&self, one: &Entry) -> Option<usize> {
        let group: Option<usize> = one.key.parse().ok();
        let groups = self.reader.names().groups();
        let diagnostic = match (group, groups) {
            (Some(group), Some(groups)) if group >= groups => {
                let last = groups.saturating_sub(1);
                let diagnostic = Diagnostic::error(format!("the lab has no group {group}"));
                diagnostic.at(one.key_place, format!("they are numbered from 0 to {last}"))
            }
            (Some(group), _) => return Some(group),
            (None, _) => {
                let diagnostic = Diagnostic::error(format!("`{}` is not a group", one.key)).at(one.key_place, "");
                diagnostic.help("groups are numbered; the preferred one is 0")
            }
        };
        self.reader.push(diagnostic);
        None
    }

    fn shares(&mut self, fields: Fields<'_>) {
        let Some(entry) = fields.value("shares") else { return };
        let mut least = 0.0;
        for one in self.reader.entries(&entry.value, "from a provider to its share of attempts") {
            let target = self.provider(&one.key, one.key_place);
            let share = self.bounds(one, SHARE, Bounds::share);
            if let (Some(target), Some(share)) = (target, share) {
                least += share.least.map_or(0.0, |share| share.0);
                self.add(whole_entry(one), Check::Share { target, share });
            }
        }
        if least > 1.0 + ROUNDING {
            let diagnostic =
                Diagnostic::error(format!("no run can give this: together it is at least {}", Percent(least)));
            self.reader.push(diagnostic.at(whole_entry(entry), "shares are of all attempts"));
        }
    }

    fn timing(&mut self, fields: Fields<'_>, of: Timed, key: &'static str) {
        let Some(entry) = fields.value(key) else { return };
        let Some(figures) = self.reader.fields(&entry.value, "of times", Figure::NAMES) else { return };
        if entry.value.entries().is_empty() {
            self.reader.push(nothing_expected(entry, "{ p99: \"<=2s\" }"));
        }
        for (name, figure) in Figure::TABLE {
            let Some(one) = figures.value(name) else { continue };
            if let Some(within) = self.time(one) {
                self.add(whole_entry(one), Check::Timing { of, figure, within });
            }
        }
    }

    fn tokens(&mut self, fields: Fields<'_>) {
        let Some(entry) = fields.value("tokens") else { return };
        let Some(kinds) = self.reader.fields(&entry.value, "of tokens", TokenKind::NAMES) else { return };
        if entry.value.entries().is_empty() {
            self.reader.push(nothing_expected(entry, "{ total: \"<=1000\" }"));
        }
        for (name, of) in TokenKind::TABLE {
            let Some(one) = kinds.value(name) else { continue };
            if let Some(count) = self.count(one) {
                self.add(whole_entry(one), Check::Tokens { of, count });
            }
        }
    }

    fn cost(&mut self, fields: Fields<'_>) {
        let Some(entry) = fields.value("cost") else { return };
        let Some(cost) = self.bounds(entry, "a cost, such as `\"<=0.01\"`", Bounds::money) else { return };
        if !self.reader.has_prices() {
            let diagnostic = Diagnostic::error("a cost needs prices").at(whole_entry(entry), "of what models?");
            let help = "such as `prices: { gpt-4o: { input: 2.50, output: 10 } }` at the top, for a million tokens";
            self.reader.push(diagnostic.help(help));
        }
        self.add(whole_entry(entry), Check::Cost(cost));
    }

    /// Patterns with their shares, and beside them how exact these are.
    pub(super) fn frequencies(&mut self, fields: Fields<'_>) {
        let Some(entry) = fields.value("frequencies") else { return };
        let entries = self.reader.entries(&entry.value, "from a pattern to how often it comes");
        let mut patterns = Vec::new();
        let (mut tolerance, mut level) = (None, None);
        for one in entries {
            match one.key.as_str() {
                "tolerance" => tolerance = self.share(one).map(|share| Spanned::new(share, one.key_place)),
                "level" => level = self.level(one).map(|level| Spanned::new(level, one.key_place)),
                text => {
                    let share = self.share(one);
                    if let (Some(pattern), Some(share)) = (self.pattern_of(text, one.key_place), share) {
                        patterns.push((pattern, share));
                    }
                }
            }
        }
        let agreement = match (tolerance, level) {
            (Some(tolerance), Some(level)) => {
                let diagnostic = Diagnostic::error("frequencies have a tolerance or a level, not both");
                self.reader.push(diagnostic.at(level.place, "").note_at(tolerance.place, ""));
                return;
            }
            (Some(tolerance), None) => Agreement::Tolerance(tolerance.value),
            (None, level) => Agreement::Level(level.map_or(DEFAULT_LEVEL, |level| level.value)),
        };
        if entries.iter().all(|one| ["tolerance", "level"].contains(&one.key.as_str())) {
            self.reader.push(nothing_expected(entry, "{ \"429 200{2}\": 50% }"));
        }
        let frequencies = Frequencies { patterns, agreement };
        if frequencies.total() > 1.0 + ROUNDING {
            let message = format!("no runs can give this: together it is {}", Percent(frequencies.total()));
            self.reader.push(Diagnostic::error(message).at(whole_entry(entry), "shares are of all runs"));
        }
        self.add(whole_entry(entry), Check::Frequencies(frequencies));
    }

    fn share(&self, entry: &Entry) -> Option<Share> {
        let text = self.scalar(entry, "a share, such as `50%`")?;
        Share::parse(&text).map_err(|message| self.wrong(entry, message)).ok()
    }

    fn level(&self, entry: &Entry) -> Option<f64> {
        let text = self.scalar(entry, "a level, such as `0.001`")?;
        let level = text.parse().ok().filter(|level| *level > 0.0 && *level < 1.0);
        if level.is_none() {
            self.wrong(entry, format!("`{text}` is not a level; write a probability, such as `0.001`"));
        }
        level
    }
}

/// A share that may be more than the whole.
struct Percent(f64);

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Share(self.0).fmt(f)
    }
}
