//! What in an expression can never mean anything: names that nobody has, and values that are never equal.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, operators};

use crate::source::diagnostic::{nearest, nearest_or_all};

/// Something that an expression asks for and never gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// What is wrong, a statement.
    pub message: String,
    /// What to write in its place.
    pub help: Option<String>,
    /// The word that it is about.
    pub word: String,
    /// Byte of the text where that stands, from 0.
    pub offset: usize,
}

/// Names to which agentgateway gives a value and labsim does not.
const NOT_MODELLED: [&str; 22] = [
    "apiKey",
    "backend",
    "base64",
    "basicAuth",
    "destination",
    "env",
    "extauthz",
    "extproc",
    "form",
    "jwt",
    "llm",
    "llmRequest",
    "math",
    "mcp",
    "mcpGuardrails",
    "md5",
    "metadata",
    "proxy",
    "sha1",
    "sha256",
    "source",
    "url",
];

/// Names of types, which are values too.
const TYPES: [&str; 11] =
    ["bool", "bytes", "double", "dyn", "int", "list", "map", "null_type", "string", "type", "uint"];

/// The fields of a request: those that labsim has, then those that only agentgateway has.
const OF_REQUEST: [&[&str]; 2] = [
    &["method", "uri", "path", "host", "headers"],
    &["pathAndQuery", "scheme", "version", "body", "bodyPrefix", "startTime", "endTime"],
];
/// The fields of a response, in the same way.
const OF_RESPONSE: [&[&str]; 2] = [&["code", "headers"], &["body", "bodyPrefix", "grpcStatus"]];

/// Functions of the language, and the ones of agentgateway's own that labsim has.
const FUNCTIONS: [&str; 29] = [
    "all",
    "bool",
    "bytes",
    "contains",
    "default",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "exists",
    "exists_one",
    "filter",
    "getDate",
    "getDayOfMonth",
    "getFullYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "has",
    "int",
    "json",
    "map",
    "matches",
    "size",
    "startsWith",
    "string",
    "timestamp",
    "type",
    "uint",
];
/// Functions that only agentgateway has.
const FUNCTIONS_NOT_MODELLED: &[&str] = &[
    "base64Decode",
    "base64Encode",
    "charAt",
    "cidr",
    "coalesce",
    "containsCIDR",
    "containsIP",
    "decode",
    "encode",
    "fail",
    "family",
    "filterKeys",
    "flatten",
    "flattenRecursive",
    "format",
    "getDayOfWeek",
    "getDayOfYear",
    "getMilliseconds",
    "getMonth",
    "indexOf",
    "ip",
    "isIP",
    "join",
    "jsonField",
    "lastIndexOf",
    "lowerAscii",
    "mapValues",
    "max",
    "merge",
    "min",
    "random",
    "regexReplace",
    "replace",
    "split",
    "stripPrefix",
    "stripSuffix",
    "substring",
    "toJson",
    "to_json",
    "trim",
    "unvalidatedJwtPayload",
    "upperAscii",
    "uuid",
    "variables",
    "with",
];
/// Everything of the kind in an expression that was compiled from `source`.
pub(super) fn doubts(source: &str, expression: &IdedExpr) -> Vec<Doubt> {
    let mut found = Found { source, doubts: Vec::new() };
    found.no_condition(expression);
    found.walk(expression, &mut Vec::new());
    found.doubts
}

/// Operators that know whole numbers and unsigned ones, but no pair of the two.
const ARITHMETIC: [&str; 5] =
    [operators::ADD, operators::SUBSTRACT, operators::MULTIPLY, operators::DIVIDE, operators::MODULO];

fn is_arithmetic(call: &CallExpr) -> bool {
    ARITHMETIC.into_iter().any(|operator| operator == call.func_name)
}

fn is_code(one: &IdedExpr) -> bool {
    matches!(&one.expr, Expr::Select(select) if select.field == "code"
        && matches!(&select.operand.expr, Expr::Ident(root) if root == "response"))
}

/// Whether a value is reckoned from `response.code`, and so an unsigned number.
fn is_unsigned(one: &IdedExpr) -> bool {
    match &one.expr {
        Expr::Call(call) if is_arithmetic(call) => call.args.iter().any(is_unsigned),
        _ => is_code(one),
    }
}

struct Found<'s> {
    source: &'s str,
    doubts: Vec<Doubt>,
}

impl Found<'_> {
    fn tell(&mut self, word: &str, message: String, help: Option<String>) {
        let offset = place_of(self.source, word);
        let doubt = Doubt { message, help, word: word.to_owned(), offset };
        if !self.doubts.contains(&doubt) {
            self.doubts.push(doubt);
        }
    }

    /// Looks through an expression in which the names `bound` stand for something.
    fn walk(&mut self, one: &IdedExpr, bound: &mut Vec<String>) {
        match &one.expr {
            Expr::Ident(name) => self.root(name, bound),
            Expr::Select(select) => {
                if let Expr::Ident(root) = &select.operand.expr {
                    self.field(root, &select.field);
                }
                self.walk(&select.operand, bound);
            }
            Expr::Call(call) => {
                let namespaced = call.target.as_ref().is_some_and(|target| matches!(target.expr, Expr::Ident(_)));
                if !namespaced {
                    self.function(call);
                }
                self.comparison(call);
                self.arithmetic(call);
                call.target.iter().for_each(|target| self.walk(target, bound));
                call.args.iter().for_each(|argument| self.walk(argument, bound));
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.walk(element, bound)),
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.walk(&entry.key, bound);
                        self.walk(&entry.value, bound);
                    }
                }
            }
            Expr::Comprehension(each) => {
                self.walk(&each.iter_range, bound);
                let before = bound.len();
                bound.extend([each.iter_var.clone(), each.accu_var.clone()]);
                bound.extend(each.iter_var2.clone());
                for part in [&each.accu_init, &each.loop_cond, &each.loop_step, &each.result] {
                    self.walk(part, bound);
                }
                bound.truncate(before);
            }
            Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => {}
        }
    }

    fn root(&mut self, name: &str, bound: &[String]) {
        if ["request", "response"].contains(&name) || TYPES.contains(&name) || bound.iter().any(|one| one == name) {
            return;
        }
        if NOT_MODELLED.contains(&name) {
            let message = format!("labsim gives `{name}` no value; what depends on it does not hold");
            return self.tell(name, message, None);
        }
        let message = format!("nothing is called `{name}` here; what depends on it does not hold");
        let help = match nearest(name, ["request", "response"].into_iter().chain(NOT_MODELLED)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "an expression can be about `request` and `response`".to_owned(),
        };
        self.tell(name, message, Some(help));
    }

    fn field(&mut self, root: &str, field: &str) {
        let [modelled, others] = match root {
            "request" => OF_REQUEST,
            "response" => OF_RESPONSE,
            _ => return,
        };
        if others.contains(&field) {
            let message = format!("labsim gives `{root}.{field}` no value; what depends on it does not hold");
            self.tell(field, message, None);
        } else if !modelled.contains(&field) {
            let message = format!("a {root} has no `{field}`; what depends on it does not hold");
            self.tell(field, message, Some(nearest_or_all(field, &[modelled, others].concat())));
        }
    }

    fn function(&mut self, call: &CallExpr) {
        let name = call.func_name.as_str();
        let is_operator = !name.starts_with(|letter: char| letter.is_ascii_alphabetic());
        if is_operator || FUNCTIONS.contains(&name) {
            return;
        }
        if FUNCTIONS_NOT_MODELLED.contains(&name) {
            let message = format!("labsim does not model the function `{name}`; what depends on it does not hold");
            return self.tell(name, message, None);
        }
        let message = format!("there is no function `{name}`; what depends on it does not hold");
        let known = [&FUNCTIONS[..], FUNCTIONS_NOT_MODELLED].concat();
        let near = nearest(name, known);
        self.tell(name, message, near.map(|near| format!("did you mean `{near}`?")));
    }

    /// An expression that is a value of another kind than true or false.
    fn no_condition(&mut self, one: &IdedExpr) {
        let kind = match &one.expr {
            Expr::Literal(LiteralValue::String(_)) => "text",
            Expr::Literal(LiteralValue::Bytes(_)) => "bytes",
            Expr::Literal(LiteralValue::Null) => "null",
            Expr::Literal(LiteralValue::Int(_) | LiteralValue::UInt(_) | LiteralValue::Double(_)) => "a number",
            Expr::List(_) => "a list",
            Expr::Map(_) => "a map",
            Expr::Call(call) if is_arithmetic(call) => "a number or a text",
            Expr::Select(_) if is_code(one) => "a number",
            _ => return,
        };
        let help = "such as `response.code >= 500`".to_owned();
        self.tell(self.source.trim(), format!("this gives {kind}, and never holds"), Some(help));
    }

    /// Arithmetic of a status, which is an unsigned number, and a number that is none.
    fn arithmetic(&mut self, call: &CallExpr) {
        let [one, other] = call.args.as_slice() else { return };
        if !is_arithmetic(call) {
            return;
        }
        let number = match (&one.expr, &other.expr) {
            (Expr::Literal(LiteralValue::Int(number)), _) if is_unsigned(other) => *number.inner(),
            (_, Expr::Literal(LiteralValue::Int(number))) if is_unsigned(one) => *number.inner(),
            _ => return,
        };
        let message = format!(
            "`response.code` is unsigned and `{number}` is not; what is reckoned of the two has no value, and does not hold"
        );
        self.tell(&number.to_string(), message, Some(format!("write `{number}u`")));
    }

    /// A status beside a text, which is never the same.
    fn comparison(&mut self, call: &CallExpr) {
        let compares = [operators::EQUALS, operators::NOT_EQUALS, operators::LESS, operators::LESS_EQUALS]
            .into_iter()
            .chain([operators::GREATER, operators::GREATER_EQUALS]);
        let [one, other] = call.args.as_slice() else { return };
        if !compares.into_iter().any(|operator| operator == call.func_name) {
            return;
        }
        let text = match (&one.expr, &other.expr) {
            (Expr::Select(select), Expr::Literal(LiteralValue::String(text)))
            | (Expr::Literal(LiteralValue::String(text)), Expr::Select(select))
                if select.field == "code"
                    && matches!(&select.operand.expr, Expr::Ident(root) if root == "response") =>
            {
                text.inner()
            }
            _ => return,
        };
        let message = format!("`response.code` is a number, and never like the text `{text}`");
        let help = text.parse::<u16>().ok().map(|code| format!("write `{code}` without quotes"));
        let quoted = ["\"", "'"].map(|quote| format!("{quote}{text}{quote}"));
        let word = quoted.iter().find(|word| self.source.contains(word.as_str()));
        self.tell(word.map_or(text, String::as_str), message, help);
    }
}

/// Where a word stands that is no part of another one; the beginning where it does not.
fn place_of(source: &str, word: &str) -> usize {
    let within = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut places = source.match_indices(word);
    let whole = places.find(|(at, _)| {
        let before = source.get(..*at).and_then(|text| text.chars().next_back());
        let after = source.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(within) && !after.is_some_and(within)
    });
    whole.map_or(0, |(at, _)| at)
}
