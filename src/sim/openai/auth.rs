//! Who may ask, and for which organisation.

use std::fmt;

use http::{HeaderMap, StatusCode, header};

use super::error::ApiError;

/// The organisation of a key that names none.
pub const DEFAULT_ORGANIZATION: &str = "org-labsim";

/// A key that the fake accepts. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    secret: String,
    organizations: Vec<String>,
}

impl Key {
    /// A key of the organisation [`DEFAULT_ORGANIZATION`]; `Bearer sk-…` or the bare key.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self { secret: bare(secret).to_owned(), organizations: vec![DEFAULT_ORGANIZATION.to_owned()] }
    }

    /// The same key, for these organisations; a request that names none gets the first.
    #[must_use]
    pub fn of(mut self, organizations: impl IntoIterator<Item = String>) -> Self {
        let given: Vec<String> = organizations.into_iter().collect();
        if !given.is_empty() {
            self.organizations = given;
        }
        self
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(of {})", self.organizations.join(", "))
    }
}

/// Who asks.
pub(crate) struct Caller {
    pub(crate) organization: String,
    /// Which of the keys was sent.
    pub(crate) key: usize,
}

/// Who asks, if they may.
pub(crate) fn caller(keys: &[Key], headers: &HeaderMap) -> Result<Caller, ApiError> {
    let sent = sent_key(headers).ok_or_else(no_key)?;
    let found = keys.iter().enumerate().find(|(_, key)| key.secret == sent);
    let (number, key) = found.ok_or_else(|| wrong_key(&sent))?;
    organization(keys, key, headers).map(|organization| Caller { organization, key: number })
}

/// The organisation for which a request may ask.
fn organization(keys: &[Key], key: &Key, headers: &HeaderMap) -> Result<String, ApiError> {
    let asked = headers.get("openai-organization").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    match asked.filter(|asked| !asked.is_empty()) {
        None => Ok(key.organizations.first().cloned().unwrap_or_default()),
        Some(asked) if key.organizations.contains(&asked) => Ok(asked),
        Some(asked) if keys.iter().any(|key| key.organizations.contains(&asked)) => Err(ApiError::front_door(
            StatusCode::UNAUTHORIZED,
            "OpenAI-Organization header should match organization for API key",
        )
        .with_code("mismatched_organization")),
        Some(asked) => {
            let message = format!("No such organization: {asked}.");
            Err(ApiError::front_door(StatusCode::UNAUTHORIZED, message).with_code("invalid_organization"))
        }
    }
}

/// The key that came along: as a bearer token, or as the password of basic authentication.
fn sent_key(headers: &HeaderMap) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(header::AUTHORIZATION)?.as_bytes()).into_owned();
    let key = match value.split_once(' ') {
        Some((scheme, password)) if scheme.eq_ignore_ascii_case("basic") => basic_password(password)?,
        _ => bare(&value).to_owned(),
    };
    Some(key).filter(|key| !key.is_empty() && !key.eq_ignore_ascii_case("bearer"))
}

fn basic_password(encoded: &str) -> Option<String> {
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(_, password)| password.to_owned())
}

fn bare(authorization: &str) -> &str {
    let trimmed = authorization.trim();
    match trimmed.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim(),
        _ => trimmed,
    }
}

fn no_key() -> ApiError {
    let message = "You didn't provide an API key. You need to provide your API key in an Authorization header using \
                   Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) \
                   if you're accessing the API from your browser and are prompted for a username and password. You \
                   can obtain an API key from https://platform.openai.com/account/api-keys.";
    ApiError { challenge: true, ..ApiError::front_door(StatusCode::UNAUTHORIZED, message) }
}

fn wrong_key(key: &str) -> ApiError {
    let message = format!(
        "Incorrect API key provided: {}. You can find your API key at https://platform.openai.com/account/api-keys.",
        masked(key)
    );
    ApiError::front_door(StatusCode::UNAUTHORIZED, message).with_code("invalid_api_key")
}

/// A key as OpenAI shows it: the first eight and the last four characters, the rest as stars. Of a
/// short key less is left standing.
fn masked(key: &str) -> String {
    let chars: Vec<char> = key.chars().collect();
    let (head, tail) = match chars.len() {
        0..=8 => (chars.len() / 4, chars.len() / 4),
        9..=16 => (3, 3),
        _ => (8, 4),
    };
    let stars = chars.len() - head - tail;
    let shown = |range: &[char]| range.iter().filter(|one| !one.is_control()).collect::<String>();
    format!("{}{}{}", shown(&chars[..head]), "*".repeat(stars.min(200)), shown(&chars[chars.len() - tail..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_key_is_shown_with_its_middle_hidden() {
        assert_eq!(masked("sk-PMafPabcdefghijklmnopE873"), "sk-PMafP****************E873");
        assert_eq!(masked("sk-1234567"), "sk-****567");
        assert_eq!(masked("abcd"), "a**d");
        assert_eq!(masked(""), "");
        assert!(!format!("{:?}", Key::new("sk-secret")).contains("secret"));
    }
}
