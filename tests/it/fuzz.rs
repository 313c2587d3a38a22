//! Minutes of whatever comes: the loader of scenarios and manifests, the reader of server-sent events, and
//! everything that reads a header or a short text. Nothing may panic, hang, or contradict itself.
//!
//! `just fuzz` runs it for ten minutes; it prints its seed, and `LABSIM_FUZZ_SEED` begins from there again.
//! What it finds becomes an ordinary test.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use labsim::event::log;
use labsim::event::trace::TraceContext;
use labsim::fault::{Injection, Target};
use labsim::gateway::wait;
use labsim::scenario::{self, Files, LoadError};
use labsim::source::Span;
use labsim::topology::Condition;
use labsim::traffic::sse::Decoder;
use labsim::world::clock::VIRTUAL_START;
use labsim::{Lab, world};
use tokio::time::Instant;

use crate::support::root;

/// Files of a lab in memory.
#[derive(Default)]
struct Memory(BTreeMap<PathBuf, String>);

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Chance, from a seed.
struct Dice(world::Random);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0.index(n.max(1))
    }

    fn pick<'t, T: ?Sized>(&mut self, from: &[&'t T]) -> &'t T {
        from[self.below(from.len())]
    }

    /// A position between two characters.
    fn cut(&mut self, text: &str) -> usize {
        let at = self.below(text.len() + 1);
        (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    }

    /// Whatever bytes.
    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| u8::try_from(self.below(256)).unwrap_or(0)).collect()
    }

    /// A text like `text`, but for a few changes.
    fn mutated(&mut self, text: &str, words: &[&str]) -> String {
        let mut text = text.to_owned();
        for _ in 0..=self.below(4) {
            text = self.once_mutated(&text, words);
        }
        text
    }

    fn once_mutated(&mut self, text: &str, words: &[&str]) -> String {
        let (one, two) = (self.cut(text), self.cut(text));
        let (start, end) = (one.min(two), one.max(two));
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        match self.below(9) {
            0 => format!("{}{}{}", &text[..one], self.pick(words), &text[one..]),
            1 => {
                let own: Vec<&str> = text.split_whitespace().chain([""]).collect();
                let (old, new) = (self.pick(&own), self.pick(words));
                if old.is_empty() { text.to_owned() } else { text.replacen(old, new, 1) }
            }
            2 => format!("{}{}", &text[..start], &text[end..]),
            3 => format!("{}{}{}", &text[..end], &text[start..end], &text[end..]),
            4 if !lines.is_empty() => {
                let (from, to) = (self.below(lines.len()), self.below(lines.len()));
                let mut lines = lines;
                let line = lines.remove(from);
                lines.insert(to.min(lines.len()), line);
                lines.concat()
            }
            5 if !lines.is_empty() => {
                let line = self.pick(&lines);
                text.replacen(line, &format!("  {line}"), 1)
            }
            6 => {
                let junk = self.bytes(4);
                format!("{}{}{}", &text[..one], String::from_utf8_lossy(&junk), &text[one..])
            }
            7 => text.chars().map(|c| if self.below(200) == 0 { ' ' } else { c }).collect(),
            _ => text[..one].to_owned(),
        }
    }
}

/// Every scenario and manifest of the repository.
fn corpus() -> (Vec<String>, Vec<(PathBuf, String)>) {
    let (mut scenarios, mut manifests) = (Vec::new(), Vec::new());
    let mut folders = vec![root().join("scenarios"), root().join("tests/cases")];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(folder).expect("a folder").flatten().map(|one| one.path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|one| one == "yaml") {
                let text = fs::read_to_string(&path).expect("a file");
                if text.contains("apiVersion:") {
                    let name = path.file_name().expect("a name");
                    manifests.push((Path::new("lab/manifests").join(name), text));
                } else {
                    scenarios.push(text);
                }
            }
        }
    }
    (scenarios, manifests)
}

const WORDS: &[&str] = &[
    "send",
    "load",
    "wait",
    "until",
    "apply",
    "delete",
    "parallel",
    "repeat",
    "schedule",
    "expect",
    "pattern",
    "times",
    "at",
    "0",
    "-1",
    "1e99",
    "18446744073709551616",
    "61",
    "61s",
    "0s",
    "1ns",
    "9999999h",
    "true",
    "~",
    "null",
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    ",",
    "- ",
    "&a ",
    "*a",
    "<<: ",
    "!!binary ",
    "|",
    ">-\n",
    "#",
    "---\n",
    "...\n",
    "${X",
    "${X:-y}",
    "$$",
    "ä💥",
    "\t",
    "\u{feff}",
    "\u{0}",
    "\r\n",
    "%",
    "@",
    "any(",
    "{1,4294967295}",
    "->",
    "model:",
    "gateway/1",
    "manifests/inter-group.yaml",
    "kind: HTTPRoute",
    "extends: scenario.yaml",
    "+steps:",
    "$.a[?@.b==1]",
    ">=1",
    "1..0",
    "50%",
];

/// A scenario and its manifests are a lab or say where they are none; what is a lab can be recorded and loaded
/// again.
fn loader(dice: &mut Dice, (scenarios, manifests): &(Vec<String>, Vec<(PathBuf, String)>)) {
    let path = Path::new("lab/scenario.yaml");
    let texts: Vec<&str> = scenarios.iter().map(String::as_str).collect();
    let mut text = dice.pick(&texts).replace("../../../scenarios/", "");
    let mut files = Memory(manifests.iter().cloned().collect());
    match dice.below(3) {
        // The manifests are other ones, and then both.
        0 => mutate_manifest(dice, &mut files),
        1 => text = dice.mutated(&text, WORDS),
        _ => {
            mutate_manifest(dice, &mut files);
            text = dice.mutated(&text, WORDS);
        }
    }
    files.0.insert(path.into(), text.clone());
    let what =
        || files.0.iter().map(|(name, text)| format!("# {}\n{text}", name.display())).collect::<Vec<_>>().join("\n");
    match scenario::load_from(&files, path) {
        Ok(scenario) => {
            let again = scenario::load_from(&scenario.redacted_sources(), path);
            assert!(again.is_ok(), "its recording cannot be loaded: {}\n{}", again.expect_err("wrong"), what());
            // The simulators' own arguments are judged last.
            let _ = Lab::new(scenario);
        }
        Err(LoadError::Invalid { sources, findings, .. }) => {
            assert!(findings.has_errors(), "{}", what());
            for finding in findings.all() {
                let (place, _) = finding.primary.as_ref().unwrap_or_else(|| panic!("no place: {}", finding.message));
                let whole = &sources.file(place.file).text;
                assert!(
                    whole.get(place.start as usize..place.end as usize).is_some(),
                    "{place:?}: {}",
                    finding.message
                );
            }
            assert!(!findings.render(&sources, false).is_empty());
        }
        Err(LoadError::NotAScenario | LoadError::Unreadable(_)) => {}
    }
}

fn mutate_manifest(dice: &mut Dice, files: &mut Memory) {
    let names: Vec<PathBuf> = files.0.keys().cloned().collect();
    let name = &names[dice.below(names.len())];
    let text = dice.mutated(&files.0[name], WORDS);
    files.0.insert(name.clone(), text);
}

const PIECES: &[&str] = &[
    "data: ",
    "data:",
    "\n",
    "\n\n",
    "\r\n",
    "\r",
    ":",
    "event: x\n",
    "id: 1\n",
    "retry: 1\n",
    "[DONE]",
    "{\"a\":1}",
    "é",
    " ",
];

/// A stream gives the same events however it is cut.
fn stream(dice: &mut Dice) {
    let mut bytes = Vec::new();
    for _ in 0..dice.below(60) {
        match dice.below(4) {
            0 => bytes.extend(dice.bytes(6)),
            _ => bytes.extend_from_slice(dice.pick(PIECES).as_bytes()),
        }
    }
    let read = |pieces: &[&[u8]]| {
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        for piece in pieces {
            decoder.feed(piece, |event| events.push(event.to_vec()));
        }
        (events, decoder.has_rest())
    };
    let (one, two) = (dice.below(bytes.len() + 1), dice.below(bytes.len() + 1));
    let (start, end) = (one.min(two), one.max(two));
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    let whole = read(&[&bytes]);
    assert_eq!(read(&[&bytes[..start], &bytes[start..end], &bytes[end..]]), whole, "{bytes:?}");
    assert_eq!(read(&single), whole, "{bytes:?}");
}

const WAITS: [&str; 8] = [
    "retry-after",
    "retry-after-ms",
    "x-ratelimit-reset",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "x-ratelimit-reset-requests-day",
    "x-ratelimit-reset-tokens-minute",
    "traceparent",
];

const VALUES: &[&str] = &[
    "0",
    "60",
    "-1",
    "1.5",
    "18446744073709551615",
    "18446744073709551616",
    "1767225660",
    "Thu, 01 Jan 2026 00:01:00 GMT",
    "Thu, 01 Jan 1026 00:01:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "6m0s",
    "1h2m3s",
    "20ms",
    "1µs",
    "99999999999h",
    "soon",
    "",
    " ",
    "2s",
    "s",
    "-5s",
    "1e400",
    "NaN",
    "inf",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "00-0-0-0",
];

/// Any headers mean a wait that can be waited for, or none.
fn headers(dice: &mut Dice) {
    let mut headers = HeaderMap::new();
    for _ in 0..dice.below(6) {
        let value = if dice.below(3) == 0 {
            HeaderValue::from_bytes(&dice.bytes(20))
        } else {
            let known = dice.pick(VALUES);
            HeaderValue::from_str(&dice.mutated(known, VALUES).replace(['\n', '\r'], ""))
        };
        if let Ok(value) = value {
            headers.append(HeaderName::from_static(WAITS[dice.below(WAITS.len())]), value);
        }
    }
    let status = StatusCode::from_u16([200, 429, 503][dice.below(3)]).expect("a status");
    let found =
        wait::of_response(status, &headers, VIRTUAL_START).into_iter().chain(wait::longest(&headers, VIRTUAL_START));
    for wait in found {
        assert!(!wait.source.is_empty(), "{headers:?}");
    }
    if let Some(text) = headers.get("traceparent").and_then(|value| value.to_str().ok())
        && let Some(context) = TraceContext::parse(text)
    {
        assert_eq!(TraceContext::parse(&context.to_string()), Some(context), "{text}");
    }
}

const SHORT: &[&str] = &[
    "250ms",
    "1m30s",
    "61s",
    "0.5s",
    "stall",
    "{stall: {for: 3s}}",
    "{fault: {delay: {time: {uniform: {from: 1s, to: 5s}}}}}",
    "client -> gateway",
    "gateway/1 -> mock",
    "model:gpt-4o",
    "*",
    "response.code == 429",
    "response.code >= 500 || !has(request.path)",
    "request.headers['a'].startsWith('b')",
    "[1,2,3].map(x, x*2)",
    "{\"labsim_recording\":1}",
    "{\"seq\":0,\"at_us\":1,\"kind\":\"note\",\"text\":\"\"}",
];

/// Durations, faults, targets, conditions and lines of recordings are read or refused.
fn short_texts(dice: &mut Dice) {
    let text = dice.pick(SHORT);
    let text = dice.mutated(text, WORDS);
    if let Ok(span) = Span::parse(&text) {
        assert_eq!(Span::parse(&span.to_string()), Ok(span), "{text}");
    }
    if let Ok(target) = Target::parse(&text) {
        assert_eq!(Target::parse(&target.to_string()), Ok(target), "{text}");
    }
    let _ = Injection::parse(&text);
    let _ = Condition::compile(&text);
    let _ = log::read(text.as_bytes());
}

#[test]
#[ignore = "minutes long; `just fuzz` runs it"]
fn whatever_comes_is_read_or_refused() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let lasts = Duration::from_secs(number("LABSIM_FUZZ_SECONDS").unwrap_or(600));
    let first = number("LABSIM_FUZZ_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 32);
    let corpus = corpus();
    let (begin, mut seed) = (Instant::now(), first);
    while begin.elapsed() < lasts {
        let tried = catch_unwind(AssertUnwindSafe(|| {
            let mut dice = Dice(world::Seed(seed).stream("fuzz"));
            let started = Instant::now();
            loader(&mut dice, &corpus);
            (0..20).for_each(|_| stream(&mut dice));
            (0..50).for_each(|_| headers(&mut dice));
            (0..20).for_each(|_| short_texts(&mut dice));
            started.elapsed()
        }));
        let took = tried.unwrap_or_else(|_| panic!("found with LABSIM_FUZZ_SEED={seed}"));
        assert!(took < Duration::from_mins(1), "{took:?} with LABSIM_FUZZ_SEED={seed}");
        seed += 1;
    }
    println!("{} rounds from seed {first}: nothing found", seed - first);
}
