//! The lines of a run, and what reads them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;
use crate::report::testing::{assert_snapshot, events, header};

fn log(format: Format, options: Options) -> String {
    let header = header();
    let mut log = AccessLog::new(format, &header, header.start.parse().unwrap(), options);
    events().iter().filter_map(|event| log.line(event)).collect()
}

#[test]
fn lines_are_agentgateways() {
    assert_snapshot("access_log.txt", &log(Format::Text, Options::default()));
    assert_snapshot("access_log.jsonl", &log(Format::Json, Options::default()));
}

#[test]
fn a_line_has_its_rules_name_and_what_its_version_counts() {
    let line = |personality: &str| {
        let mut header = header();
        personality.clone_into(&mut header.personality);
        let mut log = AccessLog::new(Format::Text, &header, header.start.parse().unwrap(), Options::default());
        let lines = events().into_iter().filter_map(|mut event| {
            if let crate::event::Kind::GatewayRequestRouted { rule_name, .. } = &mut event.kind {
                *rule_name = Some("chat".to_owned());
            }
            log.line(&event)
        });
        lines.collect::<Vec<_>>().remove(2)
    };
    let (old, new) = (line("agentgateway-0.12"), line("agentgateway-1.2"));
    assert!(new.contains(" listener=http route_rule=chat route="), "{new}");
    let tokens = " gen_ai.usage.input_tokens=14 gen_ai.usage.cache_read.input_tokens=0 gen_ai.usage.output_tokens=8 gen_ai.usage.output_audio_tokens=3 ";
    assert!(new.contains(tokens), "{new}");
    assert!(!old.contains("cache_read") && !old.contains("audio"), "{old}");
}

#[test]
fn a_body_is_shown_and_a_client_hidden_where_asked_for() {
    let text = log(Format::Json, Options { response_body: true, mask_client: true });
    let lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["response.body"], "{\"error\":\"slow\"}");
    assert_eq!(lines[0]["src.addr"], "127.0.0.0:0");
    assert_eq!(lines[4]["src.addr"], "[2001:db8:1::]:0");
    assert!(!text.contains("44676"));
}

/// The lab's own filter prints what the lab prints.
#[test]
fn the_labs_jq_filter_finds_its_fields() {
    let filter = r#"select(.scope == "request") | {status: ."http.status", endpoint: .endpoint, duration: .duration}"#;
    let jq = Command::new("jq").arg(filter).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut jq) = jq else {
        eprintln!("passed over: there is no jq here");
        return;
    };
    let text = log(Format::Json, Options::default());
    jq.stdin.take().unwrap().write_all(text.lines().take(2).collect::<Vec<_>>().join("\n").as_bytes()).unwrap();
    let output = jq.wait_with_output().unwrap();
    let expected = r#"{
  "status": 429,
  "endpoint": "mock-gpt-4o-svc.agentgateway-system.svc.cluster.local:8000",
  "duration": "2ms"
}
{
  "status": 200,
  "endpoint": "api.openai.com:443",
  "duration": "861ms"
}
"#;
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[test]
fn a_time_has_six_digits_behind_the_point() {
    let start = "2026-11-22T21:30:45Z".parse().unwrap();
    assert_eq!(rfc3339(start, At(2_386)), "2026-11-22T21:30:45.002386Z");
    assert_eq!(rfc3339(start, At(0)), "2026-11-22T21:30:45.000000Z");
}

#[test]
fn a_request_cannot_forge_a_line_or_a_field() {
    let fields = [("http.path", Field::from("/a status=200\nforged")), ("http.method", Field::from("POST"))];
    assert_eq!(text("T", &fields), "T\tinfo\trequest http.path=\"/a status=200\\nforged\" http.method=POST\n");
}

#[test]
fn a_host_loses_its_port_and_nothing_else() {
    for (host, expected) in
        [("a:80", "a"), ("a", "a"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("::1", "::1"), (":80", ":80")]
    {
        assert_eq!(without_port(host), expected);
    }
}

/// agentgateway answers a request without a host before it has taken note of anything else.
#[test]
fn of_a_request_without_a_host_little_is_told() {
    for (host, is_told) in [(None, false), (Some("a b"), false), (Some("gw:8080"), true)] {
        let header = header();
        let mut log = AccessLog::new(Format::Text, &header, header.start.parse().unwrap(), Options::default());
        let mut metrics = crate::report::metrics::Metrics::new(&header);
        let mut lines = Vec::new();
        for mut event in events() {
            match &mut event.kind {
                crate::event::Kind::GatewayRequestReceived { arrival, .. } => arrival.host = host.map(str::to_owned),
                crate::event::Kind::GatewayRequestEnded { error, .. } => {
                    *error = Some("processing failed: no authority or host".to_owned());
                }
                _ => {}
            }
            metrics.apply(&event);
            lines.extend(log.line(&event));
        }
        for field in [" http.method=", " http.path=", " http.version="] {
            assert!(lines.iter().all(|line| line.contains(field) == is_told), "{host:?}: {lines:?}");
        }
        let rendered = crate::report::metrics::render(&metrics, crate::event::At::default());
        assert_eq!(rendered.contains("method=\"POST\""), is_told, "{host:?}");
        assert_eq!(rendered.contains("method=\"unknown\""), !is_told, "{host:?}");
    }
}
