//! What is said and shown after something was done.

use std::collections::VecDeque;
use std::sync::mpsc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::bench::Bench;
use super::builder::{self, BAD, GOOD, Stream};
use super::screens::shown;
use crate::event::{At, Event, Kind};
use crate::tui::action::{Action, Tab};
use crate::tui::menu::Level;
use crate::tui::model::{Effect, Model, Open, Source};
use crate::tui::view::{self, Hits};
use crate::tui::{Decision, Finding, Judge};

/// Says these, one after the other, whenever it is asked what has come of the whole.
struct Says(VecDeque<Decision>);

impl Judge for Says {
    fn judge(&mut self, _: Option<&Event>) -> Option<Vec<Finding>> {
        None
    }

    fn conclude(&mut self) -> Option<Vec<Finding>> {
        let decision = self.0.pop_front()?;
        let statement = "never evicted".to_owned();
        Some(vec![Finding { step: None, invariant: false, statement, decision, explanation: None }])
    }
}

fn last_line(model: &Model, width: u16) -> String {
    shown(model, (width, 30)).lines().last().unwrap_or_default().to_owned()
}

/// What clicks do on a screen of this size.
fn hits(model: &Model, (width, height): (u16, u16)) -> Hits {
    let area = Rect::new(0, 0, width, height);
    view::draw_on(model, &mut Buffer::empty(area), area).hits
}

/// A model of a lab that rests, and what hears its commands.
fn resting(judge: Option<Box<dyn Judge>>) -> (Model, mpsc::Receiver<crate::tui::Command>) {
    let mut model = Model::new(builder::header(), Source::Virtual, judge);
    let (to_lab, commands) = mpsc::channel();
    model.command(to_lab);
    model.feed(builder::failover());
    model.rests(true);
    (model, commands)
}

#[test]
fn a_lab_that_rests_again_is_judged_again() {
    let says = Says(VecDeque::from([Decision::Pass, Decision::Fail]));
    let (mut model, _commands) = resting(Some(Box::new(says)));
    assert!(shown(&model, (120, 40)).contains("■ PASS"));
    // The act has begun and ended between two looks.
    let mut more = Stream::default();
    more.wait(200_000).ask(9, 0, (0, BAD), 429, 10);
    model.feed(more.events);
    model.rests(true);
    let seen = shown(&model, (120, 40));
    assert!(seen.contains("■ FAIL") && seen.contains("✗ never evicted"), "{seen}");
    model.rests(true);
    assert_eq!(model.verdict(), Some(Decision::Fail), "once is enough");
}

/// A request of which only the gateway tells.
fn from_outside() -> Vec<Event> {
    let mut stream = Stream::default();
    stream.ask(0, 0, (0, BAD), 429, 66);
    let own = |kind: &Kind| matches!(kind, Kind::ClientRequestSent { .. } | Kind::ClientRequestEnded { .. });
    stream.events.into_iter().filter(|event| !own(&event.kind)).collect()
}

#[test]
fn the_story_of_a_request_from_outside_is_what_the_gateway_saw() {
    let mut model = Model::new(builder::header(), Source::Replay, None);
    model.feed(from_outside());
    model.conclude(None);
    model.seek(At(u64::MAX));
    model.act(&Action::Select(0));
    model.act(&Action::Open);
    let seen = shown(&model, (120, 40));
    for text in ["POST /openai  429", "from outside"] {
        assert!(seen.contains(text), "{text}\n{seen}");
    }
    assert!(!seen.contains("under way") && !seen.contains("╍"), "{seen}");
    model.act(&Action::CopyCurl);
    let Some(Effect::Copy(curl)) = model.effects.first() else { panic!("{:?}", model.effects) };
    assert!(curl.starts_with("curl -sS http://localhost:8080/openai "), "{curl}");
}

#[test]
fn the_story_of_an_open_request_goes_on_with_time() {
    let mut stream = Stream::default();
    stream.begin(0, 0, (1, GOOD));
    stream.wait(800).emit(Kind::Note { text: "later".to_owned() });
    let mut model = Model::new(builder::header(), Source::Replay, None);
    model.feed(stream.events);
    model.seek(At(442_000));
    model.act(&Action::Select(0));
    model.act(&Action::Open);
    assert!(shown(&model, (120, 40)).contains("under way  442ms"), "{}", shown(&model, (120, 40)));
    model.seek(At(500_000));
    assert!(shown(&model, (120, 40)).contains("under way  500ms"), "{}", shown(&model, (120, 40)));
}

#[test]
fn all_of_the_answers_are_a_hundred_per_cent_beside_their_count() {
    for size in [(80, 24), (100, 30)] {
        let mut stream = Stream::default();
        for _ in 0..31 {
            stream.ask(0, 0, (1, GOOD), 200, 30);
        }
        let mut model = Model::new(builder::header(), Source::Virtual, None);
        model.feed(stream.events);
        model.act(&Action::Show(Tab::Charts));
        let seen = shown(&model, size);
        assert!(seen.contains("31  100%"), "{seen}");
    }
}

#[test]
fn what_is_said_ends_before_the_help_and_with_the_next_action() {
    let (mut model, _commands) = resting(None);
    let long = "written to three-of-five.yaml; `labsim run three-of-five.yaml` does it all again, and again";
    model.say(long);
    let line = last_line(&model, 80);
    assert!(line.starts_with(" written to three") && line.ends_with(", and again  ? help"), "{line}");
    model.act(&Action::Nothing);
    assert!(last_line(&model, 120).contains("written to"));
    model.act(&Action::Theme);
    assert!(!last_line(&model, 120).contains("written to"));
    model.acting.prompt =
        Some("a-name-that-is-as-long-as-names-of-scenarios-can-be-if-nobody-shortens-them.yaml".to_owned());
    model.say("not written: there is such a file already");
    let line = last_line(&model, 80);
    assert!(line.contains("shortens") || line.contains(".yaml▏"), "{line}");
    assert!(line.contains("there is such a file already"), "{line}");
}

#[test]
fn an_act_that_has_to_wait_is_said_to() {
    let (mut model, _commands) = resting(None);
    model.act(&Action::Send);
    assert_eq!(said(&model), "one request is on its way");
    model.act(&Action::StepTime(-1_000));
    model.act(&Action::Send);
    assert_eq!(said(&model), "once time goes on at the latest moment (end): one request is on its way");
}

#[test]
fn a_comparison_is_not_copied() {
    let (mut model, _commands) = resting(None);
    model.act(&Action::Select(0));
    model.act(&Action::Mark);
    model.act(&Action::Select(1));
    model.act(&Action::Compare);
    model.act(&Action::CopyCurl);
    assert_eq!(model.effects, []);
}

#[test]
fn an_eviction_on_some_replicas_says_on_how_many() {
    let mut stream = Stream::default();
    stream.emit(Kind::ReplicaStarted { replica: 0 }).emit(Kind::ReplicaStarted { replica: 1 });
    stream.ask(0, 0, (0, BAD), 429, 10);
    assert!(stream.events.iter().any(|event| matches!(event.kind, Kind::ProviderEvicted { .. })));
    let mut model = Model::new(crate::event::log::Header { replicas: 2, ..builder::header() }, Source::Virtual, None);
    model.feed(stream.events);
    for size in [(80, 24), (100, 30)] {
        assert!(shown(&model, size).contains("EVICTED 1/2"), "{}", shown(&model, size));
    }
}

fn said(model: &Model) -> String {
    model.message.as_ref().map(|(said, _)| said.clone()).unwrap_or_default()
}

#[test]
fn at_rest_nothing_is_offered_that_does_nothing_and_it_is_said_why() {
    let (mut model, commands) = resting(None);
    let line = last_line(&model, 200);
    assert!(!line.contains("pause") && !line.contains("forward") && line.contains("back"), "{line}");
    for action in [Action::TogglePause, Action::StepTime(1_000), Action::StepEvent(1)] {
        model.act(&action);
        assert!(said(&model).starts_with("all is done, and time stands still until you act: i sends"), "{action:?}");
    }
    assert_eq!(commands.try_iter().count(), 0, "and nobody waits for time to go on");
    assert!(!model.pacer.is_paused());
    model.act(&Action::Faster);
    assert_eq!(said(&model), "the pace is ×2 when time goes on");
    // A pause that began before is seen, since acts wait for its end.
    model.pacer.set_paused(true);
    let seen = shown(&model, (100, 30));
    assert!(seen.contains("‖ end") && seen.lines().last().unwrap().contains("go on"), "{seen}");
}

#[test]
fn help_comes_over_what_is_open_and_goes_again() {
    let (mut model, _commands) = resting(None);
    model.act(&Action::Select(0));
    model.act(&Action::Open);
    model.act(&Action::Help);
    let help = shown(&model, (200, 60));
    assert!(help.contains("What the keys do in a request") && !help.contains("sort by another column"), "{help}");
    assert!(help.contains("╳  evicted on every replica") && help.contains("start 2"), "{help}");
    model.act(&Action::Help);
    assert_eq!(model.open, Open::Story(0));
    model.act(&Action::Help);
    model.act(&Action::Back);
    assert_eq!(model.open, Open::Story(0));
    model.act(&Action::Back);
    model.act(&Action::BreakMenu);
    model.act(&Action::Help);
    model.act(&Action::Help);
    assert!(model.open == Open::Menu && model.acting.menu.is_some());
}

#[test]
fn a_filter_fits_events_as_it_says() {
    let (mut model, _commands) = resting(None);
    model.act(&Action::Show(Tab::Events));
    let mut listed = |filter: &str| {
        model.act(&Action::EraseAll);
        model.act(&Action::Filter);
        filter.chars().for_each(|char| model.act(&Action::Type(char)));
        let typed = last_line(&model, 200);
        model.act(&Action::Accept);
        let seen = shown(&model, (200, 60));
        let lines: Vec<String> = seen.lines().filter(|line| line.starts_with("│0")).map(str::to_owned).collect();
        (lines, typed, seen)
    };
    let (failed, ..) = listed("failed");
    assert!(failed.len() >= 4 && failed.iter().all(|line| line.contains("429")), "{failed:?}");
    let (fourth, ..) = listed("step:4");
    assert_eq!(fourth.len(), 3, "its beginning, its request and its end: {fourth:?}");
    let (none, _, seen) = listed(">500ms");
    assert!(none.is_empty() && seen.contains("about whole requests"), "{seen}");
    let (_, typed, _) = listed("step:x");
    assert!(typed.contains("`step:x` is searched as text"), "{typed}");
}

#[test]
fn the_last_event_listed_opens_its_own_request() {
    let (mut model, _commands) = resting(None);
    model.act(&Action::Show(Tab::Events));
    "req-2".chars().for_each(|char| model.act(&Action::Type(char)));
    model.act(&Action::Open);
    assert_eq!(model.open, Open::Story(1));
    model.act(&Action::Back);
    model.act(&Action::EraseAll);
    "wait 61s".chars().for_each(|char| model.act(&Action::Type(char)));
    model.act(&Action::Open);
    assert_eq!((model.open, said(&model).as_str()), (Open::Nothing, "the last line is an event of no request"));
}

#[test]
fn what_the_table_has_no_room_for_stands_below_it() {
    let (mut model, _commands) = resting(None);
    model.act(&Action::Show(Tab::Requests));
    model.act(&Action::Select(1));
    for size in [(80, 24), (100, 30)] {
        let seen = shown(&model, size);
        assert!(seen.contains("request 2 · ") && seen.contains("endpoint api.openai.com"), "{seen}");
    }
}

#[test]
fn the_topology_alone_shows_endpoints_and_attempts() {
    let (mut model, _commands) = resting(None);
    model.act(&Action::Show(Tab::Topology));
    let seen = shown(&model, (100, 30));
    assert!(seen.contains("2 attempts · api.openai.com:443"), "{seen}");
}

#[test]
fn tabs_stay_where_they_are_and_leave_the_projector() {
    let (mut model, _commands) = resting(None);
    let place = |model: &Model| shown(model, (80, 24)).lines().next().unwrap().find("1 Ove");
    let first = place(&model);
    model.act(&Action::Projector);
    model.act(&Action::Show(Tab::Requests));
    assert!(!model.projector);
    assert_eq!(place(&model), first);
}

#[test]
fn a_drag_of_the_time_bar_need_not_keep_to_its_line() {
    let (model, _commands) = resting(None);
    let hits = hits(&model, (100, 30));
    assert_eq!(hits.slide_on(0), Some(Action::Seek(0)));
    assert_eq!(hits.slide_on(99), Some(Action::Seek(1_000)));
    assert!(matches!(hits.slide_on(50), Some(Action::Seek(1..1_000))));
}

#[test]
fn a_click_beside_the_help_or_the_menu_closes_it() {
    let (mut model, _commands) = resting(None);
    for action in [Action::Help, Action::BreakMenu] {
        model.act(&action);
        let hits = hits(&model, (200, 60));
        assert_ne!(hits.click(1, 3), Some(Action::Nothing));
        model.act(&hits.click(1, 3).expect("a way out"));
        assert_eq!(model.open, Open::Nothing);
    }
}

#[test]
fn a_path_that_is_wrong_can_be_mended_in_its_form() {
    let (mut model, commands) = resting(None);
    model.equip(Box::new(Bench::default()));
    model.act(&Action::BreakMenu);
    let Some(Level::List(list)) = model.acting.level() else { panic!("a list is open") };
    let line = list.items.iter().position(|item| item.text.starts_with("apply manifests")).expect("the line");
    model.act(&Action::Pick(line));
    if !matches!(model.acting.level(), Some(Level::Form(_))) {
        model.act(&Action::Pick(line));
    }
    model.paste("wrong.yaml");
    assert!(!last_line(&model, 100).contains("help"), "a question mark is a letter here");
    model.act(&Action::Submit);
    let seen = shown(&model, (100, 30));
    assert!(seen.contains("cannot read wrong.yaml") && seen.contains("wrong.yaml▏"), "{seen}");
    assert_eq!(commands.try_iter().count(), 0);
    model.act(&Action::EraseAll);
    model.paste("right.yaml");
    model.act(&Action::Submit);
    assert_eq!(commands.try_iter().count(), 1);
    assert_eq!(said(&model), "right.yaml is applied");
}

#[test]
fn a_name_that_is_proposed_is_free() {
    let folder = std::env::temp_dir().join(format!("labsim-names-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (mut model, _commands) = resting(None);
    model.equip(Box::new(Bench::default()));
    model.folder.clone_from(&folder);
    for wanted in ["inter-group-failover-session.yaml", "inter-group-failover-session-2.yaml"] {
        model.act(&Action::WriteScenario);
        assert_eq!(model.acting.prompt.as_deref(), Some(wanted));
        model.act(&Action::Accept);
        std::fs::write(folder.join(wanted), "").expect("a file");
    }
    std::fs::remove_dir_all(&folder).expect("it goes");
}

#[test]
fn every_line_of_the_file_can_be_read_whole() {
    let (mut model, _commands) = resting(None);
    model.act(&Action::Show(Tab::Scenario));
    for size in [(80, 24), (100, 30)] {
        model.act(&Action::First);
        let seen = shown(&model, size);
        let file: Vec<&str> = seen.lines().filter_map(|line| line.rsplit_once("││")).map(|(_, line)| line).collect();
        assert!(file.iter().any(|line| line.contains("2 about: The preferred")), "{seen}");
        assert!(file.iter().any(|line| line.contains("minute.")), "{seen}");
        assert!(file.iter().all(|line| !line.contains('…')), "{seen}");
    }
}

#[test]
fn an_answer_on_its_way_back_covers_no_replica() {
    let mut stream = Stream::default();
    stream.emit(Kind::ReplicaStarted { replica: 0 });
    stream.ask(0, 0, (0, BAD), 429, 60);
    let mut model = Model::new(builder::header(), Source::Replay, None);
    model.feed(stream.events);
    for millis in 60..90 {
        model.seek(At(millis * 1_000));
        let seen = shown(&model, (100, 30));
        let line = seen.lines().find(|line| line.contains("1 taken")).expect("the replica");
        assert!(line.contains("│    1 taken│"), "{line}");
        let line = seen.lines().find(|line| line.contains("0 open│")).expect("the client");
        assert!(line.matches(" open│").count() == 2, "{line}");
    }
}

/// Clicks on a place of the screen.
fn click(model: &mut Model, size: (u16, u16), (x, y): (usize, usize)) {
    let hits = hits(model, size);
    let place = |at: usize| u16::try_from(at).expect("a place of the screen");
    model.act(&hits.click(place(x), place(y)).expect("something to click"));
}

/// Where a text stands that is on the screen once.
fn place_of(model: &Model, size: (u16, u16), text: &str) -> (usize, usize) {
    let seen = shown(model, size);
    let mut found = seen
        .lines()
        .enumerate()
        .filter_map(|(y, line)| line.find(text).map(|bytes| (line[..bytes].chars().count(), y)));
    found.next().unwrap_or_else(|| panic!("{text} in\n{seen}"))
}

#[test]
fn providers_links_and_replicas_are_broken_where_they_are_seen() {
    let size = (100, 30);
    let places = [
        ("● openai-provider", (0, 0), "What happens at openai-provider"),
        ("● openai-provider", (4, 0), "What happens at gateway -> openai-provider"),
        ("replica 0", (5, 2), "What happens at client -> gateway"),
        ("4 sent", (0, 0), "What happens at client -> gateway"),
    ];
    for (text, (left, below), title) in places {
        let (mut model, commands) = resting(None);
        model.equip(Box::new(Bench::default()));
        let (x, y) = place_of(&model, size, text);
        click(&mut model, size, (x - left, y + below));
        let seen = shown(&model, size);
        assert!(seen.contains(title), "{title}\n{seen}");
        assert_eq!(commands.try_iter().count(), 0);
    }
}

#[test]
fn a_click_on_a_replica_offers_to_restart_it_and_does_nothing_yet() {
    let size = (100, 30);
    let (mut model, commands) = resting(None);
    model.equip(Box::new(Bench::default()));
    let at = place_of(&model, size, "replica 0");
    click(&mut model, size, at);
    assert_eq!(commands.try_iter().count(), 0);
    let Some(Level::List(list)) = model.acting.level() else { panic!("a list is open") };
    assert_eq!(list.items[list.cursor].text, "restart the gateway");
    model.act(&Action::Open);
    assert_eq!(commands.try_iter().count(), 1);
    let mut second = Stream::default();
    second.wait(200_000).emit(Kind::ReplicaStarted { replica: 1 });
    model.feed(second.events);
    let at = place_of(&model, size, "replica 1");
    click(&mut model, size, at);
    let Some(Level::List(list)) = model.acting.level() else { panic!("a list is open") };
    assert_eq!(list.items[list.cursor].text, "restart replica 1");
}
