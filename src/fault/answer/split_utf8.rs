//! Characters cut in their middle.

use std::time::Duration;

use bytes::Bytes;

use super::{AnswerFault, Asked, Effect};
use crate::fault::define::fault;
use crate::fault::flow::{Flow, Item, Out};
use crate::fault::{Acts, frame};
use crate::source::Span;

fault! {
    /// Events of a stream come in two pieces, cut inside a character that has several bytes.
    ///
    /// Whoever decodes each piece for itself gets replacement characters: users met it as
    /// [Chinese and emoji that turn into rubbish in the middle of a stream][1]. The bytes as a whole
    /// are as they should be. Where a stream has ASCII only, its first token gets a character more.
    ///
    /// [1]: https://github.com/api7/aisix/issues/111
    pub struct SplitUtf8 = "split-utf8" {
        /// From the first piece to the second, so that they are read apart.
        pub gap: Span = Span(Duration::from_millis(10)),
        /// What an ASCII token gets, once.
        pub character: String = "\u{1f980}".to_owned(),
    }
}

impl AnswerFault for SplitUtf8 {
    const ACTS: Acts = Acts::OnStream;

    fn effect(&self, _asked: Asked<'_>) -> Effect {
        Effect::Events(Box::new(Splitting { fault: self.clone(), split_one: false }))
    }
}

struct Splitting {
    fault: SplitUtf8,
    split_one: bool,
}

impl Flow for Splitting {
    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
        let Item::Bytes(mut bytes) = item else { return out.send(at, item) };
        if !self.split_one
            && inside_a_character(&bytes).is_none()
            && let Some(more) =
                frame::is_token(&bytes).then(|| frame::with_more_text(&bytes, &self.fault.character)).flatten()
        {
            bytes = more;
        }
        let Some(cut) = inside_a_character(&bytes) else { return out.send(at, bytes) };
        self.split_one = true;
        let rest: Bytes = bytes.split_off(cut);
        out.send(at, bytes);
        out.send(at + self.fault.gap.0, rest);
    }
}

/// The middle of the first character that has several bytes.
fn inside_a_character(bytes: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (at, character) = text.char_indices().find(|(_, character)| character.len_utf8() > 1)?;
    Some(at + character.len_utf8() / 2)
}

#[cfg(test)]
mod tests {
    use super::super::tests::events;
    use super::*;
    use crate::fault::flow::tests::through;
    use crate::fault::frame::tests::stream;

    fn whole(out: &[(u64, Item)]) -> String {
        let parts =
            out.iter().filter_map(|(_, item)| if let Item::Bytes(bytes) = item { Some(bytes.to_vec()) } else { None });
        String::from_utf8(parts.collect::<Vec<_>>().concat()).expect("the whole is UTF-8")
    }

    #[test]
    fn a_character_is_cut_and_the_whole_is_what_it_was() {
        let texts = stream(&["na\u{ef}ve", "b"], 10);
        let out = through(events(&SplitUtf8::default()), &texts, 100);
        assert_eq!(whole(&out), whole(&texts));
        let broken =
            out.iter().filter(|(_, item)| matches!(item, Item::Bytes(bytes) if std::str::from_utf8(bytes).is_err()));
        assert_eq!(broken.map(|(at, _)| *at).collect::<Vec<_>>(), [10, 20]);
    }

    #[test]
    fn a_stream_without_such_a_character_gets_one() {
        let out = through(events(&SplitUtf8::default()), &stream(&["a", "b"], 10), 100);
        assert_eq!(whole(&out).matches('\u{1f980}').count(), 1);
    }
}
