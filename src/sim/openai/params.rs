//! Reads a request's parameters, and says what is wrong with them in OpenAI's words.

use serde_json::{Map, Value as Json};

use super::error::ApiError;

/// The parameters of a request or of an object inside it. `null` counts as absent.
#[derive(Debug, Clone)]
pub(crate) struct Params<'a> {
    map: &'a Map<String, Json>,
    /// What the error messages put before a name: empty, or `stream_options.`.
    prefix: String,
}

type Read<T> = Result<T, ApiError>;

impl<'a> Params<'a> {
    pub(crate) fn new(map: &'a Map<String, Json>) -> Self {
        Self { map, prefix: String::new() }
    }

    /// The parameters of an object that stands at `path`, which is not empty.
    pub(crate) fn at(map: &'a Map<String, Json>, path: &str) -> Self {
        Self { map, prefix: format!("{path}.") }
    }

    /// The full name of a parameter.
    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a Json> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// Names that are not among `known`, in the order of the body.
    pub(crate) fn unknown(&self, known: &[&str]) -> Vec<&'a str> {
        self.map.keys().map(String::as_str).filter(|name| !known.contains(name)).collect()
    }

    pub(crate) fn boolean(&self, name: &str) -> Read<Option<bool>> {
        self.get(name).map(|value| value.as_bool().ok_or_else(|| self.wrong(name, "a boolean", value))).transpose()
    }

    pub(crate) fn string(&self, name: &str) -> Read<Option<&'a str>> {
        self.get(name).map(|value| value.as_str().ok_or_else(|| self.wrong(name, "a string", value))).transpose()
    }

    pub(crate) fn required_string(&self, name: &str) -> Read<&'a str> {
        self.string(name)?.ok_or_else(|| ApiError::missing(&self.path(name)))
    }

    /// A string that is one of `allowed`.
    pub(crate) fn one_of(&self, name: &str, allowed: &[&str]) -> Read<Option<&'a str>> {
        match self.string(name)? {
            Some(value) if !allowed.contains(&value) => {
                Err(ApiError::unsupported_value(&self.path(name), value, allowed))
            }
            other => Ok(other),
        }
    }

    /// A number from `min` to `max`.
    pub(crate) fn decimal(&self, name: &str, min: f64, max: f64) -> Read<Option<f64>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_f64().ok_or_else(|| self.wrong(name, "a decimal", value))?;
        if number > max {
            return Err(self.out_of_range(name, "decimal", "above maximum", &format!("<= {max}"), value));
        }
        if number < min {
            return Err(self.out_of_range(name, "decimal", "below minimum", &format!(">= {min}"), value));
        }
        Ok(Some(number))
    }

    /// A whole number from `min` to `max`.
    pub(crate) fn integer(&self, name: &str, min: i64, max: i64) -> Read<Option<i64>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let Json::Number(number) = value else { return Err(self.wrong(name, "an integer", value)) };
        let number = match (number.as_i64(), number.is_u64()) {
            (Some(number), _) => number,
            // Beyond 63 bits: above every maximum but the largest.
            (None, true) => i64::MAX,
            (None, false) => return Err(self.wrong(name, "an integer", value)),
        };
        if number > max || (number == i64::MAX && max != i64::MAX) {
            return Err(self.out_of_range(name, "integer", "above maximum", &format!("<= {max}"), value));
        }
        if number < min {
            return Err(self.out_of_range(name, "integer", "below minimum", &format!(">= {min}"), value));
        }
        Ok(Some(number))
    }

    /// A whole number of at least `min`, as a count.
    pub(crate) fn count(&self, name: &str, min: i64, max: i64) -> Read<Option<u64>> {
        Ok(self.integer(name, min, max)?.and_then(|number| u64::try_from(number).ok()))
    }

    pub(crate) fn object(&self, name: &str) -> Read<Option<Params<'a>>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let map = value.as_object().ok_or_else(|| self.wrong(name, "an object", value))?;
        Ok(Some(Self::at(map, &self.path(name))))
    }

    /// The objects of an array, each with its place.
    pub(crate) fn objects(&self, name: &str) -> Read<Option<Vec<Params<'a>>>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let items = value.as_array().ok_or_else(|| self.wrong(name, "an array of objects", value))?;
        let each = items.iter().enumerate().map(|(index, item)| {
            let place = format!("{name}[{index}]");
            let map = item.as_object().ok_or_else(|| self.wrong(&place, "an object", item))?;
            Ok(Self::at(map, &self.path(&place)))
        });
        each.collect::<Read<Vec<_>>>().map(Some)
    }

    /// Refuses an array that is empty or longer than `max`.
    pub(crate) fn array_length(&self, name: &str, length: usize, max: usize) -> Read<()> {
        let path = self.path(name);
        if length == 0 {
            let message = format!(
                "Invalid '{path}': empty array. Expected an array with minimum length 1, but got an empty array instead."
            );
            return Err(ApiError::param(path, Some("empty_array"), message));
        }
        if length > max {
            let message = format!(
                "Invalid '{path}': array too long. Expected an array with maximum length {max}, but got an array with \
                 length {length} instead."
            );
            return Err(ApiError::param(path, Some("array_above_max_length"), message));
        }
        Ok(())
    }

    /// The error of a parameter that has the wrong type.
    pub(crate) fn wrong(&self, name: &str, expected: &str, got: &Json) -> ApiError {
        let path = self.path(name);
        let message = format!("Invalid type for '{path}': expected {expected}, but got {} instead.", type_of(got));
        ApiError::param(path, Some("invalid_type"), message)
    }

    fn out_of_range(&self, name: &str, kind: &str, how: &str, expected: &str, got: &Json) -> ApiError {
        let path = self.path(name);
        let code = match (kind, how) {
            ("decimal", "above maximum") => "decimal_above_max_value",
            ("decimal", _) => "decimal_below_min_value",
            (_, "above maximum") => "integer_above_max_value",
            _ => "integer_below_min_value",
        };
        let message =
            format!("Invalid '{path}': {kind} {how} value. Expected a value {expected}, but got {got} instead.");
        ApiError::param(path, Some(code), message)
    }
}

/// What a value is called in an error message.
fn type_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(number) if number.is_f64() => "a decimal number",
        Json::Number(_) => "an integer",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}
