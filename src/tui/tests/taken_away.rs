//! Screens, casts and command lines that a person takes away.

use ratatui::layout::Size;

use super::builder;
use crate::event::At;
use crate::tui::action::Action;
use crate::tui::export::{self, cast, svg};
use crate::tui::model::{Effect, Model, Source};

fn replay() -> Model {
    let mut model = Model::new(builder::header(), Source::Replay, None);
    model.feed(builder::failover());
    model.conclude(None);
    model
}

#[test]
fn a_request_becomes_a_command_line_without_its_key() {
    let mut model = replay();
    model.seek(At(2_000_000));
    model.act(&Action::CopyCurl);
    let expected = "curl -sS http://localhost:8080/openai \\\n  -H 'content-type: application/json' \\\n  -H \"authorization: Bearer $API_KEY\" \\\n  -d '{\"model\":\"\",\"messages\":[{\"role\":\"user\",\"content\":\"What is 2+2?\"}]}'";
    assert_eq!(model.effects, [Effect::Copy(expected.to_owned())]);
    let mut sent = Vec::new();
    export::copy(&mut sent, "four").unwrap();
    assert_eq!(sent, b"\x1b]52;c;Zm91cg==\x07");
}

#[test]
fn a_screen_becomes_a_picture_with_all_its_text() {
    let mut model = replay();
    model.seek(At(800_000));
    let picture = svg::picture(&export::drawn(&model, Size::new(100, 30)), &model.theme);
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
    for text in ["mock-ratelimit-provider", "EVICTED", "59.3s left"] {
        assert!(picture.contains(text), "{text}");
    }
    let (open, close) = (picture.matches("<text").count(), picture.matches("</text>").count());
    assert_eq!(open, close);
}

#[test]
fn a_cast_plays_the_session_in_the_labs_time_and_leaves_the_screen_where_it_was() {
    let mut model = replay();
    model.seek(At(800_000));
    let before = model.place();
    let cast = cast::of_session(&mut model, Size::new(80, 24));
    assert_eq!(model.place(), before);
    let mut lines = cast.lines();
    let header: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!((header["version"].as_u64(), header["width"].as_u64()), (Some(2), Some(80)));
    let mut terminal = vt100::Parser::new(24.try_into().unwrap(), 80.try_into().unwrap(), 0);
    let (mut last, mut evicted_at) = (0.0, None);
    for line in lines {
        let (time, kind, out): (f64, String, String) = serde_json::from_str(line).unwrap();
        assert!(time >= last && kind == "o");
        last = time;
        terminal.process(out.as_bytes());
        if terminal.screen().contents().contains("EVICTED") && evicted_at.is_none() {
            evicted_at = Some(time);
        }
    }
    assert_eq!(evicted_at, Some(0.05), "the eviction is seen when it happened");
    assert!((63.0..64.0).contains(&last), "{last}");
    model.seek(At(u64::MAX));
    let lines = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(lines(&terminal.screen().contents()), lines(&export::text(&export::drawn(&model, Size::new(80, 24)))));
}
