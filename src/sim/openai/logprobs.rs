//! Log probabilities of tokens: made up, but such as a model that is rather sure of itself gives.

use serde_json::{Value as Json, json};

use crate::world::Random;

/// A token with its probability and what else could have stood there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Likely {
    token: String,
    logprob: f64,
    /// The most likely tokens, the chosen one first.
    top: Vec<(String, f64)>,
}

/// What could have stood in the place of any token.
const OTHERS: &[&str] = &[
    " the", " a", " is", ",", ".", " and", " it", " in", " to", " of", " that", "The", " for", " you", "It", " on",
    " be", " as", " this", " are", " can", "\n",
];

/// Probabilities for `tokens`, each with the `top` most likely ones.
pub(crate) fn of(tokens: &[String], top: usize, random: &mut Random) -> Vec<Likely> {
    tokens.iter().map(|token| likely(token, top, random)).collect()
}

fn likely(token: &str, top: usize, random: &mut Random) -> Likely {
    // In whole hundred-thousandths, so that every machine writes the same digits.
    let mut scaled = random.below(30_000);
    let first = random.index(OTHERS.len());
    let chosen = (token.to_owned(), logprob(scaled));
    let others = (0..OTHERS.len()).filter_map(|step| OTHERS.get((first + step) % OTHERS.len()));
    let mut all = vec![chosen];
    for other in others.filter(|&&other| other != token).take(top.saturating_sub(1)) {
        scaled += 150_000 + random.below(200_000);
        all.push(((*other).to_owned(), logprob(scaled)));
    }
    all.truncate(top);
    Likely { token: token.to_owned(), logprob: logprob_of(&all, token, scaled), top: all }
}

fn logprob_of(all: &[(String, f64)], token: &str, scaled: u64) -> f64 {
    all.iter().find(|(one, _)| one == token).map_or_else(|| logprob(scaled), |(_, logprob)| *logprob)
}

fn logprob(scaled: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 53 bits")]
    let number = scaled as f64;
    -number / 100_000.0
}

/// As a chat has them.
pub(crate) fn chat_json(tokens: &[Likely]) -> Json {
    let one = |token: &str, logprob: f64| json!({"token": token, "logprob": logprob, "bytes": token.as_bytes()});
    let each = tokens.iter().map(|likely| {
        let mut json = one(&likely.token, likely.logprob);
        json["top_logprobs"] = likely.top.iter().map(|(token, logprob)| one(token, *logprob)).collect();
        json
    });
    each.collect()
}

/// As an old completion has them; `offset` is where the text starts.
pub(crate) fn completion_json(tokens: &[Likely], offset: usize) -> Json {
    let mut at = offset;
    let offsets: Vec<usize> = tokens
        .iter()
        .map(|likely| {
            let here = at;
            at += likely.token.chars().count();
            here
        })
        .collect();
    let top = tokens.iter().map(|likely| {
        Json::Object(likely.top.iter().map(|(token, logprob)| (token.clone(), Json::from(*logprob))).collect())
    });
    json!({
        "tokens": tokens.iter().map(|likely| likely.token.as_str()).collect::<Vec<_>>(),
        "token_logprobs": tokens.iter().map(|likely| likely.logprob).collect::<Vec<_>>(),
        "top_logprobs": top.collect::<Vec<_>>(),
        "text_offset": offsets,
    })
}
