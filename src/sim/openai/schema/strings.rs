//! Texts within a schema's bounds, such as one would expect under the property's name.

use serde_json::{Map, Value as Json};

use super::pattern;
use crate::world::Random;

/// Texts are no longer than this, whatever `minLength` says.
const LONGEST: usize = 10_000;

/// A text that `schema` allows.
pub(super) fn string(schema: &Map<String, Json>, name: &str, topic: &str, random: &mut Random) -> String {
    let limit = |name: &str| schema.get(name).and_then(Json::as_u64).and_then(|limit| usize::try_from(limit).ok());
    let (fewest, most) = (limit("minLength").unwrap_or(0).min(LONGEST), limit("maxLength").unwrap_or(usize::MAX));
    if let Some(made) = schema.get("pattern").and_then(Json::as_str).and_then(|text| pattern::text(text, random)) {
        return made;
    }
    if let Some(made) = schema.get("format").and_then(Json::as_str).and_then(|format| formatted(format, random)) {
        return made;
    }
    fit(plausible(name, topic, random), fewest, most)
}

fn fit(text: String, fewest: usize, most: usize) -> String {
    let mut text = if text.chars().count() > most { text.chars().take(most).collect() } else { text };
    let length = text.chars().count();
    if length < fewest {
        text.extend(" and so on".chars().cycle().take(fewest - length));
    }
    text
}

fn formatted(format: &str, random: &mut Random) -> Option<String> {
    let (month, day) = (1 + random.below(12), 1 + random.below(28));
    let (hour, minute) = (random.below(24), random.below(60));
    Some(match format {
        "date" => format!("2026-{month:02}-{day:02}"),
        "date-time" => format!("2026-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z"),
        "time" => format!("{hour:02}:{minute:02}:00Z"),
        "duration" => format!("PT{}M", 1 + minute),
        "email" | "idn-email" => "ada@example.com".to_owned(),
        "hostname" | "idn-hostname" => "www.example.com".to_owned(),
        "ipv4" => format!("192.0.2.{}", 1 + random.below(254)),
        "ipv6" => format!("2001:db8::{:x}", 1 + random.below(0xffff)),
        "uri" | "url" | "iri" | "uri-reference" => "https://www.example.com/".to_owned(),
        "uuid" => {
            let bits = u128::from(random.bits()) << 64 | u128::from(random.bits());
            uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()
        }
        _ => return None,
    })
}

/// Parts of property names, and what stands under such names. The first that fits counts.
const BY_NAME: &[(&[&str], &[&str])] = &[
    (&["location", "city_and"], &["Boston, MA", "San Francisco, CA", "Paris, France", "Tokyo, Japan"]),
    (&["city", "town"], &["Boston", "Paris", "Tokyo", "Nairobi"]),
    (&["country"], &["France", "Japan", "Kenya", "Canada"]),
    (&["timezone", "time_zone"], &["Europe/Paris", "America/New_York", "Asia/Tokyo"]),
    (&["email"], &["ada@example.com", "grace@example.com"]),
    (&["phone"], &["+1-202-555-0143", "+1-202-555-0178"]),
    (&["url", "link", "website"], &["https://www.example.com/"]),
    (&["datetime", "timestamp"], &["2026-03-14T09:30:00Z"]),
    (&["date"], &["2026-03-14", "2026-07-01"]),
    (&["time"], &["09:30", "18:45"]),
    (&["currency"], &["EUR", "USD", "JPY"]),
    (&["language", "lang"], &["en", "fr", "ja"]),
    (&["color", "colour"], &["blue", "green", "red"]),
    (&["unit"], &["celsius", "fahrenheit"]),
    (&["filename", "file_name", "path"], &["notes.txt", "report.pdf"]),
    (&["expression", "formula"], &["2 + 2"]),
    (&["code"], &["A-113", "B-205"]),
    (&["id"], &["a1b2c3", "d4e5f6"]),
    (&["first_name"], &["Ada", "Grace", "Alan"]),
    (&["last_name", "surname"], &["Lovelace", "Hopper", "Turing"]),
    (&["name", "author", "person", "user"], &["Ada Lovelace", "Grace Hopper", "Alan Turing"]),
];

fn plausible(name: &str, topic: &str, random: &mut Random) -> String {
    let lower = name.to_ascii_lowercase();
    let fits = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if fits(&["query", "search", "keyword", "topic", "subject", "term"]) {
        return topic.to_owned();
    }
    if fits(&["description", "summary", "explanation", "reason", "text", "content", "message", "answer", "output"]) {
        return crate::sim::openai::prose::sentence(random, topic);
    }
    let known = BY_NAME.iter().find(|(words, _)| fits(words));
    let choices = known.map(|(_, choices)| *choices);
    choices
        .and_then(|choices| choices.get(random.index(choices.len())))
        .map_or_else(|| topic.to_owned(), |&text| text.to_owned())
}
