//! TLS to providers, as manifests say it.

use super::*;
use crate::topology::{Pem, Provider, Tls, Verify};

/// The backend of the lab with these policies, its Secrets and ConfigMaps, for a gateway that calls real hosts.
fn called(policies: &str, more: &str) -> Loaded {
    let mut sources = Sources::default();
    let backend = format!(
        "apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayBackend\nmetadata: {{name: b, namespace: ns}}\n\
         spec:\n  policies: {{{policies}}}\n  ai:\n    groups:\n    - providers:\n      \
         - {{name: own, host: llm.example.com, port: 8443, openai: {{}}, policies: {{tls: {{sni: own.example.com}}}}}}\n      \
         - {{name: plain, host: llm.example.com, port: 8000, openai: {{}}}}\n      \
         - {{name: openai, openai: {{}}}}\n"
    );
    let ids = [backend.as_str(), more].into_iter().filter(|text| !text.is_empty()).enumerate();
    let ids: Vec<FileId> = ids.map(|(index, text)| sources.add(format!("{index}.yaml"), text)).collect();
    let mut findings = Diagnostics::default();
    let given = Given { real_hosts: RealHosts::All, ..Given::default() };
    let topology = load(&sources, &ids, &given, &mut findings);
    Loaded { topology, text: findings.render(&sources, false), findings }
}

impl Loaded {
    fn providers(&self) -> Vec<&Provider> {
        self.topology.backends[0].providers().map(|(_, provider)| provider).collect()
    }

    /// How the provider that says nothing itself is called.
    fn tls(&self) -> &Tls {
        self.providers()[1].tls.as_ref().unwrap_or_else(|| panic!("in the clear\n{}", self.text))
    }
}

const MORE: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: roots, namespace: ns}
data: {ca.crt: the roots}
---
apiVersion: v1
kind: Secret
metadata: {name: pair, namespace: ns}
stringData: {tls.crt: a certificate, tls.key: a key, ca.crt: other roots}
---
apiVersion: v1
kind: Secret
metadata: {name: half, namespace: ns}
stringData: {tls.crt: a certificate}
";

#[test]
fn openai_is_called_over_tls_without_a_word_and_others_are_not() {
    let loaded = called("", "");
    assert_eq!(loaded.findings.all().len(), 0, "{}", loaded.text);
    let over_tls: Vec<bool> = loaded.providers().iter().map(|provider| provider.tls.is_some()).collect();
    assert_eq!(over_tls, [true, false, true]);
    assert!(loaded.providers()[2].tls.as_ref().unwrap().is_implied());
}

#[test]
fn a_providers_word_goes_before_its_backends_and_that_before_a_policy() {
    let name = |provider: &Provider| provider.tls.as_ref().and_then(|tls| tls.server_name.clone()).unwrap_or_default();
    let names = |loaded: &Loaded| loaded.providers().into_iter().map(name).collect::<Vec<_>>();
    let backends = called("tls: {sni: backend.example.com}", "");
    assert_eq!(names(&backends), ["own.example.com", "backend.example.com", "backend.example.com"]);
    let policy = |target: &str| {
        format!(
            "apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nmetadata: {{name: p, namespace: ns}}\n\
             spec:\n  targetRefs: [{{group: agentgateway.dev, kind: AgentgatewayBackend, name: b{target}}}]\n  \
             backend: {{tls: {{sni: policy.example.com}}}}\n"
        )
    };
    let all = called("", &policy(""));
    assert_eq!(names(&all), ["own.example.com", "policy.example.com", "policy.example.com"]);
    assert_eq!(names(&called("", &policy(", sectionName: openai"))), ["own.example.com", "", "policy.example.com"]);
    let behind = called("tls: {sni: backend.example.com}", &policy(""));
    assert_eq!(names(&behind), ["own.example.com", "backend.example.com", "backend.example.com"]);
}

#[test]
fn every_field_of_tls() {
    let skip = |how: &str| called(&format!("tls: {{insecureSkipVerify: {how}}}"), "").tls().verify;
    assert_eq!([skip("All"), skip("Hostname")], [Verify::Nothing, Verify::Issuer]);
    let names = called("tls: {verifySubjectAltNames: [a.example.com, 10.0.0.1], alpnProtocols: [http/1.1]}", "");
    assert_eq!(names.tls().alternative_names, ["a.example.com", "10.0.0.1"]);
    assert_eq!(names.tls().protocols, ["http/1.1"]);
    let text = |text: &str| Some(Pem::Text(text.to_owned()));
    assert_eq!(called("tls: {caCertificateRefs: [{name: roots}]}", MORE).tls().roots, text("the roots"));
    let mutual = called("tls: {mtlsCertificateRef: [{name: pair}]}", MORE);
    let identity = mutual.tls().identity.clone().unwrap();
    assert_eq!((Some(identity.certificate), Some(identity.key)), (text("a certificate"), text("a key")));
    assert_eq!(mutual.tls().roots, text("other roots"));
    let both = called("tls: {mtlsCertificateRef: [{name: pair}], caCertificateRefs: [{name: roots}]}", MORE);
    assert_eq!(both.tls().roots, text("the roots"));
    assert!(!format!("{:?}", both.topology).contains("a key"));
}

#[test]
fn mistakes_in_tls() {
    for (tls, more, parts) in [
        ("{caCertificateRefs: [{name: rots}]}", MORE, &["there is no ConfigMap `rots`", "did you mean `roots`?"][..]),
        ("{mtlsCertificateRef: [{name: pear}]}", MORE, &["there is no Secret `pear`"]),
        ("{mtlsCertificateRef: [{name: half}]}", MORE, &["the Secret `half` has no key `tls.key`"]),
        ("{mtlsCertificateRef: [{name: x, group: g, kind: Vault}]}", "", &["from the kind Vault"]),
        ("{insecureSkipVerify: All, caCertificateRefs: [{name: roots}]}", MORE, &["exclude each other"]),
        ("{insecureSkipVerify: Hostname, verifySubjectAltNames: [a.b]}", "", &["exclude each other"]),
        ("{sni: 'a b'}", "", &["`a b` is not the name of a host"]),
        ("{verifySubjectAltNames: ['spiffe://a']}", "", &["does not model URIs"]),
        ("{insecureSkipVerify: Al}", "", &["did you mean `All`?"]),
    ] {
        let loaded = called(&format!("tls: {tls}"), more);
        loaded.expect(parts);
        assert!(loaded.findings.has_errors(), "{tls}\n{}", loaded.text);
    }
    for (tls, what) in [("{keyExchangeGroups: [X25519]}", "keyExchangeGroups"), ("{alpnProtocols: [h3]}", "h3")] {
        called(&format!("tls: {tls}"), "").expect_one(Severity::Warning, &[what]);
    }
}

#[test]
fn a_lab_speaks_no_tls_and_says_so() {
    let with_tls = edit(
        INTER,
        "            path: \"/v1/chat/completions\"\n            policies:\n",
        "            path: \"/v1/chat/completions\"\n            policies:\n              tls: {}\n",
    );
    let loaded = load_all(&[MOCK, &with_tls]);
    loaded.expect_one(Severity::Warning, &["a lab speaks no TLS: `tls` has no effect here"]);
    assert!(loaded.topology.backends[0].providers().all(|(_, provider)| provider.tls.is_none()));
}

/// The backend above with a Service of a `policy` for what stands behind the host that it calls in the clear.
fn behind(policy: &str) -> Loaded {
    let mut sources = Sources::default();
    let backend = "apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayBackend\nmetadata: {name: b, namespace: ns}\n\
         spec: {ai: {groups: [{providers: [\n  \
         {name: own, host: llm, port: 8443, openai: {}, policies: {tls: {sni: own.example.com}}},\n  \
         {name: short, host: llm, port: 8443, openai: {}},\n  \
         {name: full, host: llm.ns.svc.cluster.local, port: 8000, openai: {}},\n  \
         {name: other, host: llm.other, port: 8443, openai: {}}]}]}}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {name: llm, namespace: ns}\n\
         spec: {selector: {app: llm}, ports: [{name: https, port: 8443}, {name: http, port: 8000}]}\n";
    let policy = format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {{name: p, namespace: ns}}\nspec:\n{policy}"
    );
    let texts = [backend, MORE, policy.as_str()];
    let ids: Vec<FileId> =
        texts.iter().enumerate().map(|(index, text)| sources.add(format!("{index}.yaml"), *text)).collect();
    let mut findings = Diagnostics::default();
    let given = Given { real_hosts: RealHosts::All, ..Given::default() };
    let topology = load(&sources, &ids, &given, &mut findings);
    Loaded { topology, text: findings.render(&sources, false), findings }
}

const SERVICE: &str = "  targetRefs: [{group: '', kind: Service, name: llm}]\n";
const SYSTEM: &str = "  validation: {hostname: llm.example.com, wellKnownCACertificates: System}\n";

#[test]
fn a_backend_tls_policy_is_for_what_stands_behind_a_service() {
    let names = |loaded: &Loaded| -> Vec<String> {
        assert!(!loaded.findings.has_errors(), "{}", loaded.text);
        let name = |provider: &Provider| provider.tls.as_ref().and_then(|tls| tls.server_name.clone());
        loaded.providers().into_iter().map(|provider| name(provider).unwrap_or_default()).collect()
    };
    let of_service = |section: &str| {
        let target = format!("  targetRefs: [{{group: '', kind: Service, name: llm{section}}}]\n");
        names(&behind(&format!("{target}{SYSTEM}")))
    };
    assert_eq!(of_service(""), ["own.example.com", "llm.example.com", "llm.example.com", ""]);
    assert_eq!(of_service(", sectionName: https"), ["own.example.com", "llm.example.com", "", ""]);
    let of_backend = |section: &str| {
        let target =
            format!("  targetRefs: [{{group: agentgateway.dev, kind: AgentgatewayBackend, name: b{section}}}]\n");
        names(&behind(&format!("{target}{SYSTEM}")))
    };
    let all = "llm.example.com";
    assert_eq!(of_backend(""), ["own.example.com", all, all, all]);
    assert_eq!(of_backend(", sectionName: other"), ["own.example.com", "", "", all]);
}

#[test]
fn every_field_that_a_backend_tls_policy_validates() {
    let tls = |validation: &str| {
        let loaded = behind(&format!("{SERVICE}  validation: {{hostname: llm.example.com, {validation}}}\n"));
        assert_eq!(loaded.findings.all().len(), 0, "{}", loaded.text);
        loaded.tls().clone()
    };
    let system = tls("wellKnownCACertificates: System");
    assert_eq!((system.roots, system.verify), (None, Verify::All));
    let roots =
        "caCertificateRefs: [{group: '', kind: ConfigMap, name: roots}, {group: '', kind: ConfigMap, name: roots}]";
    assert_eq!(tls(roots).roots, Some(Pem::Text("the roots\nthe roots".to_owned())));
    let names = "wellKnownCACertificates: System, subjectAltNames: [{type: Hostname, hostname: a.example.com}]";
    assert_eq!(tls(names).alternative_names, ["a.example.com"]);
}

#[test]
fn mistakes_in_a_backend_tls_policy() {
    let valid = "hostname: a.b, wellKnownCACertificates: System";
    for (target, validation, parts) in [
        ("{group: '', kind: Service, name: lm}", valid, &["there is no Service `lm`", "did you mean `llm`?"][..]),
        (
            "{group: '', kind: Service, name: llm, sectionName: htps}",
            valid,
            &["no port named `htps`", "did you mean `https`?"],
        ),
        ("{group: '', kind: Service, name: gone, sectionName: https}", valid, &["only the Service `gone` tells"]),
        (
            "{group: agentgateway.dev, kind: AgentgatewayBackend, name: c}",
            valid,
            &["there is no AgentgatewayBackend `c`"],
        ),
        (
            "{group: agentgateway.dev, kind: AgentgatewayBackend, name: b, sectionName: sort}",
            valid,
            &["no provider `sort`"],
        ),
        (
            "{group: '', kind: Service, name: llm}",
            "hostname: a.b",
            &["nothing says who may have signed the certificate"],
        ),
        ("{group: '', kind: Service, name: llm}", "wellKnownCACertificates: System", &["`hostname`"]),
        (
            "{group: '', kind: Service, name: llm}",
            "hostname: a.b, caCertificateRefs: [{group: '', kind: ConfigMap, name: rots}]",
            &["there is no ConfigMap `rots`"],
        ),
        (
            "{group: '', kind: Service, name: llm}",
            "hostname: a.b, caCertificateRefs: [{group: '', kind: Secret, name: pair}]",
            &["does not read roots from the kind Secret"],
        ),
        (
            "{group: '', kind: Service, name: llm}",
            "hostname: a.b, wellKnownCACertificates: System, caCertificateRefs: [{group: '', kind: ConfigMap, name: roots}]",
            &["exclude each other"],
        ),
        (
            "{group: '', kind: Service, name: llm}",
            "hostname: a.b, wellKnownCACertificates: System, subjectAltNames: [{type: URI, uri: 'spiffe://a'}]",
            &["does not model URIs"],
        ),
    ] {
        let loaded = behind(&format!("  targetRefs: [{target}]\n  validation: {{{validation}}}\n"));
        loaded.expect(parts);
        assert!(loaded.findings.has_errors(), "{target} {validation}\n{}", loaded.text);
    }
    let options = behind(&format!("{SERVICE}{SYSTEM}  options: {{a/b: c}}\n"));
    options.expect_one(Severity::Warning, &["options"]);
}

#[test]
fn a_backend_tls_policy_has_no_effect_in_a_lab_and_says_so() {
    let policy = format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {{name: p, namespace: ns}}\nspec:\n{SERVICE}{SYSTEM}"
    );
    let loaded = load_all(&[MOCK, INTER, &policy]);
    loaded.expect_one(Severity::Warning, &["a lab speaks no TLS: this BackendTLSPolicy has no effect here"]);
}

/// A Gateway with these listeners, for a gateway that is called for real.
fn served(listeners: &str) -> Loaded {
    let mut sources = Sources::default();
    let text = format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: g, namespace: ns}}\nspec:\n  listeners:\n{listeners}---\n{MORE}"
    );
    let id = sources.add("gateway.yaml", text);
    let mut findings = Diagnostics::default();
    let given = Given { real_hosts: RealHosts::All, ..Given::default() };
    let topology = load(&sources, &[id], &given, &mut findings);
    Loaded { topology, text: findings.render(&sources, false), findings }
}

#[test]
fn a_listener_for_https_has_the_certificate_of_its_secret() {
    let loaded =
        served("  - {name: s, port: 8443, protocol: HTTPS, tls: {mode: Terminate, certificateRefs: [{name: pair}]}}\n");
    assert_eq!(loaded.findings.all().len(), 0, "{}", loaded.text);
    let identity = loaded.topology.listeners[0].tls.clone().unwrap();
    assert_eq!(identity.certificate, Pem::Text("a certificate".to_owned()));
    for (listeners, parts) in [
        ("  - {name: s, port: 8443, protocol: HTTPS}\n", &["a listener for HTTPS needs", "has none"][..]),
        (
            "  - {name: s, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: pear}]}}\n",
            &["there is no Secret `pear`", "dangling reference"],
        ),
        (
            "  - {name: s, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: half}]}}\n",
            &["the Secret `half` has no key `tls.key`"],
        ),
        (
            "  - {name: s, port: 8443, protocol: HTTPS, tls: {mode: Passthrough, certificateRefs: [{name: pair}]}}\n",
            &["a listener for HTTPS ends TLS itself"],
        ),
        (
            "  - {name: s, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: pair}]}}\n  \
             - {name: p, port: 8443, protocol: HTTP}\n",
            &["HTTP and HTTPS are both to be served at the port 8443"],
        ),
    ] {
        let loaded = served(listeners);
        loaded.expect(parts);
        assert!(loaded.findings.has_errors(), "{listeners}\n{}", loaded.text);
    }
}
