//! What the screen is given to work with: the catalogue of faults, and who writes sessions and reports.

use std::path::{Path, PathBuf};

use super::{Acting, drafts};
use crate::cli::record;
use crate::event::log::Header;
use crate::event::{At, Event, Kind};
use crate::fault::{self, Fault, Target};
use crate::report::html;
use crate::scenario::session::{Original, Performed, Session};
use crate::scenario::{self, Scenario};
use crate::tui::{Complaint, Draft, FaultKind, ParameterKind, Workbench};

/// The bench of a running lab, or of a recording.
pub(in crate::cli) struct Bench {
    header: Header,
    /// Who acts; nobody in a recording.
    acting: Option<Acting>,
    /// The scenario as its author wrote it, or as it was recorded.
    original: Option<Original>,
    /// The scenario of a recording.
    recorded: Option<Scenario>,
    /// Whether the scenario's steps are played.
    played: bool,
}

impl Bench {
    /// The bench of a lab that runs.
    pub(in crate::cli) fn of_lab(header: Header, acting: &Acting, original: Option<Original>) -> Self {
        Self { header, acting: Some(acting.clone()), original, recorded: None, played: true }
    }

    /// The lab plays its steps, or not.
    pub(in crate::cli) fn playing(self, played: bool) -> Self {
        Self { played, ..self }
    }

    /// The bench of a recording.
    pub(in crate::cli) fn of_recording(header: Header) -> Self {
        let path = header.sources.files().first().map(|file| PathBuf::from(&file.name)).unwrap_or_default();
        let original = Original::read(&header.sources, &path).ok();
        let recorded = scenario::load_from(&header.sources, &path).ok();
        let played = !header.unplayed;
        Self { header, acting: None, original, recorded, played }
    }

    fn session(&self, steps: &[Event], now: At) -> Session {
        let likenesses = match &self.acting {
            Some(acting) => acting.likenesses(),
            None => self.recorded.as_ref().map(|scenario| super::likenesses(scenario, steps)).unwrap_or_default(),
        };
        let acts = steps.iter().filter_map(|event| match &event.kind {
            Kind::StepStarted { act: Some(step), .. } => Some((event.at_us, step)),
            _ => None,
        });
        let performed = acts.enumerate().map(|(number, (at, step))| Performed {
            at: at.since(At(0)),
            step: step.clone(),
            like: likenesses.get(number).copied().flatten(),
        });
        Session {
            seed: self.header.seed,
            // A bug that the gateway was given is said behind it, and stands in the scenario by itself.
            personality: self.header.personality.split(',').next().unwrap_or_default().to_owned(),
            start: (self.header.clock == "virtual").then(|| self.header.start.clone()),
            played: self.played && (self.acting.is_some() || was_played(&self.header, steps)),
            acts: performed.collect(),
            until: now.since(At(0)),
        }
    }
}

/// Whether what was recorded played its own steps: a lab that stays up plays none unless it is asked to.
fn was_played(header: &Header, steps: &[Event]) -> bool {
    let own = |event: &Event| matches!(event.kind, Kind::StepStarted { act: None, .. });
    header.clock == "virtual" || steps.iter().any(own)
}

impl Workbench for Bench {
    fn catalogue(&self) -> Vec<FaultKind> {
        let parameter = |one: fault::Parameter| ParameterKind {
            default: one.default_text(),
            name: one.name,
            kind: one.kind.to_owned(),
            about: one.about,
        };
        let kind = |fault: &Fault| {
            let about = fault.about();
            FaultKind {
                name: about.name.to_owned(),
                about: about.line().to_owned(),
                on_link: fault.acts().on_link(),
                parameters: about.parameters.into_iter().map(parameter).collect(),
            }
        };
        Fault::all().iter().map(kind).collect()
    }

    fn check(&self, draft: &Draft) -> Vec<Complaint> {
        match (drafts::injection(draft), &self.acting) {
            (Err(complaints), _) => complaints,
            (Ok(injection), Some(acting)) => {
                let wrong = acting.aim(|topology| injection.aim(topology)).err();
                wrong.into_iter().map(|finding| Complaint { field: None, message: finding.message }).collect()
            }
            (Ok(_), None) => Vec::new(),
        }
    }

    fn check_manifests(&self, path: &str) -> Option<String> {
        self.acting.as_ref()?.after(path).err()
    }

    fn target(&self, backend: &str, provider: &str) -> String {
        let whole = format!("{backend}/{provider}");
        let Some(acting) = &self.acting else { return provider.to_owned() };
        let within = backend.rsplit_once('/').map_or(backend, |(_, name)| name);
        let spellings = [provider.to_owned(), format!("{within}/{provider}")];
        let means =
            |text: &String| Target::parse(text).is_ok_and(|one| acting.aim(|topology| one.aim(topology)).is_ok());
        spellings.into_iter().find(means).unwrap_or(whole)
    }

    fn is_resting(&self) -> bool {
        // A lab that stays up is never at its end.
        self.acting.as_ref().is_some_and(|acting| acting.0.ends && acting.0.commands.is_idle())
    }

    fn waiting(&self) -> usize {
        self.acting.as_ref().map_or(0, |acting| acting.0.commands.waiting())
    }

    fn plays_steps(&self) -> bool {
        self.played
    }

    fn write_scenario(&self, steps: &[Event], now: At, path: &Path) -> Result<(), String> {
        let original = self.original.as_ref().ok_or("the scenario cannot be read any more")?;
        let text = original.with(&self.session(steps, now), path)?;
        std::fs::write(path, text).map_err(|error| error.to_string())
    }

    fn write_report(&self, events: Vec<Event>, path: &Path) -> Result<(), String> {
        let run = record::replayed(&self.header, &events).map_err(|error| error.to_string())?;
        let text = html::render(&[record::of_run(&run, self.header.clone(), events)]);
        std::fs::write(path, text).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Interrupt, Lab};
    use crate::scenario::{Overridden, load_from};
    use crate::tui::Act;

    #[test]
    fn a_provider_that_a_person_has_applied_can_be_broken() {
        let lab = Lab::from_file(Path::new("scenarios/intra-group.yaml")).expect("a lab");
        let acting = Acting::new(&lab, &Interrupt::default(), true);
        let bench = Bench::of_lab(lab.header(), &acting, None);
        let (target, fault) = ("openai-provider".to_owned(), "stall".to_owned());
        let (parameters, window) = (Vec::new(), Vec::new());
        let draft = Draft { target, fault, parameters, probability: "1".to_owned(), window };
        assert!(!bench.check(&draft).is_empty(), "nobody is called so yet");
        assert!(bench.check_manifests("scenarios/nothing.yaml").expect("there is none").starts_with("cannot read "));
        assert_eq!(bench.check_manifests("scenarios/manifests/inter-group.yaml"), None);
        assert!(!bench.check(&draft).is_empty(), "to look is not to apply");
        acting.act(&Act::Apply("scenarios/manifests/inter-group.yaml".to_owned())).expect("sound manifests");
        assert_eq!(bench.check(&draft), []);
        acting.act(&Act::Inject(draft)).expect("it is known now");
    }

    #[test]
    fn whatever_a_form_offers_can_be_injected() {
        let lab = Lab::from_file(Path::new("scenarios/intra-group.yaml")).expect("a lab");
        let bench = Bench::of_lab(lab.header(), &Acting::new(&lab, &Interrupt::default(), true), None);
        for fault in bench.catalogue() {
            let target = if fault.on_link { "client -> gateway" } else { "openai-provider-primary" };
            for parameter in &fault.parameters {
                for choice in parameter.choices() {
                    let draft = Draft {
                        target: target.to_owned(),
                        fault: fault.name.clone(),
                        parameters: vec![(parameter.name.clone(), choice.clone())],
                        ..Draft::default()
                    };
                    let wrong = |one: &Complaint| one.field.as_deref() == Some(parameter.name.as_str());
                    let complaints = bench.check(&draft);
                    assert!(!complaints.iter().any(wrong), "{} {choice}: {complaints:?}", fault.name);
                }
            }
        }
    }

    #[test]
    fn a_session_with_a_bug_is_written_with_it() {
        let settings = ["lab.gateway.personality=reference", "lab.gateway.break=stale-timer"].map(str::to_owned);
        let path = Path::new("scenarios/intra-group.yaml");
        let scenario = load_from(&Overridden { settings: &settings }, path).expect("a scenario");
        let bench = Bench::of_recording(Lab::new(scenario).expect("a lab").header());
        let session = bench.session(&[], At(1));
        let text = bench.original.as_ref().expect("the scenario").with(&session, Path::new("again.yaml"));
        let text = text.expect("a file that can be run");
        assert!(text.contains("personality: reference") && text.contains("break: stale-timer"), "{text}");
    }
}
