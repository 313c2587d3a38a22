//! Going through the menu with a lab of two providers.

use super::things::{self, Lab};
use super::*;
use crate::tui::bench::ParameterKind;
use crate::tui::command::Cleared;

fn catalogue() -> Vec<FaultKind> {
    let parameter = |name: &str, kind: &str, default: &str| ParameterKind {
        name: name.to_owned(),
        kind: kind.to_owned(),
        default: default.to_owned(),
        about: String::new(),
    };
    let kind = |name: &str, on_link, parameters| FaultKind {
        name: name.to_owned(),
        about: "It fails.".to_owned(),
        on_link,
        parameters,
    };
    vec![
        kind(
            "cut",
            false,
            vec![parameter("after", "a whole number", "20"), parameter("how", "`end`, `close` or `reset`", "close")],
        ),
        kind("latency", true, vec![parameter("time", "a duration", "100ms")]),
    ]
}

fn parameter(name: &str, default: &str) -> ParameterKind {
    ParameterKind { name: name.to_owned(), default: default.to_owned(), ..ParameterKind::default() }
}

fn menu() -> Menu {
    let providers = ["one", "two"].map(|name| (name.to_owned(), String::new())).to_vec();
    Menu::new(things::things(&Lab { providers, replicas: 2, faults: &[], load: false }))
}

fn nothing_wrong(_: &Draft) -> Vec<Complaint> {
    Vec::new()
}

fn choose(menu: &mut Menu, text: &str) -> Option<(Act, String)> {
    let Some(Level::List(list)) = menu.level() else { panic!("a list is open") };
    let line = list.items.iter().position(|item| item.text == text).unwrap_or_else(|| panic!("no {text}"));
    menu.point(line);
    menu.choose(&catalogue(), &nothing_wrong)
}

fn write(menu: &mut Menu, text: &str) {
    menu.edit(&nothing_wrong, |form| form.edit(|value| text.clone_into(value)));
}

#[test]
fn the_cursor_passes_over_headings() {
    let mut menu = menu();
    let at = |menu: &Menu| match menu.level() {
        Some(Level::List(list)) => list.items[list.cursor].text.clone(),
        _ => String::new(),
    };
    assert_eq!(at(&menu), "one");
    menu.moved(-1);
    assert_eq!(at(&menu), "one");
    menu.moved(2);
    assert_eq!(at(&menu), "client -> gateway");
    menu.moved(-1);
    assert_eq!(at(&menu), "two");
    menu.moved(isize::MAX);
    assert_eq!(at(&menu), "start a load…");
}

#[test]
fn a_fault_is_aimed_filled_in_and_injected() {
    let mut menu = menu();
    assert_eq!(choose(&mut menu, "two"), None);
    assert_eq!(choose(&mut menu, "cut"), None);
    write(&mut menu, "3");
    menu.moved(1);
    menu.edit(&nothing_wrong, |form| form.cycle(1));
    menu.moved(3);
    write(&mut menu, "60s");
    let (act, said) = menu.choose(&catalogue(), &nothing_wrong).expect("it is sound");
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let wanted = Draft {
        target: "two".to_owned(),
        fault: "cut".to_owned(),
        parameters: vec![text("after", "3"), text("how", "reset")],
        probability: String::new(),
        window: vec![text("for", "60s")],
    };
    assert_eq!(act, Act::Inject(wanted));
    assert_eq!(said, "cut is injected at two");
}

#[test]
fn a_link_has_faults_of_the_network_only() {
    let mut menu = menu();
    choose(&mut menu, "gateway/1 -> one");
    let Some(Level::List(list)) = menu.level() else { panic!("a list is open") };
    let shown: Vec<_> = list.items.iter().map(|item| item.text.as_str()).collect();
    assert_eq!(shown, ["Faults of the network", "latency"]);
}

#[test]
fn what_is_wrong_stands_at_its_field_and_nothing_is_done() {
    let wrong = |_: &Draft| vec![Complaint { field: Some("window.for".to_owned()), message: "no duration".to_owned() }];
    let mut menu = menu();
    choose(&mut menu, "one");
    choose(&mut menu, "cut");
    menu.moved(4);
    menu.edit(&wrong, |form| form.edit(|value| value.push('x')));
    let Some(Level::Form(form)) = menu.level() else { panic!("a form is open") };
    assert_eq!(form.fields[4].complaint.as_deref(), Some("no duration"));
    assert_eq!(menu.choose(&catalogue(), &wrong), None);
    assert!(menu.takes_text(), "it is still open");
}

#[test]
fn what_may_stand_in_a_field_is_said_where_something_else_does() {
    let message = "expected a whole number from 0, found the text `5x`".to_owned();
    let wrong = move |_: &Draft| vec![Complaint { field: Some("how".to_owned()), message: message.clone() }];
    let mut menu = menu();
    choose(&mut menu, "one");
    choose(&mut menu, "cut");
    menu.edit(&wrong, |_| {});
    let Some(Level::Form(form)) = menu.level() else { panic!("a form is open") };
    assert_eq!(form.fields[1].complaint.as_deref(), Some("expected end, close or reset"));
}

#[test]
fn a_choice_that_goes_with_a_value_comes_with_one() {
    let kind = "`seconds` or `http-date` with a duration; `zero`; `duplicate` with durations";
    let parameters = vec![ParameterKind { kind: kind.to_owned(), ..parameter("value", "{seconds: 60s}") }];
    let fault = FaultKind { name: "retry-after".to_owned(), parameters, ..FaultKind::default() };
    let mut form = form::Form::of_fault("one", &fault);
    let chosen: Vec<String> = (0..4)
        .map(|_| {
            form.cycle(1);
            form.fields[0].value.clone()
        })
        .collect();
    assert_eq!(chosen, ["{http-date: 60s}", "zero", "{duplicate: [60s, 30s]}", "{seconds: 60s}"]);
    form.edit(|value| "http-date".clone_into(value));
    form.judge(&|_| vec![Complaint { field: Some("value".to_owned()), message: "write `http-date: …`".to_owned() }]);
    assert_eq!(form.fields[0].complaint.as_deref(), Some("write {http-date: 60s}"));
}

#[test]
fn no_two_fields_of_a_form_are_called_the_same_and_each_has_its_own_complaint() {
    let mut form = form::Form::of_fault("one", &catalogue()[0]);
    let mut labels: Vec<&str> = form.fields.iter().map(|field| field.label.as_str()).collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), form.fields.len(), "{labels:?}");
    let wrong = |field: &str| vec![Complaint { field: Some(field.to_owned()), message: "no".to_owned() }];
    let complains = |form: &form::Form| form.fields.iter().position(|field| field.complaint.is_some());
    form.judge(&|_| wrong("after"));
    assert_eq!(complains(&form), Some(0));
    form.judge(&|_| wrong("window.after"));
    assert_eq!(form.fields[complains(&form).expect("one is wrong")].label, "begins after");
}

#[test]
fn numbers_have_bounds() {
    let mut menu = menu();
    choose(&mut menu, "scale the gateway…");
    for (text, wanted) in [("0", None), ("65", None), ("x", None), ("3", Some(Act::Scale(3)))] {
        write(&mut menu, text);
        assert_eq!(menu.choose(&catalogue(), &nothing_wrong).map(|(act, _)| act), wanted, "{text}");
    }
    assert!(menu.back());
    assert!(!menu.back());
}

#[test]
fn active_faults_can_be_cleared_also_where_they_are() {
    use crate::event::{At, Kind};
    let injected = Kind::FaultInjected {
        fault_id: 4,
        fault: "cut".to_owned(),
        target: "two".to_owned(),
        injection: serde_json::json!({ "probability": 0.5 }),
        from_us: At(0),
        until_us: None,
    };
    let mut faults = Vec::new();
    crate::tui::faults::apply(&mut faults, &injected);
    let providers = ["one", "two"].map(|name| (name.to_owned(), String::new())).to_vec();
    let lab = Lab { providers, replicas: 1, faults: &faults, load: true };
    let mut menu = Menu::new(things::things(&lab));
    let cleared = choose(&mut menu, "clear cut at two").map(|(act, _)| act);
    assert_eq!(cleared, Some(Act::Clear(Cleared::One(4))));
    choose(&mut menu, "two");
    let cleared = choose(&mut menu, "clear cut at two").map(|(act, _)| act);
    assert_eq!(cleared, Some(Act::Clear(Cleared::One(4))));
}
