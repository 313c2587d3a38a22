//! Judges a run for the screen while it goes on: steps as they end, the whole at its end.
//!
//! It keeps what happened, as a verdict needs it, up to [`MOST`] bytes, of a run in real time up to a quarter
//! of that; a run that outgrows them is judged by the lab at its end. A judgement costs a look at every
//! request, so it is made only as often as the events since the last one have paid for: all judgements
//! together cost less than the events.

use std::collections::BTreeSet;

use super::record;
use crate::event::log::Header;
use crate::event::{Event, History, Kind};
use crate::lab::Lab;
use crate::scenario::{self, Scenario};
use crate::tui::{Decision, Finding, Judge};
use crate::verdict::{self, About, JudgeOptions, Outcome, Verdict};

/// Bytes that the history may take, roughly: some 10,000 requests.
const MOST: usize = 16 << 20;
/// The same where time is real, and what a judge costs is missing elsewhere.
const MOST_IN_REAL_TIME: usize = 4 << 20;
/// Bytes of a request beside its headers and bodies.
const REQUEST: usize = 1_500;
/// Requests that each event pays to look at.
const CREDIT: usize = 4;
/// Requests that may be looked at from the start.
const ADVANCE: usize = 5_000;

/// Judges a run while it goes on.
pub(super) struct Judging {
    scenario: Scenario,
    options: JudgeOptions,
    /// None once it has become too much.
    history: Option<History>,
    bytes: usize,
    most: usize,
    credit: usize,
    /// Whether a step has begun or ended since the last judgement.
    is_due: bool,
    /// Steps that are over: the scenario's, and those that a person has asked for.
    ended: BTreeSet<usize>,
    shown: Vec<Finding>,
}

impl Judging {
    pub(super) fn new(scenario: Scenario, options: JudgeOptions) -> Self {
        Self {
            scenario,
            options,
            history: Some(History::default()),
            bytes: 0,
            most: MOST,
            credit: ADVANCE,
            is_due: false,
            ended: BTreeSet::new(),
            shown: Vec::new(),
        }
    }

    /// A judge for a lab that judges the whole at its end.
    pub(super) fn of_lab(lab: &Lab) -> Self {
        let most = if lab.header().clock == "real" { MOST_IN_REAL_TIME } else { MOST };
        Self { most, ..Self::new(lab.scenario().clone(), JudgeOptions::default()) }
    }

    /// A judge for a recording; none if its steps were not played, so that nothing is expected, or its
    /// scenario can no longer be read.
    pub(super) fn of_recording(header: &Header) -> Option<Self> {
        if header.unplayed {
            return None;
        }
        let file = header.sources.files().first()?;
        let scenario = scenario::load_from(&header.sources, std::path::Path::new(&file.name)).ok()?;
        Some(Self::new(scenario, record::options_of(header)))
    }

    fn take_in(&mut self, event: &Event) {
        self.credit += CREDIT;
        self.bytes += weight(event);
        if self.bytes > self.most {
            self.history = None;
        }
        if let Some(history) = &mut self.history {
            history.apply(event);
        }
        match event.kind {
            Kind::StepEnded { step, .. } => drop(self.ended.insert(step)),
            Kind::StepStarted { .. } => {}
            _ => return,
        }
        self.is_due = true;
    }

    /// Whether there is something to judge and it is paid for; it is paid then.
    fn may_look(&mut self) -> bool {
        let cost = self.history.as_ref().map_or(0, |history| history.requests.len());
        let pays = self.is_due && self.credit >= cost;
        if pays {
            self.credit -= cost;
            self.is_due = false;
        }
        pays
    }

    fn findings(&self) -> Option<Vec<Finding>> {
        let history = self.history.as_ref()?;
        let verdict = verdict::judge(&self.scenario, history, self.options);
        let under_way = history.requests.iter().rev().take(1_000).any(|request| request.ended.is_none());
        let is_over = |finding: &verdict::Finding| finding.step.is_some_and(|step| self.ended.contains(&step));
        let decided = |finding| is_over(finding) || (is_broken(finding) && !under_way);
        Some(verdict.findings.iter().map(|finding| shown(finding, decided(finding))).collect())
    }

    fn changed(&mut self, findings: Vec<Finding>) -> Option<Vec<Finding>> {
        if findings == self.shown {
            return None;
        }
        self.shown.clone_from(&findings);
        Some(findings)
    }
}

impl Judge for Judging {
    fn judge(&mut self, event: Option<&Event>) -> Option<Vec<Finding>> {
        match event {
            Some(event) => self.take_in(event),
            None => self.is_due = true,
        }
        if !self.may_look() {
            return None;
        }
        let findings = self.findings()?;
        self.changed(findings)
    }

    fn listens(&self) -> bool {
        self.history.is_some()
    }

    fn conclude(&mut self) -> Option<Vec<Finding>> {
        let findings = match &self.history {
            Some(history) => of_verdict(&verdict::judge(&self.scenario, history, self.options)),
            None => self.shown.iter().map(left_open).collect(),
        };
        self.changed(findings)
    }
}

/// The findings of a run that is over.
pub(super) fn of_verdict(verdict: &Verdict) -> Vec<Finding> {
    verdict.findings.iter().map(|finding| shown(finding, true)).collect()
}

fn shown(finding: &verdict::Finding, decided: bool) -> Finding {
    let decision = match finding.outcome {
        _ if !decided => Decision::Open,
        _ if finding.exempt.is_some() => Decision::Exempt,
        Outcome::Pass => Decision::Pass,
        Outcome::Fail => Decision::Fail,
        Outcome::Unknown => Decision::Unknown,
    };
    let reasons = [("expected", &finding.expected), ("came", &finding.actual)];
    let reasons = reasons.iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("{name}: {text}"));
    let explanation = reasons.chain(finding.detail.iter().cloned()).collect::<Vec<_>>().join("\n");
    Finding {
        step: finding.step,
        invariant: finding.about != About::Expectation,
        statement: finding.exemption().unwrap_or_else(|| finding.statement.clone()),
        decision,
        // Before it is decided, what came is not what will have come.
        explanation: (decided && !explanation.is_empty()).then_some(explanation),
    }
}

/// An invariant that is broken stays broken, whether that counts or not. That one request is still on its way
/// breaks none.
fn is_broken(finding: &verdict::Finding) -> bool {
    (finding.outcome == Outcome::Fail || finding.exempt.is_some()) && finding.about != About::Expectation
}

/// A finding of a run that was too long to be judged here.
fn left_open(finding: &Finding) -> Finding {
    let reason = "the screen judges no recording as long as this; `labsim replay --no-tui` does".to_owned();
    let explanation = if finding.decision == Decision::Open { Some(reason) } else { finding.explanation.clone() };
    Finding { explanation, ..finding.clone() }
}

fn weight(event: &Event) -> usize {
    let headers =
        |all: &[(String, String)]| all.iter().map(|(name, value)| name.len() + value.len() + 48).sum::<usize>();
    match &event.kind {
        Kind::ClientRequestSent { .. } => REQUEST,
        Kind::ClientResponseStarted { headers: all, .. } => headers(all),
        Kind::ClientRequestEnded { body, .. } => body.len(),
        Kind::GatewayRequestReceived { .. } | Kind::ProviderRequestReceived { .. } => 200,
        Kind::ProviderSelected { candidates, .. } => candidates.len() * 120,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::event::At;

    fn recorded(path: &str) -> (Lab, Vec<Event>, Verdict) {
        let lab = Lab::from_file(path).expect("a shipped scenario").settled();
        let events = Arc::new(Mutex::new(Vec::new()));
        let kept = events.clone();
        let keep = move |event: &Event| kept.lock().expect("events").push(event.clone());
        let run = lab.run_with(vec![Box::new(keep)]).expect("it runs");
        let events = std::mem::take(&mut *events.lock().expect("events"));
        (lab, events, run.verdict)
    }

    #[test]
    fn what_is_shown_at_the_end_is_the_verdict() {
        let (lab, events, verdict) = recorded("scenarios/intra-group.yaml");
        let mut judging = Judging::new(lab.scenario().clone(), JudgeOptions::default());
        let first = judging.judge(None).expect("findings before the first event");
        assert!(first.iter().all(|finding| finding.decision == Decision::Open));
        let changes = events.iter().filter(|event| judging.judge(Some(event)).is_some()).count();
        assert!(changes > 0, "no step's expectation was decided on the way");
        judging.conclude();
        assert_eq!(judging.shown, of_verdict(&verdict));
    }

    #[test]
    fn what_a_person_does_decides_nothing_that_a_step_expects() {
        let (lab, events, _) = recorded("scenarios/inter-group.yaml");
        let own = lab.scenario().steps.len();
        let mut judging = Judging::new(lab.scenario().clone(), JudgeOptions::default());
        judging.judge(None);
        let is_end = |event: &&Event| matches!(event.kind, Kind::StepEnded { .. });
        let ends: Vec<usize> = (0..events.len()).filter(|at| is_end(&&events[*at])).collect();
        for event in &events[..=ends[0]] {
            judging.judge(Some(event));
        }
        let act = Kind::StepEnded { step: own, failed: None };
        judging.judge(Some(&Event { seq: 0, at_us: events[ends[0]].at_us, kind: act }));
        let of_steps =
            |judging: &Judging| judging.shown.iter().filter(|one| one.step > Some(0)).cloned().collect::<Vec<_>>();
        assert!(!of_steps(&judging).is_empty());
        assert!(of_steps(&judging).iter().all(|one| one.decision == Decision::Open), "{:?}", of_steps(&judging));
        for event in &events[ends[0] + 1..] {
            judging.judge(Some(event));
        }
        assert!(of_steps(&judging).iter().all(|one| one.decision == Decision::Pass), "{:?}", of_steps(&judging));
    }

    #[test]
    fn a_deviation_that_is_known_is_not_said_to_hold() {
        let (_, _, mut verdict) = recorded("scenarios/intra-group.yaml");
        let known = verdict.findings.iter_mut().find(|one| one.about != About::Expectation).expect("an invariant");
        known.exempt = Some(verdict::Exempt::Off { reason: "a test".to_owned() });
        let shown = of_verdict(&verdict);
        let exempt: Vec<_> = shown.iter().filter(|one| one.decision == Decision::Exempt).collect();
        let [exempt] = exempt.as_slice() else { panic!("{shown:?}") };
        assert!(exempt.statement.starts_with("turned off: "), "{exempt:?}");
    }

    #[test]
    fn a_run_that_is_too_long_is_left_to_the_lab() {
        let (lab, events, _) = recorded("scenarios/intra-group.yaml");
        let mut judging = Judging::new(lab.scenario().clone(), JudgeOptions::default());
        judging.judge(None);
        judging.bytes = judging.most;
        for event in &events {
            judging.judge(Some(event));
        }
        assert!(judging.history.is_none() && !judging.listens());
        let findings = judging.conclude().expect("what stays open is said to");
        assert!(findings.iter().all(|finding| finding.decision == Decision::Open && finding.explanation.is_some()));
    }

    #[test]
    fn many_steps_do_not_mean_many_looks_at_everything() {
        let (lab, ..) = recorded("scenarios/intra-group.yaml");
        let mut judging = Judging::new(lab.scenario().clone(), JudgeOptions::default());
        let mut looks = 0;
        for number in 0..20_000u64 {
            let sent = Kind::ClientRequestEnded {
                request: format!("req-{number}"),
                outcome: crate::event::Outcome::Complete,
                status: Some(200),
                model: None,
                usage: None,
                body: String::new(),
                text: None,
                body_bytes: 0,
                digest: None,
            };
            let step = Kind::StepEnded { step: 0, failed: None };
            for kind in [sent, step] {
                judging.take_in(&Event { seq: 0, at_us: At(number), kind });
                if judging.may_look() {
                    looks += judging.history.as_ref().expect("a short run").requests.len();
                }
            }
        }
        assert!(looks <= ADVANCE + 40_000 * CREDIT, "{looks}");
    }
}
