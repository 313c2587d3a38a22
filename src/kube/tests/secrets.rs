//! Secrets: where credentials come from, and that nothing ever shows them.

use super::*;

const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: openai-secret, namespace: agentgateway-system}\n";

fn key_of(loaded: Loaded) -> String {
    let topology = loaded.clean();
    let (_, provider) = topology.backends[0].providers().nth(1).expect("OpenAI");
    let Auth::Credential(credential) = &provider.auth else { panic!("{provider:?}") };
    assert_eq!(credential.reference, "secret:openai-secret/Authorization");
    credential.key().to_owned()
}

#[test]
fn a_credential_comes_from_a_manifest_or_from_the_scenario() {
    let none = GivenSecrets::new();
    let plain = format!("{SECRET}stringData: {{Authorization: Bearer sk-plain}}\n");
    assert_eq!(key_of(load_with(&[MOCK, INTER, &plain], &none)), "sk-plain");
    let encoded = format!("{SECRET}data: {{Authorization: c2stZW5jb2RlZA==}}\n");
    assert_eq!(key_of(load_with(&[MOCK, INTER, &encoded], &none)), "sk-encoded");
    let both = format!("{encoded}stringData: {{Authorization: sk-plain}}\n");
    assert_eq!(key_of(load_with(&[MOCK, INTER, &both], &none)), "sk-plain");
    assert_eq!(key_of(load_with(&[MOCK, INTER, &plain], &lab_secrets())), "sk-lab-key");
}

#[test]
fn a_secret_that_is_not_there() {
    let loaded = load_with(&[MOCK, INTER], &GivenSecrets::new());
    loaded.expect_one(
        Severity::Error,
        &[
            "1.yaml:57:25",
            "there is no Secret `openai-secret` in namespace `agentgateway-system`",
            "metadata: {name: openai-secret, namespace: agentgateway-system}",
            "stringData: {Authorization: Bearer sk-...}",
            "openai-secret: {Authorization: Bearer sk-...}",
        ],
    );
    let misspelt = edit(INTER, "name: openai-secret", "name: openai-secrt");
    load_all(&[MOCK, &misspelt]).expect_one(Severity::Error, &["1.yaml:57:25", "did you mean `openai-secret`?"]);
    let elsewhere = SECRET.replace("agentgateway-system", "default") + "stringData: {Authorization: x}\n";
    load_with(&[MOCK, INTER, &elsewhere], &GivenSecrets::new())
        .expect_one(Severity::Error, &["1.yaml:57:25", "there is one in namespace `default`"]);
}

#[test]
fn a_secret_without_the_key() {
    let near = format!("{SECRET}stringData:\n  authorisation: Bearer sk-hidden-1\n");
    let loaded = load_with(&[MOCK, INTER, &near], &GivenSecrets::new());
    loaded.expect_one(Severity::Error, &["1.yaml:57:25", "it has `authorisation`; did you mean `Authorization`?"]);
    let far = format!("{SECRET}stringData:\n  token: Bearer sk-hidden-1\n");
    load_with(&[MOCK, INTER, &far], &GivenSecrets::new()).expect_one(Severity::Error, &["it has `token`"]);
    let given = GivenSecrets::from([("openai-secret".to_owned(), BTreeMap::new())]);
    load_with(&[MOCK, INTER], &given).expect_one(Severity::Error, &["1.yaml:57:25", "it has no keys at all"]);
    let empty = format!("{SECRET}stringData: {{Authorization: 'Bearer '}}\n");
    load_with(&[MOCK, INTER, &empty], &GivenSecrets::new()).expect_one(Severity::Warning, &["is empty"]);
}

#[test]
fn an_inline_key_is_known_by_its_provider() {
    let topology = load_all(&[MOCK, &edit(INTER, "passthrough: {}", "key: sk-inline")]).clean();
    let (_, provider) = topology.backends[0].providers().next().expect("a provider");
    let Auth::Credential(credential) = &provider.auth else { panic!("{provider:?}") };
    assert_eq!((credential.reference.as_str(), credential.key()), ("key:mock-ratelimit-provider", "sk-inline"));
}

#[test]
fn a_providers_own_login_comes_before_its_backends() {
    let policies = "spec:\n  policies: {auth: {key: sk-backend}}\n  ai:\n";
    let text = edit(
        &edit(INTER, "spec:\n  ai:\n", policies),
        "            policies:\n              auth:\n                secretRef:\n                  name: openai-secret\n",
        "",
    );
    let topology = load_all(&[MOCK, &text]).clean();
    let auth: Vec<_> = topology.backends[0].providers().map(|(_, provider)| provider.auth.clone()).collect();
    assert_eq!(auth[0], Auth::Passthrough);
    assert!(matches!(&auth[1], Auth::Credential(credential) if credential.key() == "sk-backend"), "{auth:?}");
}

#[test]
fn nothing_shows_a_credential() {
    let secret = "sk-do-not-show-1234567";
    let inline = |text: &str| edit(INTER, "passthrough: {}", text);
    let manifests = [
        // Mistakes on the line of the credential, or beside it.
        format!("{SECRET}stringData: {{Authorization: {secret}}}\nextra: 1\n"),
        format!("{SECRET}data: {{Authorization: {secret}}}\n"),
        format!("{SECRET}stringData: {secret}\n"),
        format!("{SECRET}stringData: [{secret}]\n"),
        format!("{SECRET}strngData: {{Authorization: {secret}}}\n"),
        format!("{SECRET}stringData:\n  Authorization: |\n    {secret}\n  Authorization: x\n"),
        format!("{SECRET}stringData:\n  Authorization: \"{secret}\n"),
        format!("{{apiVersion: v1, kind: Secrt, metadata: {{nam: x}}, stringData: {{Authorization: {secret}}}}}\n"),
        format!(
            "apiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: Secret, stringData: {{a: {secret}}}}}\n"
        ),
        // A copy of it elsewhere.
        format!("{SECRET}stringData: {{Authorization: {secret}}}\n{secret}: 1\n"),
        inline(&format!("key: [{secret}]")),
        inline(&format!("key: {secret}\n                secretRef: {{name: x}}")),
        inline(&format!("secretRef: {secret}")),
        inline(&format!("kee: {secret}")),
        edit(INTER, "              auth:\n                passthrough: {}", &format!("              auth: {secret}")),
        edit(
            INTER,
            "- name: Retry-After\n                value: \"60\"",
            &format!("- {{name: Authorization, valu: 1, value: {secret}}}"),
        ),
    ];
    for text in &manifests {
        let loaded = load_with(&[MOCK, INTER, text], &GivenSecrets::new());
        assert!(loaded.count(Severity::Error) > 0, "{text}");
        assert!(!loaded.text.contains(secret), "{text}\n{}", loaded.text);
    }
}

#[test]
fn numbers_can_be_credentials_too() {
    let text = format!("{SECRET}stringData: {{Authorization: 98765432101}}\n");
    let loaded = load_with(&[MOCK, INTER, &text], &GivenSecrets::new());
    loaded.expect(&["2.yaml:4:29", "`Authorization` must be text, found a number", "put it in quotes"]);
    assert!(!loaded.text.contains("98765432101"), "{}", loaded.text);
}

#[test]
fn a_secret_that_is_not_base64() {
    let text = format!("{SECRET}data: {{Authorization: Bearer sk-x}}\n");
    load_with(&[MOCK, INTER, &text], &GivenSecrets::new())
        .expect_one(Severity::Error, &["2.yaml:4:23", "the value of `Authorization` is not base64", "`stringData`"]);
}
