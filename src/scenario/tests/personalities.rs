//! Scenarios that hold under several personalities, and what they expect otherwise under some.

use super::*;
use crate::scenario::expect::Check;

const SEVERAL: &str = "{ personalities: [agentgateway-0.12, agentgateway-1.4, reference] }";

/// The head of a scenario with this gateway.
fn head(gateway: &str) -> String {
    HEAD.replace("{ personality: agentgateway-0.12 }", gateway)
}

/// The scenario as the command line plays it.
fn played_as(personality: &str, text: &str) -> Scenario {
    let mut files = files(text);
    files.settings = vec![format!("lab.gateway.personality={personality}")];
    load_from(&files, Path::new("lab/scenario.yaml")).unwrap_or_else(|error| panic!("{}", told(&error)))
}

fn reached(expectations: &[Expectation]) -> Vec<(String, String)> {
    let reached = expectations.iter().filter_map(|one| match &one.check {
        Check::Reached { target, count } => Some((target.text.clone(), count.to_string())),
        _ => None,
    });
    reached.collect()
}

#[test]
fn the_first_personality_is_the_scenarios_own_and_the_command_line_plays_it_as_another() {
    let text =
        format!("{}steps: [{{ send: {{ path: /openai }} }}]\nexpect: {{ status: {{ 200: 0..1 }} }}\n", head(SEVERAL));
    let own = loaded(&text).unwrap();
    assert_eq!(own.gateway.personality, Personality::Agentgateway012);
    let all = [Personality::Agentgateway012, Personality::Agentgateway14, Personality::Reference];
    assert_eq!(own.personalities, all);
    assert_eq!(warnings(&own), "");

    let reference = played_as("reference", &text);
    assert_eq!(reference.gateway.personality, Personality::Reference);
    assert_eq!(reference.personalities.len(), 3);
    // Whoever explores may play it as anybody.
    let other = played_as("agentgateway-1.2", &text);
    assert_eq!(other.gateway.personality, Personality::Agentgateway12);

    let all = loaded(&text.replace(SEVERAL, "{ personalities: all }")).unwrap();
    assert_eq!(all.personalities, Personality::ALL);
    let named = loaded(&text.replace(SEVERAL, "{ personality: reference, personalities: all }")).unwrap();
    assert_eq!((named.gateway.personality, named.personalities.len()), (Personality::Reference, 4));
}

#[test]
fn what_is_expected_under_a_personality_is_merged_key_by_key() {
    let text = format!(
        "{}steps:
  - send:
      path: /openai
      expect: {{ reached: {{ mock-ratelimit-provider: 0..1 }}, under: {{ reference: {{ never-reached: [openai-provider-fallback] }} }} }}
  - repeat:
      times: 2
      steps:
        - parallel:
            - [{{ send: {{ path: /openai, expect: {{ status: {{ 200: 1 }}, under: {{ reference: {{ status: {{ 200: 0 }} }} }} }} }} }}]
expect:
  reached: {{ mock-ratelimit-provider: 2, openai-provider-primary: \">=1\" }}
  under:
    reference: {{ reached: {{ mock-ratelimit-provider: 3 }} }}
",
        head(SEVERAL)
    );
    let (own, reference) = (loaded(&text).unwrap(), played_as("reference", &text));
    let of = |who: &str, count: &str| (who.to_owned(), count.to_owned());
    let primary = of("openai-provider-primary", "at least 1");
    assert_eq!(reached(&own.expect), [of("mock-ratelimit-provider", "2"), primary.clone()]);
    assert_eq!(reached(&reference.expect), [of("mock-ratelimit-provider", "3"), primary]);
    let first = |scenario: &Scenario| reached(&scenario.sends().next().unwrap().1.expect).len();
    assert_eq!((first(&own), first(&reference)), (1, 2));
    let inner = |scenario: &Scenario| format!("{:?}", scenario.sends().last().unwrap().1.expect);
    assert!(inner(&own) != inner(&reference), "{}", inner(&own));
}

#[test]
fn mistakes_under_every_personality_are_found_at_once() {
    let text = format!(
        "{}steps: [{{ send: {{ path: /openai, expect: {{ under: {{ agentgateway-1.4: {{ status: {{ 2000: 1 }} }} }} }} }} }}]
expect:
  reached: {{ nobody: 1 }}
  under:
    reference: {{ reached: {{ no-one: 3 }} }}
    agentgateway-1.3: {{ pattern: \"200\" }}
    agentgateway-1.2: {{ pattern: \"200\" }}
",
        head(SEVERAL)
    );
    let told = wrong_file(&text);
    for expected in [
        "`2000`",
        "`nobody`",
        "`no-one`",
        "unknown personality `agentgateway-1.3`",
        "not played under agentgateway-1.2",
    ] {
        assert!(told.contains(expected), "{expected}\n{told}");
    }
    assert_eq!(told.matches("`nobody`").count(), 1, "each once:\n{told}");
}

#[test]
fn a_list_of_personalities_names_some_each_once() {
    for (gateway, expected) in [
        ("{ personalities: [] }", "holds under no personality"),
        ("{ personalities: reference }", "a list of personalities"),
        ("{ personalities: [reference, referense] }", "did you mean `reference`"),
        ("{ personalities: [reference, reference] }", "named twice"),
        ("{ personality: agentgateway-1.2, personalities: [reference] }", "not among the scenario's personalities"),
    ] {
        let told = wrong_file(&head(gateway));
        assert!(told.contains(expected), "{gateway}\n{told}");
    }
}

#[test]
fn what_goes_into_a_catalogue_is_read() {
    let scenario = sound("id: A01\nwhy: It matters\nlinks: [\"https://example.com/1\"]\n");
    assert_eq!((scenario.id.as_deref(), scenario.why.as_deref()), (Some("A01"), Some("It matters")));
    assert_eq!(scenario.links, ["https://example.com/1"]);
    assert!(wrong("links: [example.com]\n").contains("no address on the web"));
}
