//! Scenarios from several places: variables, settings of the command line, files that extend others.

use super::*;

const STEPS: &str = "steps: [{ send: { path: /openai, times: \"${times:-2}\" } }]\nexpect: { status: { 2xx: 0..9 } }\n";

/// Loads the scenario with these settings.
fn with(text: &str, settings: &[&str], variables: &[(&str, &str)]) -> Result<Scenario, LoadError> {
    let mut files = files(text);
    files.settings = settings.iter().map(|one| (*one).to_owned()).collect();
    files.variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load_from(&files, Path::new("lab/scenario.yaml"))
}

fn times(scenario: &Scenario) -> u32 {
    scenario.sends().map(|(_, send)| send.times).sum()
}

fn wrong_with(text: &str, settings: &[&str]) -> String {
    match with(text, settings, &[]) {
        Ok(_) => panic!("no error with {settings:?} in\n{text}"),
        Err(error) => told(&error),
    }
}

#[test]
fn the_command_line_comes_before_the_file_and_the_file_before_the_environment() {
    let plain = format!("{HEAD}{STEPS}");
    let named = format!("{HEAD}vars: {{ times: 3 }}\n{STEPS}");
    for (text, settings, variables, expected) in [
        (&plain, &[][..], &[][..], 2),
        (&plain, &[], &[("times", "4")], 4),
        (&named, &[], &[("times", "4")], 3),
        (&named, &["times=5"], &[("times", "4")], 5),
        (&plain, &["times=5"], &[("times", "4")], 5),
        (&plain, &["steps.0.send.times=6"], &[("times", "4")], 6),
    ] {
        let scenario = with(text, settings, variables).unwrap_or_else(|error| panic!("{}", told(&error)));
        assert_eq!(times(&scenario), expected, "{settings:?} {variables:?}");
    }
    let derived = format!("{HEAD}vars: {{ times: \"${{N:-7}}\" }}\n{STEPS}");
    assert_eq!(times(&with(&derived, &[], &[]).unwrap()), 7);
    assert_eq!(times(&with(&derived, &[], &[("N", "8")]).unwrap()), 8);
}

#[test]
fn a_setting_replaces_what_stands_at_its_path() {
    let text = format!("{HEAD}{STEPS}");
    let settings = [
        "lab.gateway.replicas=3",
        "lab.gateway.spread=random",
        "seed=9",
        "expect.status={ 200: 2 }",
        "name=Other name",
    ];
    let scenario = with(&text, &settings, &[]).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!((scenario.gateway.replicas, scenario.gateway.spread), (3, Spread::Random));
    assert_eq!(scenario.seed.as_ref().map(|seed| seed.value), Some(9));
    assert_eq!((scenario.name.as_str(), scenario.expect.len()), ("Other name", 1));
    assert_eq!(scenario.sources.describe(scenario.expect[0].place), "command line:4:17");
    let priced = with(&text, &["prices.\"gpt-4.1\"={ input: 2, output: 8 }"], &[]).unwrap();
    assert_eq!(priced.prices[0].model, "gpt-4.1");
}

#[test]
fn a_wrong_setting_is_underlined_on_the_command_line() {
    let text = format!("{HEAD}{STEPS}");
    for (setting, place, message) in [
        ("lab.gateway.replicas=0", "command line:1:22", "expected a whole number from 1 to 64, found `0`"),
        ("lab.gatway.replicas=2", "command line:1:5", "did you mean `gateway`?"),
        ("steps.4.send.times=2", "command line:1:7", "there is no item `4` in this list"),
        ("name.first=x", "command line:1:6", "`first` leads into text"),
        ("lab.gateway={", "command line:1:", "not valid YAML"),
        ("replicas", "command line:1:1", "a setting has a name and a value"),
        ("tims=3", "command line:1:1", "did you mean `times`?"),
        ("sed=3", "command line:1:1", "did you mean `seed`?"),
        ("extends=base.yaml", "command line:1:1", "stands in the scenario file"),
        ("expect.latency.p99=\"<=2\"", "command line:1:20", "has no unit"),
    ] {
        let told = wrong_with(&text, &[setting]);
        assert!(told.contains(place) && told.contains(message), "{setting}\n{told}");
    }
}

#[test]
fn names_and_values_of_variables_are_checked() {
    for (vars, message) in [
        ("{ \"a b\": 1 }", "is not the name of a variable"),
        ("{ a: }", "`a` has no value"),
        ("{ a: [1] }", "expected text or a number"),
        ("{ a: \"${nothing}\" }", "the variable `nothing` is not set"),
        ("[a]", "expected a map"),
    ] {
        let told = wrong_with(&format!("{HEAD}vars: {vars}\n{STEPS}"), &[]);
        assert!(told.contains(message) && told.contains("scenario.yaml:6:"), "{vars}\n{told}");
    }
}

/// A scenario in a folder of its own that extends the one in `lab`.
fn extended(base: &str, own: &str) -> Result<Scenario, LoadError> {
    let mut files = files(base);
    files.files.insert("lab/more/own.yaml".into(), own.to_owned());
    load_from(&files, Path::new("lab/more/own.yaml"))
}

#[test]
fn maps_are_merged_and_lists_replaced_unless_they_are_appended() {
    let base = format!("{HEAD}seed: 4\nvars: {{ times: 3 }}\n{STEPS}");
    let scenario = extended(
        &base,
        "extends: ../scenario.yaml
name: Own
vars: { times: 5 }
lab: { gateway: { replicas: 2 } }
+steps:
  - wait: 1s
expect: { status: { 2xx: 1..9, 4xx: 0..9 }, never-reached: [openai-provider-fallback] }
",
    );
    let scenario = scenario.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!((scenario.name.as_str(), scenario.gateway.replicas), ("Own", 2));
    assert_eq!(scenario.gateway.personality, Personality::Agentgateway012, "the base says so");
    assert_eq!(scenario.seed.as_ref().map(|seed| seed.value), Some(4));
    assert_eq!(times(&scenario), 5, "the base's steps have the variables of both");
    assert_eq!(scenario.steps.iter().map(|step| step.verb()).collect::<Vec<_>>(), ["send", "wait"]);
    assert_eq!(scenario.expect.len(), 3);
    assert_eq!(scenario.topology.backends.len(), 1, "manifests are found beside the base");
    let replaced = extended(&base, "extends: ../scenario.yaml\nsteps: [{ wait: 2s }]\n").unwrap();
    assert_eq!(replaced.steps.iter().map(|step| step.verb()).collect::<Vec<_>>(), ["wait"]);
    // What was merged is merged again from a recording.
    let recorded = scenario.redacted_sources();
    let again = load_from(&recorded, Path::new("lab/more/own.yaml")).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!((again.steps.len(), again.expect.len(), times(&again)), (2, 3, 5));
}

#[test]
fn a_mistake_in_a_base_is_underlined_there() {
    let base = format!("{HEAD}{STEPS}").replace("times:", "tims:");
    let told_of = |base: &str, own: &str| match extended(base, own) {
        Ok(_) => panic!("no error in\n{own}"),
        Err(error) => told(&error),
    };
    let text = told_of(&base, "extends: ../scenario.yaml\nname: Own\nseed: x\n");
    assert!(text.contains("lab/scenario.yaml:6:34") && text.contains("did you mean `times`?"), "{text}");
    assert!(text.contains("lab/more/own.yaml:3:7"), "{text}");
    for (own, place, message) in [
        ("extends: nowhere.yaml\n", "own.yaml:1:10", "nowhere.yaml"),
        ("name: Own\nextends: [a]\n", "own.yaml:2:1", "expected the path of a scenario file"),
        ("extends: ../mock.yaml\n", "own.yaml:1:10", "holds manifests and no scenario"),
        ("extends: own.yaml\n", "own.yaml:1:10", "this scenario extends itself"),
        ("extends: ../more/own.yaml\n", "own.yaml:1:10", "this scenario extends itself"),
    ] {
        let text = told_of(&base, own);
        assert!(text.contains(place) && text.contains(message), "{own}\n{text}");
    }
    let circle = told_of("extends: more/own.yaml\n", "extends: ../scenario.yaml\n");
    assert!(circle.contains("scenario.yaml:1:10") && circle.contains("this scenario extends itself"), "{circle}");
}

#[test]
fn a_recording_holds_what_was_set_and_no_secret_of_it() {
    let text = format!(
        "{}vars: {{ key: sk-live-abcdef0123456789, half: middle-of-it }}\n{STEPS}",
        HEAD.replace("Bearer sk-labsim", "Bearer ${key}-${half}-${other}")
    );
    let settings = ["other=the-very-end", "lab.gateway.replicas=2", "steps.0.send.key=sk-client-0123456789", "times=4"];
    let scenario = with(&text, &settings, &[]).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!((times(&scenario), scenario.gateway.replicas), (4, 2));
    let recorded = scenario.redacted_sources();
    for sources in [&recorded, &scenario.sources] {
        let all: String = sources.files().iter().map(|file| file.text.as_str()).collect();
        for secret in ["abcdef", "middle-of-it", "the-very-end", "sk-client"] {
            assert!(!all.contains(secret), "{secret}\n{all}");
        }
    }
    let again = load_from(&recorded, Path::new("lab/scenario.yaml")).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!((times(&again), again.gateway.replicas), (4, 2));
    assert!(again.sends().all(|(_, send)| send.key.is_some()));
}
