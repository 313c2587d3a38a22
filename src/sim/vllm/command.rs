//! The command line, read as the original reads it (Go's pflag, and its own lists of values).

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::config::{Config, ConfigError, LoraModule};
use super::flags::{self, Slot};
use super::go::{self, GoDuration};
use crate::source::diagnostic::nearest;

/// What stands on a command line, in its order, before it is applied.
#[derive(Debug, Default)]
pub(crate) struct Given {
    words: Vec<Word>,
    lists: Vec<ListGiven>,
    config: Option<String>,
    positions: BTreeMap<&'static str, usize>,
    former: Vec<(&'static str, usize)>,
}

/// `--name=value`, `--name value`, or `--name`.
#[derive(Debug)]
struct Word {
    name: &'static str,
    negated: bool,
    value: Option<String>,
    position: usize,
}

#[derive(Debug)]
struct ListGiven {
    name: &'static str,
    values: Vec<String>,
    position: usize,
}

/// klog's flags: they are taken and have no effect. The second is whether they need a value.
const LOG_FLAGS: [(&str, bool); 15] = [
    ("v", true),
    ("add_dir_header", false),
    ("alsologtostderr", false),
    ("alsologtostderrthreshold", true),
    ("legacy_stderr_threshold_behavior", false),
    ("log_backtrace_at", true),
    ("log_dir", true),
    ("log_file", true),
    ("log_file_max_size", true),
    ("logtostderr", false),
    ("one_output", false),
    ("skip_headers", false),
    ("skip_log_headers", false),
    ("stderrthreshold", true),
    ("vmodule", true),
];

/// Flags with a value that earlier releases of the original had: they are taken, with a warning.
const FORMER_FLAGS: [&str; 3] = ["tokenizers-cache-dir", "uds-socket-path", "zmq-max-connect-attempts"];

/// Reads the words of a command line without judging their values.
pub(crate) fn scan(args: &[String]) -> Result<Given, ConfigError> {
    let mut given = Given::default();
    let mut at = 0;
    while let Some(word) = args.get(at) {
        if word == "--" {
            break;
        }
        at = match word.strip_prefix("--") {
            Some(long) => given.long(long, args, at)?,
            None if word.len() > 1 && word.starts_with('-') => short(word, args, at)?,
            None => at + 1,
        };
    }
    Ok(given)
}

/// `-v N`, `-vN`, `-v=N` and `-h`; returns where to go on.
fn short(word: &str, args: &[String], at: usize) -> Result<usize, ConfigError> {
    let mut letters = word.chars().skip(1);
    let rest = || word.get(2..).unwrap_or_default();
    match letters.next() {
        Some('h') => Err(ConfigError::asks_for_help()),
        Some('v') if !rest().is_empty() => level(rest().trim_start_matches('='), at).map(|()| at + 1),
        Some('v') => match args.get(at + 1) {
            Some(value) => level(value, at + 1).map(|()| at + 2),
            None => Err(ConfigError::new("flag needs an argument: 'v' in -v", Some(at))),
        },
        letter => {
            let letter = letter.map(String::from).unwrap_or_default();
            Err(ConfigError::new(format!("unknown shorthand flag: '{letter}' in {word}"), Some(at)))
        }
    }
}

fn level(value: &str, at: usize) -> Result<(), ConfigError> {
    let parsed = value.parse::<i32>();
    parsed.map(drop).map_err(|_| {
        let cause = format!("strconv.ParseInt: parsing {}: invalid syntax", go::quote(value));
        ConfigError::new(format!("invalid argument {} for \"-v, --v\" flag: {cause}", go::quote(value)), Some(at))
    })
}

impl Given {
    /// The word after `--`; returns where to go on.
    fn long(&mut self, long: &str, args: &[String], at: usize) -> Result<usize, ConfigError> {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        if name.is_empty() || name.starts_with('-') {
            return Err(ConfigError::new(format!("bad flag syntax: --{long}"), Some(at)));
        }
        let next = args.get(at + 1);
        let missing = || ConfigError::new(format!("flag needs an argument: --{name}"), Some(at));
        match name {
            "help" => return Err(ConfigError::asks_for_help()),
            "config" => return self.config(value, args, at),
            _ => {}
        }
        if let Some((_, valued)) = LOG_FLAGS.iter().find(|(log, _)| *log == name) {
            if !valued || value.is_some() {
                return Ok(at + 1);
            }
            return next.map(|_| at + 2).ok_or_else(missing);
        }
        if let Some(former) = FORMER_FLAGS.into_iter().find(|former| *former == name) {
            self.former.push((former, at));
            return if value.is_some() { Ok(at + 1) } else { next.map(|_| at + 2).ok_or_else(missing) };
        }
        let (flag, negated) = match (flags::find(name), name.strip_prefix("no-").and_then(flags::find)) {
            (Some(flag), _) => (flag, false),
            (None, Some(flag)) if matches!((flag.slot)(&mut Config::default()), Slot::Toggle(_)) => (flag, true),
            _ => return Err(unknown(name, at)),
        };
        let push = |this: &mut Self, value: Option<String>, position: usize| {
            this.positions.insert(flag.name, position);
            this.words.push(Word { name: flag.name, negated, value, position });
        };
        match ((flag.slot)(&mut Config::default()), value, next) {
            (Slot::List(_) | Slot::Loras(_) | Slot::Fake(_), ..) => Ok(self.list(flag.name, value, args, at)),
            (Slot::Toggle(_), ..) => {
                push(self, None, at);
                Ok(at + 1)
            }
            (Slot::Bool(_), value, _) => {
                push(self, value.map(str::to_owned), at);
                Ok(at + 1)
            }
            (_, Some(value), _) => {
                push(self, Some(value.to_owned()), at);
                Ok(at + 1)
            }
            (_, None, Some(next)) => {
                push(self, Some(next.clone()), at + 1);
                Ok(at + 2)
            }
            (_, None, None) => Err(missing()),
        }
    }

    /// The file is read only if exactly one word names it.
    fn config(&mut self, value: Option<&str>, args: &[String], at: usize) -> Result<usize, ConfigError> {
        let values = value.map_or_else(|| words_after(args, at), |value| vec![value.to_owned()]);
        if value.is_none() && args.get(at + 1).is_none() {
            return Err(ConfigError::new("flag needs an argument: --config", Some(at)));
        }
        self.positions.entry("config").or_insert(at);
        if let ([one], None) = (values.as_slice(), &self.config) {
            self.config = Some(one.clone());
        }
        Ok(if value.is_some() { at + 1 } else { at + 2 })
    }

    /// A list takes the words up to the next flag. Only its first occurrence counts.
    fn list(&mut self, name: &'static str, value: Option<&str>, args: &[String], at: usize) -> usize {
        let mut values = value.map_or_else(|| words_after(args, at), |value| vec![value.to_owned()]);
        let next = at + 1 + if value.is_some() { 0 } else { values.len() };
        values.retain(|word| !word.is_empty());
        if !self.lists.iter().any(|list| list.name == name) {
            self.positions.insert(name, at);
            self.lists.push(ListGiven { name, values, position: at });
        }
        next
    }

    /// The file that `--config` names.
    pub(crate) fn config_file(&self) -> Option<&str> {
        self.config.as_deref()
    }

    /// Flags that the original no longer has, with their places.
    pub(crate) fn former(&self) -> &[(&'static str, usize)] {
        &self.former
    }

    /// Where the value of a flag stands that counts.
    pub(crate) fn position(&self, flag: &str) -> Option<usize> {
        self.positions.get(flag).copied()
    }

    /// Sets what is given in `config`.
    pub(crate) fn apply(&self, config: &mut Config) -> Result<(), ConfigError> {
        for word in &self.words {
            let Some(flag) = flags::find(word.name) else { continue };
            let mut slot = (flag.slot)(config);
            slot.set_word(word.value.as_deref(), word.negated).map_err(|cause| {
                let value = go::quote(word.value.as_deref().unwrap_or_default());
                let message = format!("invalid argument {value} for \"--{}\" flag: {cause}", word.name);
                let error = ConfigError::new(message, Some(word.position));
                match (&slot, &word.value) {
                    // Releases before 0.8 took milliseconds.
                    (Slot::Duration(_), Some(number)) if number.parse::<u64>().is_ok() => {
                        error.with_hint(format!("write the unit: `--{} {number}ms`", word.name))
                    }
                    _ => error,
                }
            })?;
        }
        for list in &self.lists {
            let Some(flag) = flags::find(list.name) else { continue };
            let mut slot = (flag.slot)(config);
            slot.set_list(&list.values).map_err(|cause| ConfigError::new(cause, Some(list.position)))?;
        }
        Ok(())
    }
}

/// There is no such flag; perhaps one that looks like it.
fn unknown(name: &str, at: usize) -> ConfigError {
    let error = ConfigError::new(format!("unknown flag: --{name}"), Some(at));
    match nearest(name, flags::FLAGS.iter().map(|flag| flag.name)) {
        Some(near) => error.with_hint(format!("did you mean `--{near}`?")),
        None => error.with_hint("`labsim vllm-sim --help` lists them all".to_owned()),
    }
}

/// The words after position `at` up to the next flag. The original swallows words with one dash; here a
/// dash and a letter end the list.
fn words_after(args: &[String], at: usize) -> Vec<String> {
    let is_flag = |word: &String| {
        let mut chars = word.chars();
        chars.next() == Some('-') && chars.next().is_some_and(|c| c == '-' || c.is_ascii_alphabetic())
    };
    args.iter().skip(at + 1).take_while(|word| !is_flag(word)).cloned().collect()
}

impl Slot<'_> {
    /// Sets the value from one word of a command line; the error is the cause that pflag reports.
    fn set_word(&mut self, value: Option<&str>, negated: bool) -> Result<(), String> {
        let text = value.unwrap_or_default();
        match self {
            Slot::Text(field) => text.clone_into(field),
            Slot::Int(field) => **field = go::parse_int(text)?,
            Slot::Seed(field) => **field = Some(go::parse_int(text)?),
            Slot::Float(field) => **field = go::parse_float(text)?,
            Slot::Bool(field) => **field = value.map_or(Ok(true), go::parse_bool)?,
            Slot::Toggle(field) => **field = !negated,
            Slot::Each(field) => field.push(text.to_owned()),
            Slot::Duration(field) => **field = GoDuration::parse(text)?,
            Slot::List(_) | Slot::Loras(_) | Slot::Fake(_) => {}
        }
        Ok(())
    }

    /// Sets the values of a list.
    pub(crate) fn set_list(&mut self, values: &[String]) -> Result<(), String> {
        match self {
            Slot::List(field) => **field = values.to_vec(),
            Slot::Loras(field) => {
                **field = values.iter().map(|text| LoraModule::parse(text)).collect::<Result<_, _>>()?;
            }
            // The original panics on a list without values; here it is none.
            Slot::Fake(field) => **field = values.first().map(|text| object(text)).transpose()?,
            _ => {}
        }
        Ok(())
    }
}

/// A JSON object in a text.
pub(crate) fn object(text: &str) -> Result<Map<String, Json>, String> {
    match serde_json::from_str(text) {
        Ok(Json::Object(map)) => Ok(map),
        Ok(other) => Err(format!("json: cannot unmarshal {} into Go value", super::json::kind(&other))),
        Err(_) => Err(super::json::syntax_error(text.as_bytes())),
    }
}

impl LoraModule {
    /// Reads `{"name", "path", "base_model_name"}`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let map = object(text)?;
        let fields = super::json::Fields::new(&map, "LoraModule");
        Ok(Self { name: fields.text("name")?, path: fields.text("path")?, base: fields.text("base_model_name")? })
    }
}
