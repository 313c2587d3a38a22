//! CEL expressions in policies: compiled once when they are loaded, evaluated for each response.
//!
//! A condition that cannot be evaluated (a header that is not there, no response at all) does not
//! hold, as agentgateway has it.

mod doubt;
mod functions;
mod headers;

use std::sync::{Arc, LazyLock};

use cel::common::types::{CelMap, CelMapKey, CelString, CelUInt};
use cel::common::value::Val;
use cel::{Context, Env, IdedExpr, Value};
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, Method, StatusCode, Uri, header};

pub use doubt::Doubt;
use functions::Default;
use headers::Headers;

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

/// What a condition may ask about a request: its URI is a whole one, with the host of the `Host` header, which
/// is none of its headers (source: `normalize_uri` in agentgateway's `proxy/httpproxy.rs`).
#[derive(Debug, Clone, Copy)]
pub struct RequestFacts<'s> {
    method: &'s Method,
    scheme: &'s str,
    uri: &'s Uri,
    headers: &'s HeaderMap,
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
        let without_host = subject.request.filter(|_| self.needs_request).map(|request| request.other_headers());
        let mut context = Context::with_env(STANDARD.clone());
        if let Some((status, headers)) = subject.response {
            let code = CelUInt::from(u64::from(status.as_u16()));
            let fields = map([("code", Box::new(code)), ("headers", Box::new(Headers::new(headers)))]);
            context.add_variable_as_val("response", fields);
        }
        if let (Some(request), Some(headers)) = (subject.request, &without_host) {
            context.add_variable_as_val("request", request.value(headers));
        }
        functions::add(&mut context, &self.defaults);
        matches!(Value::resolve(&self.expression, &context), Ok(Value::Bool(true)))
    }
}

impl<'s> RequestFacts<'s> {
    /// Of a request with a `Host`, as a rule's filters have left it.
    #[must_use]
    pub fn of(request: &'s Parts) -> Self {
        let scheme = request.extensions.get::<Scheme>().map_or("http", Scheme::as_str);
        Self { method: &request.method, scheme, uri: &request.uri, headers: &request.headers }
    }

    fn other_headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.remove(header::HOST);
        headers
    }

    fn value<'v>(&self, headers: &'v HeaderMap) -> Box<dyn Val + 'v>
    where
        's: 'v,
    {
        let host = self.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        map([
            ("method", text(self.method.as_str())),
            ("path", text(self.uri.path())),
            ("uri", text(format!("{}://{host}{path}", self.scheme))),
            ("host", text(host)),
            ("headers", Box::new(Headers::new(headers))),
        ])
    }
}

/// Where the first operator, point or bracket stands that is one too many. What stands in quotes is
/// counted too, which is on the safe side.
fn one_too_many(source: &str) -> Option<usize> {
    let operators = source.match_indices(|letter: char| letter.is_ascii_punctuation() && !"_'\"".contains(letter));
    operators.map(|(at, _)| at).nth(MOST_OPERATORS)
}

fn text<'v>(text: impl Into<CelString<'v>>) -> Box<dyn Val + 'v> {
    Box::new(text.into())
}

#[expect(clippy::disallowed_types, reason = "the library's maps are made of these, and nobody goes through them")]
fn map<'v, const N: usize>(fields: [(&'static str, Box<dyn Val + 'v>); N]) -> Box<dyn Val + 'v> {
    let keyed = fields.into_iter().map(|(name, value)| (CelMapKey::String(name.into()), value));
    Box::new(CelMap::from(keyed.collect::<std::collections::HashMap<_, _>>()))
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
mod tests;
