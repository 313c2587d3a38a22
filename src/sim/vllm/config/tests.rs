use super::*;

fn parse(line: &str) -> Result<(Config, Vec<Warning>), ConfigError> {
    let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let missing = |_: &str| Err(io::ErrorKind::NotFound.into());
    Config::parse_with(&args, &BTreeMap::new(), missing)
}

/// The deployments of the lab say this.
#[test]
fn the_labs_command_line_is_read() {
    let args = ["--model", "mock-gpt-4o", "--port", "8000", "--max-loras", "2", "--lora-modules"];
    let mut args: Vec<String> = args.map(str::to_owned).to_vec();
    args.push("{\"name\": \"food-review-1\"}".to_owned());
    args.extend(["--failure-injection-rate", "100", "--failure-types", "rate_limit"].map(str::to_owned));
    let env = BTreeMap::from([("POD_NAME".to_owned(), "mock-0".to_owned())]);
    let (config, warnings) = Config::parse(&args, &env).unwrap();
    assert_eq!((config.model(), config.port(), config.pod_name()), ("mock-gpt-4o", 8000, Some("mock-0")));
    assert_eq!(config.display_name(), "mock-gpt-4o");
    assert_eq!(warnings, []);
}

#[test]
fn an_error_points_at_its_word() {
    for (line, argument) in [
        ("--model m --failure-types rate_limit bogus --port 1", Some(2)),
        ("--model m --failure-injection-rate 101", Some(3)),
        ("--model m --port abc", Some(3)),
        ("--model m --port=abc", Some(2)),
        ("--model m --bogus", Some(2)),
        ("--model m --mode nothing", Some(3)),
        ("--model m --config nowhere.yaml", Some(2)),
        ("--port 1", None),
    ] {
        assert_eq!(parse(line).unwrap_err().argument(), argument, "{line}");
    }
}

#[test]
fn a_file_that_is_missing_is_named() {
    let error = parse("--model m --config nowhere.yaml").unwrap_err();
    assert_eq!(error.to_string(), "failed to read configuration file: open nowhere.yaml: no such file or directory");
}

#[test]
fn what_has_no_effect_is_told() {
    let (_, warnings) = parse("--model m --use-vllm-map-event-format --enforce-eager --omni --port 9").unwrap();
    let told: Vec<_> = warnings.iter().map(|one| (one.message.as_str(), one.argument)).collect();
    assert_eq!(
        told,
        [
            ("--use-vllm-map-event-format is accepted and has no effect here", Some(2)),
            ("--omni is accepted and has no effect here", Some(4)),
        ]
    );
}

#[test]
fn flags_of_earlier_releases_are_taken_and_told() {
    let (config, warnings) = parse("--model m --uds-socket-path /s --tokenizers-cache-dir=/t --port 9").unwrap();
    assert_eq!(config.port(), 9);
    let told: Vec<_> = warnings.iter().map(|one| (one.message.as_str(), one.argument)).collect();
    assert_eq!(
        told,
        [
            ("--uds-socket-path is no flag of the original any more; it is accepted and has no effect", Some(2)),
            ("--tokenizers-cache-dir is no flag of the original any more; it is accepted and has no effect", Some(4)),
        ]
    );
}

#[test]
fn keys_of_the_file_that_are_no_flags_are_told() {
    let args = ["--config", "f.yaml"].map(str::to_owned);
    let text = "model: m\nfailure-injektion-rate: 50\nwhatever: 1\n";
    let (config, warnings) = Config::parse_with(&args, &BTreeMap::new(), |_| Ok(text.to_owned())).unwrap();
    assert_eq!(config.failures.rate, 0);
    let told: Vec<_> = warnings.iter().map(|one| (one.message.as_str(), one.argument)).collect();
    assert_eq!(
        told,
        [
            (
                "f.yaml, line 2: `failure-injektion-rate` is no flag and has no effect (did you mean `failure-injection-rate`?)",
                Some(0)
            ),
            ("f.yaml, line 3: `whatever` is no flag and has no effect", Some(0)),
        ]
    );
}

#[test]
fn an_error_says_what_to_do_where_that_is_known() {
    for (line, hint) in [
        ("--model m --bogus", Some("`labsim vllm-sim --help` lists them all")),
        ("--model m --failure-type rate_limit", Some("did you mean `--failure-types`?")),
        ("--model m --time-to-first-token 100", Some("write the unit: `--time-to-first-token 100ms`")),
        ("--model m --time-to-first-token x", None),
        ("--model m --port x", None),
    ] {
        assert_eq!(parse(line).unwrap_err().hint(), hint, "{line}");
    }
}

#[test]
fn help_lists_every_flag_and_sets_additions_apart() {
    assert!(parse("--model m --help").unwrap_err().is_help());
    assert!(parse("-h").unwrap_err().is_help());
    let usage = Config::usage();
    for flag in flags::FLAGS {
        assert!(usage.contains(&format!("--{} ", flag.name)), "{}", flag.name);
    }
    let (original, beyond) = usage.split_once("Beyond the original:").unwrap();
    assert!(original.starts_with("Usage of llm-d-inference-sim flags:\n"));
    assert!(beyond.contains("--failure-count") && !original.contains("--failure-count"));
}

/// No word makes it panic.
#[test]
fn strange_words_are_refused_or_taken() {
    for word in
        ["-", "--", "---", "-é", "--é=é", "-v", "-v=", "-vé", "--v", "--port=", "--no-port", "--no-", "--config", ""]
    {
        drop(parse(word));
        drop(parse(&format!("--model m {word} é")));
    }
}
