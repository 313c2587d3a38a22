//! Text inside XML and HTML.

use std::borrow::Cow;

/// `text` with markup characters escaped, for content and for attributes in double quotes.
/// Characters that XML 1.0 cannot say at all become U+FFFD.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    let plain = |one: char| !matches!(one, '&' | '<' | '>' | '"' | '\'') && is_xml(one);
    if text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for one in text.chars() {
        match one {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other if is_xml(other) => out.push(other),
            _ => out.push('\u{fffd}'),
        }
    }
    Cow::Owned(out)
}

fn is_xml(one: char) -> bool {
    matches!(one, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_control_characters_are_harmless() {
        assert_eq!(
            escaped("<a href=\"'\">&\u{0}\u{1b}[0m"),
            "&lt;a href=&quot;&#39;&quot;&gt;&amp;\u{fffd}\u{fffd}[0m"
        );
        assert_eq!(escaped("plain ✓"), "plain ✓");
    }
}
