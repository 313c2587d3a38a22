//! What single answers have: their model, their headers, their body.

use jsonpath_rust::query::js_path_process;
use serde_json::Value as Json;

use super::answers::{answered_by, matches, observed};
use super::expectations::{Came, Scope, line};
use crate::event::facts::text_of_chunk;
use crate::event::history::Request;
use crate::event::{BODY_LIMIT, TEXT_LIMIT};
use crate::scenario::expect::{HeaderValue, JsonPath, PathValue, Trait};
use crate::scenario::pattern::Item;
use crate::source::amount::counted;

/// Whether one answer has it.
enum Has {
    Yes,
    No(String),
    /// The event keeps too little of the body to tell.
    Unclear(String),
}

/// Ways in which answers are wrong that are told, at most.
const MOST_TOLD: usize = 3;

/// Whether every answer (of a kind) has something. Without any such answer nobody knows.
pub(super) fn every(scope: &Scope<'_>, of: Option<&Item>, that: &Trait) -> Came {
    let chosen: Vec<&Request> =
        scope.requests.iter().copied().filter(|request| of.is_none_or(|item| matches(item, request))).collect();
    let whom = of.map_or_else(|| "answer".to_owned(), ToString::to_string);
    let expected = format!("every {whom} {that}");
    if chosen.is_empty() {
        return Came::unknown(expected, format!("no {whom} came"));
    }
    let (mut wrong, mut lines, mut unclear) = (Vec::new(), Vec::new(), None);
    for request in &chosen {
        match has(that, request) {
            Has::Yes => {}
            Has::No(why) => {
                lines.push(line(request));
                if !wrong.contains(&why) {
                    wrong.push(why);
                }
            }
            Has::Unclear(why) => unclear = unclear.or(Some((why, line(request)))),
        }
    }
    if !wrong.is_empty() {
        let others = wrong.len().saturating_sub(MOST_TOLD);
        let more = if others > 0 { format!("; and {others} more ways") } else { String::new() };
        let told = wrong.into_iter().take(MOST_TOLD).collect::<Vec<_>>().join("; ");
        return Came::fail(expected, told + &more).because(lines).certain(true);
    }
    match unclear {
        Some((why, line)) => Came::unknown(expected, why).because([line]),
        None => Came::pass(counted(chosen.len() as u64, "answer")),
    }
}

fn has(that: &Trait, request: &Request) -> Has {
    match that {
        Trait::Model(wanted) => match &request.model {
            Some(model) if is_model(model, wanted) => Has::Yes,
            Some(model) => Has::No(format!("one comes from model {model}")),
            None => Has::No("one names no model".to_owned()),
        },
        Trait::BodyContains(part) => body_contains(part, request),
        Trait::BodyJson(wanted) => body_json(wanted, request),
        Trait::BodyPath { path, value } => body_path(path, value, request),
        Trait::Provider(target) if answered_by(target, request) => Has::Yes,
        Trait::Provider(_) => Has::No(format!("one is {}", observed(request))),
        Trait::Header { name, value } => header(name, value, request),
    }
}

/// Whether `model` is `wanted`, or a dated version of it: `gpt-4o-2024-08-06`.
pub(super) fn is_model(model: &str, wanted: &str) -> bool {
    let dated = |rest: &str| {
        let parts: Vec<&str> = rest.split('-').collect();
        matches!(parts.as_slice(), ["", year, month, day] if (year.len(), month.len(), day.len()) == (4, 2, 2)
            && [year, month, day].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit())))
    };
    model == wanted || model.strip_prefix(wanted).is_some_and(dated)
}

/// Whether the event has the whole body.
fn whole(request: &Request) -> bool {
    // A character that the limit would have cut is left out whole.
    request.body.len() + 4 <= BODY_LIMIT
}

fn body_contains(part: &str, request: &Request) -> Has {
    let text = request.text.as_deref();
    if request.body.contains(part) || text.is_some_and(|text| text.contains(part)) {
        Has::Yes
    } else if let Some(text) = text {
        // A character that the limit would have cut is left out whole.
        if text.len() + 4 <= TEXT_LIMIT {
            Has::No(format!("the text of one is {}", shortened(text)))
        } else {
            Has::Unclear("only the first 64 KiB of the text are kept".to_owned())
        }
    } else if streamed_text(&request.body).contains(part) {
        Has::Yes
    } else if whole(request) {
        Has::No(format!("one is {}", shortened(&request.body)))
    } else {
        Has::Unclear("only the first 4 KiB of the body are kept".to_owned())
    }
}

/// The text of a streamed chat: its pieces joined.
fn streamed_text(body: &str) -> String {
    let data = body.lines().filter_map(|line| line.strip_prefix("data:"));
    let chunks = data.filter_map(|data| serde_json::from_str::<Json>(data.trim()).ok());
    chunks.filter_map(|chunk| Some(text_of_chunk(&chunk)?.to_owned())).collect()
}

fn body_json(wanted: &Json, request: &Request) -> Has {
    in_json(request, |json| lacking(wanted, json, ""))
}

fn body_path(path: &JsonPath, value: &PathValue, request: &Request) -> Has {
    in_json(request, |json| leads_elsewhere(path, value, json))
}

/// Whether a body is JSON in which nothing is `wrong`.
fn in_json(request: &Request, wrong: impl Fn(&Json) -> Option<String>) -> Has {
    match serde_json::from_str::<Json>(&request.body) {
        Ok(json) => match wrong(&json) {
            None => Has::Yes,
            Some(why) => Has::No(why),
        },
        Err(_) if whole(request) => Has::No(format!("one is no JSON: {}", shortened(&request.body))),
        Err(_) => Has::Unclear("only the first 4 KiB of the body are kept".to_owned()),
    }
}

/// What a path leads to instead of what was wanted, if so.
fn leads_elsewhere(path: &JsonPath, wanted: &PathValue, json: &Json) -> Option<String> {
    let found: Vec<&Json> = js_path_process(&path.query, json)
        .unwrap_or_default()
        .into_iter()
        .map(jsonpath_rust::query::QueryRef::val)
        .collect();
    let holds = match wanted {
        PathValue::Is(value) => found.iter().any(|one| same(value, one)),
        PathValue::Contains(part) => found.iter().any(|one| one.as_str().is_some_and(|text| text.contains(part))),
        PathValue::Present => !found.is_empty(),
        PathValue::Absent => found.is_empty(),
    };
    if holds {
        return None;
    }
    Some(match found.as_slice() {
        [] => format!("one has nothing at {}", path.text),
        [one] => format!("in one, {} is {}", path.text, shortened(&one.to_string())),
        [one, ..] => {
            format!("in one, {} is {} values, the first {}", path.text, found.len(), shortened(&one.to_string()))
        }
    })
}

/// Whether two values are the same; `1` is `1.0`.
fn same(one: &Json, two: &Json) -> bool {
    match (one, two) {
        (Json::Number(one), Json::Number(two)) => one.as_f64() == two.as_f64(),
        _ => one == two,
    }
}

/// The first thing that `found` lacks of `wanted`, if any. An object may have more keys, and a list
/// more items at its end.
fn lacking(wanted: &Json, found: &Json, path: &str) -> Option<String> {
    let at = if path.is_empty() { "the body" } else { path };
    match (wanted, found) {
        (Json::Object(wanted), Json::Object(found)) => wanted.iter().find_map(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match found.get(key) {
                Some(inner) => lacking(value, inner, &path),
                None => Some(format!("one has no {path}")),
            }
        }),
        (Json::Array(wanted), Json::Array(found)) => wanted.iter().enumerate().find_map(|(index, value)| {
            let path = format!("{path}[{index}]");
            match found.get(index) {
                Some(inner) => lacking(value, inner, &path),
                None => Some(format!("one has no {path}")),
            }
        }),
        _ if same(wanted, found) => None,
        _ => Some(format!("in one, {at} is {}", shortened(&found.to_string()))),
    }
}

fn header(name: &str, value: &HeaderValue, request: &Request) -> Has {
    let values = || request.headers.iter().filter(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let holds = match value {
        HeaderValue::Is(wanted) => values().any(|value| value == wanted),
        HeaderValue::Contains(part) => values().any(|value| value.contains(part.as_str())),
        HeaderValue::Present => values().next().is_some(),
        HeaderValue::Absent => values().next().is_none(),
    };
    if holds {
        return Has::Yes;
    }
    let found: Vec<_> = values().map(String::as_str).collect();
    Has::No(if found.is_empty() {
        format!("one has no {name}")
    } else {
        format!("one has {name}: {}", found.join(", "))
    })
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 120;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None if text.is_empty() => "empty".to_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(body: &str) -> Request {
        Request {
            body: body.to_owned(),
            model: Some("gpt-4o-2024-08-06".to_owned()),
            headers: vec![("retry-after".to_owned(), "60".to_owned())],
            ..Request::default()
        }
    }

    fn holds(that: &Trait, request: &Request) -> Result<(), String> {
        match has(that, request) {
            Has::Yes => Ok(()),
            Has::No(why) | Has::Unclear(why) => Err(why),
        }
    }

    #[test]
    fn a_bare_model_name_means_its_dated_versions_too() {
        let request = answer("");
        assert_eq!(holds(&Trait::Model("gpt-4o".into()), &request), Ok(()));
        assert_eq!(holds(&Trait::Model("gpt-4o-2024-08-06".into()), &request), Ok(()));
        assert!(holds(&Trait::Model("gpt-4".into()), &request).is_err());
        let mini = Request { model: Some("gpt-4o-mini-2024-07-18".into()), ..Request::default() };
        assert!(holds(&Trait::Model("gpt-4o".into()), &mini).is_err());
    }

    #[test]
    fn a_json_subset_says_what_is_lacking() {
        let request = answer(r#"{"code":429,"choices":[{"message":{"content":"Four."}},{}]}"#);
        let check = |json| holds(&Trait::BodyJson(json), &request);
        assert_eq!(check(json!({"code": 429.0})), Ok(()));
        assert_eq!(check(json!({"choices": [{"message": {"content": "Four."}}]})), Ok(()));
        assert_eq!(check(json!({"code": 500})), Err("in one, code is 429".to_owned()));
        assert_eq!(check(json!({"choices": [{"index": 0}]})), Err("one has no choices[0].index".to_owned()));
        assert!(holds(&Trait::BodyJson(json!({})), &answer("no")).unwrap_err().contains("no JSON"));
    }

    #[test]
    fn the_text_of_a_stream_is_joined() {
        let body = "data: {\"choices\":[{\"delta\":{\"content\":\"Fo\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"ur.\"}}]}\n\ndata: [DONE]\n\n";
        assert_eq!(holds(&Trait::BodyContains("Four.".into()), &answer(body)), Ok(()));
        assert!(holds(&Trait::BodyContains("Five.".into()), &answer(body)).is_err());
    }

    #[test]
    fn of_a_long_stream_the_text_is_looked_at() {
        let clipped = |text: &str| Request { text: Some(text.to_owned()), ..answer(&"x".repeat(BODY_LIMIT)) };
        let contains = |part: &str| Trait::BodyContains(part.to_owned());
        assert_eq!(holds(&contains("the end"), &clipped("to the end")), Ok(()));
        assert!(matches!(has(&contains("the end"), &clipped("to the middle")), Has::No(_)));
        assert!(matches!(has(&contains("the end"), &clipped(&"a".repeat(TEXT_LIMIT))), Has::Unclear(_)));
    }

    #[test]
    fn what_a_clipped_body_may_have_held_is_unclear() {
        let request = answer(&"x".repeat(BODY_LIMIT));
        assert!(matches!(has(&Trait::BodyContains("y".into()), &request), Has::Unclear(_)));
        assert!(matches!(has(&Trait::BodyJson(json!({})), &request), Has::Unclear(_)));
    }

    #[test]
    fn headers_are_compared_without_regard_to_the_case_of_their_names() {
        let request = answer("");
        let check = |value| holds(&Trait::Header { name: "Retry-After".to_ascii_lowercase(), value }, &request);
        assert_eq!(check(HeaderValue::Is("60".into())), Ok(()));
        assert_eq!(check(HeaderValue::Present), Ok(()));
        assert_eq!(check(HeaderValue::Is("30".into())), Err("one has retry-after: 60".to_owned()));
        assert!(check(HeaderValue::Absent).is_err());
    }
}
