//! Expectations in words, as verdicts state them.

use std::fmt;

use super::{Agreement, Check, Exercise, Figure, Frequencies, HeaderValue, PathValue, Timed, TokenKind, Trait};

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(pattern) => write!(f, "answers follow {pattern}"),
            Self::Status { answer, count } => match count.times().as_str() {
                "never" => write!(f, "{answer} never comes"),
                times => write!(f, "{answer} comes {times}"),
            },
            Self::Reached { target, count } => match count.times().as_str() {
                "never" => write!(f, "{target} is never reached"),
                times => write!(f, "{target} is reached {times}"),
            },
            Self::Cancelled { target, count } => match count.times().as_str() {
                "never" => write!(f, "no request is given up at {target}"),
                times => write!(f, "a request is given up at {target} {times}"),
            },
            Self::Answers { of: None, that } => write!(f, "every answer {that}"),
            Self::Answers { of: Some(item), that } => write!(f, "every {item} {that}"),
            Self::Evictions { target, count, lasts, ends } => {
                match count.times().as_str() {
                    "never" => write!(f, "{target} is never evicted")?,
                    times => write!(f, "{target} is evicted {times}")?,
                }
                lasts.iter().try_for_each(|lasts| write!(f, ", for {lasts}"))?;
                ends.iter().try_for_each(|ends| write!(f, ", until {ends}"))
            }
            Self::Group { group, count } => match count.times().as_str() {
                "never" => write!(f, "group {group} never answers"),
                times => write!(f, "group {group} answers {times}"),
            },
            Self::Share { target, share } => write!(f, "{target} gets {share} of all attempts"),
            Self::Success(share) => write!(f, "{share} of requests succeed"),
            Self::Amplification(ratio) => write!(f, "attempts for each request: {ratio}"),
            Self::Timing { of, figure, within } => write!(f, "{of}, {figure}: {within}"),
            Self::Tokens { of, count } => write!(f, "{of} tokens: {count}"),
            Self::Cost(cost) => write!(f, "the answers cost {cost}"),
            Self::Frequencies(frequencies) => frequencies.fmt(f),
            Self::Exercises(exercise) => exercise.fmt(f),
        }
    }
}

impl fmt::Display for Trait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(model) => write!(f, "comes from model {model}"),
            Self::BodyContains(text) => write!(f, "contains {text:?}"),
            Self::BodyJson(json) => write!(f, "has {json}"),
            Self::BodyPath { path, value } => match value {
                PathValue::Is(json) => write!(f, "has {json} at {}", path.text),
                PathValue::Contains(part) => write!(f, "has text with {part:?} at {}", path.text),
                PathValue::Present => write!(f, "has something at {}", path.text),
                PathValue::Absent => write!(f, "has nothing at {}", path.text),
            },
            Self::Provider(target) => write!(f, "comes from {target}"),
            Self::Header { name, value } => match value {
                HeaderValue::Is(value) => write!(f, "has {name}: {value}"),
                HeaderValue::Contains(part) => write!(f, "has {name} with {part:?}"),
                HeaderValue::Present => write!(f, "has {name}"),
                HeaderValue::Absent => write!(f, "has no {name}"),
            },
        }
    }
}

impl fmt::Display for Exercise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, who, what) = self.what.line();
        match &self.target {
            None => write!(f, "{who} {what}"),
            Some(target) => write!(f, "{target} {what}"),
        }
    }
}

impl fmt::Display for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = Self::TABLE.iter().find(|(timed, ..)| timed == self);
        f.write_str(line.map_or("", |(.., words)| words))
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = Self::TABLE.iter().find(|(_, figure)| figure == self);
        f.write_str(line.map_or("", |(name, _)| name))
    }
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = Self::TABLE.iter().find(|(_, kind)| kind == self);
        f.write_str(line.map_or("", |(name, _)| name))
    }
}

impl fmt::Display for Frequencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (pattern, share)) in self.patterns.iter().enumerate() {
            write!(f, "{}{pattern} in {share}", if index == 0 { "" } else { ", " })?;
        }
        f.write_str(" of all runs")
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tolerance(share) => write!(f, "each at most {share} off"),
            Self::Level(level) => write!(f, "by a chi-squared test at level {level}"),
        }
    }
}
