//! Which credential goes by which reference, so that events can name it without showing it.

use std::sync::{Arc, PoisonError, RwLock};

/// The credentials that a lab knows. Cheap to clone; all clones share what they learn.
#[derive(Clone, Default)]
pub struct Credentials {
    known: Arc<RwLock<Vec<Known>>>,
}

struct Known {
    value: String,
    reference: String,
}

/// What a credential is called that the lab does not know.
pub const UNKNOWN: &str = "unknown";

/// A key that is shorter than this is none.
const TELLING: usize = 6;

/// Headers whose values are credentials.
const SECRET_HEADERS: [&str; 6] =
    ["authorization", "proxy-authorization", "x-api-key", "api-key", "cookie", "set-cookie"];

impl Credentials {
    /// Remembers a key under a reference. The first reference of a key stays.
    pub fn learn(&self, key: &str, reference: &str) {
        let key = bare(key);
        if key.is_empty() {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if !known.iter().any(|one| one.value == key) {
            known.push(Known { value: key.to_owned(), reference: reference.to_owned() });
        }
    }

    /// The reference of an `Authorization` header's value: [`UNKNOWN`] for one that the lab never learned.
    #[must_use]
    pub fn reference(&self, authorization: &str) -> String {
        let key = bare(authorization);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|one| one.value == key).map_or_else(|| UNKNOWN.to_owned(), |one| one.reference.clone())
    }

    /// The reference of the credential in `headers`, if one is there.
    #[must_use]
    pub fn of(&self, headers: &http::HeaderMap) -> Option<String> {
        let value = headers.get(http::header::AUTHORIZATION)?;
        Some(self.reference(&String::from_utf8_lossy(value.as_bytes())))
    }

    /// `headers` as events show them: credentials as their references.
    #[must_use]
    pub fn mask(&self, headers: &http::HeaderMap) -> crate::event::Headers {
        headers
            .iter()
            .map(|(name, value)| {
                let text = String::from_utf8_lossy(value.as_bytes());
                let shown =
                    if SECRET_HEADERS.contains(&name.as_str()) { self.reference(&text) } else { self.scrub(&text) };
                (name.as_str().to_owned(), shown)
            })
            .collect()
    }

    /// `text` with every known credential in it replaced by its reference.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        self.replace(text.to_owned(), 0)
    }

    /// The same of a name, such as a path or a model, which may well have a few letters in common with a key that
    /// is one in jest only.
    #[must_use]
    pub fn scrub_name(&self, name: String) -> String {
        self.replace(name, TELLING)
    }

    /// Replaces the credentials that are at least so long.
    fn replace(&self, mut text: String, shortest: usize) -> String {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        for one in known.iter().filter(|one| one.value.len() >= shortest) {
            if text.contains(&one.value) {
                text = text.replace(&one.value, &format!("[{}]", one.reference));
            }
        }
        text
    }
}

fn bare(authorization: &str) -> &str {
    let trimmed = authorization.trim();
    match trimmed.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("bearer ") => trimmed[7..].trim(),
        _ => trimmed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_shown_by_its_reference_only() {
        let credentials = Credentials::default();
        credentials.learn("Bearer sk-secret", "secret:openai-secret/Authorization");
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", "Bearer sk-secret".parse().unwrap());
        headers.insert("x-echo", "key=sk-secret".parse().unwrap());
        headers.insert("cookie", "session=1".parse().unwrap());
        let shown = format!("{:?}", credentials.mask(&headers));
        assert!(!shown.contains("sk-secret") && !shown.contains("session=1"), "{shown}");
        assert!(shown.contains("secret:openai-secret/Authorization"), "{shown}");
        assert_eq!(credentials.reference("Bearer other"), UNKNOWN);
    }
}
