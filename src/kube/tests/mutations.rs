//! Manifests damaged at random: nothing panics, and every finding has a place inside its file.

use super::*;

/// A small generator of its own, so that the damage is the same in every run.
struct Lcg(u64);

impl Lcg {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % below.max(1)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.next(from.len())]
    }
}

const VALUES: [&str; 24] = [
    "",
    "~",
    "{}",
    "[]",
    "[[]]",
    "{a: {b: [c]}}",
    "-1",
    "0",
    "1.5",
    "1e400",
    "99999999999999999999999",
    "true",
    "''",
    "\"\\u0000\"",
    "ä€😀",
    "$(POD_NAME)",
    "$$",
    ".",
    "..",
    "*.x",
    "a.b.c.d.e",
    "'('",
    "[~, {}, 7, x]",
    "18446744073709551615",
];

const OTHERS: &str = "
apiVersion: v1
kind: Secret
metadata:
  name: openai-secret
stringData:
  Authorization: Bearer sk-mutation-secret
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: agentgateway-proxy
  namespace: agentgateway-system
spec:
  gatewayClassName: a
  listeners:
  - name: http
    port: 8080
    protocol: HTTP
    hostname: '*.example.com'
    allowedRoutes:
      namespaces:
        from: All
---
";

/// Damages a text in one of several ways.
fn damage(text: &str, lcg: &mut Lcg) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = lcg.next(lines.len());
    match lcg.next(7) {
        0 => drop(lines.remove(at)),
        1 => lines[at].insert_str(0, "  "),
        2 => lines[at] = lines[at].strip_prefix("  ").unwrap_or_default().to_owned(),
        3 => {
            let other = lcg.next(lines.len());
            lines.swap(at, other);
        }
        4 => {
            let value = lcg.pick(&VALUES);
            if let Some((key, _)) = lines[at].clone().split_once(':') {
                lines[at] = format!("{key}: {value}");
            }
        }
        5 => {
            let position = lcg.next(lines[at].len() + 1);
            if lines[at].is_char_boundary(position) {
                let letter = lcg.pick(&["x", ":", "-", " ", "\"", "'", "{", "[", "#", "&a ", "*a ", "!!str "]);
                lines[at].insert_str(position, letter);
            }
        }
        _ => {
            let copy = lines[at].clone();
            let to = lcg.next(lines.len());
            lines.insert(to, copy);
        }
    }
    lines.join("\n")
}

#[test]
fn damaged_manifests_are_reported_and_never_panic() {
    let whole = [MOCK, INTER, INTRA, OTHERS, include_str!("exported.yaml")].join("\n---\n");
    let mut lcg = Lcg(42);
    let (mut with_errors, rounds) = (0, 3_000);
    for _ in 0..rounds {
        let mut text = whole.clone();
        for _ in 0..=lcg.next(3) {
            text = damage(&text, &mut lcg);
        }
        let mut sources = Sources::default();
        let file = sources.add("damaged.yaml", text.as_str());
        let mut findings = Diagnostics::default();
        let topology = load(&sources, &[file], &Given::default(), &mut findings);
        assert!(!topology.listeners.is_empty());
        with_errors += usize::from(findings.has_errors());
        for finding in findings.all() {
            let (place, _) = finding.primary.as_ref().unwrap_or_else(|| panic!("no place: {finding:?}\n{text}"));
            assert!(place.start <= place.end && place.end as usize <= text.len(), "{finding:?}\n{text}");
        }
        check_indices(&topology);
        if lcg.next(3) == 0 {
            assert!(!findings.render(&sources, false).contains("sk-mutation-secret"), "{text}");
        }
    }
    assert!(with_errors > rounds / 2, "only {with_errors} of {rounds} had errors");
}

/// Indices of a topology point at something, even where there were errors.
fn check_indices(topology: &Topology) {
    assert!(topology.services.iter().all(|service| service.simulator < topology.simulators.len()));
    for route in &topology.routes {
        assert!(route.listeners.iter().all(|listener| *listener < topology.listeners.len()));
        let mut backends = route.rules.iter().flat_map(|rule| &rule.backends);
        assert!(backends.all(|reference| reference.backend < topology.backends.len()));
    }
}
