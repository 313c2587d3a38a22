//! Mistakes in one manifest: each is found once, at its place, and says what to do.

use super::*;

/// Edits the lab's manifests and expects one finding of this severity, which contains all of `expected`.
fn expect(severity: Severity, from: &str, to: &str, expected: &[&str]) {
    let (mock, inter) = if MOCK.contains(from) {
        (edit(MOCK, from, to), INTER.to_owned())
    } else {
        (MOCK.to_owned(), edit(INTER, from, to))
    };
    load_all(&[&mock, &inter]).expect_one(severity, expected);
}

fn error(from: &str, to: &str, expected: &[&str]) {
    expect(Severity::Error, from, to, expected);
}

fn warning(from: &str, to: &str, expected: &[&str]) {
    expect(Severity::Warning, from, to, expected);
}

#[test]
fn an_argument_without_quotes() {
    let help = "put it in quotes: `\"8000\"`";
    error("- \"8000\"", "- 8000", &["0.yaml:22:11", "`args` must be text, found the number `8000`", help]);
    error("- \"100\"", "- 1e2", &["0.yaml:29:11", "put it in quotes: `\"1e2\"`"]);
    error("- --max-loras\n", "- true\n", &["0.yaml:23:11", "found `true`", "put it in quotes: `\"true\"`"]);
    error("value: \"60\"", "value: 60", &["1.yaml:22:24", "`value` must be text", "put it in quotes: `\"60\"`"]);
    error("      app: mock-gpt-4o\n  template", "      app: 7\n  template", &["0.yaml:11:12", "`app` must be text"]);
}

#[test]
fn a_number_that_is_none() {
    let port = "port: 8000\n      targetPort";
    let quoted = "port: \"8000\"\n      targetPort";
    error(port, quoted, &["0.yaml:63:13", "found the text `8000`", "write it without quotes: `8000`"]);
    error("replicas: 1", "replicas: -1", &["0.yaml:8:13", "a whole number from 0 to 1000, found the number `-1`"]);
    error("replicas: 1", "replicas: one", &["0.yaml:8:13", "found the text `one`"]);
    let big = "port: 80000\n            path";
    error("port: 8000\n            path", big, &["1.yaml:44:19", "a whole number from 1 to 65535"]);
    error("containerPort: 8000", "containerPort: 0", &["0.yaml:47:26", "found the number `0`"]);
}

#[test]
fn a_value_of_another_shape() {
    let entry = "      - providers:\n          - name: mock-ratelimit-provider\n            openai:\n";
    let bad =
        "      - providers: yes\n      - providers:\n          - name: mock-ratelimit-provider\n            openai:\n";
    error(entry, bad, &["1.yaml:39:20", "`providers` must be a list, found the text `yes`"]);
    error(
        "      timeouts:\n        request: \"120s\"",
        "      timeouts: 120s",
        &["1.yaml:27:17", "`timeouts` must be a map"],
    );
    error(
        "      - providers:\n          - name: openai",
        "      - extra\n      - providers:\n          - name: openai",
        &["`groups` must be a map, found the text `extra`"],
    );
}

#[test]
fn a_kind_or_version_that_does_not_exist() {
    error(
        "kind: Deployment",
        "kind: Deploymnt",
        &["0.yaml:3:7", "unknown kind `Deploymnt`", "did you mean `Deployment`?"],
    );
    error(
        "apiVersion: apps/v1",
        "apiVersion: extensions/v1beta1",
        &["0.yaml:2:13", "Deployment is not in `extensions/v1beta1`", "write `apiVersion: apps/v1`"],
    );
    error(
        "apiVersion: gateway.networking.k8s.io/v1",
        "apiVersion: gateway.networking.k8s.io/v1alpha2",
        &["1.yaml:3:13", "write `apiVersion: gateway.networking.k8s.io/v1`"],
    );
    error(
        "apiVersion: v1\nkind: Service",
        "apiversion: v1\nkind: Service",
        &["0.yaml:51:1", "unknown field `apiversion`", "did you mean `apiVersion`?"],
    );
    load_all(&["apiVersion: networking.istio.io/v1\nkind: Gateway\nspec: {servers: []}\n"])
        .expect_one(Severity::Error, &["0.yaml:1:13", "Gateway is not in `networking.istio.io/v1`"]);
    load_all(&["kind: Service\nmetadata: {name: x}\n"]).expect(&["0.yaml:1:1", "`apiVersion` is missing here"]);
    load_all(&["apiVersion: v1\n"]).expect_one(Severity::Error, &["0.yaml:1:1", "`kind` is missing here"]);
    load_all(&["- 1\n"]).expect_one(Severity::Error, &["0.yaml:1:1", "a manifest must be a map"]);
    load_all(&["apiVersion: v1\nkind: Frob\n"])
        .expect_one(Severity::Error, &["0.yaml:2:7", "labsim reads `Deployment`"]);
    load_all(&["apiVersion: 1\nkind: 2\n"]).expect(&["0.yaml:1:13", "0.yaml:2:7", "`kind` must be text"]);
    load_all(&["a: [\n"]).expect_one(Severity::Error, &["0.yaml:", "not valid YAML"]);
}

#[test]
fn a_kind_that_labsim_does_not_model() {
    for (api_version, kind) in [
        ("v1", "Namespace"),
        ("v1", "ConfigMap"),
        ("v1", "ServiceAccount"),
        ("v1", "Pod"),
        ("gateway.kgateway.dev/v1alpha1", "TrafficPolicy"),
        ("gateway.networking.k8s.io/v1", "GatewayClass"),
        ("gateway.networking.k8s.io/v1beta1", "ReferenceGrant"),
        ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ] {
        let text = format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: x}}\nspec: {{any: [thing]}}\n");
        load_all(&[&text]).expect_one(Severity::Warning, &["0.yaml:2:7", &format!("does not model the kind {kind}")]);
    }
    let text = "apiVersion: v1\nkind: HorizontalPodAutoscaler\n";
    load_all(&[text]).expect_one(Severity::Error, &["0.yaml:1:13", "it is in the group `autoscaling`"]);
}

#[test]
fn a_field_that_does_not_exist() {
    error(
        "imagePullPolicy: IfNotPresent",
        "imagePullPolciy: IfNotPresent",
        &["0.yaml:33:9", "unknown field `imagePullPolciy`", "did you mean `imagePullPolicy`?"],
    );
    error("      timeouts:\n", "      timeout:\n", &["1.yaml:27:7", "did you mean `timeouts`?"]);
    error(
        "            port: 8000\n            path",
        "            prot: 8000\n            path",
        &["1.yaml:44:13", "did you mean `port`?"],
    );
    error("passthrough: {}", "passthru: {}", &["1.yaml:48:17", "did you mean `passthrough`?"]);
    error(
        "            openai:\n              model: \"mock-gpt-4o\"",
        "            openia: {}",
        &["1.yaml:41:13", "did you mean `openai`?"],
    );
    error("  parentRefs:\n", "  parentRef:\n", &["1.yaml:9:3", "did you mean `parentRefs`?"]);
    error(
        "imagePullPolicy: IfNotPresent",
        "frobnicate: 1",
        &["0.yaml:33:9", "labsim reads here: `args`, `command`, `env`, `image`, `name`, `ports`"],
    );
    let openai = "              model: \"mock-gpt-4o\"\n";
    let indented = format!("{openai}              pathPrefix: /x\n");
    error(
        openai,
        &indented,
        &["1.yaml:43:15", "`pathPrefix` is a field of `spec.ai.groups.providers`; is the indentation right?"],
    );
}

#[test]
fn a_field_that_labsim_does_not_model() {
    warning(
        "imagePullPolicy: IfNotPresent",
        "readinessProbe: {httpGet: {path: /health}}",
        &["0.yaml:33:9", "labsim does not model `readinessProbe`; it has no effect here"],
    );
    warning("imagePullPolicy: IfNotPresent", "envFrom: [{configMapRef: {name: x}}]", &["0.yaml:33:9", "`envFrom`"]);
    warning("  type: ClusterIP", "  sessionAffinity: ClientIP", &["0.yaml:66:20", "`sessionAffinity`"]);
}

#[test]
fn a_misspelt_field_below_one_that_labsim_does_not_model() {
    let auth = "              auth:\n                passthrough: {}\n";
    let health = format!("{auth}              transformation:\n                respnse: {{}}\n");
    let loaded = load_all(&[MOCK, &edit(INTER, auth, &health)]);
    loaded.expect(&[
        "1.yaml:49:15",
        "labsim does not model `transformation`",
        "1.yaml:50:17",
        "did you mean `response`?",
    ]);
    assert_eq!((loaded.count(Severity::Warning), loaded.count(Severity::Error)), (1, 1), "{}", loaded.text);
}

#[test]
fn a_name_that_kubernetes_refuses() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: My_Secret}\n";
    load_all(&[text]).expect_one(Severity::Error, &["0.yaml:3:18", "`My_Secret` is not a name that Kubernetes takes"]);
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {labels: {}}\n";
    load_all(&[text]).expect_one(Severity::Error, &["0.yaml:3:1", "`name` is missing here"]);
    load_all(&["apiVersion: v1\nkind: Secret\n"]).expect_one(Severity::Error, &["0.yaml:2:7", "`metadata` is missing"]);
}

#[test]
fn a_container_that_is_no_simulator() {
    let image = "        image: ghcr.io/llm-d/llm-d-inference-sim:latest\n";
    let loaded = load_all(&[&edit(MOCK, image, "        image: nginx\n")]);
    loaded.expect_one(Severity::Warning, &["0.yaml:5:9", "labsim does not simulate the Deployment `mock-gpt-4o`"]);
    assert_eq!((loaded.topology.simulators.len(), loaded.topology.services.len()), (0, 0));
    error(image, "", &["0.yaml:18:9", "`image` is missing here"]);
    error(
        "      - args:\n",
        "      - command: [/bin/sh, -c, x]\n        args:\n",
        &["0.yaml:18:19", "labsim does not run `/bin/sh`"],
    );
    let second = format!("{image}        resources: {{}}\n      - name: two\n        image: x/llm-d-inference-sim\n");
    let moved = edit(MOCK, image, "").replace("        name: vllm-sim\n", &format!("        name: vllm-sim\n{image}"));
    let end = "          name: http\n          protocol: TCP\n---";
    let two = edit(
        &moved,
        end,
        &format!(
            "          name: http\n          protocol: TCP\n{}---",
            second.split_once("{}\n").map_or("", |two| two.1)
        ),
    );
    load_all(&[&two]).expect_one(Severity::Warning, &["a second simulator in the same pod"]);
}

#[test]
fn variables_that_are_wrong() {
    error(
        "fieldPath: metadata.namespace",
        "fieldPath: metadata.namspace",
        &["0.yaml:45:28", "did you mean `metadata.namespace`?"],
    );
    warning("fieldPath: metadata.namespace", "fieldPath: spec.nodeName", &["0.yaml:45:28", "`spec.nodeName`"]);
    error("- name: POD_NAMESPACE\n", "- name: POD_NAMESPACE\n            value: 7\n", &["`value` must be text"]);
    error(
        "- name: POD_NAMESPACE\n",
        "- name: POD_NAMESPACE\n            value: x\n",
        &["a variable has either `value` or `valueFrom`"],
    );
    let from = "fieldRef:\n                apiVersion: v1\n                fieldPath: metadata.namespace";
    warning(from, "secretKeyRef: {name: s, key: k}", &["0.yaml:43:15", "`secretKeyRef`"]);
}

#[test]
fn a_match_that_matches_nothing() {
    error(
        "            type: PathPrefix",
        "            type: Prefix",
        &["1.yaml:15:19", "`Exact`, `PathPrefix`, `RegularExpression`"],
    );
    error("value: /openai", "value: openai", &["1.yaml:16:20", "a path begins with `/`"]);
    error("value: /openai", "value: /a//b", &["1.yaml:16:20", "a path has no `//`"]);
    let path = "            type: PathPrefix\n            value: /openai";
    error(
        path,
        "            type: RegularExpression\n            value: '/(openai'",
        &["1.yaml:16:20", "is not a regular expression", "unclosed group"],
    );
    error(
        "    - matches:\n        - path:",
        "    - matches:\n        - method: post\n          path:",
        &["1.yaml:14:19", "did you mean `POST`?"],
    );
}

#[test]
fn a_filter_that_is_wrong() {
    let kind = "- type: ResponseHeaderModifier";
    error(kind, "- type: ResponseHeaderModifer", &["1.yaml:18:17", "did you mean `ResponseHeaderModifier`?"]);
    error(
        kind,
        "- type: RequestHeaderModifier",
        &["1.yaml:19:11", "a filter of the type RequestHeaderModifier has no `responseHeaderModifier`"],
    );
    error(
        "        - type: ResponseHeaderModifier\n          responseHeaderModifier:",
        "        - responseHeaderModifier:",
        &["1.yaml:18:11", "`type` is missing here"],
    );
    error("name: Retry-After", "name: Retry After", &["1.yaml:21:23", "not the name of a header"]);
    error("value: \"60\"", "value: \"6\\n0\"", &["1.yaml:22:24", "no control characters"]);
    let twice = "- {type: ResponseHeaderModifier, responseHeaderModifier: {remove: [X]}}\n        \
                 - type: ResponseHeaderModifier";
    error(kind, twice, &["1.yaml:19:17", "two filters of the type ResponseHeaderModifier", "first here"]);
    let cors = "- {type: CORS, cors: {maxAge: 5}}\n        - type: ResponseHeaderModifier";
    warning(kind, cors, &["1.yaml:18:18", "labsim does not model CORS filters"]);
    let rewrite =
        "- {type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch}}}\n        - type: ResponseHeaderModifier";
    error(kind, rewrite, &["1.yaml:18:43", "`replacePrefixMatch` is missing here"]);
}

#[test]
fn a_timeout_that_is_none() {
    error("request: \"120s\"", "request: 120", &["1.yaml:28:18", "`request` has no unit", "write `120s` for seconds"]);
    error("request: \"120s\"", "request: 1.5s", &["1.yaml:28:18", "`1.5s` is not a duration of the Gateway API"]);
    error(
        "request: \"120s\"",
        "request: 1s\n        backendRequest: 2s",
        &["1.yaml:29:25", "longer", "than the whole request"],
    );
}

#[test]
fn a_provider_that_is_incomplete() {
    let host = "            host: mock-gpt-4o-svc.agentgateway-system.svc.cluster.local\n";
    error(
        "            port: 8000\n            path",
        "            path",
        &["1.yaml:43:13", "`host` needs `port` beside it", "or neither for OpenAI"],
    );
    error(host, "", &["1.yaml:43:13", "`port` needs `host` beside it"]);
    let openai = "            openai:\n              model: \"mock-gpt-4o\"\n";
    error(openai, "", &["1.yaml:40:13", "it needs one of `openai`, `anthropic`"]);
    error(
        openai,
        "            openai: {}\n            gemini: {}\n",
        &["1.yaml:42:13", "`openai` and `gemini` exclude each other"],
    );
    for other in ["anthropic", "azure", "azureopenai", "bedrock", "custom", "gemini", "vertexai"] {
        let message = format!("labsim does not model `{other}` providers");
        error(openai, &format!("            {other}: {{model: x}}\n"), &["1.yaml:41:13", &message]);
    }
    error("path: \"/v1/chat/completions\"", "path: v1", &["1.yaml:45:19", "a path begins with `/`"]);
    error(
        "path: \"/v1/chat/completions\"",
        "path: /v1\n            pathPrefix: /v1",
        &["1.yaml:46:25", "`path` and `pathPrefix` exclude each other"],
    );
    error(
        "- name: openai-provider",
        "- name: mock-ratelimit-provider",
        &["1.yaml:51:19", "two providers are named `mock-ratelimit-provider`", "first here"],
    );
    error(
        "  ai:\n    groups:",
        "  static: {host: x, port: 1}\n  ai:\n    groups:",
        &["`ai` and `static` exclude each other"],
    );
}

#[test]
fn a_login_that_is_none() {
    error(
        "passthrough: {}",
        "passthrough:",
        &["1.yaml:48:17", "`passthrough` has no value", "write `passthrough: {}`"],
    );
    error(
        "auth:\n                passthrough: {}\n",
        "auth: {}\n",
        &["1.yaml:47:15", "needs one of `passthrough`, `secretRef`, `key`"],
    );
    warning("passthrough: {}", "aws: {}", &["1.yaml:48:17", "labsim does not model `aws` credentials"]);
}

#[test]
fn a_gateway_with_few_or_no_replicas() {
    let text = |replicas: &str| {
        format!(
            "apiVersion: enterpriseagentgateway.solo.io/v1alpha1\nkind: EnterpriseAgentgatewayParameters\n\
             metadata: {{name: a}}\nspec: {{deployment: {{spec: {{replicas: {replicas}}}}}}}\n"
        )
    };
    load_all(&[&text("0")]).expect_one(Severity::Error, &["0.yaml:4:38", "from 1 to 100"]);
    let loaded = load_all(&[&text("2"), &text("3").replace("name: a", "name: b")]);
    loaded.expect_one(Severity::Warning, &["0.yaml:4:38", "the last one counts"]);
    assert_eq!(loaded.topology.replicas.map(|replicas| replicas.value), Some(3));
}

#[test]
fn all_mistakes_of_all_files_at_once() {
    let mock = edit(&edit(MOCK, "- \"8000\"", "- 8000"), "targetPort: 8000", "targetPort: htpp");
    let inter = edit(&edit(INTER, "name: openai-secret", "name: opnai-secret"), "value: /openai", "value: openai");
    let loaded = load_all(&[&mock, &inter]);
    assert_eq!(loaded.count(Severity::Error), 4, "{}", loaded.text);
    let places: Vec<usize> = ["0.yaml:22:11", "0.yaml:64:19", "1.yaml:16:20", "1.yaml:57:25"]
        .iter()
        .map(|place| loaded.text.find(place).unwrap_or_else(|| panic!("{place} is not in\n{}", loaded.text)))
        .collect();
    assert!(places.is_sorted(), "in the order of the files:\n{}", loaded.text);
}
