//! What a step waits for.

use super::Steps;
use crate::scenario::fields::{not_among, whole_number};
use crate::scenario::pattern::Answer;
use crate::scenario::step::{AT_MOST, Condition, Step, Until};
use crate::source::{Diagnostic, Entry, Spanned, Value};

/// What stands under `wait`, where it is no time.
pub(in crate::scenario) const WAIT: &[&str] = &["until", "at-most"];

impl Steps<'_> {
    pub(super) fn wait(&self, entry: &Entry) -> Option<Step> {
        let Value::Map(_) = entry.value.value else { return self.reader.decode(&entry.value).map(Step::Wait) };
        let fields = self.reader.fields(&entry.value, "of what to wait for", WAIT)?;
        let until = fields.value("until");
        if until.is_none() && fields.entry("until").is_none() {
            let missing = Diagnostic::error("`until` is missing here").at(fields.first_line(), "");
            self.reader.push(missing.help("such as `wait: { until: { active: mock-provider }, at-most: 90s }`"));
        }
        let at_most = fields.get("at-most").unwrap_or(AT_MOST);
        Some(Step::Until(Until { condition: self.condition(until?)?, at_most }))
    }

    fn condition(&self, entry: &Entry) -> Option<Condition> {
        let node = &entry.value;
        if node.as_str() == Some("idle") {
            return Some(Condition::Idle);
        }
        let [one] = node.entries() else {
            let diagnostic = self.reader.expected(node, "something to wait for");
            self.reader.push(diagnostic.help(
                "such as `idle`, `{ evicted: mock }`, `{ active: mock }`, `{ answers: { 429: 3 } }` or `{ reached: { mock: 3 } }`",
            ));
            return None;
        };
        let target = |name: &str, place| {
            self.reader.names().resolve(name, place).map_err(|diagnostic| self.reader.push(diagnostic)).ok()
        };
        let of_provider = || self.reader.text(one).and_then(|name| target(&name.value, name.place));
        match one.key.as_str() {
            "evicted" => of_provider().map(Condition::Evicted),
            "active" => of_provider().map(Condition::Active),
            "answers" => {
                let (counted, count) = self.counted(one)?;
                let answer = Answer::parse(&counted.key).map_err(|(message, help)| {
                    let diagnostic = Diagnostic::error(message).at(counted.key_place, "");
                    self.reader.push(help.into_iter().fold(diagnostic, Diagnostic::help));
                });
                Some(Condition::Answers(answer.ok()?, count))
            }
            "reached" => {
                let (counted, count) = self.counted(one)?;
                Some(Condition::Reached(target(&counted.key, counted.key_place)?, count))
            }
            _ => {
                let key = Spanned::new(one.key.clone(), one.key_place);
                self.reader.push(not_among(&key, "condition", &["idle", "evicted", "active", "answers", "reached"]));
                None
            }
        }
    }

    /// The one entry of a map from something to how often it is waited for.
    fn counted<'n>(&self, entry: &'n Entry) -> Option<(&'n Entry, u64)> {
        if let [one] = entry.value.entries() {
            let count = whole_number(&one.value).filter(|count| *count > 0);
            if count.is_none() {
                self.reader.push(self.reader.expected(&one.value, "how often, a whole number from 1"));
            }
            return count.map(|count| (one, count));
        }
        let diagnostic = self.reader.expected(&entry.value, "a map with one entry, from what to how often");
        self.reader.push(diagnostic.help(format!("such as `{}: {{ 429: 3 }}`", entry.key)));
        None
    }
}
