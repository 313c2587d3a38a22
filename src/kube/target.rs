//! What a policy is for: an entry of its `targetRefs`.

use super::fields::Fields;
use crate::source::Spanned;

/// A reference to an object, or to a part of it.
pub(super) struct Target<K> {
    /// The object's kind.
    pub(super) kind: K,
    /// Its name.
    pub(super) name: Spanned<String>,
    /// The name of the part.
    pub(super) section: Option<Spanned<String>>,
}

/// The group of a kind, where one is named.
type Group = Option<Spanned<String>>;

/// Reads a reference: the group of its kind, and whom it means. None where a part is missing, which is told.
pub(super) fn read(fields: &Fields<'_>) -> Option<(Group, Target<Spanned<String>>)> {
    let (group, kind, name) = (fields.text("group"), fields.need_text("kind"), fields.need_text("name"));
    let section = fields.need_text_if_there("sectionName");
    Some((group, Target { kind: kind?, name: name?, section }))
}

impl<K> Target<K> {
    /// The same of another kind.
    pub(super) fn of_kind<L>(self, kind: L) -> Target<L> {
        Target { kind, name: self.name, section: self.section }
    }
}
