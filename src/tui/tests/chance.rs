//! Whatever happens and whatever a person does: no panic, and the past looks as it did.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Size;

use super::builder::{self, BAD, GOOD, NEWCOMER, Stream};
use super::screens::shown;
use crate::event::{At, Event, Kind, Outcome};
use crate::tui::action::{Action, TABS, Tab};
use crate::tui::export::drawn;
use crate::tui::lineup::Lineup;
use crate::tui::model::{Model, Source};
use crate::tui::store::Store;
use crate::tui::timeline::Timeline;
use crate::tui::view;

/// Chance that is the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below.max(1)
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.roll(all.len() as u64)).unwrap()]
    }
}

/// A model whose chunks and checkpoints are small, so that a short stream exercises them.
fn model(source: Source) -> Model {
    let header = builder::header();
    let timeline = Timeline::over(Lineup::of(&header), None, Store::new(16, 2));
    Model::with_timeline(header, source, timeline)
}

/// Events in an order that a lab could tell, with several requests at once.
fn plausible(dice: &mut Dice, count: usize) -> Vec<Event> {
    let mut stream = Stream::default();
    stream.emit(Kind::ReplicaStarted { replica: 0 }).step(0, "send", "send many");
    let mut under_way: Vec<(String, (usize, &str))> = Vec::new();
    for number in 1..=count {
        stream.wait(dice.roll(400));
        if number == count / 2 {
            stream.newcomer();
        }
        let known = if number < count / 2 { 2 } else { 3 };
        let provider = *dice.of(&[(0, BAD), (1, GOOD), (2, NEWCOMER)][..known]);
        stream.begin(0, 0, provider);
        under_way.push((format!("req-{number}"), provider));
        while under_way.len() > 3 || dice.roll(2) == 0 && !under_way.is_empty() {
            let at = usize::try_from(dice.roll(under_way.len() as u64)).unwrap();
            let (request, provider) = under_way.swap_remove(at);
            stream.wait(dice.roll(700));
            stream.finish(&request, 0, provider, *dice.of(&[200, 200, 429, 503]));
        }
        if dice.roll(5) == 0 {
            stream.wait(dice.roll(60_000)).back(0, 0, BAD);
        }
        if dice.roll(40) == 0 {
            stream.emit(Kind::ReplicaStopped { replica: 0 }).emit(Kind::ReplicaStarted { replica: 0 });
        }
    }
    stream.events.clone()
}

/// The panels without what tells where the person stands: title, clock and keys.
fn panels(model: &Model) -> String {
    let screen = shown(model, (120, 40));
    let lines: Vec<&str> = screen.lines().collect();
    lines[1..lines.len() - 2].join("\n")
}

#[test]
fn a_moment_looks_the_same_when_one_comes_back_to_it() {
    for seed in 0..4 {
        let mut dice = Dice(seed);
        let events = plausible(&mut dice, 60);
        for tab in TABS {
            let mut live = model(Source::Virtual);
            live.act(&Action::Show(tab));
            let mut first_seen = Vec::new();
            for event in &events {
                live.feed([event.clone()]);
                if dice.roll(6) == 0 {
                    first_seen.push((live.fold.position, live.at, panels(&live)));
                }
            }
            let mut order: Vec<usize> = (0..first_seen.len()).collect();
            for last in (1..order.len()).rev() {
                order.swap(last, usize::try_from(dice.roll(last as u64 + 1)).unwrap());
            }
            for index in order {
                let (position, at, seen) = &first_seen[index];
                live.return_to((*at, *position, false));
                assert_eq!(panels(&live), *seen, "{tab:?} after {position} events, seed {seed}");
            }
        }
    }
}

#[test]
fn a_seek_gives_what_folding_from_the_start_gives() {
    let events = plausible(&mut Dice(9), 120);
    let mut straight = model(Source::Replay);
    let mut sought = model(Source::Replay);
    sought.feed(events.clone());
    for (position, event) in events.iter().enumerate() {
        straight.feed([event.clone()]);
        let mut fold = sought.fold.clone();
        sought.timeline.seek(&mut fold, position + 1);
        assert!(fold == *straight.timeline.head(), "after {position} events");
    }
}

/// Events that no lab would tell: any order, any time, any name.
fn nonsense(dice: &mut Dice, count: usize) -> Vec<Event> {
    let sound = plausible(dice, count);
    let mut events = Vec::new();
    for _ in 0..sound.len() {
        let mut event = dice.of(&sound).clone();
        event.at_us = At(*dice.of(&[0, 1, 5_000_000, 60_000_000, u64::MAX / 2, u64::MAX]));
        match dice.roll(8) {
            0 => event.kind = Kind::ReplicaStarted { replica: *dice.of(&[0, 3, 255, u32::MAX]) },
            1 => {
                event.kind = Kind::StepStarted {
                    step: *dice.of(&[0, 7, 5_000, usize::MAX]),
                    verb: "\u{1b}[31mwait".to_owned(),
                    summary: "wait 9999h\n\t全角".to_owned(),
                    act: None,
                    load: None,
                }
            }
            2 => event.kind = Kind::Note { text: "a very long sentence ".repeat(60) },
            3 => {
                event.kind = Kind::HealthChanged {
                    replica: 0,
                    backend: builder::BACKEND.to_owned(),
                    provider: BAD.to_owned(),
                    health: *dice.of(&[f64::NAN, f64::INFINITY, -3.0, 1e300]),
                    latency_seconds: *dice.of(&[f64::NAN, f64::INFINITY, -1.0, 1e300]),
                    consecutive_failures: u32::MAX,
                    times_ejected: 0,
                    request: None,
                }
            }
            4 => {
                event.kind = Kind::ClientRequestEnded {
                    request: "nobody knows it".to_owned(),
                    outcome: Outcome::Cut,
                    status: None,
                    model: Some("\u{1b}]0;title\u{7}".to_owned()),
                    usage: None,
                    body: "\u{0}\u{1b}[2J".to_owned(),
                    text: None,
                    body_bytes: 0,
                    digest: None,
                }
            }
            _ => {}
        }
        events.push(event);
    }
    events
}

const KEYS: &str = " .,][}{+-=nNeErRxX/sSamcytPjkgG?123456bIiLwoO4\u{e9}";

fn key(dice: &mut Dice) -> KeyEvent {
    let plain = [
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Backspace,
        KeyCode::F(5),
    ];
    let letters: Vec<char> = KEYS.chars().collect();
    let code = if dice.roll(2) == 0 { *dice.of(&plain) } else { KeyCode::Char(*dice.of(&letters)) };
    KeyEvent::new(code, *dice.of(&[KeyModifiers::NONE, KeyModifiers::SHIFT, KeyModifiers::ALT]))
}

/// One thing that a person may do, on a screen of any size; time goes on meanwhile.
fn do_anything(model: &mut Model, dice: &mut Dice, wall: &mut Duration) {
    *wall += Duration::from_millis(dice.roll(200));
    model.tick(*wall);
    let size =
        Size::new(*dice.of(&[1, 20, 39, 40, 57, 80, 120, 160, 200, 300]), *dice.of(&[1, 5, 10, 11, 24, 37, 60, 100]));
    let mut buffer = ratatui::buffer::Buffer::empty(ratatui::layout::Rect::new(0, 0, size.width, size.height));
    let area = buffer.area;
    let drawn = view::draw_on(model, &mut buffer, area);
    model.fit(drawn.page, drawn.scroll);
    let (x, y) = (dice.roll(u64::from(size.width)), dice.roll(u64::from(size.height)));
    let (x, y) = (u16::try_from(x).unwrap(), u16::try_from(y).unwrap());
    let action = match dice.roll(8) {
        0 | 1 => drawn.hits.click(x, y),
        2 => drawn.hits.slide(x, y),
        3 => Some(Action::Move(*dice.of(&[-3, 3]))),
        4 => {
            model.paste(dice.of::<&str>(&["429 5xx", "\u{1b}[31m\n q", "", "!failed"]));
            None
        }
        _ => model.keys.action(key(dice), model.context()),
    };
    if let Some(action) = action {
        model.act(&action);
    }
    model.effects.clear();
}

#[test]
fn no_key_click_size_or_event_is_too_much() {
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let source = *dice.of(&[Source::Replay, Source::Virtual, Source::Real]);
        let mut model = model(source);
        let events = if seed % 2 == 0 { nonsense(&mut dice, 60) } else { plausible(&mut dice, 60) };
        let mut events = events.into_iter();
        let mut wall = Duration::ZERO;
        for round in 0..400 {
            model.feed(events.by_ref().take(3));
            if round == 300 {
                model.conclude(None);
            }
            do_anything(&mut model, &mut dice, &mut wall);
        }
    }
}

/// The panels as somebody sees them who has done nothing yet.
fn untouched(model: &mut Model, tab: Tab) -> String {
    let fresh = self::model(Source::Virtual);
    (model.tab, model.open, model.projector, model.scroll) = (tab, fresh.open, fresh.projector, fresh.scroll);
    (model.table, model.events, model.marks) = (fresh.table, fresh.events, fresh.marks);
    (model.filter, model.filter_text, model.typing) = (fresh.filter, fresh.filter_text, fresh.typing);
    (model.theme, model.scenario_scroll, model.pacer) = (fresh.theme, fresh.scenario_scroll, fresh.pacer);
    panels(model)
}

#[test]
fn whatever_a_person_has_done_the_past_looks_as_it_did_when_it_was_new() {
    for seed in 0..6 {
        let mut dice = Dice(seed + 100);
        let events = plausible(&mut dice, 50);
        let mut used = model(Source::Virtual);
        let (mut wall, mut fed) = (Duration::ZERO, 0);
        while fed < events.len() {
            let count = usize::try_from(dice.roll(4)).unwrap().min(events.len() - fed);
            used.feed(events[fed..fed + count].iter().cloned());
            fed += count;
            do_anything(&mut used, &mut dice, &mut wall);
        }
        for _ in 0..12 {
            let position = usize::try_from(dice.roll(events.len() as u64)).unwrap() + 1;
            let tab = *dice.of(&TABS);
            let mut new = model(Source::Virtual);
            new.feed(events[..position].iter().cloned());
            let when_new = (new.at, untouched(&mut new, tab));
            used.return_to((when_new.0, position, false));
            assert_eq!(untouched(&mut used, tab), when_new.1, "{tab:?} after {position} events, seed {seed}");
        }
    }
}

#[test]
fn nothing_from_outside_reaches_the_terminal_as_a_command() {
    let mut model = model(Source::Replay);
    model.feed(nonsense(&mut Dice(3), 80));
    model.seek(At(u64::MAX));
    for tab in TABS {
        model.act(&Action::Show(tab));
        let buffer = drawn(&model, Size::new(120, 40));
        let control = buffer.content().iter().find(|cell| cell.symbol().chars().any(char::is_control));
        assert!(control.is_none(), "{tab:?}: {control:?}");
    }
}
