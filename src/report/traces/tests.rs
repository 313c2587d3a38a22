//! The spans of a run.

use serde_json::Value as Json;

use super::*;
use crate::report::testing::{assert_snapshot, events, header};

fn export(personality: &str) -> Json {
    let mut header = header();
    personality.clone_into(&mut header.personality);
    serde_json::from_str(&taken(&header, &events()).json()).unwrap()
}

fn taken(header: &Header, events: &[Event]) -> Export {
    let mut traces = Traces::new(header, header.start.parse().unwrap());
    for event in events {
        traces.apply(event);
    }
    traces.take(At(u64::MAX)).unwrap()
}

fn spans(export: &Json) -> Vec<Json> {
    export["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
}

fn attribute<'j>(span: &'j Json, key: &str) -> Option<&'j Json> {
    span["attributes"].as_array().unwrap().iter().find(|one| one["key"] == key).map(|one| &one["value"])
}

#[test]
fn a_run_as_spans() {
    assert_snapshot("traces.json", &format!("{:#}\n", export("agentgateway-1.4")));
}

#[test]
fn a_request_has_a_span_and_each_attempt_one_under_it() {
    let spans = spans(&export("agentgateway-1.4"));
    let servers: Vec<&Json> = spans.iter().filter(|span| span["kind"] == SERVER).collect();
    assert_eq!((servers.len(), spans.len()), (6, 12));
    for client in spans.iter().filter(|span| span["kind"] == CLIENT) {
        let parent = servers.iter().find(|server| server["spanId"] == client["parentSpanId"]).unwrap();
        assert_eq!(parent["traceId"], client["traceId"]);
    }
    assert_eq!(servers[0]["name"], "POST /openai*");
    assert_eq!(servers[5]["name"], "POST");
}

const SERVER: i32 = otlp::SERVER;
const CLIENT: i32 = otlp::CLIENT;

/// What the lab compares: the 429 of the mock, and the 200 of `OpenAI`.
#[test]
fn the_labs_two_traces_differ_where_it_says() {
    let spans = spans(&export("agentgateway-1.4"));
    let attempts: Vec<&Json> = spans.iter().filter(|span| span["kind"] == CLIENT).collect();
    let (limited, answered) = (attempts[0], attempts[1]);
    assert_eq!(attribute(limited, "http.response.status_code").unwrap()["intValue"], "429");
    assert_eq!(limited["status"]["code"], 2);
    let waits = attribute(limited, "http.response.header.retry-after").unwrap();
    assert_eq!(waits["arrayValue"]["values"][0]["stringValue"], "60");
    assert_eq!(limited["events"][0]["name"], "provider.evicted");
    assert_eq!(attribute(answered, "server.address").unwrap()["stringValue"], "api.openai.com");
    assert_eq!(attribute(answered, "http.response.status_code").unwrap()["intValue"], "200");
    assert!(answered["status"].as_object().unwrap().is_empty());
    assert!(answered.get("events").is_none());
}

#[test]
fn times_are_the_labs() {
    let spans = spans(&export("agentgateway-1.4"));
    assert_eq!(spans[0]["startTimeUnixNano"], "1767225600000000000");
    assert_eq!(spans[0]["endTimeUnixNano"], "1767225600002000000");
}

#[test]
fn a_clients_trace_is_continued() {
    let spans = spans(&export("agentgateway-1.4"));
    let of_client: Vec<&Json> =
        spans.iter().filter(|span| span["traceId"] == "4bf92f3577b34da6a3ce929d0e0e4736").collect();
    assert_eq!(of_client.len(), 3, "the request and its two attempts");
    assert_eq!(of_client[0]["parentSpanId"], "00f067aa0ba902b7");
    assert_eq!(attribute(of_client[2], "http.request.resend_count").unwrap()["intValue"], "1");
}

/// What the gateway says of the first and the fourth request, which has a client's trace, and what comes of it: how many
/// spans, and the lines of the access log with a trace.
fn traced(fresh: Option<bool>, of_client: Option<bool>, flags: &str) -> (usize, Vec<usize>) {
    let header = header();
    let mut events = events();
    for event in &mut events {
        if let Kind::GatewayRequestReceived { request, arrival, .. } = &mut event.kind {
            match request.as_str() {
                "r1" => arrival.traced = fresh,
                "r4" => {
                    arrival.traced = of_client;
                    let traceparent = arrival.traceparent.as_mut().unwrap();
                    traceparent.truncate(traceparent.len() - 2);
                    traceparent.push_str(flags);
                }
                _ => {}
            }
        }
    }
    let export: Json = serde_json::from_str(&taken(&header, &events).json()).unwrap();
    let start = header.start.parse().unwrap();
    let mut log = access_log::AccessLog::new(access_log::Format::Json, &header, start, access_log::Options::default());
    let lines: Vec<String> = events.iter().filter_map(|event| log.line(event)).collect();
    let with_trace = (0..lines.len()).filter(|line| lines[*line].contains("\"trace.id\"")).collect();
    if fresh == Some(true) {
        let line: Json = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(
            (&line["trace.id"], &line["span.id"]),
            (&spans(&export)[0]["traceId"], &spans(&export)[0]["spanId"])
        );
    }
    (spans(&export).len(), with_trace)
}

#[test]
fn which_requests_are_traced_says_the_configuration_and_the_client() {
    let all = spans(&export("agentgateway-1.4")).len();
    assert_eq!(traced(None, None, "01"), (all, vec![3]));
    assert_eq!(
        traced(Some(true), Some(true), "01"),
        (all, vec![0, 3]),
        "a trace that the gateway begins is logged, too"
    );
    assert_eq!(traced(Some(false), Some(true), "01"), (all - 2, vec![3]));
    assert_eq!(traced(None, Some(false), "01"), (all - 3, vec![]));
    assert_eq!(
        traced(None, None, "00"),
        (all - 3, vec![3]),
        "one that is not sampled is continued, and told to nobody"
    );
}

#[test]
fn only_the_reference_gateway_marks_its_errors() {
    let status = |personality| spans(&export(personality))[9]["status"].clone();
    assert_eq!(status("agentgateway-1.4"), serde_json::json!({}));
    assert_eq!(status("reference")["code"], 2);
}

#[test]
fn an_eviction_that_comes_late_is_still_told() {
    let header = header();
    let mut traces = Traces::new(&header, header.start.parse().unwrap());
    let mut late = None;
    for event in events().iter().take_while(|event| event.at_us.0 < 60_000_000) {
        match &event.kind {
            Kind::ProviderEvicted { .. } => late = Some(event.clone()),
            _ => traces.apply(event),
        }
    }
    traces.apply(&late.unwrap());
    let text = traces.take(At(2_000)).unwrap().json();
    assert!(text.contains("provider.evicted"), "{text}");
    assert_eq!(spans(&serde_json::from_str(&text).unwrap()).len(), 2, "the others have not ended by then");
    assert!(traces.take(At(u64::MAX)).is_some());
    assert!(traces.take(At(u64::MAX)).is_none());
}

/// What a collector reads out of the bytes is what was put in: the tags and types of protobuf agree with each other.
/// That they are OpenTelemetry's, `tests/clients/collector.py` knows.
#[test]
fn protobuf_says_the_same() {
    let export = taken(&header(), &events());
    let read = <Export as prost::Message>::decode(export.protobuf().as_slice()).unwrap();
    assert_eq!(read, export);
}
