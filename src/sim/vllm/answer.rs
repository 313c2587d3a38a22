//! What an answer says: the prompt again, or sentences of a length that chance gives.

use super::ask::{Ask, Echo, Prompt};
use super::config::Config;
use super::error::ApiError;
use super::tools;
use crate::sim::tokens;
use crate::world::Random;

/// One answer to one prompt, as it will be sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) content: Content,
    pub(crate) finish: Finish,
    /// Tokens that it counts for.
    pub(crate) tokens: usize,
}

/// What is in an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// Text, which may be empty.
    Text(Tokens),
    /// Tool calls.
    Calls(Vec<Call>),
}

/// A text in tokens.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Tokens {
    pub(crate) text: String,
    /// One past the last byte of each token.
    ends: Vec<usize>,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// Ten digits, the end of every id that the call goes by.
    pub(crate) digits: String,
    pub(crate) arguments: Tokens,
}

/// A piece of an answer, sent at once in a stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Piece<'a> {
    /// A token of the text.
    Text(&'a str),
    /// A token of a call's arguments.
    Argument { call: &'a Call, index: usize, token: &'a str, first: bool, last: bool },
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    Length,
    ToolCalls,
    RemoteDecode,
    CacheThreshold,
}

impl Finish {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::RemoteDecode => "remote_decode",
            Self::CacheThreshold => "cache_threshold",
        }
    }
}

impl Tokens {
    /// `text`, split into tokens.
    pub(crate) fn of(text: &str) -> Self {
        let mut end = 0;
        let ends = tokens::split(text).map(|token| {
            end += token.len();
            end
        });
        Self { ends: ends.collect(), text: text.to_owned() }
    }

    fn push(&mut self, token: &str) {
        self.text.push_str(token);
        self.ends.push(self.text.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The token at a position; empty where there is none.
    pub(crate) fn get(&self, at: usize) -> &str {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(at).and_then(|end| self.text.get(start..*end)).unwrap_or_default()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|at| self.get(at))
    }
}

impl Answer {
    fn text(content: Tokens, finish: Finish) -> Self {
        Self { tokens: content.len(), content: Content::Text(content), finish }
    }

    /// How many pieces each run of pieces has. Within a run time passes between them.
    pub(crate) fn runs(&self) -> Vec<usize> {
        match &self.content {
            Content::Text(text) => vec![text.len()],
            Content::Calls(calls) => calls.iter().map(|call| call.arguments.len()).collect(),
        }
    }

    /// How many pieces there are.
    pub(crate) fn pieces(&self) -> usize {
        match &self.content {
            Content::Text(text) => text.len(),
            Content::Calls(calls) => calls.iter().map(|call| call.arguments.len()).sum(),
        }
    }

    /// The piece at a position.
    pub(crate) fn piece(&self, at: usize) -> Piece<'_> {
        match &self.content {
            Content::Text(text) => Piece::Text(text.get(at)),
            Content::Calls(calls) => {
                let mut at = at;
                for (index, call) in calls.iter().enumerate() {
                    let len = call.arguments.len();
                    if at < len {
                        let token = call.arguments.get(at);
                        return Piece::Argument { call, index, token, first: at == 0, last: at + 1 == len };
                    }
                    at -= len;
                }
                Piece::Text("")
            }
        }
    }

    /// The whole text; empty for tool calls.
    pub(crate) fn as_text(&self) -> &str {
        match &self.content {
            Content::Text(tokens) => &tokens.text,
            Content::Calls(_) => "",
        }
    }
}

/// Makes the answer to a prompt.
pub(crate) fn make(
    config: &Config,
    ask: &Ask,
    prompt: &Prompt,
    chance: &mut Random,
    request: &str,
) -> Result<Answer, ApiError> {
    let window = usize::try_from(config.max_model_len).unwrap_or(usize::MAX);
    let wanted = ask.max_tokens.map(|tokens| usize::try_from(tokens).unwrap_or(0));
    let total = prompt.tokens.saturating_add(wanted.unwrap_or(1));
    if total > window {
        return Err(ApiError::bad(format!(
            "This model's maximum context length is {window} tokens. However, you requested {total} tokens \
             ({} in the messages, {} in the completion). Please reduce the length of the messages or completion",
            prompt.tokens,
            wanted.unwrap_or(1),
        )));
    }
    if ask.below_threshold {
        return Ok(Answer { content: Content::Text(Tokens::default()), finish: Finish::CacheThreshold, tokens: 0 });
    }
    if config.encoder_only {
        let mut text = Tokens::default();
        (0..wanted.unwrap_or(1)).for_each(|_| text.push("!"));
        return Ok(Answer::text(text, Finish::Length));
    }
    if let Some(calls) = tools::calls(&config.tools, ask, chance).map_err(|cause| {
        ApiError::new(500, format!("failed to create response for {} (req id {request}) {cause}", ask.kind))
    })? {
        let tokens = calls.iter().map(|call| 3 + call.arguments.len()).sum();
        return Ok(Answer { content: Content::Calls(calls), finish: Finish::ToolCalls, tokens });
    }
    let mut answer = if config.is_echo() {
        echo(prompt, wanted)
    } else {
        random(ask, wanted, window.saturating_sub(prompt.tokens), chance)
    };
    if ask.remote_decode {
        answer.finish = Finish::RemoteDecode;
    }
    Ok(answer)
}

/// The prompt again. The wanted length never cuts it.
fn echo(prompt: &Prompt, wanted: Option<usize>) -> Answer {
    let text = match &prompt.echo {
        Echo::Text(text) => Tokens::of(text),
        Echo::Ids(ids) => {
            let mut text = Tokens::default();
            for (at, id) in ids.iter().enumerate() {
                let comma = if at + 1 < ids.len() { "," } else { "" };
                text.push(&format!("{id}{comma}"));
            }
            text
        }
    };
    let finish = if wanted.is_some_and(|wanted| text.len() >= wanted) { Finish::Length } else { Finish::Stop };
    Answer::text(text, finish)
}

/// Sentences, cut to a length that chance gives.
fn random(ask: &Ask, wanted: Option<usize>, room: usize, chance: &mut Random) -> Answer {
    let most = wanted.unwrap_or(room);
    let length = match wanted {
        Some(most) if ask.ignore_eos => most,
        Some(most) => length_within(most, chance),
        None => length_in_room(room, chance),
    };
    let finish = if length == most { Finish::Length } else { Finish::Stop };
    Answer::text(sentences(length, chance), finish)
}

/// A length up to `most`, as real answers have them: most end before it, some do not.
fn length_within(most: usize, chance: &mut Random) -> usize {
    let between = |chance: &mut Random, low: usize, high: usize| low + chance.index((high + 1).saturating_sub(low));
    if most <= 1 {
        return most;
    }
    if most <= 6 {
        return between(chance, 1, most);
    }
    let r = chance.unit();
    if r > 0.85 {
        return most;
    }
    let bucket = [0.2, 0.5, 0.7, 0.75, 0.85].iter().position(|upto| r <= *upto).unwrap_or(4);
    let (low, high) = if most <= 101 {
        ((most - 1) * bucket / 5 + 1, (most - 1) * (bucket + 1) / 5)
    } else {
        match bucket {
            0..=2 => (bucket * 20 + 1, bucket * 20 + 20),
            3 => (61, most - 20),
            _ => (most - 19, most - 1),
        }
    };
    between(chance, low, high.max(low))
}

/// A length where none was asked for: about 40 tokens, if there is room.
fn length_in_room(room: usize, chance: &mut Random) -> usize {
    if room < 20 {
        return if room == 0 { 0 } else { 1 + chance.index(room) };
    }
    loop {
        let drawn = (40.0 + 20.0 * chance.normal()).round();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be positive")]
        let length = if drawn >= 1.0 { drawn as usize } else { 0 };
        if (1..=room).contains(&length) {
            return length;
        }
    }
}

/// What random answers are made of.
const SENTENCES: [&str; 11] = [
    "The tide comes in twice a day, whether anyone watches or not. ",
    "A good map leaves out more than it shows. ",
    "Bread needs flour, water, salt and patience. ",
    "Nobody in the village remembered who had built the bridge. ",
    "She counted the stairs again and found one more than before. ",
    "Light takes about eight minutes to reach us from the sun. ",
    "Ask twice, measure once, and write down what you saw! ",
    "The old clock ran four minutes fast, so everyone was on time. ",
    "Rain on a tin roof makes a small room feel larger. ",
    "Two of the three lamps were lit; the third was waiting. ",
    "What would you take with you, if you had to leave today? ",
];

fn sentences(length: usize, chance: &mut Random) -> Tokens {
    let mut text =
        Tokens { text: String::with_capacity(length.min(1024) * 6), ends: Vec::with_capacity(length.min(1024)) };
    while text.len() < length {
        let sentence = SENTENCES.get(chance.index(SENTENCES.len())).copied().unwrap_or("More. ");
        for token in tokens::split(sentence).take(length - text.len()) {
            text.push(token);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Seed;

    #[test]
    fn lengths_stay_within_what_was_asked_for() {
        let mut chance = Seed(5).stream("text");
        for most in [0, 1, 2, 6, 7, 20, 101, 102, 500] {
            let drawn: Vec<usize> = (0..2_000).map(|_| length_within(most, &mut chance)).collect();
            assert!(drawn.iter().all(|length| *length <= most && (*length > 0 || most == 0)), "{most}");
            if most > 6 {
                let whole = drawn.iter().filter(|length| **length == most).count();
                assert!((200..400).contains(&whole), "{most}: {whole} of 2000 are as long as they may be");
            }
        }
        for room in [0, 1, 19, 20, 30, 1000] {
            let drawn: Vec<usize> = (0..500).map(|_| length_in_room(room, &mut chance)).collect();
            assert!(drawn.iter().all(|length| *length <= room && (*length > 0 || room == 0)), "{room}");
        }
    }

    #[test]
    fn sentences_have_exactly_the_length() {
        let mut chance = Seed(5).stream("text");
        for length in [0, 1, 7, 100] {
            let text = sentences(length, &mut chance);
            assert_eq!((text.len(), tokens::count(&text.text)), (length, length), "{}", text.text);
        }
    }

    #[test]
    fn pieces_of_calls_know_where_they_are() {
        let call = |name: &str, arguments: &str| Call {
            name: name.to_owned(),
            digits: "0123456789".to_owned(),
            arguments: Tokens::of(arguments),
        };
        let answer = Answer {
            content: Content::Calls(vec![call("a", "{}"), call("b", "{}")]),
            finish: Finish::ToolCalls,
            tokens: 10,
        };
        let seen: Vec<_> = (0..answer.pieces())
            .map(|at| match answer.piece(at) {
                Piece::Argument { index, token, first, last, .. } => (index, token, first, last),
                Piece::Text(_) => panic!("text"),
            })
            .collect();
        assert_eq!(seen, [(0, "{", true, false), (0, "}", false, true), (1, "{", true, false), (1, "}", false, true)]);
    }
}
