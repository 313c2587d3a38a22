//! Faults as files have them, and whom they meet.

use std::time::Duration;

use super::target::End;
use super::*;
use crate::source::{Decoder, FileId, Place, Sources, Span, Spanned, yaml};
use crate::topology::{Auth, Authority, Backend, Group, Own, Provider, Service, Simulator, Topology};

fn decode(text: &str) -> (Option<Injection>, String) {
    let mut sources = Sources::default();
    let file = sources.add("lab.yaml", text);
    let nodes = yaml::parse(&sources, file).expect("YAML");
    let decoder = Decoder::default();
    let injection = decoder.decode(&nodes[0]);
    (injection, decoder.finish_strict().render(&sources, false))
}

fn read(text: &str) -> Injection {
    let (injection, problems) = decode(text);
    assert_eq!(problems, "", "{text}");
    injection.unwrap_or_else(|| panic!("{text}"))
}

#[test]
fn a_fault_is_its_name_or_a_map_with_its_parameters() {
    assert_eq!(read("fault: stall").fault, Fault::Stall(answer::Stall::default()));
    let stall = answer::Stall { after: 5, r#for: Some(Span(Duration::from_secs(3))) };
    assert_eq!(read("fault: {stall: {after: 5, for: 3s}}").fault, Fault::Stall(stall));
    let varying = read("fault: {delay: {time: {log-normal: {median: 3s, sigma: 0.5}}}}").fault;
    assert_eq!(serde_json::to_value(&varying).unwrap()["delay"]["time"]["log-normal"]["median"], "3s");
}

#[test]
fn every_fault_reads_back_what_it_writes() {
    assert_eq!(Fault::all().len(), 28);
    for fault in Fault::all() {
        let text = serde_json::to_string(&fault).unwrap();
        assert_eq!(serde_json::from_str::<Fault>(&text).unwrap(), fault, "{text}");
        assert_eq!(read(&format!("fault: {text}")).fault, fault, "JSON is YAML");
        assert_eq!(Fault::named(fault.name()), Some(fault));
    }
}

#[test]
fn every_fault_says_what_it_is() {
    for about in catalogue() {
        assert!(about.line().len() < 110 && !about.line().is_empty(), "{}", about.line());
        assert!(about.parameters.iter().all(|parameter| !parameter.about.is_empty() && !parameter.kind.is_empty()));
    }
    let status = Fault::named("status").unwrap().about();
    assert_eq!((status.parameters[0].name.as_str(), status.parameters[0].default_text().as_str()), ("code", "503"));
    let bandwidth = Fault::named("bandwidth").unwrap().about();
    assert_eq!(bandwidth.parameters[0].name, "bytes-per-second");
}

#[test]
fn all_that_goes_around_a_fault_is_read() {
    let all = read(
        "fault: {status: {code: 503}}\ntarget: gateway/1 -> openai-provider\nprobability: 0.5\n\
         window: {after: 5s, for: 1m, first: 3, every: 5}\nname: outage\n",
    );
    assert_eq!(all.target.to_string(), "gateway/1 -> openai-provider");
    assert_eq!((all.window.first, all.window.every.map(std::num::NonZeroU64::get)), (Some(3), Some(5)));
    assert!(Clear::Name("outage".to_owned()).means(9, &all) && !Clear::Name("other".to_owned()).means(9, &all));
    assert!(
        Clear::Fault("status".to_owned()).means(9, &all) && Clear::Id(9).means(9, &all) && Clear::All.means(9, &all)
    );
    let again: Injection = serde_json::from_str(&serde_json::to_string(&all).unwrap()).unwrap();
    assert_eq!(again, all);
}

#[test]
fn mistakes_are_told_where_they_stand() {
    for (text, place, message) in [
        ("fault: stal", "1:8", "did you mean `stall`?"),
        ("fault: {stal: {}}", "1:9", "did you mean `stall`?"),
        ("fault: {stall: {aftr: 3}}", "1:17", "did you mean `after`?"),
        ("fault: {stall: {for: 3}}", "1:22", "with its unit"),
        ("fault: {status: {code: 99}}", "1:24", "200 to 599"),
        ("fault: {stall: {}, cut: {}}", "1:8", "`cut` does not belong here"),
        ("fault: {delay: {time: {log-norml: {}}}}", "1:24", "did you mean `log-normal`?"),
        ("fault: stall\ntarget: gateway/x", "2:9", "is no replica"),
        ("fault: stall\nprobabilty: 1", "2:1", "did you mean `probability`?"),
        ("fault: stall\nwindow: {every: 0}", "2:17", "a whole number from 1"),
        ("target: x", "1:1", "`fault` is missing"),
    ] {
        let (_, problems) = decode(text);
        assert!(problems.contains(&format!("lab.yaml:{place}\n")) && problems.contains(message), "{text}\n{problems}");
    }
}

#[test]
fn a_line_is_enough_for_a_command_line() {
    assert_eq!(Injection::parse("stall"), Ok(Injection::new(Fault::named("stall").unwrap())));
    assert_eq!(Injection::parse("{stall: {after: 1}}").unwrap().target, Target::Everything);
    let whole = Injection::parse("{fault: refuse, target: gateway -> mock, window: {first: 1}}").unwrap();
    assert_eq!(whole.window.first, Some(1));
    for wrong in ["", "stal", "{fault: stall, probability: 2}", "{fault: stall, target: client -> gateway}", ": :"] {
        assert!(Injection::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_menu_gives_parameters_one_by_one() {
    let typed = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
    };
    let stall = Injection::of("stall", &typed(&[("after", "5"), ("for", "3s")])).unwrap();
    assert_eq!(serde_json::to_value(&stall.fault).unwrap(), serde_json::json!({"stall": {"after": 5, "for": "3s"}}));
    assert!(Injection::of("refuse", &[]).is_ok());
    assert!(Injection::of("stall", &typed(&[("after", "soon")])).unwrap_err().contains("whole number"));
    for about in catalogue() {
        let defaults = about.parameters.iter().filter(|one| !one.default.is_null());
        let pairs: Vec<_> = defaults.map(|one| (one.name.clone(), one.default_text())).collect();
        assert_eq!(
            Injection::of(about.name, &pairs).map(|one| Some(one.fault)),
            Ok(Fault::named(about.name)),
            "{pairs:?}"
        );
    }
}

fn lab() -> Topology {
    let place = Place::start_of(FileId(0));
    let simulator = |name: &str| Simulator {
        name: name.to_owned(),
        namespace: "lab".to_owned(),
        replicas: 2,
        args: Vec::new(),
        env: std::collections::BTreeMap::new(),
        place,
    };
    let service = |name: &str, simulator| Service {
        name: name.to_owned(),
        namespace: "lab".to_owned(),
        port: 80,
        simulator,
        target_port: 8000,
        place,
    };
    let provider = |name: &str, host: &str, port, model: &str| Provider {
        name: Spanned::new(name.to_owned(), place),
        model: Some(model.to_owned()),
        endpoint: Authority::new(host, port),
        path: "/v1/chat/completions".to_owned(),
        auth: Auth::None,
        keeps_query: false,
        is_openai: false,
        tls: None,
        health: None,
        own: Own::default(),
        connect_timeout: None,
        h2c: false,
        http2: None,
    };
    let group = |providers| Group { providers };
    Topology {
        simulators: vec![simulator("mock"), simulator("other")],
        services: vec![service("mock", 0), service("other-svc", 1)],
        backends: vec![Backend {
            name: "llm".to_owned(),
            namespace: "lab".to_owned(),
            health: None,
            own_health: None,
            label: None,
            groups: vec![
                group(vec![
                    provider("small", "mock.lab.svc.cluster.local", 80, "m-small"),
                    provider("large", "mock.lab.svc.cluster.local", 80, "m-large"),
                ]),
                group(vec![provider("openai-provider", "api.openai.com", 443, "gpt-4o")]),
            ],
            place,
        }],
        ..Topology::default()
    }
}

#[test]
fn targets_mean_hosts_of_the_lab() {
    let aim = |text: &str| Target::parse(text).unwrap().aim(&lab()).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let mock = Ends::Hosts(vec!["mock-0".to_owned(), "mock-1".to_owned()]);
    let small = aim("small");
    assert_eq!((small.to.clone(), small.model.as_deref()), (mock.clone(), Some("m-small")));
    assert!(small.meets_answer("mock-1", Some("m-small")) && !small.meets_answer("mock-1", Some("m-large")));
    assert!(small.meets_link("anyone", &["mock.lab.svc.cluster.local", "mock-0"]));
    assert_eq!(aim("lab/llm/small"), small);
    assert_eq!(aim("mock").to, mock, "a simulator and its service of one name are one thing");
    assert_eq!(aim("mock.lab.svc.cluster.local:80").to, mock);
    assert_eq!(aim("mock-1").to, Ends::Hosts(vec!["mock-1".to_owned()]));
    assert_eq!(aim("gpt-4o").model.as_deref(), Some("gpt-4o"));
    assert_eq!(aim("openai-provider"), Aim::host("api.openai.com"));
    let link = aim("gateway/1 -> openai-provider");
    assert!(link.meets_link("agentgateway-proxy-1", &["api.openai.com"]));
    assert!(!link.meets_link("agentgateway-proxy-11", &["api.openai.com"]));
    assert!(!link.meets_link("agentgateway-proxy-1", &["mock-0"]));
    let client = aim("client");
    assert!(
        client.meets_link("client", &["agentgateway-proxy-0"])
            && !client.meets_link("agentgateway-proxy-0", &["mock-0"])
    );
    assert!(aim("gateway").meets_link("client", &["agentgateway-proxy-0"]));
    assert_eq!(aim("*"), Aim::default());
}

#[test]
fn names_that_are_wrong_or_double_are_told() {
    let error = |text: &str| format!("{:?}", Target::parse(text).unwrap().aim(&lab()).unwrap_err());
    assert!(error("smal").contains("did you mean `small`?"));
    assert!(error("client -> nobody-knows-it").contains("the lab has no `nobody-knows-it`"));
    let mut double = lab();
    double.simulators[1].name = "openai-provider".to_owned();
    let ambiguous = Target::To(End::Named("openai-provider".to_owned())).aim(&double).unwrap_err();
    assert!(ambiguous.message.contains("several things"), "{ambiguous:?}");
}
