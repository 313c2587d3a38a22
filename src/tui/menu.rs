//! The menu for breaking things: lists and forms, one over the other. Pure: it is told what there is,
//! and says what a person wants done.
//!
//! ```text
//!  things ──▶ faults of one thing ──▶ form of one fault ──▶ inject
//!     └─────▶ form of a number ──▶ scale, burst, load, failure rate
//! ```

pub(super) mod form;
pub(super) mod things;

use super::bench::{Complaint, FaultKind};
use super::command::{Act, Draft};
use form::Form;

/// What is open of the menu: the innermost level is shown.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Menu {
    pub(super) levels: Vec<Level>,
}

/// A list to choose from, or a form to fill in.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Level {
    List(List),
    Form(Form),
}

/// Things to choose from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct List {
    pub(super) title: String,
    pub(super) items: Vec<Item>,
    pub(super) cursor: usize,
}

/// A line of a list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    pub(super) text: String,
    pub(super) about: String,
    pub(super) does: Does,
}

/// What choosing a line does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Does {
    /// It only stands above others.
    Heading,
    /// Something is to be chosen that happens to this target.
    Aim(Target),
    /// A fault is to be filled in.
    Fill(Target, usize),
    /// A number is to be filled in.
    Ask(Question),
    /// The name of a file with manifests is to be filled in.
    AskForFile,
    /// It is done, with a sentence that says so.
    Act(Act, String),
}

/// Whom a fault may meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// As files have it.
    pub(super) name: String,
    /// Whether it is a link, which has no answers.
    pub(super) is_link: bool,
}

/// A number that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    Scale,
    Burst,
    Load,
    FailureRate(String),
}

/// Somebody who says what is wrong with a draft.
pub(super) type Check<'c> = &'c dyn Fn(&Draft) -> Vec<Complaint>;

impl Menu {
    /// A menu that begins with a list.
    pub(super) fn new(list: List) -> Self {
        Self { levels: vec![Level::List(list)] }
    }

    /// What is shown.
    pub(super) fn level(&self) -> Option<&Level> {
        self.levels.last()
    }

    /// Whether keys are letters for a form.
    pub(super) fn takes_text(&self) -> bool {
        matches!(self.level(), Some(Level::Form(_)))
    }

    /// Moves the cursor by lines.
    pub(super) fn moved(&mut self, by: isize) {
        match self.levels.last_mut() {
            Some(Level::List(list)) => list.moved(by),
            Some(Level::Form(form)) => form.moved(by),
            None => {}
        }
    }

    /// Puts the cursor on a line; true if it was there.
    pub(super) fn point(&mut self, line: usize) -> bool {
        let cursor = match self.levels.last_mut() {
            Some(Level::List(list)) if list.items.get(line).is_some_and(Item::can_be_chosen) => &mut list.cursor,
            Some(Level::Form(form)) if line < form.fields.len() => &mut form.cursor,
            _ => return false,
        };
        std::mem::replace(cursor, line) == line
    }

    /// Goes back a level; false where there is none.
    pub(super) fn back(&mut self) -> bool {
        self.levels.pop();
        !self.levels.is_empty()
    }

    /// Changes the field that is filled in.
    pub(super) fn edit(&mut self, check: Check<'_>, change: impl FnOnce(&mut Form)) {
        if let Some(Level::Form(form)) = self.levels.last_mut() {
            change(form);
            form.judge(check);
        }
    }

    /// Says of the form that is filled in why it cannot be done.
    pub(super) fn complain(&mut self, why: String) {
        if let Some(Level::Form(form)) = self.levels.last_mut() {
            form.complaint = Some(why);
        }
    }

    /// Chooses the line under the cursor, or takes the form as it is. Gives what is to be done, if that
    /// is clear now.
    pub(super) fn choose(&mut self, catalogue: &[FaultKind], check: Check<'_>) -> Option<(Act, String)> {
        match self.levels.last_mut()? {
            Level::Form(form) => {
                form.judge(check);
                form.done()
            }
            Level::List(list) => {
                let does = list.items.get(list.cursor)?.does.clone();
                let next = match does {
                    Does::Heading => return None,
                    Does::Act(act, said) => return Some((act, said)),
                    Does::Aim(target) => Level::List(things::faults(&target, catalogue, &list.items)),
                    Does::Fill(target, fault) => Level::Form(Form::of_fault(&target.name, catalogue.get(fault)?)),
                    Does::Ask(question) => Level::Form(Form::of_number(question)),
                    Does::AskForFile => Level::Form(Form::of_file()),
                };
                self.levels.push(next);
                self.edit(check, |_| {});
                None
            }
        }
    }
}

impl Item {
    pub(super) fn new(text: impl Into<String>, about: impl Into<String>, does: Does) -> Self {
        Self { text: text.into(), about: about.into(), does }
    }

    pub(super) fn heading(text: impl Into<String>) -> Self {
        Self::new(text, "", Does::Heading)
    }

    fn can_be_chosen(&self) -> bool {
        self.does != Does::Heading
    }
}

impl List {
    /// A list whose cursor is on the first line that can be chosen.
    pub(super) fn new(title: impl Into<String>, items: Vec<Item>) -> Self {
        let cursor = items.iter().position(Item::can_be_chosen).unwrap_or(0);
        Self { title: title.into(), items, cursor }
    }

    /// Over headings the cursor goes on in its direction.
    fn moved(&mut self, by: isize) {
        let last = self.items.len().saturating_sub(1);
        let mut at = self.cursor.saturating_add_signed(by).min(last);
        while self.items.get(at).is_some_and(|item| !item.can_be_chosen()) {
            let next = at.saturating_add_signed(by.signum()).min(last);
            if next == at {
                return self.jump_to_end(by);
            }
            at = next;
        }
        self.cursor = at;
    }

    fn jump_to_end(&mut self, by: isize) {
        let found = if by < 0 {
            self.items.iter().position(Item::can_be_chosen)
        } else {
            self.items.iter().rposition(Item::can_be_chosen)
        };
        self.cursor = found.unwrap_or(self.cursor);
    }
}

#[cfg(test)]
mod tests;
