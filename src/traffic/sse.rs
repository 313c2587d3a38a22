//! Reads server-sent events as they come, broken ones too.
//!
//! A tolerant library would hide what a lab is about, so the framing is read here: lines may end in
//! LF, CR LF or CR, may be split anywhere, and what is left over at the end is told.

/// Collects bytes and gives the data of each finished event.
#[derive(Debug, Default)]
pub struct Decoder {
    line: Vec<u8>,
    data: Option<Vec<u8>>,
    after_cr: bool,
    overlong: bool,
}

/// The longest line that is kept, in bytes; the rest of a longer one is dropped.
pub const LINE_LIMIT: usize = 1024 * 1024;

impl Decoder {
    /// Takes in bytes and hands the data of each event that they finish to `event`.
    pub fn feed(&mut self, bytes: &[u8], mut event: impl FnMut(&[u8])) {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            if std::mem::take(&mut self.after_cr) && *first == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                return self.keep(rest);
            };
            self.keep(&rest[..end]);
            self.after_cr = rest[end] == b'\r';
            self.end_line(&mut event);
            rest = &rest[end + 1..];
        }
    }

    /// Adds a piece to the line, as far as there is room.
    fn keep(&mut self, piece: &[u8]) {
        let room = LINE_LIMIT - self.line.len();
        self.overlong |= piece.len() > room;
        self.line.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    /// Whether something is left that no blank line has finished.
    #[must_use]
    pub fn has_rest(&self) -> bool {
        !self.line.is_empty() || self.data.is_some()
    }

    /// Whether a line was longer than [`LINE_LIMIT`].
    #[must_use]
    pub fn had_overlong_line(&self) -> bool {
        self.overlong
    }

    fn end_line(&mut self, event: &mut impl FnMut(&[u8])) {
        if self.line.is_empty() {
            if let Some(data) = self.data.take() {
                event(&data);
            }
            return;
        }
        if let Some(value) = self.line.strip_prefix(b"data:") {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            }
        }
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(chunks: &[&[u8]]) -> (Vec<String>, bool) {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        for chunk in chunks {
            decoder.feed(chunk, |data| out.push(String::from_utf8_lossy(data).into_owned()));
        }
        (out, decoder.has_rest())
    }

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let text =
            "data: {\"a\":\"é\"}\n\n: a comment\r\n\r\nevent: x\r\ndata: one\r\ndata:two\r\n\r\ndata: [DONE]\n\n"
                .as_bytes();
        let whole = events(&[text]);
        assert_eq!(whole.0, ["{\"a\":\"é\"}", "one\ntwo", "[DONE]"]);
        assert!(!whole.1);
        for cut in 0..text.len() {
            assert_eq!(events(&[&text[..cut], &text[cut..]]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn an_event_without_its_blank_line_is_left_over() {
        assert_eq!(events(&[b"data: one\n\ndata: two\n"]), (vec!["one".to_owned()], true));
    }

    #[test]
    fn a_line_without_end_takes_bounded_memory() {
        let mut decoder = Decoder::default();
        for _ in 0..40 {
            decoder.feed(&vec![b'x'; 64 * 1024], |_| panic!("there is no event"));
        }
        assert!(decoder.had_overlong_line());
        assert!(decoder.line.len() <= LINE_LIMIT);
    }
}
