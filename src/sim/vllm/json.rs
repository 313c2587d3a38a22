//! JSON as the original reads it: names in any case, `null` as absent, and Go's words for what is wrong.

use serde_json::{Map, Value as Json};

use super::go;

/// How deep a body may nest.
const MAX_DEPTH: usize = 120;

/// Reads a body; the error is the text of Go's `encoding/json`.
pub(crate) fn parse(body: &[u8]) -> Result<Json, String> {
    if let Ok(json) = serde_json::from_slice(body) {
        return Ok(json);
    }
    Scanner { bytes: body, at: 0 }.document()?;
    // What is left to dislike is bytes that are no text: Go puts a replacement character there.
    let text = String::from_utf8_lossy(body);
    serde_json::from_str(&text).map_err(|_| "invalid character in string escape code".to_owned())
}

/// The text of `encoding/json` for a body that is not JSON.
pub(crate) fn syntax_error(body: &[u8]) -> String {
    Scanner { bytes: body, at: 0 }.document().err().unwrap_or_else(|| "invalid character".to_owned())
}

/// Appends formatted text.
pub(crate) fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to memory cannot fail.
    drop(std::io::Write::write_fmt(out, text));
}

/// Appends a text in quotes.
pub(crate) fn write_str(out: &mut Vec<u8>, text: &str) {
    drop(serde_json::to_writer(out, text));
}

/// What Go calls a value of this type.
pub(crate) fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

/// The fields of an object, asked for with the type that they must have.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'j> {
    map: &'j Map<String, Json>,
    path: &'static str,
}

static NOTHING: std::sync::LazyLock<Map<String, Json>> = std::sync::LazyLock::new(Map::new);

impl<'j> Fields<'j> {
    /// The fields of `map`; `path` is what Go's errors call it.
    pub(crate) fn new(map: &'j Map<String, Json>, path: &'static str) -> Self {
        Self { map, path }
    }

    /// The fields of a body, which must be an object or `null`.
    pub(crate) fn of_body(body: &'j Json, path: &'static str) -> Result<Self, String> {
        let name = path.split('.').next().unwrap_or(path);
        match body {
            Json::Object(map) => Ok(Self { map, path }),
            Json::Null => Ok(Self { map: &NOTHING, path }),
            other => {
                Err(format!("json: cannot unmarshal {} into Go value of type llmdinferencesim.{name}", kind(other)))
            }
        }
    }

    /// The same fields under another path.
    pub(crate) fn within(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    /// The field called `name`, in any case; none where it is `null`.
    pub(crate) fn get(&self, name: &str) -> Option<&'j Json> {
        // Few fields are there to look through, fewer than hashing the name would take.
        let mut found = None;
        for (key, value) in self.map {
            if key == name {
                found = Some(value);
                break;
            }
            if key.eq_ignore_ascii_case(name) {
                found = Some(value);
            }
        }
        found.filter(|value| !value.is_null())
    }

    fn typed<T>(
        &self,
        name: &str,
        wanted: &str,
        read: impl FnOnce(&'j Json) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| {
            let what = match value {
                Json::Number(number) if wanted != "string" && wanted != "bool" => format!("number {number}"),
                other => kind(other).to_owned(),
            };
            format!("json: cannot unmarshal {what} into Go struct field {}.{name} of type {wanted}", self.path)
        })
    }

    /// A text; empty where it is absent.
    pub(crate) fn text(&self, name: &str) -> Result<String, String> {
        Ok(self.str(name)?.unwrap_or_default().to_owned())
    }

    /// A text.
    pub(crate) fn str(&self, name: &str) -> Result<Option<&'j str>, String> {
        self.typed(name, "string", Json::as_str)
    }

    /// True or false; false where it is absent.
    pub(crate) fn bool(&self, name: &str) -> Result<bool, String> {
        Ok(self.typed(name, "bool", Json::as_bool)?.unwrap_or(false))
    }

    /// A whole number.
    pub(crate) fn int(&self, name: &str) -> Result<Option<i64>, String> {
        self.typed(name, "int64", Json::as_i64)
    }

    /// A number.
    pub(crate) fn float(&self, name: &str) -> Result<Option<f64>, String> {
        self.typed(name, "float64", Json::as_f64)
    }

    /// A list; empty where it is absent.
    pub(crate) fn list(&self, name: &str, wanted: &str) -> Result<&'j [Json], String> {
        Ok(self.typed(name, wanted, Json::as_array)?.map_or(&[], Vec::as_slice))
    }

    /// An object.
    pub(crate) fn object(&self, name: &str, wanted: &'static str) -> Result<Option<Fields<'j>>, String> {
        Ok(self.typed(name, wanted, Json::as_object)?.map(|map| Fields { map, path: wanted }))
    }
}

/// Finds the first place of a text that is not JSON.
struct Scanner<'b> {
    bytes: &'b [u8],
    at: usize,
}

const END: &str = "unexpected end of JSON input";

impl Scanner<'_> {
    fn document(&mut self) -> Result<(), String> {
        self.value(0)?;
        match self.peek() {
            None => Ok(()),
            Some(_) => self.bad("after top-level value"),
        }
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    /// The error for the byte at hand.
    fn bad<T>(&self, context: &str) -> Result<T, String> {
        let Some(byte) = self.bytes.get(self.at) else { return Err(END.to_owned()) };
        let shown = match char::from(*byte) {
            '\'' => "\\'".to_owned(),
            '"' => "\"".to_owned(),
            c => go::quote(&c.to_string()).trim_matches('"').to_owned(),
        };
        Err(format!("invalid character '{shown}' {context}"))
    }

    fn value(&mut self, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("exceeded max depth".to_owned());
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.bad("looking for beginning of value"),
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), String> {
        for expected in word.bytes() {
            if self.bytes.get(self.at) != Some(&expected) {
                return self.bad(&format!("in literal {word} (expecting '{}')", char::from(expected)));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn digits(&mut self, context: &str) -> Result<(), String> {
        if !self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            return self.bad(context);
        }
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), String> {
        self.at += 1;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                Some(0x20..) => self.at += 1,
                _ => return self.bad("in string literal"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        match self.bytes.get(self.at) {
            Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.bytes.get(self.at).is_some_and(u8::is_ascii_hexdigit) {
                        return self.bad("in \\u hexadecimal character escape");
                    }
                    self.at += 1;
                }
            }
            _ => return self.bad("in string escape code"),
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), String> {
        self.at += 1;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.bad("after array element"),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), String> {
        self.at += 1;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.bad("looking for beginning of object key string");
            }
            self.string()?;
            if self.peek() != Some(b':') {
                return self.bad("after object key");
            }
            self.at += 1;
            self.value(depth + 1)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.bad("after object key:value pair"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_in_the_words_of_go() {
        for (body, text) in [
            ("", "unexpected end of JSON input"),
            ("not json", "invalid character 'o' in literal null (expecting 'u')"),
            ("bad", "invalid character 'b' looking for beginning of value"),
            ("{} trailing", "invalid character 't' after top-level value"),
            ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair"),
            ("[1 2]", "invalid character '2' after array element"),
            ("{\"a\":", "unexpected end of JSON input"),
            ("\"\\x\"", "invalid character 'x' in string escape code"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
        ] {
            assert_eq!(parse(body.as_bytes()), Err(text.to_owned()), "{body}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(parse(deep.as_bytes()), Err("exceeded max depth".to_owned()));
    }

    #[test]
    fn fields_are_found_in_any_case_and_null_is_absent() {
        let body = parse(br#"{"Model":"m","stream":null,"n":2,"x":1.5}"#).unwrap();
        let fields = Fields::of_body(&body, "Request").unwrap();
        assert_eq!(fields.text("model"), Ok("m".to_owned()));
        assert_eq!(fields.bool("stream"), Ok(false));
        assert_eq!(fields.int("n"), Ok(Some(2)));
        let wrong = "json: cannot unmarshal number 1.5 into Go struct field Request.x of type int64";
        assert_eq!(fields.int("x"), Err(wrong.to_owned()));
        assert!(Fields::of_body(&Json::Array(Vec::new()), "Request").is_err());
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(parse(b"\"a\xffb\""), Ok(Json::String("a\u{fffd}b".to_owned())));
    }
}
