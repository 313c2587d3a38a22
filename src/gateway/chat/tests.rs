use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;

const BOTH: [Schema; 2] = [Schema::Of011, Schema::Of12];

fn question(body: &[u8], model: Option<&str>) -> Result<Question, Error> {
    let question = read(body, Schema::Of011)?.question(model);
    assert_eq!(read(body, Schema::Of12)?.question(model), question, "none of this differs");
    question
}

fn asked(body: &str, model: Option<&str>) -> String {
    let question = question(body.as_bytes(), model).unwrap();
    String::from_utf8(question.body.to_vec()).unwrap()
}

#[test]
fn the_providers_model_takes_the_place_of_the_clients() {
    let messages = r#""messages":[{"role":"user","content":"hi"}]"#;
    for client in [r#""model":"","#, r#""model":"other","#, ""] {
        let body = asked(&format!("{{{client}{messages}}}"), Some("gpt-4o"));
        assert_eq!(body, format!(r#"{{{messages},"model":"gpt-4o"}}"#));
    }
    let own = question(format!(r#"{{"model":"own",{messages}}}"#).as_bytes(), None).unwrap();
    assert_eq!(own.model, "own");
    assert_eq!(question(format!("{{{messages}}}").as_bytes(), None), Err(Error::NoModel));
}

#[test]
fn a_stream_is_asked_for_its_usage_unless_the_client_has_said() {
    let body = asked(r#"{"messages":[],"stream":true}"#, Some("m"));
    assert!(body.ends_with(r#""stream":true,"stream_options":{"include_usage":true}}"#), "{body}");
    let body = asked(r#"{"messages":[],"stream":true,"stream_options":{"include_usage":false,"x":1}}"#, Some("m"));
    assert!(body.ends_with(r#""stream_options":{"include_usage":false,"x":1}}"#), "{body}");
    let body = asked(r#"{"messages":[],"stream":false}"#, Some("m"));
    assert!(!body.contains("stream_options"), "{body}");
}

#[test]
fn fields_that_nobody_knows_pass_through() {
    let body = asked(
        r#"{"messages":[{"role":"user","content":[{"type":"text"}],"z":[1.5]}],"b":{"c":null},"a":1e3}"#,
        Some("m"),
    );
    assert_eq!(
        body,
        r#"{"messages":[{"role":"user","content":[{"type":"text"}],"z":[1.5]}],"model":"m","b":{"c":null},"a":1000.0}"#
    );
}

/// The parser's words, as the real one was seen to pass them on.
#[test]
fn what_is_not_a_chat_completion_is_refused_with_the_parsers_words() {
    for (body, words) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        (r#"{"model":"x"}"#, "missing field `messages` at line 1 column 13"),
        (r#"{"messages":"x"}"#, "invalid type: string \"x\", expected a sequence at line 1 column 15"),
        (r#"{"messages":[{}]}"#, "missing field `role` at line 1 column 15"),
        (r#"{"messages":[]"#, "EOF while parsing an object at line 1 column 14"),
        ("null", "invalid type: null, expected struct Request at line 1 column 4"),
        ("[]", "invalid type: sequence, expected struct Request at line 1 column 0"),
        (r#"{"messages":[[]]}"#, "invalid type: sequence, expected struct RequestMessage at line 1 column 13"),
        (
            r#"{"messages":[],"stream_options":[]}"#,
            "invalid type: sequence, expected struct StreamOptions at line 1 column 32",
        ),
    ] {
        assert_eq!(question(body.as_bytes(), None), Err(Error::BadRequest(words.to_owned())), "{body}");
    }
    let deep = "[".repeat(100_000);
    assert!(matches!(question(deep.as_bytes(), None), Err(Error::BadRequest(_))));
}

#[test]
fn an_answers_keys_change_places() {
    let came = r#"{"id":"c-1","object":"chat.completion","created":7,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant","content":"Four.","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7},"service_tier":"default"}"#;
    let answer = answer(came.as_bytes(), Schema::Of011).unwrap();
    assert_eq!(super::answer(came.as_bytes(), Schema::Of12).as_ref(), Ok(&answer));
    assert_eq!(
        String::from_utf8(answer.body.to_vec()).unwrap(),
        r#"{"model":"gpt-4o-2024-08-06","usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7},"choices":[{"message":{"content":"Four.","role":"assistant","refusal":null},"index":0,"logprobs":null,"finish_reason":"stop"}],"id":"c-1","object":"chat.completion","created":7,"service_tier":"default"}"#
    );
    assert_eq!(answer.usage, Some(Usage { input: 5, output: 2 }));
}

#[test]
fn parameters_and_messages_of_a_wrong_type_are_refused_with_the_parsers_words() {
    let refusal = |body: &str, schema| match read(body.as_bytes(), schema) {
        Err(Error::BadRequest(words)) => Some(words),
        other => other.map(|_| None).unwrap(),
    };
    let parameter = |text: &str| format!("{{\"messages\":[],{text}}}");
    for (body, words) in [
        (parameter(r#""temperature":"hot""#), "invalid type: string \"hot\", expected f32"),
        (parameter(r#""top_p":[]"#), "invalid type: sequence, expected f32"),
        (parameter(r#""max_tokens":"5""#), "invalid type: string \"5\", expected u32"),
        (parameter(r#""max_tokens":-5"#), "invalid value: integer `-5`, expected u32"),
        (parameter(r#""max_completion_tokens":4294967296"#), "invalid value: integer `4294967296`, expected u32"),
        (parameter(r#""seed":1.5"#), "invalid type: floating point `1.5`, expected i64"),
        (parameter(r#""seed":1,"seed":1"#), "duplicate field `seed`"),
        (r#"{"messages":[{"role":"user","content":5}]}"#.to_owned(), "did not match any variant"),
        (r#"{"messages":[{"role":"user","content":[{"text":"x"}]}]}"#.to_owned(), "did not match any variant"),
        (r#"{"messages":[{"role":"user","name":1}]}"#.to_owned(), "invalid type: integer `1`, expected a string"),
    ] {
        for schema in BOTH {
            let refused = refusal(&body, schema).unwrap_or_default();
            assert!(refused.contains(words) && refused.contains(" at line 1 column "), "{body}: {refused}");
        }
    }
    for body in [
        parameter(r#""tools":{}"#),
        parameter(r#""user":1"#),
        r#"{"messages":[{"role":"assistant","tool_calls":{}}]}"#.to_owned(),
        r#"{"messages":[{"role":"tool","tool_call_id":1}]}"#.to_owned(),
    ] {
        assert!(refusal(&body, Schema::Of12).is_some(), "{body}");
        assert_eq!(refusal(&body, Schema::Of011), None, "0.11 does not look at it: {body}");
    }
    let fine =
        parameter(r#""temperature":1,"top_p":null,"seed":-9223372036854775808,"max_tokens":4294967295,"stop":5"#);
    assert_eq!(BOTH.map(|schema| refusal(&fine, schema)), [None, None]);
}

#[test]
fn the_limit_of_tokens_has_openais_new_name_for_openais_models_from_1_2_on() {
    let written = |client: &str, model: &str, schema| {
        let question = read(format!("{{{client},\"messages\":[]}}").as_bytes(), schema).unwrap().question(Some(model));
        let question = question.unwrap();
        let body = String::from_utf8(question.body.to_vec()).unwrap();
        let after = body.strip_prefix(&format!("{{\"messages\":[],\"model\":\"{model}\"")).unwrap().to_owned();
        (after, question.parameters.max_tokens)
    };
    for (client, model, schema, expected, logged) in [
        (r#""max_tokens":5"#, "gpt-4o", Schema::Of12, r#","max_completion_tokens":5}"#, 5),
        (r#""max_tokens":5,"max_completion_tokens":7"#, "gpt-4o", Schema::Of12, r#","max_completion_tokens":7}"#, 7),
        (r#""max_tokens":5,"z":1"#, "mock-gpt-4o", Schema::Of12, r#","max_tokens":5,"z":1}"#, 5),
        (r#""z":1,"max_tokens":5"#, "gpt-4o", Schema::Of011, r#","max_tokens":5,"z":1}"#, 5),
        (
            r#""max_completion_tokens":7,"max_tokens":5"#,
            "gpt-4o",
            Schema::Of011,
            r#","max_tokens":5,"max_completion_tokens":7}"#,
            7,
        ),
    ] {
        assert_eq!(written(client, model, schema), (expected.to_owned(), Some(logged)), "{client} for {model}");
    }
}

#[test]
fn an_answer_may_lack_more_from_1_2_on() {
    for (came, written) in [
        (r#"{"model":"m"}"#, r#"{"model":"m","usage":null,"choices":[]}"#),
        (r#"{"model":"m","choices":[{}]}"#, r#"{"model":"m","usage":null,"choices":[{"message":{}}]}"#),
        (
            r#"{"model":"m","choices":[],"usage":{"prompt_tokens":3}}"#,
            r#"{"model":"m","usage":{"prompt_tokens":3,"completion_tokens":0,"total_tokens":0},"choices":[]}"#,
        ),
    ] {
        let answer = usual_answer(came.as_bytes(), Schema::Of12).unwrap();
        assert_eq!(answer.body, written);
        assert_eq!(parsed_answer(came.as_bytes(), Schema::Of12), Ok(answer));
        assert!(matches!(super::answer(came.as_bytes(), Schema::Of011), Err(Error::BadResponse(_))), "{came}");
    }
    for came in [r#"{"choices":[]}"#, r#"{"model":"m","choices":null}"#, r#"{"model":"m","service_tier":1}"#] {
        assert!(matches!(super::answer(came.as_bytes(), Schema::Of12), Err(Error::BadResponse(_))), "{came}");
    }
}

/// Any JSON, and some that is none.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "null",
        "true",
        "7",
        "0",
        "-1",
        "01",
        "-0",
        "0.70",
        "1e3",
        "-1.5E-7",
        "1.",
        "999999999999999999",
        "18446744073709551615",
        "18446744073709551616",
        "100000000000000000000000",
        r#""a\"b\\""#,
        r#""\u0041""#,
        r#""\/""#,
        "\"é\\n\"",
        "\"\"",
        "\"\u{7f}\"",
        "\"\u{1}\"",
        "{ }",
        "[ ]",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(3, 16, 3, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(" , ")));
        prop_oneof![list, object(Vec::new(), inner)]
    })
}

/// An object of these members, each mostly there, and others, in any order.
fn object(known: Vec<BoxedStrategy<String>>, other: impl Strategy<Value = String> + 'static) -> BoxedStrategy<String> {
    let known: Vec<_> = known.into_iter().map(|member| prop::option::weighted(0.95, member)).collect();
    let key = prop::sample::select(vec![r#""a""#, r#""b""#, r#""c""#, r#""role""#, r#""mo\u0064el""#, r#""model ""#]);
    let others = prop::collection::vec((key, other).prop_map(|(key, value)| format!("{key}:\n{value}")), 0..3);
    let all = (known, others).prop_map(|(known, others)| known.into_iter().flatten().chain(others).collect());
    all.prop_flat_map(|all: Vec<String>| Just(all).prop_shuffle())
        .prop_map(|all| format!("{{ {}}}", all.join(" , ")))
        .boxed()
}

fn member(key: &'static str, value: impl Strategy<Value = String> + 'static) -> BoxedStrategy<String> {
    prop_oneof![12 => value, 1 => self::value()].prop_map(move |value| format!("{key:?} :{value}")).boxed()
}

fn one_of(values: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(values).prop_map(str::to_owned)
}

fn list(of: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    prop::collection::vec(of, 0..3).prop_map(|all| format!("[ {}]", all.join(",")))
}

fn an_answer() -> impl Strategy<Value = String> {
    let counts = ["prompt_tokens", "completion_tokens", "total_tokens"];
    let usage = object(counts.map(|name| member(name, one_of(&["0", "12", "99999999999999999999"]))).into(), value());
    let text = ["content", "role"].map(|name| member(name, one_of(&["null", "\"Four.\"", r#""a\nb""#])));
    let choice = object(vec![member("message", object(text.into(), value()))], value());
    let fields = vec![
        member("model", one_of(&["\"m\"", r#""m\"""#])),
        member("usage", prop_oneof![4 => usage, 1 => Just("null".to_owned())]),
        member("choices", list(choice)),
    ];
    object(fields, value())
}

fn a_request() -> impl Strategy<Value = String> {
    let part = object(vec![member("type", one_of(&["\"text\""])), member("text", one_of(&["\"a\"", "null"]))], value());
    let content = prop_oneof![4 => one_of(&["\"hi\"", "null"]), 1 => list(part)];
    let role = member("role", one_of(&["\"user\"", "\"tool\""]));
    let message = object(vec![role, member("content", content)], value());
    let fields = vec![
        member("messages", list(message)),
        member("model", one_of(&["\"m\"", "null"])),
        member("stream", one_of(&["true", "false", "null"])),
        member("stream_options", object(vec![member("include_usage", one_of(&["true", "false"]))], value())),
        member("temperature", one_of(&["0.7", "1", "null"])),
        member("seed", one_of(&["7", "-7", "null"])),
        member("max_tokens", one_of(&["5", "4294967295", "null"])),
        member("tools", one_of(&["[]", "[{}]", "null"])),
    ];
    object(fields, value())
}

/// In one pass or by its types: the same, or nothing; and mostly something.
#[test]
fn the_usual_way_gives_what_the_types_give() {
    let mut runner = TestRunner::deterministic();
    let (mut answers, mut requests) = (0, 0);
    for _ in 0..8_000 {
        let body = an_answer().new_tree(&mut runner).unwrap().current();
        for schema in BOTH {
            if let Some(usual) = usual_answer(body.as_bytes(), schema) {
                assert_eq!(Ok(usual), parsed_answer(body.as_bytes(), schema), "{body}");
                answers += 1;
            }
        }
        let body = a_request().new_tree(&mut runner).unwrap().current();
        for schema in BOTH {
            if let Some(usual) = usual_request(body.as_bytes(), schema) {
                assert_eq!(Ok(usual), parsed_request(body.as_bytes(), schema), "{body}");
                requests += 1;
            }
        }
    }
    assert!(answers > 400 && requests > 700, "{answers} answers and {requests} requests were usual");
}

#[test]
fn an_ordinary_request_takes_the_usual_way() {
    for body in [
        r#"{"model":"m","messages":[{"role":"user","content":"hi"},{"content":null,"role":"tool"}]}"#,
        r#"{"temperature":0.7,"messages":[],"stream":true,"max_tokens":5,"stream_options":{"x":1,"include_usage":false}}"#,
        r#"{ "messages" : [ ] , "stream" : null, "model": null }"#,
        r#"{"messages":[{"role":"user","name":"a","content":[{"text":"hi","type":"text"},{"type":"x","y":1}]}],"seed":-7,"top_p":1,"max_completion_tokens":9,"tools":[{}],"user":"u"}"#,
        r#"{"messages":[{"role":"assistant","content":null,"tool_calls":[{}]},{"role":"tool","tool_call_id":"1"}],"seed":null}"#,
    ] {
        for schema in BOTH {
            assert_eq!(usual_request(body.as_bytes(), schema), Some(parsed_request(body.as_bytes(), schema).unwrap()));
        }
    }
}

#[test]
fn an_ordinary_answer_takes_the_usual_way() {
    for body in [
        r#"{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[]}}],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7,"details":{}}}"#,
        r#"{"model":"m","choices":[]}"#,
        r#"{"model":"m","choices":[],"usage":null}"#,
    ] {
        for schema in BOTH {
            assert_eq!(usual_answer(body.as_bytes(), schema), Some(parsed_answer(body.as_bytes(), schema).unwrap()));
        }
    }
    for unusual in ["", "{}", r#"{"model":"m","choices":[],"a":1,"a":2}"#, r#"{"model":"m","choices":[]} x"#] {
        assert_eq!(usual_answer(unusual.as_bytes(), Schema::Of12), None, "{unusual}");
    }
}

#[test]
fn an_answer_that_breaks_off_is_refused_with_the_parsers_words() {
    for (body, words) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        (r#"{"model":"gpt-4o","choi"#, "EOF while parsing a string at line 1 column 23"),
        ("{}", "missing field `model` at line 1 column 2"),
        ("[]", "invalid type: sequence, expected struct Response at line 1 column 0"),
        (
            r#"{"model":"m","choices":[],"usage":{"prompt_tokens":4294967296}}"#,
            "invalid value: integer `4294967296`, expected u32 at line 1 column 61",
        ),
        (r#"{"model":"m","choices":[5]}"#, "invalid type: integer `5`, expected struct Choice at line 1 column 25"),
        (
            r#"{"model":"m","choices":[],"usage":[]}"#,
            "invalid type: sequence, expected struct Usage at line 1 column 34",
        ),
        (
            r#"{"model":"m","choices":[{"message":[]}]}"#,
            "invalid type: sequence, expected struct ResponseMessage at line 1 column 35",
        ),
    ] {
        for schema in BOTH {
            assert_eq!(answer(body.as_bytes(), schema), Err(Error::BadResponse(words.to_owned())), "{body}");
        }
    }
}

/// 0.9 is told as it was seen of the real one.
#[test]
fn parameters_have_no_more_precision_than_the_type_that_they_are_read_as() {
    let body = br#"{"messages":[],"temperature":0.5,"top_p":0.9,"presence_penalty":-1.1,"seed":3}"#;
    let parameters = question(body, Some("m")).unwrap().parameters;
    assert_eq!((parameters.temperature, parameters.top_p), (Some(0.5), Some(0.899_999_976_158_142_1)));
    assert_eq!((parameters.presence_penalty, parameters.seed), (Some(-1.100_000_023_841_858), Some(3)));
}
