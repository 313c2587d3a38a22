//! The layer in front of the lab's own simulators, of which it knows nothing.

use std::time::Duration;

use serde_json::json;

use super::{End, PATIENCE, Rig, authority, in_virtual_time};
use crate::event::{Kind, Outcome};
use crate::sim::{openai, vllm};
use crate::world::Net;

const KEY: &str = "authorization: Bearer sk-lab\r\n";
const QUESTION: &str = "What is 2+2? Answer in a few sentences, please, and say why.";

fn question(stream: bool) -> String {
    json!({"model": "gpt-4o", "stream": stream, "messages": [{"role": "user", "content": QUESTION}]}).to_string()
}

fn tools() -> String {
    let function = json!({"name": "get_weather", "description": "Tells the weather.", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}});
    json!({
        "model": "gpt-4o", "stream": true, "tool_choice": "required",
        "messages": [{"role": "user", "content": "Weather?"}], "tools": [{"type": "function", "function": function}],
    })
    .to_string()
}

/// Both simulators, each behind the layer.
fn each(work: impl AsyncFn(&'static str, Rig)) {
    in_virtual_time(async |_| {
        let fake = Rig::with(Net::memory(), |world| {
            openai::FakeOpenai::new(openai::Config::accepting(["sk-lab".to_owned()]), world.clone()).router()
        });
        work("openai", fake.await).await;
        let vllm = Rig::with(Net::memory(), |world| {
            let args = ["--model", "gpt-4o", "--time-to-first-token", "100ms", "--inter-token-latency", "20ms"]
                .map(str::to_owned);
            let (config, _) = vllm::Config::parse(&args, &std::collections::BTreeMap::new()).unwrap();
            vllm::Simulator::new(config, world.clone(), super::HOST).router()
        });
        work("vllm", vllm.await).await;
    });
}

#[test]
fn streams_are_cut_stalled_and_left_without_an_end() {
    each(async |name, rig| {
        let plain = rig.ask_with(&question(true), KEY, PATIENCE).await;
        assert!(plain.body().1 && plain.body_text().ends_with("data: [DONE]\n\n"), "{name}: {}", plain.text());
        for (fault, proper, done) in [
            ("{cut: {after: 2}}", false, false),
            ("no-done", true, false),
            ("{stall: {after: 2, for: 9s}}", true, true),
        ] {
            let id = rig.inject(fault);
            let wire = rig.ask_with(&question(true), KEY, PATIENCE).await;
            assert_eq!(
                (wire.body().1, wire.body_text().contains("[DONE]"), wire.end),
                (proper, done, End::Eof),
                "{name}: {fault}"
            );
            rig.board.clear(&crate::fault::Clear::Id(id));
        }
    });
}

#[test]
fn a_tool_call_breaks_off() {
    each(async |name, rig| {
        rig.inject("half-tool-call");
        let wire = rig.ask_with(&tools(), KEY, PATIENCE).await;
        let text = wire.body_text();
        assert!(
            !wire.body().1 && text.contains("\"arguments\":") && !text.contains("finish_reason\":\"tool_calls"),
            "{name}: {text}"
        );
    });
}

#[test]
fn plain_answers_are_truncated_and_refused() {
    each(async |name, rig| {
        let id = rig.inject("truncated-json");
        let wire = rig.ask_with(&question(false), KEY, PATIENCE).await;
        assert!(wire.body().1, "{name}: the length is right: {}", wire.text());
        assert!(serde_json::from_slice::<serde_json::Value>(&wire.body().0).is_err(), "{name}");
        rig.board.clear(&crate::fault::Clear::Id(id));
        rig.inject("{rate-limit: {requests: 1}}");
        let statuses = [200, 429].map(|status| format!("HTTP/1.1 {status}"));
        for status in statuses {
            let wire = rig.ask_with(&question(false), KEY, PATIENCE).await;
            assert!(wire.head().starts_with(&status), "{name}: {}", wire.head());
        }
    });
}

#[test]
fn each_request_is_told_once_whatever_becomes_of_it() {
    each(async |name, rig| {
        for fault in
            ["status", "{delay: {time: 1s}}", "{cut: {after: 1, how: reset}}", "empty-stream", "{stall: {after: 1}}"]
        {
            let id = rig.inject(fault);
            rig.ask_with(&question(true), KEY, Duration::from_secs(20)).await;
            rig.board.clear(&crate::fault::Clear::Id(id));
        }
        tokio::time::sleep(PATIENCE).await;
        let events = rig.events();
        let received = events.iter().filter(|event| matches!(event.kind, Kind::ProviderRequestReceived { .. })).count();
        let ended: Vec<_> = events
            .iter()
            .filter_map(|event| match &event.kind {
                Kind::ProviderRequestEnded { status, outcome, .. } => Some((*status, *outcome)),
                _ => None,
            })
            .collect();
        assert_eq!((received, ended.len()), (5, 5), "{name}: {ended:?}");
        assert_eq!(ended[..2], [(503, Outcome::Complete), (200, Outcome::Complete)], "{name}");
        assert_eq!(rig.server.open_connections(), 0, "{name}: {}", authority());
    });
}
