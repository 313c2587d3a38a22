//! A line of a stream that is far too long.

use std::num::NonZeroU64;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{AnswerFault, Asked, Effect};
use crate::fault::define::{fault, kinds};
use crate::fault::flow::{Flow, Item, Out};
use crate::fault::{Acts, frame};

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// Data: a JSON object with one long text.
    #[default]
    Data,
    /// A comment, which readers are to ignore.
    Comment,
}

kinds! { Line = "`data` or `comment`", }

fault! {
    /// A stream holds a line that is far too long.
    ///
    /// Readers that keep a line until its end grow without bound, or give up at a limit. Users met
    /// [a reader without a bound][1] and [one whose bound was too small][2].
    ///
    /// [1]: https://github.com/KarpelesLab/teamclaude/issues/341
    /// [2]: https://github.com/SamSaffron/term-llm/pull/298
    pub struct OversizeLine = "oversize-line" {
        /// Length of the line in bytes; at most 1 GiB.
        pub bytes: NonZeroU64 = NonZeroU64::new(1 << 20).unwrap_or(NonZeroU64::MIN),
        /// How many tokens come first.
        pub after: u32 = 0,
        /// What the line is.
        pub line: Line = Line::Data,
    }
}

/// What long lines are made of; parts of it are sent again and again.
static FILLING: [u8; 64 * 1024] = [b'x'; 64 * 1024];

impl AnswerFault for OversizeLine {
    const ACTS: Acts = Acts::OnStream;

    fn effect(&self, _asked: Asked<'_>) -> Effect {
        let length = usize::try_from(self.bytes.get().min(1 << 30)).unwrap_or(1 << 30);
        Effect::Events(Box::new(Long { left: Some(self.after), length, line: self.line }))
    }
}

struct Long {
    /// Tokens until the line; none once it was sent.
    left: Option<u32>,
    length: usize,
    line: Line,
}

impl Long {
    fn send_line(&self, at: Duration, out: &mut Out<'_>) {
        let (head, tail) = match self.line {
            Line::Data => (&b"data: {\"padding\":\""[..], &b"\"}\n\n"[..]),
            Line::Comment => (&b": "[..], &b"\n\n"[..]),
        };
        out.send(at, Bytes::from_static(head));
        let mut left = self.length.saturating_sub(head.len() + tail.len() - 2);
        while left > 0 {
            let part = left.min(FILLING.len());
            out.send(at, Bytes::from_static(FILLING.get(..part).unwrap_or(&FILLING)));
            left -= part;
        }
        out.send(at, Bytes::from_static(tail));
    }
}

impl Flow for Long {
    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
        if self.left == Some(0) {
            self.left = None;
            self.send_line(at, out);
        }
        if let Some(left) = &mut self.left {
            *left -= u32::from(matches!(&item, Item::Bytes(bytes) if frame::is_token(bytes)));
        }
        out.send(at, item);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::events;
    use super::*;
    use crate::fault::flow::tests::through;
    use crate::fault::frame::tests::stream;

    #[test]
    fn one_line_is_as_long_as_it_is_told() {
        for line in [Line::Data, Line::Comment] {
            let fault = OversizeLine { bytes: NonZeroU64::new(200_000).unwrap(), after: 1, line };
            let out = through(events(&fault), &stream(&["a", "b"], 10), 100);
            let parts = out
                .iter()
                .filter_map(|(_, item)| if let Item::Bytes(bytes) = item { Some(bytes.to_vec()) } else { None });
            let text = String::from_utf8(parts.collect::<Vec<_>>().concat()).unwrap();
            let lengths: Vec<_> = text.lines().map(str::len).filter(|length| *length > 1_000).collect();
            assert_eq!(lengths, [200_000]);
            assert!(text.find("\"a\"") < text.find("xxxx") && text.find("xxxx") < text.find("\"b\""));
        }
    }
}
