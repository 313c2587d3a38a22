//! The metrics of a run, and what reads them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;
use crate::report::testing::{assert_snapshot, events, header};

fn metrics_of(personality: &str, upto: u64) -> Metrics {
    let mut header = header();
    personality.clone_into(&mut header.personality);
    let mut metrics = Metrics::new(&header);
    events().iter().take_while(|event| event.at_us.0 <= upto).for_each(|event| drop(metrics.apply(event)));
    metrics
}

fn sample(text: &str, start: &str) -> f64 {
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with(start)).collect();
    let [line] = lines[..] else { panic!("{start}: {lines:?}") };
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

fn assert_near(have: f64, want: f64) {
    assert!((have - want).abs() < 1e-9, "{have} is not {want}");
}

#[test]
fn a_run_in_numbers() {
    assert_snapshot("metrics.txt", &render(&metrics_of("agentgateway-1.4", u64::MAX), At(64_000_000)));
}

#[test]
fn an_eviction_counts_down_and_ends() {
    let metrics = metrics_of("agentgateway-1.4", 2_163_000);
    let remaining = "labsim_provider_eviction_remaining_seconds{replica=\"0\",backend=\"agentgateway-system/openai-failover\",group=\"0\"";
    assert_near(sample(&render(&metrics, At(2_000)), remaining), 60.0);
    assert_near(sample(&render(&metrics, At(30_002_000)), remaining), 30.0);
    assert_near(sample(&render(&metrics, At(60_002_000)), remaining), 0.0);
    let later = metrics_of("agentgateway-1.4", 60_002_000);
    assert_near(sample(&render(&later, At(60_002_000)), remaining), 0.0);
    let active = "labsim_provider_active{replica=\"0\",backend=\"agentgateway-system/openai-failover\",group=\"0\"";
    assert_near(sample(&render(&metrics, At(60_002_000)), active), 0.0);
    assert_near(sample(&render(&later, At(60_002_000)), active), 1.0);
}

#[test]
fn nothing_is_in_flight_when_all_is_over() {
    let text = render(&metrics_of("agentgateway-1.4", u64::MAX), At(64_000_000));
    for line in text.lines().filter(|line| line.contains("_in_flight_requests{")) {
        assert!(line.ends_with(" 0"), "{line}");
    }
    let during = render(&metrics_of("agentgateway-1.4", 1_500_000), At(1_500_000));
    assert_near(sample(&during, "labsim_gateway_in_flight_requests{replica=\"0\"}"), 1.0);
}

#[test]
fn versions_count_what_they_count() {
    let count = |personality: &str, start: &str| {
        let text = render(&metrics_of(personality, u64::MAX), At(0));
        text.lines().filter(|line| line.starts_with(start)).count()
    };
    assert_eq!(count("agentgateway-0.12", "agentgateway_retries_total"), 0);
    assert_eq!(count("agentgateway-1.2", "agentgateway_retries_total"), 1);
    let cached = "agentgateway_gen_ai_client_token_usage_count{gen_ai_token_type=\"input_cache_read\"";
    assert_eq!(count("agentgateway-0.12", cached), 0);
    assert_eq!(count("agentgateway-1.2", cached), 1, "also where none was read");
    let timed_failures = "agentgateway_gen_ai_server_request_duration_count{gen_ai_operation_name=\"chat\",gen_ai_system=\"openai\",gen_ai_request_model=\"mock-gpt-4o\",gen_ai_response_model=\"unknown\"";
    assert_eq!(count("agentgateway-1.2", timed_failures), 0);
    assert_eq!(count("agentgateway-1.4", timed_failures), 1);
}

/// A rule by its name, and a client that left before the head.
#[test]
fn a_rule_is_told_by_its_name_and_no_answer_has_no_reason() {
    let mut metrics = Metrics::new(&header());
    for mut event in events() {
        match &mut event.kind {
            Kind::GatewayRequestRouted { rule_name, .. } => *rule_name = Some("chat".to_owned()),
            Kind::GatewayRequestEnded { request, status, .. } if request == "r2" => *status = 0,
            _ => {}
        }
        metrics.apply(&event);
    }
    let text = render(&metrics, At(64_000_000));
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("agentgateway_requests_total{")).collect();
    let by_rule = lines.iter().filter(|line| line.contains("route_rule=\"chat\"")).count();
    assert_eq!((by_rule, lines.len()), (4, 5), "all but the one without a route: {lines:#?}");
    assert_eq!(
        lines.iter().filter(|line| line.contains("status=\"unknown\",reason=\"unknown\"")).count(),
        1,
        "{lines:#?}"
    );
}

/// agentgateway's own families have its name for a backend, labsim's have labsim's.
#[test]
fn a_backend_is_called_what_its_version_calls_it() {
    let families = |personality: &str| {
        let mut header = header();
        personality.clone_into(&mut header.personality);
        header.backends[0].label = Some("/default/default/bind/3000/listener0/default/route0/backend0".to_owned());
        let mut metrics = Metrics::new(&header);
        for event in events() {
            metrics.apply(&event);
        }
        render(&metrics, At(64_000_000))
    };
    for (personality, name) in [
        ("agentgateway-1.4", "/default/default/bind/3000/listener0/default/route0/backend0"),
        ("agentgateway-0.12", "/default/default/listener0/default/route0/backend0"),
    ] {
        let text = families(personality);
        for line in text.lines().filter(|line| line.contains("backend=\"") && !line.contains("backend=\"unknown\"")) {
            let is_own = line.starts_with("labsim_");
            assert_eq!(line.contains(&format!("backend=\"{name}\"")), !is_own, "{line}");
        }
        assert!(text.contains(&format!("agentgateway_requests_total{{backend=\"{name}\"")), "{text}");
    }
}

#[test]
fn a_restart_takes_state_away_and_leaves_counts() {
    let mut metrics = metrics_of("agentgateway-1.4", 2_163_000);
    for (seq, kind) in
        [Kind::ReplicaStopped { replica: 0 }, Kind::ReplicaStarted { replica: 0 }].into_iter().enumerate()
    {
        metrics.apply(&Event { seq: seq as u64, at_us: At(3_000_000), kind });
    }
    let text = render(&metrics, At(3_000_000));
    let labels = "{replica=\"0\",backend=\"agentgateway-system/openai-failover\",group=\"0\"";
    assert_near(sample(&text, &format!("labsim_provider_active{labels}")), 1.0);
    assert_near(sample(&text, &format!("labsim_provider_evictions_total{labels}")), 1.0);
}

/// Prometheus' own tool finds nothing to say.
#[test]
fn promtool_is_content() {
    let promtool =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut promtool) = promtool else {
        eprintln!("passed over: there is no promtool here");
        return;
    };
    let text = render(&metrics_of("agentgateway-1.4", u64::MAX), At(64_000_000));
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
