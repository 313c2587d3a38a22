//! The first line (what this is, and the tabs) and the last (what the keys do here and now).

use super::canvas::{Canvas, cut_within, fitted, width};
use crate::tui::action::{Action, TABS, Tab};
use crate::tui::keys::Context;
use crate::tui::model::{Model, Open, Source};
use crate::tui::theme::Role;

/// In fewer columns than this a tab is only a number, but for the one that is shown. Elsewhere they stay where
/// they are, whichever is shown.
const NARROW: u16 = 60;

/// ` labsim  intra-group · seed 7 · agentgateway-1.4      1 Overview 2 Topology …`
pub(super) fn title(model: &Model, canvas: &mut Canvas<'_>) {
    let header = &model.header;
    let end = tabs(model, canvas);
    let mut name = canvas.text(1, 0, "labsim", Role::Accent);
    if let Some(address) = address(model) {
        // Whoever wants to ask must not have to look for it.
        let room = end.saturating_sub(name + 2);
        name = canvas.text(name + 1, 0, fitted(address, room), Role::Accent);
    }
    let room = end.saturating_sub(name + 2);
    let title_end = canvas.field(name + 1, 0, room.min(width(&header.name)), &header.name, Role::Strong);
    let kind = match model.source {
        Source::Replay => "recording",
        Source::Virtual => "virtual time",
        Source::Real => "real time",
    };
    let room = end.saturating_sub(title_end + 3);
    let short = format!("seed {}", header.seed);
    let facts = format!("{short} · {} · {kind}", header.personality);
    if let Some(facts) = [facts, short].into_iter().find(|facts| width(facts) <= room) {
        canvas.text(title_end + 2, 0, facts, Role::Faint);
    }
}

/// Where a lab on real ports takes requests.
fn address(model: &Model) -> Option<&str> {
    model.addresses.first().map(|(_, address)| address.strip_prefix("http://").unwrap_or(address))
}

fn tabs(model: &Model, canvas: &mut Canvas<'_>) -> u16 {
    let whole: u16 = TABS.iter().map(|tab| width(tab.name()) + 4).sum();
    let long = whole + 30 + address(model).map_or(0, width) <= canvas.width();
    let narrow = canvas.width() < NARROW + address(model).map_or(0, |address| width(address).saturating_sub(6));
    let label = |index: usize| {
        let tab = TABS[index];
        match index + 1 {
            number if long || narrow && tab == model.tab => format!(" {number} {} ", tab.name()),
            number if narrow => format!(" {number} "),
            number => format!(" {number} {} ", &tab.name()[..3]),
        }
    };
    let total: u16 = (0..TABS.len()).map(|index| width(&label(index))).sum();
    let start = canvas.width().saturating_sub(total);
    let mut at = start;
    for (index, tab) in TABS.into_iter().enumerate() {
        let text = label(index);
        let role = if tab == model.tab && !model.projector { Role::Active } else { Role::Faint };
        let end = canvas.text(at, 0, &text, role);
        canvas.click(at, 0, end - at, 1, Action::Show(tab));
        at = end;
    }
    start
}

/// A message, the filter that is typed, or the keys that matter here.
pub(super) fn keys(model: &Model, canvas: &mut Canvas<'_>) {
    if let Some(name) = &model.acting.prompt {
        let told = model.message.as_ref().map_or("enter writes it · esc leaves it", |(message, _)| message.as_str());
        // While it is typed its end is in sight; what is said about it comes first.
        let asked = ["write the session to ", "write to "];
        let fits = |asked: &&str| width(asked) + width(told) + 30 <= canvas.width();
        let at = canvas.text(1, 0, asked.into_iter().find(fits).unwrap_or(asked[1]), Role::Accent);
        let room = canvas.width().saturating_sub(at + width(told) + 4).max(16);
        let hidden = usize::from(width(name).saturating_sub(room));
        let at = canvas.text(at, 0, name.chars().skip(hidden).collect::<String>(), Role::Strong);
        let at = canvas.text(at, 0, "▏", Role::Accent);
        let room = canvas.width().saturating_sub(at + 3);
        canvas.field(at + 2, 0, room, told, if model.message.is_some() { Role::Note } else { Role::Faint });
        return;
    }
    if model.typing {
        let at = canvas.text(1, 0, "filter ", Role::Accent);
        let at = canvas.text(at, 0, &model.filter_text, Role::Strong);
        let at = canvas.text(at, 0, "▏", Role::Accent);
        let usual = "429 · 5xx · failed · open · >500ms · step:2 · replica:1 · any text · !not";
        let (told, role) = match model.filter.doubt() {
            Some(doubt) => (doubt, Role::Note),
            None => (usual.to_owned(), Role::Faint),
        };
        canvas.text(at + 2, 0, told, role);
        return;
    }
    let mut at = 1;
    if let Some((message, _)) = &model.message {
        let room = canvas.width().saturating_sub(at + 10);
        // How it begins and how it ends tells more than what is between.
        at = canvas.text(at, 0, cut_within(message, room), Role::Note) + 2;
    } else if let Some(acts) = model.told_of_waiting() {
        let word = format!("{acts} for time to go on");
        at = canvas.text(at, 0, word, Role::Note) + 2;
    }
    if model.context() != Context::Form {
        hint(model, canvas, canvas.width().saturating_sub(8), &Action::Help, "help");
    }
    for (action, word) in wanted(model) {
        let Some(key) = model.keys.shown(&action) else { continue };
        if at + width(&key) + width(word) + 3 >= canvas.width().saturating_sub(9) {
            break;
        }
        at = hint(model, canvas, at, &action, word) + 2;
    }
}

fn hint(model: &Model, canvas: &mut Canvas<'_>, x: u16, action: &Action, word: &str) -> u16 {
    let Some(key) = model.keys.shown(action) else { return x };
    let at = canvas.text(x, 0, key, Role::Accent);
    let end = canvas.text(at + 1, 0, word, Role::Faint);
    canvas.click(x, 0, end - x, 1, action.clone());
    end
}

fn wanted(model: &Model) -> Vec<(Action, &'static str)> {
    // At the head of a lab in real time, and at the end, nothing is in front of us.
    let is_last = model.is_at_end() || model.source == Source::Real && model.attached;
    let pause = match (model.pacer.is_paused(), is_last) {
        (true, _) => Some((Action::TogglePause, "go on")),
        (false, true) if model.source == Source::Replay => Some((Action::TogglePause, "once more")),
        (false, true) => None,
        (false, false) => Some((Action::TogglePause, "pause")),
    };
    let next = Action::Jump { forward: true, sort: None };
    match model.open {
        Open::Help => vec![(Action::Back, "close")],
        Open::Story(_) => {
            let mut wanted =
                vec![(Action::Back, "close"), (Action::Move(1), "scroll"), (Action::CopyCurl, "copy as curl")];
            wanted.extend((!is_last).then_some((Action::StepEvent(1), "next event")));
            wanted.extend(pause.filter(|_| model.source != Source::Real || !model.attached));
            wanted
        }
        Open::Menu if model.context() == Context::Form => Vec::new(),
        Open::Menu => vec![
            (Action::Back, "back"),
            (Action::Move(1), "down"),
            (Action::Move(-1), "up"),
            (Action::Open, "choose"),
            (Action::BreakMenu, "close"),
        ],
        Open::Compare(..) => vec![(Action::Back, "close"), (Action::Move(1), "scroll")],
        Open::Nothing => {
            let mut wanted = vec![(Action::Quit, "quit")];
            wanted.extend(pause.filter(|_| model.source != Source::Real || !model.attached));
            if !model.attached && model.source != Source::Replay {
                wanted.push((Action::ToHead, "back to now"));
            }
            if model.source != Source::Replay {
                wanted.push((Action::BreakMenu, "break"));
            }
            wanted.push((Action::StepTime(-1_000), "back"));
            wanted.extend((!is_last).then_some((Action::StepTime(1_000), "forward")));
            wanted.extend((!is_last).then_some((next, "next happening")));
            if !matches!(model.tab, Tab::Charts | Tab::Scenario) {
                wanted.extend([(Action::Open, "open"), (Action::Filter, "filter")]);
            }
            if model.source == Source::Replay || model.source == Source::Virtual {
                wanted.extend([(Action::Faster, "faster"), (Action::Slower, "slower")]);
            }
            if model.source != Source::Replay {
                wanted.push((Action::Send, "send"));
            }
            wanted.extend([(Action::Theme, "theme"), (Action::Projector, "projector")]);
            wanted
        }
    }
}
