//! `POST /v1/completions`: the older way to ask, with a text instead of messages.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::chat;
use super::engine::Call;
use super::error::ApiError;
use super::latency::Pace;
use super::models::{self, Model, ModelUse};
use super::params::Params;
use super::reply::{Piece, Reply};
use super::text::{self, Bounds, Finish};
use super::{logprobs, prose, tokens};
use crate::event::Usage;

const KNOWN: &[&str] = &[
    "model",
    "prompt",
    "best_of",
    "echo",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_tokens",
    "n",
    "presence_penalty",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "suffix",
    "temperature",
    "top_p",
    "user",
];

/// An answer is this long unless the request says otherwise.
const DEFAULT_TOKENS: u64 = 16;
/// What a prompt counts as that is not given.
const END_OF_TEXT: &str = "<|endoftext|>";

/// A request that is in order.
struct Request {
    model: Model,
    prompts: Vec<Prompt>,
    bounds: Bounds,
    n: u64,
    echo: bool,
    logprobs: Option<usize>,
    stream: bool,
    include_usage: bool,
    variant: String,
}

/// One of several prompts.
struct Prompt {
    text: String,
    tokens: u64,
}

/// One answer to one prompt.
struct Choice {
    /// With those of the prompt, if it is echoed.
    tokens: Vec<String>,
    /// Tokens of the answer alone.
    answered: u64,
    finish: Finish,
    logprobs: Json,
}

/// Answers a request.
pub(crate) fn reply(call: &mut Call<'_>, body: &Map<String, Json>) -> Result<Reply, ApiError> {
    let request = read(body)?;
    let characters = request.prompts.iter().map(|prompt| prompt.text.chars().count()).sum();
    let asked = request.bounds.max_tokens.saturating_mul(request.n);
    call.admit(&request.model, characters, Some(asked))?;
    let mut choices = Vec::new();
    let mut output = 0;
    for prompt in &request.prompts {
        for index in 0..request.n {
            let choice = choose(call, &request, prompt, index);
            output += choice.answered;
            choices.push(choice);
        }
    }
    let usage = Usage { input: request.prompts.iter().map(|prompt| prompt.tokens).sum(), output };
    let mut pace = call.pace(&request.model);
    if request.stream {
        let after = pace.first_token;
        return Ok(Reply::stream(after, stream(call, &request, &choices, usage, &mut pace), usage));
    }
    let steps = choices.iter().map(|choice| choice.tokens.len()).max().unwrap_or(0);
    Ok(Reply::whole(pace.whole(steps), &whole(call, &request, &choices, usage), Some(usage)))
}

fn read(body: &Map<String, Json>) -> Result<Request, ApiError> {
    let params = Params::new(body);
    let model = models::asked(params.get("model"))?;
    if model.usage != ModelUse::Completion {
        let message = "This is a chat model and not supported in the v1/completions endpoint. Did you mean to use \
                       v1/chat/completions?";
        return Err(ApiError::front_door(http::StatusCode::NOT_FOUND, message).with_param("model"));
    }
    chat::check_unknown(&params, KNOWN)?;
    let prompts = read_prompts(&params)?;
    let asked = params.count("max_tokens", 0, i64::MAX)?;
    text::check_max_tokens(&model, "max_tokens", asked)?;
    let longest = prompts.iter().map(|prompt| prompt.tokens).max().unwrap_or(0);
    let room = text::room(&model, "prompt", longest, Some(asked.unwrap_or(DEFAULT_TOKENS)))?;
    chat::check_sampling(&params, &model)?;
    params.string("user")?;
    params.string("suffix")?;
    let n = params.count("n", 1, 128)?.unwrap_or(1);
    let best_of = params.count("best_of", 1, 20)?.unwrap_or(n.min(20));
    if best_of < n {
        let message = format!(
            "You requested that the server return more choices than it will generate (HINT: best_of must be >= n, but got {best_of} < {n})."
        );
        return Err(ApiError::param("best_of", None, message));
    }
    let (stream, include_usage, _) = chat::stream_options(&params)?;
    Ok(Request {
        bounds: Bounds { max_tokens: room, stop: text::stop_sequences(&params)? },
        echo: params.boolean("echo")?.unwrap_or(false),
        logprobs: params.count("logprobs", 0, 5)?.and_then(|top| usize::try_from(top).ok()),
        variant: params.integer("seed", i64::MIN, i64::MAX)?.map(|seed| seed.to_string()).unwrap_or_default(),
        model,
        prompts,
        n,
        stream,
        include_usage,
    })
}

/// A text, several, one in tokens, or several in tokens.
fn read_prompts(params: &Params<'_>) -> Result<Vec<Prompt>, ApiError> {
    let of_text = |text: &str| Prompt { text: text.to_owned(), tokens: tokens::count(text) };
    // What tokens mean is not known here; their numbers tell prompts apart.
    let of_tokens = |ids: &[Json]| Prompt { text: format!("{ids:?}"), tokens: ids.len() as u64 };
    let wrong = |got: &Json| {
        params.wrong("prompt", "one of a string, array of strings, array of integers, or array of integer arrays", got)
    };
    match params.get("prompt") {
        None => Ok(vec![of_text(END_OF_TEXT)]),
        Some(Json::String(text)) => Ok(vec![of_text(text)]),
        Some(Json::Array(items)) if items.iter().all(Json::is_u64) && !items.is_empty() => Ok(vec![of_tokens(items)]),
        Some(Json::Array(items)) => {
            params.array_length("prompt", items.len(), 2048)?;
            let each = items.iter().map(|item| match item {
                Json::String(text) => Ok(of_text(text)),
                Json::Array(ids) if ids.iter().all(Json::is_u64) => Ok(of_tokens(ids)),
                other => Err(wrong(other)),
            });
            each.collect()
        }
        Some(other) => Err(wrong(other)),
    }
}

fn choose(call: &Call<'_>, request: &Request, prompt: &Prompt, index: u64) -> Choice {
    let variant = format!("completion/{}/{index}", request.variant);
    let text = format!("\n\n{}", prose::answer(call.seed(), &prompt.text, &variant));
    let (answer, finish) = text::bounded(&text, &request.bounds);
    let mut tokens: Vec<String> = Vec::new();
    if request.echo {
        tokens.extend(tokens::split(&prompt.text).into_iter().map(str::to_owned));
    }
    let answered = answer.len() as u64;
    tokens.extend(answer);
    let logprobs = request.logprobs.map(|top| {
        let name = format!("openai/logprobs/{variant}/{}", prompt.text);
        let likely = logprobs::of(&tokens, top, &mut call.seed().stream(&name));
        let offset = if request.echo { 0 } else { prompt.text.chars().count() };
        logprobs::completion_json(&likely, offset)
    });
    Choice { tokens, answered, finish, logprobs: logprobs.into() }
}

fn usage_json(usage: Usage) -> Json {
    json!({
        "prompt_tokens": usage.input, "completion_tokens": usage.output, "total_tokens": usage.input + usage.output,
    })
}

fn whole(call: &mut Call<'_>, request: &Request, choices: &[Choice], usage: Usage) -> Json {
    let each = choices.iter().enumerate().map(|(index, choice)| {
        json!({
            "text": choice.tokens.concat(),
            "index": index,
            "logprobs": choice.logprobs,
            "finish_reason": choice.finish.name(),
        })
    });
    json!({
        "id": call.ids.alphanumeric("cmpl-", 29),
        "object": "text_completion",
        "created": call.created(),
        "model": request.model.dated,
        "choices": each.collect::<Vec<_>>(),
        "usage": usage_json(usage),
    })
}

fn stream(call: &mut Call<'_>, request: &Request, choices: &[Choice], usage: Usage, pace: &mut Pace) -> Vec<Piece> {
    let id = call.ids.alphanumeric("cmpl-", 29);
    let created = call.created();
    let mut pieces = Vec::new();
    let mut write = |gap: Duration, choices: Json, usage: Json| {
        let mut chunk = json!({
            "id": id, "object": "text_completion", "created": created, "choices": choices, "model": request.model.dated,
        });
        if request.include_usage {
            chunk["usage"] = usage;
        }
        pieces.push(Piece::data(gap, &chunk));
    };
    let part = |index: usize, text: &str, finish: Option<Finish>| json!([{"text": text, "index": index, "logprobs": null, "finish_reason": finish.map(Finish::name)}]);
    let longest = choices.iter().map(|choice| choice.tokens.len()).max().unwrap_or(0);
    for step in 0..longest {
        let mut gap = if step == 0 { Duration::ZERO } else { pace.next_token() };
        for (index, choice) in choices.iter().enumerate() {
            if let Some(token) = choice.tokens.get(step) {
                write(std::mem::take(&mut gap), part(index, token, None), Json::Null);
            }
        }
    }
    for (index, choice) in choices.iter().enumerate() {
        write(Duration::ZERO, part(index, "", Some(choice.finish)), Json::Null);
    }
    if request.include_usage {
        write(Duration::ZERO, json!([]), usage_json(usage));
    }
    pieces.push(Piece::done());
    pieces
}
