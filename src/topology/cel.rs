//! CEL expressions in policies: compiled once when they are loaded, evaluated for each response.
//!
//! A condition that cannot be evaluated (a header that is not there, no response at all) does not
//! hold, as agentgateway has it.

mod doubt;
mod functions;

use std::sync::{Arc, LazyLock};

use cel::objects::{Key, Map};
use cel::{Context, Env, IdedExpr, Value};
use http::{HeaderMap, Method, StatusCode, Uri};

pub use doubt::Doubt;
use functions::Default;

/// The longest expression, in bytes: what the published schema allows.
const LONGEST: usize = 16_384;

/// The most operators, points and brackets in an expression: each may take it one level deeper, and
/// parsing and evaluating it take as much stack as it is deep.
const MOST_OPERATORS: usize = 300;

/// A condition over a request and its response, such as `response.code >= 500`.
#[derive(Clone)]
pub struct Condition {
    source: String,
    expression: Arc<IdedExpr>,
    defaults: Arc<[Default]>,
    needs_request: bool,
    is_about_response: bool,
    doubts: Vec<Doubt>,
}

/// Why a text is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// Byte of the text where it is, from 0.
    pub offset: usize,
}

/// What a condition may ask about. Each part may be absent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'s> {
    /// `request`
    pub request: Option<RequestFacts<'s>>,
    /// `response`: its status and headers.
    pub response: Option<(StatusCode, &'s HeaderMap)>,
}

/// What a condition may ask about a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestFacts<'s> {
    /// Its method.
    pub method: &'s Method,
    /// Its path and query.
    pub uri: &'s Uri,
    /// Its headers.
    pub headers: &'s HeaderMap,
}

static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

impl Condition {
    /// Compiles a text.
    ///
    /// # Errors
    /// [`SyntaxError`], with the place of the first mistake.
    pub fn compile(source: &str) -> Result<Self, SyntaxError> {
        if source.len() > LONGEST {
            let message = format!("longer than {LONGEST} bytes");
            return Err(SyntaxError { message, offset: 0 });
        }
        if let Some(offset) = one_too_many(source) {
            let message = format!("more than {MOST_OPERATORS} operators, points and brackets");
            return Err(SyntaxError { message, offset });
        }
        let program = STANDARD.compile(source).map_err(|errors| syntax_error(source, &errors))?;
        let references = program.references();
        let needs_request = references.has_variable("request");
        let is_about_response = references.has_variable("response");
        let doubts = doubt::doubts(source, program.expression());
        let mut expression = program.expression().clone();
        let mut defaults = Vec::new();
        functions::take_defaults(&mut expression, &mut defaults);
        Ok(Self {
            source: source.to_owned(),
            expression: Arc::new(expression),
            defaults: defaults.into(),
            needs_request,
            is_about_response,
            doubts,
        })
    }

    /// The text that it was made from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it asks about the request.
    #[must_use]
    pub fn needs_request(&self) -> bool {
        self.needs_request
    }

    /// Whether it asks about the response.
    #[must_use]
    pub fn is_about_response(&self) -> bool {
        self.is_about_response
    }

    /// What in it has no value, here or anywhere: what depends on that does not hold.
    #[must_use]
    pub fn doubts(&self) -> &[Doubt] {
        &self.doubts
    }

    /// Whether it holds.
    #[must_use]
    pub fn holds(&self, subject: &Subject<'_>) -> bool {
        let mut context = Context::with_env(STANDARD.clone());
        if let Some((status, headers)) = subject.response {
            let fields = [("code", Value::Int(i64::from(status.as_u16()))), ("headers", header_map(headers))];
            context.add_variable_from_value("response", map(fields));
        }
        if let Some(request) = subject.request.filter(|_| self.needs_request) {
            context.add_variable_from_value("request", request.value());
        }
        functions::add(&mut context, &self.defaults);
        matches!(Value::resolve(&self.expression, &context), Ok(Value::Bool(true)))
    }
}

impl RequestFacts<'_> {
    fn value(&self) -> Value {
        let authority = self.uri.authority().map(http::uri::Authority::as_str);
        let host = authority.or_else(|| self.headers.get(http::header::HOST)?.to_str().ok());
        map([
            ("method", text(self.method.as_str())),
            ("path", text(self.uri.path())),
            ("uri", text(&self.uri.to_string())),
            ("host", text(host.unwrap_or_default())),
            ("headers", header_map(self.headers)),
        ])
    }
}

/// Where the first operator, point or bracket stands that is one too many. What stands in quotes is
/// counted too, which is on the safe side.
fn one_too_many(source: &str) -> Option<usize> {
    let operators = source.match_indices(|letter: char| letter.is_ascii_punctuation() && !"_'\"".contains(letter));
    operators.map(|(at, _)| at).nth(MOST_OPERATORS)
}

fn text(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

fn map<'k>(fields: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    let keyed = |(name, value): (&str, Value)| (Key::String(Arc::new(name.to_owned())), value);
    Value::Map(Map { map: Arc::new(fields.into_iter().map(keyed).collect()) })
}

/// Headers by their names in lower case; of several lines the first counts.
fn header_map(headers: &HeaderMap) -> Value {
    let first = |name: &http::HeaderName| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    map(headers.keys().filter_map(|name| Some((name.as_str(), text(&first(name)?)))))
}

fn syntax_error(source: &str, errors: &cel::ParseErrors) -> SyntaxError {
    let Some(first) = errors.errors.iter().min_by_key(|error| error.pos) else {
        return SyntaxError { message: "not a CEL expression".to_owned(), offset: 0 };
    };
    let message = first.msg.strip_prefix("Syntax error: ").unwrap_or(&first.msg);
    let message = in_words(message.lines().next().unwrap_or_default());
    SyntaxError { message, offset: offset_of(source, first.pos) }
}

/// What the parser says, without its grammar: `mismatched input '<EOF>' expecting {'[', …}`.
fn in_words(message: &str) -> String {
    let quoted =
        |start: &str| Some(message.strip_prefix(start)?.split_once(" expecting").map_or("", |(found, _)| found));
    let found = ["mismatched input ", "extraneous input "].into_iter().find_map(quoted);
    let found = found.or_else(|| message.strip_prefix("no viable alternative at input "));
    match (found, message.strip_prefix("token recognition error at: ")) {
        (Some("'<EOF>'"), _) => "it ends too early".to_owned(),
        (Some(found), _) if !found.is_empty() => format!("`{}` does not belong here", found.trim_matches('\'')),
        (_, Some(letters)) => format!("`{}` means nothing here", letters.trim_matches('\'')),
        _ => message.to_owned(),
    }
}

/// The byte at a line and a column, both from 1, columns in characters.
fn offset_of(source: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line - 1).unwrap_or(0);
    let column = usize::try_from(column - 1).unwrap_or(0);
    let start: usize = source.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = source.get(start..).unwrap_or_default();
    start + rest.char_indices().nth(column).map_or(rest.trim_end().len(), |(at, _)| at)
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Condition({})", self.source)
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

#[cfg(test)]
mod tests {
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
            ("response.headers['X-By'] == 'primary'", 200, false),
            ("'x-by' in response.headers && response.headers['x-by'].startsWith('pri')", 200, true),
            ("response.headers['x-by'].matches('^p.*y$')", 200, true),
            ("has(response.code)", 200, true),
            ("true", 200, true),
        ] {
            assert_eq!(holds(source, status, &[("x-by", "primary"), ("x-by", "other")]), expected, "{source}");
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
    fn the_host_is_the_authority_or_else_the_header() {
        let mut headers = HeaderMap::new();
        headers.insert("host", "a.example:8080".parse().unwrap());
        let holds = |uri: &'static str, host: &str| {
            let (method, uri) = (Method::POST, Uri::from_static(uri));
            let request = Some(RequestFacts { method: &method, uri: &uri, headers: &headers });
            let condition = Condition::compile(&format!("request.host == '{host}'")).unwrap();
            condition.holds(&Subject { request, response: None })
        };
        assert!(holds("/x", "a.example:8080") && holds("http://b.example:1/x", "b.example:1"));
        assert!(!holds("/x", "a.example"));
    }

    #[test]
    fn a_request_is_asked_about_where_it_is_known() {
        let (method, uri, headers) = (Method::POST, Uri::from_static("/openai?x=1"), HeaderMap::new());
        let request = Some(RequestFacts { method: &method, uri: &uri, headers: &headers });
        let condition = Condition::compile("request.method == 'POST' && request.path == '/openai'").unwrap();
        assert!(condition.needs_request());
        assert!(condition.holds(&Subject { request, response: None }));
        assert!(!condition.holds(&Subject::default()));
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
}
