//! What is seen where there is much, little room, or something that is easily taken for something else.

use super::builder::{self, BACKEND, GOOD, Stream};
use super::screens::shown;
use crate::event::log::{Header, ProviderRecord};
use crate::event::{At, Event, Kind, Outcome};
use crate::tui::action::{Action, Place, Tab};
use crate::tui::model::{Effect, Model, Open, Source};

/// A recording of these events, at its end.
fn replay(header: Header, events: Vec<Event>) -> Model {
    let mut model = Model::new(header, Source::Replay, None);
    model.feed(events);
    model.conclude(None);
    model.seek(At(u64::MAX));
    model
}

/// Draws it and takes note of how far it may be scrolled, as whoever drives it does.
fn seen(model: &mut Model, (width, height): (u16, u16)) -> String {
    let area = ratatui::layout::Rect::new(0, 0, width, height);
    let mut buffer = ratatui::buffer::Buffer::empty(area);
    let drawn = crate::tui::view::draw_on(model, &mut buffer, area);
    model.fit(drawn.page, drawn.scroll);
    shown(model, (width, height))
}

fn said(model: &Model) -> String {
    model.message.as_ref().map(|(said, _)| said.clone()).unwrap_or_default()
}

/// A header with thirty providers in one group whose names differ at their ends.
fn crowd() -> Header {
    let mut header = builder::header();
    let provider = |number: usize| ProviderRecord {
        name: format!("a-provider-with-a-very-long-name-in-the-region-{number:02}"),
        endpoint: "api.openai.com:443".to_owned(),
        model: None,
    };
    header.backends[0].groups = vec![(0..30).map(provider).collect()];
    header
}

#[test]
fn every_one_of_many_providers_can_be_brought_into_sight() {
    let mut stream = Stream::default();
    stream.emit(Kind::ReplicaStarted { replica: 0 });
    let mut model = replay(crowd(), stream.events);
    model.act(&Action::Show(Tab::Topology));
    let first = seen(&mut model, (80, 24));
    assert!(first.contains("region-00") && !first.contains("region-29") && first.contains(" more"), "{first}");
    let mut met = std::collections::BTreeSet::new();
    for _ in 0..40 {
        let now = seen(&mut model, (80, 24));
        met.extend((0..30).filter(|number| now.contains(&format!("-{number:02} "))));
        model.act(&Action::Move(1));
    }
    assert_eq!(met.len(), 30, "{met:?}");
    let last = seen(&mut model, (80, 24));
    assert!(last.contains("region-29") && last.contains("↑"), "{last}");
    model.act(&Action::Move(-1));
    assert_ne!(seen(&mut model, (80, 24)), last, "nobody has to scroll back what was never seen");
    let wide = seen(&mut model, (200, 30));
    assert!(wide.contains("a-provider-with-a-very-long-name-in-the-region-29"), "{wide}");
}

#[test]
fn charts_say_what_they_leave_out_and_begin_with_the_largest_share() {
    let mut stream = Stream::default();
    stream.emit(Kind::ReplicaStarted { replica: 0 });
    let header = crowd();
    let names: Vec<String> = header.backends[0].groups[0].iter().map(|one| one.name.clone()).collect();
    for (number, name) in names.iter().enumerate() {
        for _ in 0..=number / 20 {
            stream.emit(Kind::ProviderSelected {
                request: format!("req-{number}"),
                replica: 0,
                attempt: 0,
                backend: BACKEND.to_owned(),
                group: 0,
                provider: name.clone(),
                fallback: false,
                candidates: Vec::new(),
                draws: Vec::new(),
            });
        }
        stream.emit(Kind::ProviderEvicted {
            replica: 0,
            backend: BACKEND.to_owned(),
            group: 0,
            provider: name.clone(),
            request: "req-1".to_owned(),
            until_us: At(60_000_000),
            source: "retry-after".to_owned(),
            status: 429,
        });
    }
    let mut model = replay(header, stream.events);
    model.act(&Action::Show(Tab::Charts));
    let charts = seen(&mut model, (100, 30));
    assert!(charts.matches(" more").count() >= 2, "{charts}");
    let shares = charts.lines().skip_while(|line| !line.contains("Share by provider")).nth(1);
    assert!(shares.is_some_and(|line| line.contains("egion-20")), "{charts}");
    let gantt = charts.lines().skip_while(|line| !line.contains("Evictions")).nth(1);
    assert!(gantt.is_some_and(|line| line.contains("egion-00")), "{charts}");
}

#[test]
fn a_filtered_list_of_events_scrolls_by_what_it_shows() {
    let mut model = replay(builder::header(), builder::failover());
    model.act(&Action::Show(Tab::Events));
    "req-".chars().for_each(|char| model.act(&Action::Type(char)));
    let last = |model: &Model| {
        let seen = shown(model, (200, 12));
        seen.lines().rfind(|line| line.starts_with("│0")).map(str::to_owned).unwrap_or_default()
    };
    seen(&mut model, (200, 12));
    let before = last(&model);
    model.act(&Action::Move(-1));
    let above = last(&model);
    assert!(above.contains("req-") && above != before, "{above}");
    model.act(&Action::Move(1));
    assert_eq!(last(&model), before);
    assert!(shown(&model, (200, 12)).contains("· among "), "{}", shown(&model, (200, 12)));
}

/// A request whose connection the gateway refuses.
fn refused() -> Vec<Event> {
    let mut stream = Stream::default();
    stream.begin(0, 0, (1, GOOD));
    let mut events: Vec<Event> = stream.events.drain(..1).collect();
    let request = "req-1".to_owned();
    let kind = Kind::ClientRequestEnded {
        request,
        outcome: Outcome::Refused,
        status: None,
        model: None,
        usage: None,
        body: String::new(),
        text: None,
        body_bytes: 0,
        digest: None,
    };
    events.push(Event { seq: 1, at_us: At(1_000), kind });
    events
}

#[test]
fn a_request_that_never_reached_the_gateway_is_not_laid_at_its_door() {
    let mut model = replay(builder::header(), refused());
    let table = seen(&mut model, (120, 40));
    assert!(table.contains("gateway not reached") && !table.contains("gateway itself"), "{table}");
    model.act(&Action::Open);
    let story = seen(&mut model, (120, 40));
    assert!(story.contains("it never came there"), "{story}");
}

#[test]
fn on_the_tab_of_events_the_request_of_the_last_line_is_copied_and_marked() {
    let mut model = replay(builder::header(), builder::failover());
    model.act(&Action::Show(Tab::Events));
    "req-2".chars().for_each(|char| model.act(&Action::Type(char)));
    model.act(&Action::Accept);
    model.act(&Action::CopyCurl);
    assert!(said(&model).starts_with("request 2 as curl"), "{}", said(&model));
    model.act(&Action::Mark);
    assert_eq!(model.marks, [1]);
}

#[test]
fn a_change_of_health_opens_the_request_that_it_came_from() {
    let mut events = builder::failover();
    for event in &mut events {
        if let Kind::HealthChanged { request, .. } = &mut event.kind {
            *request = Some("req-3".to_owned());
        }
    }
    let mut model = replay(builder::header(), events);
    model.act(&Action::Show(Tab::Events));
    "health 1.0".split(' ').for_each(|word| {
        word.chars().for_each(|char| model.act(&Action::Type(char)));
        model.act(&Action::Type(' '));
    });
    model.act(&Action::Accept);
    model.act(&Action::Open);
    assert_eq!(model.open, Open::Story(2), "{}", said(&model));
}

#[test]
fn a_question_from_outside_without_a_body_is_copied_without_one() {
    let mut stream = Stream::default();
    stream.ask(0, 0, (1, GOOD), 200, 66);
    let own = |kind: &Kind| matches!(kind, Kind::ClientRequestSent { .. } | Kind::ClientRequestEnded { .. });
    let mut events: Vec<Event> = stream.events.into_iter().filter(|event| !own(&event.kind)).collect();
    for event in &mut events {
        if let Kind::GatewayRequestReceived { method, credential, .. } = &mut event.kind {
            (*method, *credential) = ("GET".to_owned(), None);
        }
    }
    let mut model = replay(builder::header(), events);
    model.act(&Action::CopyCurl);
    assert_eq!(said(&model), "request 1 as curl went to the terminal's clipboard (OSC 52)");
    assert_eq!(model.effects, [Effect::Copy("curl -sS -X GET http://localhost:8080/openai".to_owned())]);
}

#[test]
fn what_lies_below_an_open_request_or_menu_is_out_of_reach() {
    let mut model = Model::new(builder::header(), Source::Virtual, None);
    model.feed(builder::failover());
    let before = model.table.clone();
    for open in [Action::Open, Action::BreakMenu] {
        model.act(&open);
        for action in [Action::SortBy, Action::Reverse, Action::NewestFirst, Action::Filter] {
            model.act(&action);
        }
        assert!(model.table == before && !model.typing);
        assert_ne!(model.open, Open::Nothing);
        model.act(&Action::Help);
        let help = seen(&mut model, (200, 60));
        assert!(!help.contains("sort by another column"), "{help}");
        model.act(&Action::Help);
        model.act(&Action::Back);
    }
    model.act(&Action::BreakMenu);
    model.act(&Action::Help);
    let help = seen(&mut model, (200, 60));
    assert!(help.contains("What the keys do in the menu") && !help.contains("copy the request"), "{help}");
}

#[test]
fn a_table_that_does_not_follow_says_what_is_newer() {
    let mut stream = Stream::default();
    for _ in 0..40 {
        stream.ask(0, 0, (1, GOOD), 200, 30);
    }
    let mut model = replay(builder::header(), stream.events);
    model.act(&Action::Show(Tab::Requests));
    assert!(!seen(&mut model, (100, 30)).contains("newer"));
    model.act(&Action::Page(1));
    model.act(&Action::Page(1));
    let table = seen(&mut model, (100, 30));
    let newest = table.lines().filter_map(|line| line.get(3..)?.split_whitespace().next()?.parse::<usize>().ok()).max();
    let hidden = 40 - newest.expect("a request");
    assert!(hidden > 0 && table.contains(&format!("↑ {hidden} newer")), "{hidden}\n{table}");
}

#[test]
fn many_requests_can_be_read_in_their_box() {
    let mut stream = Stream::default();
    for _ in 0..303 {
        stream.ask(0, 0, (1, GOOD), 200, 30);
    }
    let mut model = replay(builder::header(), stream.events);
    assert!(seen(&mut model, (80, 24)).contains("303 sent│"), "{}", seen(&mut model, (80, 24)));
}

#[test]
fn a_small_screen_has_one_panel_with_something_in_it() {
    let mut model = replay(builder::header(), builder::failover());
    let small = seen(&mut model, (40, 10));
    assert!(small.contains("Requests") && small.contains("429") && !small.contains("Topology"), "{small}");
}

#[test]
fn an_address_does_not_run_into_the_tabs() {
    let mut model = Model::new(builder::header(), Source::Real, None);
    model.addresses = vec![("gateway".to_owned(), "http://127.0.0.1:18080".to_owned())];
    for width in 60..80 {
        let title = seen(&mut model, (width, 24)).lines().next().unwrap_or_default().to_owned();
        assert!(title.contains("127.0.0.1:18080 ") && title.contains(" 6"), "{width}: {title}");
    }
}

#[test]
fn who_clicks_a_provider_of_a_recording_is_told_why_nothing_happens() {
    let mut model = replay(builder::header(), builder::failover());
    model.act(&Action::BreakAt(Place::Provider(0)));
    assert_eq!(said(&model), "this is a recording: nothing can be broken in it");
}
