use super::*;

fn holds(source: &str, status: u16, headers: &[(&'static str, &str)]) -> bool {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    let response = Some((StatusCode::from_u16(status).unwrap(), &map));
    Condition::compile(source).unwrap().holds(&Subject { request: None, response })
}

#[test]
fn codes_and_headers_are_asked_about() {
    for (source, status, expected) in [
        ("response.code == 429", 429, true),
        ("response.code == 429", 503, false),
        ("response.code >= 500 || response.code == 429", 429, true),
        ("response.code >= 500 || response.code == 429", 404, false),
        ("response.code in [429, 503]", 503, true),
        ("!(response.code < 500)", 500, true),
        ("response.headers['x-by'] == 'primary'", 200, true),
        ("'x-by' in response.headers && response.headers['x-by'].startsWith('pri')", 200, true),
        ("response.headers['x-by'].matches('^p.*y$')", 200, true),
        ("has(response.code)", 200, true),
        ("true", 200, true),
    ] {
        assert_eq!(holds(source, status, &[("x-by", "primary")]), expected, "{source}");
    }
}

#[test]
fn a_status_is_an_unsigned_number() {
    for (source, expected) in [
        ("response.code / 100u == 5u", true),
        ("response.code / 100u == 5", true),
        ("response.code == 503 && response.code != 500 && response.code < 504 && 500 <= response.code", true),
        ("response.code in [429, 503] && !(response.code in [500])", true),
        ("response.code > 502.5", true),
        ("int(response.code) / 100 == 5", true),
        ("response.code / 100 == 5", false),
        ("!(response.code / 100 == 4)", false),
        ("response.code % 2 == 1", false),
        ("100 * 5 <= response.code + 0", false),
        ("response.code / 100 == 5 || response.code == 429", false),
        ("response.code / 100 == 5 || response.code == 503", true),
    ] {
        assert_eq!(holds(source, 503, &[]), expected, "{source}");
    }
}

#[test]
fn headers_are_found_in_any_case_and_several_lines_are_a_list() {
    let headers = [("x-by", "primary"), ("x-fail", "1"), ("x-fail", "2")];
    for (source, expected) in [
        ("response.headers['X-By'] == 'primary'", true),
        ("'X-BY' in response.headers && !('x-none' in response.headers)", true),
        ("has(response.headers.Date) || has(response.headers.none)", false),
        ("['X-None', 'X-By'].exists(name, name in response.headers)", true),
        ("default(response.headers['X-By'], '') == 'primary'", true),
        ("response.headers['x-fail'] == '1'", false),
        ("response.headers['x-fail'] == ['1', '2']", true),
        ("'2' in response.headers['X-Fail'] && response.headers['x-fail'][0] == '1'", true),
        ("response.headers['x-fail'].exists(line, line == '2')", true),
        ("response.headers.size() == 2 && response.headers.exists(name, name == 'x-by')", true),
        ("response.headers[1] == '1'", false),
    ] {
        assert_eq!(holds(source, 200, &headers), expected, "{source}");
    }
}

#[test]
fn what_cannot_be_evaluated_does_not_hold() {
    for source in
        ["response.headers['none'] == 'x'", "llm.x == 1", "response.code == '429'", "response.code", "1 / 0 == 1"]
    {
        assert!(!holds(source, 429, &[]), "{source}");
    }
    let nothing = Subject::default();
    assert!(!Condition::compile("response.code != 200").unwrap().holds(&nothing));
    assert!(!Condition::compile("!(response.code == 200)").unwrap().holds(&nothing));
}

#[test]
fn what_never_has_a_value_is_told_of_at_its_place() {
    for (source, word, offset, said) in [
        ("llm.x == 1", "llm", 0, "labsim gives `llm` no value"),
        ("foo.bar == 1", "foo", 0, "nothing is called `foo`"),
        ("respnse.code == 1", "respnse", 0, "did you mean `response`?"),
        ("response.cod == 429", "cod", 9, "did you mean `code`?"),
        ("response.code == 1 && request.mthod == 'x'", "mthod", 30, "did you mean `method`?"),
        ("response.body == b''", "body", 9, "labsim gives `response.body` no value"),
        ("nosuchfn(response.code)", "nosuchfn", 0, "there is no function `nosuchfn`"),
        ("request.path.startWith('/')", "startWith", 13, "did you mean `startsWith`?"),
        ("request.path.lowerAscii() == ''", "lowerAscii", 13, "does not model the function `lowerAscii`"),
        ("base64.encode(request.path) == ''", "base64", 0, "no value"),
        ("response.code == '429'", "'429'", 17, "write `429` without quotes"),
        ("response.code / 100 == 5", "100", 16, "write `100u`"),
        ("2 == 100 + response.code % 2u", "100", 5, "write `100u`"),
        ("\"response.code >= 500\"", "\"response.code >= 500\"", 0, "gives text, and never holds"),
        ("null", "null", 0, "gives null"),
        (" 1", "1", 1, "gives a number"),
        ("response.code", "response.code", 0, "gives a number"),
    ] {
        let condition = Condition::compile(source).unwrap();
        let first = condition.doubts().first().unwrap_or_else(|| panic!("{source}: nothing"));
        assert_eq!((first.word.as_str(), first.offset), (word, offset), "{source}");
        let told = format!("{} {}", first.message, first.help.as_deref().unwrap_or_default());
        assert!(told.contains(said), "{source}: {told}");
    }
    for source in [
        "response.code == 429 || response.headers['x'] == 'y'",
        "has(response.headers.x) && [1, 2].exists(n, n == response.code)",
        "string(response.code) == '429' && int('1') == 1",
        "response.code / 100u == 5 && int(response.code) / 100 == 5 && 1 + 1 == 2",
        "false",
        "default(response.headers['x'], '') == json('{}').a && request.host == 'h'",
    ] {
        assert_eq!(Condition::compile(source).unwrap().doubts(), [], "{source}");
    }
}

#[test]
fn agentgateways_own_functions_are_there() {
    for (source, expected) in [
        ("default(response.headers['x-evict'], '') == 'true'", false),
        ("default(response.headers['x-none'], 'true') == 'true'", true),
        ("default(response.headers['x-by'], '') == 'primary'", true),
        ("default(nobody.there, default(response.headers['none'], 'x')) == 'x'", true),
        ("default(response.code, 1) == 503", true),
        ("default(null, 1) == 1", true),
        ("default(1 / 0, 1) == 1", false),
        ("json(response.headers['x-json']).error.code == '503'", true),
        ("json(response.headers['x-json']).error.tries == 2", true),
        ("default(json(response.headers['x-json']).error.kind, 'none') == 'none'", true),
        ("json(response.headers['x-by']).a == 1", false),
        ("json('[1, true, null, 1.5]') == [1, true, null, 1.5]", true),
    ] {
        let headers = [("x-by", "primary"), ("x-json", r#"{"error": {"code": "503", "tries": 2}}"#)];
        assert_eq!(holds(source, 503, &headers), expected, "{source}");
    }
}

#[test]
fn a_request_is_asked_about_as_a_whole_uri_without_its_host_among_the_headers() {
    let request = http::Request::post("/openai?x=1").header("host", "a.example:8080").header("x-a", "1");
    let (head, ()) = request.body(()).unwrap().into_parts();
    let subject = Subject { request: Some(RequestFacts::of(&head)), response: None };
    for (source, expected) in [
        ("request.method == 'POST' && request.path == '/openai'", true),
        ("request.uri == 'http://a.example:8080/openai?x=1'", true),
        ("request.uri.startsWith('/openai')", false),
        ("request.host == 'a.example:8080'", true),
        ("request.host == 'a.example'", false),
        ("request.headers['X-A'] == '1'", true),
        ("'host' in request.headers || has(request.headers.host)", false),
    ] {
        let condition = Condition::compile(source).unwrap();
        assert!(condition.needs_request());
        assert_eq!(condition.holds(&subject), expected, "{source}");
        assert!(!condition.holds(&Subject::default()), "{source}");
    }
}

#[test]
fn a_mistake_is_found_at_its_place() {
    for (source, offset) in [
        ("response.code = 429", 14),
        ("response.code ==", 16),
        ("response.code == 429)", 20),
        ("\u{e9}\u{e9} response.code", 0),
        ("'open", 0),
    ] {
        let error = Condition::compile(source).unwrap_err();
        assert_eq!(error.offset, offset, "{source}: {error}");
        assert!(!error.message.is_empty() && !error.message.contains("expecting"), "{error}");
    }
    for source in ["", " ", "(((((((((("] {
        assert!(Condition::compile(source).is_err(), "{source}");
    }
    assert!(Condition::compile(&"(".repeat(100_000)).is_err());
}

#[test]
fn no_expression_is_too_deep_for_the_stack() {
    for times in [30, 95, 100, 140, 290, 1_000, 8_000] {
        for source in [
            format!("{}true", "!".repeat(times)),
            format!("{}1 == 1", "-".repeat(times)),
            format!("true{}", " && true".repeat(times)),
            format!("1{} == 1", "+1".repeat(times)),
            format!("{}1{} == 1", "(".repeat(times), ")".repeat(times)),
            format!("{}1{} == []", "[".repeat(times), "]".repeat(times)),
            format!("response{}", ".a".repeat(times)),
            format!("response{}", "[0]".repeat(times)),
            format!("true{}", " ? true : true".repeat(times)),
            format!("true{}", " ? true".repeat(times)),
            format!("1{} == 1", " in [1]".repeat(times)),
        ] {
            if let Ok(condition) = Condition::compile(&source) {
                assert!(condition.holds(&Subject::default()) || !source.is_empty());
            }
        }
    }
}
