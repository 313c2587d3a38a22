//! Which key does what: data, in the order in which the help shows it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action::{Action, Tab};
use super::landmarks::Sort;
use crate::source::diagnostic::nearest;

/// What the person is doing, which decides what a key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// Looking at panels.
    Panels,
    /// Reading an open request, a comparison or the help.
    Reading,
    /// Typing a filter, or the name of a file.
    Typing,
    /// Filling in a form.
    Form,
}

/// A key with its meaning.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    /// Its name in a key file.
    pub(super) name: &'static str,
    pub(super) keys: Vec<Key>,
    pub(super) action: Action,
    pub(super) help: &'static str,
    pub(super) topic: Topic,
}

/// Under which heading the help shows a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    Time,
    Look,
    Break,
    Take,
    Screen,
}

/// A key as a terminal tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) code: KeyCode,
    pub(super) modifiers: KeyModifiers,
}

/// All keys of a session.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) bindings: Vec<Binding>,
}

impl Topic {
    /// Its heading.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Time => "Time",
            Self::Look => "Look",
            Self::Break => "Break things",
            Self::Take => "Take away",
            Self::Screen => "Screen",
        }
    }
}

impl Key {
    fn of(event: KeyEvent) -> Self {
        // Whether shift was held is in the character already, and terminals differ in telling it.
        let modifiers = match event.code {
            KeyCode::Char(_) | KeyCode::BackTab => event.modifiers - KeyModifiers::SHIFT,
            _ => event.modifiers,
        };
        Self { code: event.code, modifiers }
    }

    /// Reads a key as a person writes it: `q`, `Ctrl-c`, `Shift-Left`, `Space`, `Home`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text;
        while let Some((prefix, after)) = rest.split_once('-').filter(|(_, after)| !after.is_empty()) {
            modifiers |= match prefix {
                "Ctrl" => KeyModifiers::CONTROL,
                "Alt" => KeyModifiers::ALT,
                "Shift" => KeyModifiers::SHIFT,
                _ => return None,
            };
            rest = after;
        }
        let code = match rest {
            "Space" => KeyCode::Char(' '),
            "Enter" => KeyCode::Enter,
            "Esc" => KeyCode::Esc,
            "Tab" => KeyCode::Tab,
            "BackTab" => KeyCode::BackTab,
            "Backspace" => KeyCode::Backspace,
            "Up" => KeyCode::Up,
            "Down" => KeyCode::Down,
            "Left" => KeyCode::Left,
            "Right" => KeyCode::Right,
            "PageUp" => KeyCode::PageUp,
            "PageDown" => KeyCode::PageDown,
            "Home" => KeyCode::Home,
            "End" => KeyCode::End,
            _ => {
                let mut chars = rest.chars();
                match (chars.next(), chars.as_str()) {
                    (Some(char), "") => KeyCode::Char(char),
                    (Some('F'), number) => KeyCode::F(number.parse().ok().filter(|number| (1..=12).contains(number))?),
                    _ => return None,
                }
            }
        };
        Some(Self { code, modifiers })
    }

    /// The key as the help shows it.
    pub(super) fn shown(self) -> String {
        let name = match self.code {
            KeyCode::Char(' ') => "space".to_owned(),
            KeyCode::Char(char) => char.to_string(),
            KeyCode::Enter => "enter".to_owned(),
            KeyCode::Esc => "esc".to_owned(),
            KeyCode::Tab => "tab".to_owned(),
            KeyCode::BackTab => "shift-tab".to_owned(),
            KeyCode::Up => "↑".to_owned(),
            KeyCode::Down => "↓".to_owned(),
            KeyCode::Left => "←".to_owned(),
            KeyCode::Right => "→".to_owned(),
            KeyCode::PageUp => "pgup".to_owned(),
            KeyCode::PageDown => "pgdn".to_owned(),
            KeyCode::Home => "home".to_owned(),
            KeyCode::End => "end".to_owned(),
            KeyCode::F(number) => format!("F{number}"),
            other => format!("{other:?}").to_lowercase(),
        };
        let mut shown = String::new();
        if self.modifiers.contains(KeyModifiers::CONTROL) {
            shown.push_str("ctrl-");
        }
        if self.modifiers.contains(KeyModifiers::ALT) {
            shown.push_str("alt-");
        }
        if self.modifiers.contains(KeyModifiers::SHIFT) {
            shown.push_str("shift-");
        }
        shown + &name
    }
}

/// The keys as they come: topic, name in a key file, keys, action, help.
#[rustfmt::skip]
const BINDINGS: &[(Topic, &str, &str, Action, &str)] = &[
    (Topic::Time, "pause", "Space", Action::TogglePause, "pause, or go on"),
    (Topic::Time, "event-forward", ".", Action::StepEvent(1), "one event forward"),
    (Topic::Time, "event-back", ",", Action::StepEvent(-1), "one event back"),
    (Topic::Time, "second-forward", "Right ]", Action::StepTime(1_000), "one second forward"),
    (Topic::Time, "second-back", "Left [", Action::StepTime(-1_000), "one second back"),
    (Topic::Time, "ten-seconds-forward", "Shift-Right }", Action::StepTime(10_000), "ten seconds forward"),
    (Topic::Time, "ten-seconds-back", "Shift-Left {", Action::StepTime(-10_000), "ten seconds back"),
    (Topic::Time, "faster", "+", Action::Faster, "faster"),
    (Topic::Time, "slower", "-", Action::Slower, "slower"),
    (Topic::Time, "follow-pace", "=", Action::FollowPace, "a pace that follows"),
    (Topic::Time, "next", "n", Action::Jump { forward: true, sort: None }, "next happening"),
    (Topic::Time, "previous", "N", Action::Jump { forward: false, sort: None }, "the one before"),
    (Topic::Time, "next-eviction", "e", Action::Jump { forward: true, sort: Some(Sort::Eviction) }, "next eviction"),
    (Topic::Time, "previous-eviction", "E", Action::Jump { forward: false, sort: Some(Sort::Eviction) }, "eviction before"),
    (Topic::Time, "next-return", "r", Action::Jump { forward: true, sort: Some(Sort::Return) }, "next return"),
    (Topic::Time, "previous-return", "R", Action::Jump { forward: false, sort: Some(Sort::Return) }, "return before"),
    (Topic::Time, "next-failure", "x", Action::Jump { forward: true, sort: Some(Sort::Failure) }, "next failure"),
    (Topic::Time, "previous-failure", "X", Action::Jump { forward: false, sort: Some(Sort::Failure) }, "failure before"),
    (Topic::Time, "start", "Home", Action::ToStart, "to the beginning"),
    (Topic::Time, "head", "End", Action::ToHead, "to the latest moment"),
    (Topic::Look, "up", "Up k", Action::Move(-1), "up"),
    (Topic::Look, "down", "Down j", Action::Move(1), "down"),
    (Topic::Look, "page-up", "PageUp", Action::Page(-1), "a page up"),
    (Topic::Look, "page-down", "PageDown", Action::Page(1), "a page down"),
    (Topic::Look, "top", "g", Action::First, "to the top"),
    (Topic::Look, "bottom", "G", Action::Last, "to the bottom"),
    (Topic::Look, "open", "Enter", Action::Open, "open the request"),
    (Topic::Look, "back", "Esc", Action::Back, "close; clear the filter"),
    (Topic::Look, "filter", "/", Action::Filter, "filter the lists"),
    (Topic::Look, "sort", "s", Action::SortBy, "sort by another column"),
    (Topic::Look, "reverse", "S", Action::Reverse, "sort the other way"),
    (Topic::Look, "newest", "a", Action::NewestFirst, "newest first, or last"),
    (Topic::Look, "mark", "m", Action::Mark, "mark the request"),
    (Topic::Look, "compare", "c", Action::Compare, "compare the two marked"),
    (Topic::Break, "break", "b", Action::BreakMenu, "faults, gateway, load …"),
    (Topic::Break, "clear", "B", Action::ClearFaults, "clear all faults"),
    (Topic::Break, "send", "i", Action::Send, "send one request"),
    (Topic::Break, "burst", "I", Action::Burst, "send ten at once"),
    (Topic::Break, "load", "L", Action::ToggleLoad, "start or stop load"),
    (Topic::Take, "write-scenario", "w", Action::WriteScenario, "the session as a scenario"),
    (Topic::Take, "copy-curl", "y", Action::CopyCurl, "copy the request as curl"),
    (Topic::Take, "export-text", "o", Action::ExportText, "the screen as text"),
    (Topic::Take, "export-svg", "O", Action::ExportSvg, "the screen as SVG"),
    (Topic::Take, "export-cast", "C", Action::ExportCast, "the session as a cast"),
    (Topic::Take, "export-report", "H", Action::ExportReport, "the report as HTML"),
    (Topic::Screen, "overview", "1", Action::Show(Tab::Overview), "overview"),
    (Topic::Screen, "topology", "2", Action::Show(Tab::Topology), "topology"),
    (Topic::Screen, "requests", "3", Action::Show(Tab::Requests), "requests"),
    (Topic::Screen, "scenario", "4", Action::Show(Tab::Scenario), "scenario"),
    (Topic::Screen, "charts", "5", Action::Show(Tab::Charts), "charts"),
    (Topic::Screen, "events", "6", Action::Show(Tab::Events), "events"),
    (Topic::Screen, "next-tab", "Tab", Action::NextTab, "next tab"),
    (Topic::Screen, "previous-tab", "BackTab", Action::PreviousTab, "previous tab"),
    (Topic::Screen, "theme", "t", Action::Theme, "another theme"),
    (Topic::Screen, "projector", "P", Action::Projector, "projector: larger"),
    (Topic::Screen, "help", "?", Action::Help, "what the keys do here"),
    (Topic::Screen, "quit", "q Ctrl-c", Action::Quit, "quit"),
];

/// What keys look like in a key file.
const EXAMPLES: &str = "`q`, `Ctrl-c`, `Shift-Left`, `Alt-x`, `Space`, `Enter`, `PageUp`, `F1`";

/// Reads a key file, and says what is wrong with it.
///
/// # Errors
/// The lines that are wrong, in words.
pub fn check(text: &str) -> Result<(), String> {
    Keys::default().change(text)
}

impl Default for Keys {
    fn default() -> Self {
        let binding = |(topic, name, keys, action, help): &(Topic, &'static str, &str, Action, &'static str)| Binding {
            name,
            keys: keys.split_whitespace().filter_map(Key::parse).collect(),
            action: action.clone(),
            help,
            topic: *topic,
        };
        Self { bindings: BINDINGS.iter().map(binding).collect() }
    }
}

impl Keys {
    /// What a key means in a context.
    pub(super) fn action(&self, event: KeyEvent, context: Context) -> Option<Action> {
        let key = Key::of(event);
        match context {
            Context::Typing => return typing(key),
            Context::Form => return filling_in(key),
            Context::Panels | Context::Reading => {}
        }
        let bound = self.bindings.iter().find(|binding| binding.keys.contains(&key));
        bound.map(|binding| binding.action.clone()).or_else(|| way_out(key))
    }

    /// Changes keys as a file says: lines of `name: key key …`.
    ///
    /// # Errors
    /// The lines that are wrong, in words.
    pub(super) fn change(&mut self, text: &str) -> Result<(), String> {
        let mut wrong = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.split(" #").next().unwrap_or(line).trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            wrong.extend(self.change_one(line).err().map(|error| format!("line {}: {error}", index + 1)));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n  ")) }
    }

    fn change_one(&mut self, line: &str) -> Result<(), String> {
        let (name, keys) = line.split_once(':').ok_or_else(|| "write `name: key`".to_owned())?;
        let mut chosen = Vec::new();
        for word in keys.split_whitespace() {
            let word = word.trim_matches(['"', '\'']);
            let key = Key::parse(word);
            chosen.push(key.ok_or_else(|| format!("`{word}` is no key; keys are such as {EXAMPLES}"))?);
        }
        let name = name.trim();
        if !self.bindings.iter().any(|binding| binding.name == name) {
            let known = self.bindings.iter().map(|binding| binding.name);
            let more = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
            let more = more.unwrap_or_else(|| "the manual of the screen lists the names".to_owned());
            return Err(format!("nothing is called `{name}`; {more}"));
        }
        for binding in &mut self.bindings {
            if binding.name == name {
                binding.keys.clone_from(&chosen);
            } else {
                binding.keys.retain(|key| !chosen.contains(key));
            }
        }
        Ok(())
    }

    /// The first key of an action, as the help shows it.
    pub(super) fn shown(&self, action: &Action) -> Option<String> {
        let binding = self.bindings.iter().find(|binding| binding.action == *action)?;
        binding.keys.first().map(|key| key.shown())
    }
}

/// Ctrl-C leaves wherever nothing else is bound to it: nobody should be caught.
fn way_out(key: Key) -> Option<Action> {
    (key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL)).then_some(Action::Quit)
}

fn typing(key: Key) -> Option<Action> {
    match key.code {
        KeyCode::Enter => Some(Action::Accept),
        KeyCode::Esc => Some(Action::Back),
        KeyCode::Backspace => Some(Action::Erase),
        KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Action::EraseAll),
        KeyCode::Char(char) if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => {
            Some(Action::Type(char))
        }
        _ => way_out(key),
    }
}

fn filling_in(key: Key) -> Option<Action> {
    match key.code {
        KeyCode::Up | KeyCode::BackTab => Some(Action::Move(-1)),
        KeyCode::Down | KeyCode::Tab => Some(Action::Move(1)),
        KeyCode::Left => Some(Action::Cycle(-1)),
        KeyCode::Right => Some(Action::Cycle(1)),
        KeyCode::Enter => Some(Action::Submit),
        _ => typing(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(keys: &Keys, text: &str) -> Option<Action> {
        let key = Key::parse(text).unwrap();
        keys.action(KeyEvent::new(key.code, key.modifiers), Context::Panels)
    }

    #[test]
    fn no_key_means_two_things_and_every_key_can_be_read() {
        let keys = Keys::default();
        let mut seen = Vec::new();
        for (binding, (.., written, _, _)) in keys.bindings.iter().zip(BINDINGS) {
            assert_eq!(binding.keys.len(), written.split_whitespace().count(), "{written}");
            for key in &binding.keys {
                assert!(!seen.contains(key), "{} is there twice", key.shown());
                seen.push(*key);
            }
        }
    }

    #[test]
    fn a_file_moves_keys() {
        let mut keys = Keys::default();
        assert_eq!(press(&keys, "b"), Some(Action::BreakMenu));
        keys.change("# mine\npause: b p  # two\nquit: Ctrl-q\n").unwrap();
        assert_eq!(press(&keys, "b"), Some(Action::TogglePause));
        assert_eq!(press(&keys, "Space"), None);
        assert_eq!(press(&keys, "Ctrl-q"), Some(Action::Quit));
        assert_eq!(press(&keys, "q"), None);
        assert_eq!(press(&keys, "Ctrl-c"), Some(Action::Quit), "nobody is caught");
        assert_eq!(
            keys.change("\nleave: q"),
            Err("line 2: nothing is called `leave`; the manual of the screen lists the names".to_owned())
        );
        assert!(keys.change("quit: Hyper-q").unwrap_err().contains("`Hyper-q` is no key; keys are such as `q`"));
        keys.change("help: F1").unwrap();
        assert_eq!(press(&keys, "F1"), Some(Action::Help));
        let wrong = keys.change("pausse: b\nquit: F13").unwrap_err();
        assert!(wrong.starts_with("line 1: nothing is called `pausse`; did you mean `pause`?\n  line 2: "), "{wrong}");
    }

    #[test]
    fn shift_is_in_the_character() {
        let keys = Keys::default();
        let shifted = KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT);
        assert_eq!(keys.action(shifted, Context::Panels), Some(Action::Last));
    }
}
