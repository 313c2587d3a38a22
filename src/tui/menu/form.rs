//! A form of the menu: fields with their defaults, and what is wrong with what stands in them.

use super::{Check, Question};
use crate::tui::bench::{FaultKind, choices};
use crate::tui::command::{Act, Draft};

/// Fields to be filled in.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::tui) struct Form {
    pub(in crate::tui) title: String,
    pub(in crate::tui) about: String,
    pub(in crate::tui) fields: Vec<Field>,
    pub(in crate::tui) cursor: usize,
    /// What is wrong with the whole.
    pub(in crate::tui) complaint: Option<String>,
    /// What `enter` does, in a word.
    pub(in crate::tui) verb: &'static str,
    purpose: Purpose,
}

/// What a form is for.
#[derive(Debug, Clone, PartialEq)]
enum Purpose {
    Inject { target: String, fault: String },
    Number(Question),
    File,
}

/// A field of a form.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::tui) struct Field {
    name: String,
    /// What it is called here: no two fields of a form are called the same.
    pub(in crate::tui) label: String,
    /// What may stand there.
    pub(in crate::tui) kind: String,
    pub(in crate::tui) about: String,
    pub(in crate::tui) default: String,
    pub(in crate::tui) value: String,
    pub(in crate::tui) complaint: Option<String>,
    part: Part,
}

/// To which part of a draft a field belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Parameter,
    Probability,
    Window,
}

/// What goes around every fault: name, label, what may stand there, default, what it means.
const AROUND: [(&str, &str, &str, &str, &str); 5] = [
    ("probability", "probability", "0 to 1", "1", "How likely each request, or each connection, is struck."),
    ("after", "begins after", "a duration", "", "How long from now it begins; at once where empty."),
    ("for", "lasts for", "a duration", "", "How long it lasts; until it is cleared where empty."),
    ("first", "strikes first", "a whole number", "", "How often it strikes at most."),
    ("every", "strikes every", "a whole number from 1", "", "Of those that it meets it strikes only every Nth."),
];

impl Form {
    /// The form of a fault that meets a target.
    pub(super) fn of_fault(target: &str, kind: &FaultKind) -> Self {
        let own = kind.parameters.iter().map(|one| Field::new(&one.name, &one.kind, &one.default, &one.about));
        let around = AROUND.iter().map(|(name, label, kind, default, about)| Field {
            part: if *name == "probability" { Part::Probability } else { Part::Window },
            label: (*label).to_owned(),
            ..Field::new(name, kind, default, about)
        });
        Self {
            title: format!("{} at {target}", kind.name),
            about: kind.about.clone(),
            fields: own.chain(around).collect(),
            cursor: 0,
            complaint: None,
            verb: "inject",
            purpose: Purpose::Inject { target: target.to_owned(), fault: kind.name.clone() },
        }
    }

    /// The form of a number.
    pub(super) fn of_number(question: Question) -> Self {
        let (title, field, default, about, verb) = match &question {
            Question::Scale => ("Scale the gateway", "replicas", "2", "How many replicas there shall be.", "scale"),
            Question::Burst => ("A burst", "requests", "10", "How many are sent at once.", "send"),
            Question::Load => (
                "Load",
                "rate",
                "20",
                "Requests a second, until the load is stopped, and for an hour at most.",
                "start",
            ),
            Question::FailureRate(_) => {
                ("Failure rate", "percent", "50", "How many of its answers are failures, from now on.", "set")
            }
        };
        let (least, most) = question.bounds();
        let kind = format!("a whole number from {least} to {most}");
        let about_whom = match &question {
            Question::FailureRate(provider) => format!("of {provider}"),
            Question::Burst | Question::Load => "like the scenario's latest step that sends".to_owned(),
            Question::Scale => String::new(),
        };
        Self {
            title: title.to_owned(),
            about: about_whom,
            fields: vec![Field::new(field, &kind, default, about)],
            cursor: 0,
            complaint: None,
            verb,
            purpose: Purpose::Number(question),
        }
    }

    /// The form of a file with manifests.
    pub(super) fn of_file() -> Self {
        Self {
            title: "Apply manifests".to_owned(),
            about: "Routes, backends and policies take the place of those of the same name, without a restart."
                .to_owned(),
            fields: vec![Field::new("file", "a path", "", "Seen from where labsim was started.")],
            cursor: 0,
            complaint: None,
            verb: "apply",
            purpose: Purpose::File,
        }
    }

    pub(super) fn moved(&mut self, by: isize) {
        self.cursor = self.cursor.saturating_add_signed(by).min(self.fields.len().saturating_sub(1));
    }

    /// Changes the text of the field under the cursor.
    pub(in crate::tui) fn edit(&mut self, change: impl FnOnce(&mut String)) {
        if let Some(field) = self.fields.get_mut(self.cursor) {
            change(&mut field.value);
        }
    }

    /// Goes on to another of the words that may stand in the field under the cursor.
    pub(in crate::tui) fn cycle(&mut self, by: isize) {
        let Some(field) = self.fields.get_mut(self.cursor) else { return };
        let choices = field.choices();
        let count = choices.len().cast_signed();
        if count > 1 {
            let is_here = |choice: &String| word_of(choice) == word_of(&field.value);
            let here = choices.iter().position(is_here).unwrap_or(0);
            let next = (here.cast_signed() + by).rem_euclid(count).cast_unsigned();
            field.value.clone_from(&choices[next]);
        }
    }

    /// Finds out what is wrong with it.
    pub(super) fn judge(&mut self, check: Check<'_>) {
        self.complaint = None;
        for field in &mut self.fields {
            field.complaint = None;
        }
        if let Purpose::Number(question) = &self.purpose {
            let wrong = self.fields.first().is_some_and(|field| question.number(&field.value).is_none());
            self.complaint = wrong.then(|| format!("write {}", self.fields[0].kind));
            return;
        }
        if self.purpose == Purpose::File {
            let empty = self.fields.first().is_some_and(|field| field.value.trim().is_empty());
            self.complaint = empty.then(|| "write the path of a file".to_owned());
            return;
        }
        for complaint in self.draft().map(|draft| check(&draft)).unwrap_or_default() {
            let named = |field: &&mut Field| Some(field.path()) == complaint.field;
            match self.fields.iter_mut().find(named) {
                Some(field) if field.lacks().is_some() => {
                    field.complaint = field.lacks().map(|whole| format!("write {whole}"));
                }
                // What may stand there says more than what it is made of.
                Some(field) if complaint.message.starts_with("expected ") => {
                    field.complaint = Some(format!("expected {}", field.kind.replace('`', "")));
                }
                Some(field) => field.complaint = Some(complaint.message),
                None => self.complaint = Some(complaint.message),
            }
        }
    }

    /// Whether nothing is wrong with it.
    pub(in crate::tui) fn is_sound(&self) -> bool {
        self.complaint.is_none() && self.fields.iter().all(|field| field.complaint.is_none())
    }

    /// What it asks for, if nothing is wrong with it.
    pub(super) fn done(&self) -> Option<(Act, String)> {
        if !self.is_sound() {
            return None;
        }
        match &self.purpose {
            Purpose::Number(question) => question.act(question.number(&self.fields.first()?.value)?),
            Purpose::File => {
                let path = self.fields.first()?.value.trim();
                Some((Act::Apply(path.to_owned()), format!("{path} is applied")))
            }
            Purpose::Inject { target, fault } => {
                Some((Act::Inject(self.draft()?), format!("{fault} is injected at {target}")))
            }
        }
    }

    /// The fault as it is filled in; what stands as it would anyhow is left out.
    fn draft(&self) -> Option<Draft> {
        let Purpose::Inject { target, fault } = &self.purpose else { return None };
        let of = |part: Part| {
            let fields = self.fields.iter().filter(move |field| field.part == part && field.value != field.default);
            fields.map(|field| (field.name.clone(), field.value.trim().to_owned()))
        };
        Some(Draft {
            target: target.clone(),
            fault: fault.clone(),
            parameters: of(Part::Parameter).collect(),
            probability: of(Part::Probability).next().map(|(_, value)| value).unwrap_or_default(),
            window: of(Part::Window).filter(|(_, value)| !value.is_empty()).collect(),
        })
    }
}

impl Field {
    fn new(name: &str, kind: &str, default: &str, about: &str) -> Self {
        Self {
            name: name.to_owned(),
            label: name.to_owned(),
            kind: kind.to_owned(),
            about: about.to_owned(),
            default: default.to_owned(),
            value: default.to_owned(),
            complaint: None,
            part: Part::Parameter,
        }
    }

    /// Where it stands in a file, as complaints have it.
    fn path(&self) -> String {
        match self.part {
            Part::Parameter | Part::Probability => self.name.clone(),
            Part::Window => format!("window.{}", self.name),
        }
    }

    /// What may stand there, where that can be counted.
    pub(in crate::tui) fn choices(&self) -> Vec<String> {
        choices(&self.kind)
    }

    /// The choice that its value is only the word of.
    fn lacks(&self) -> Option<String> {
        let value = self.value.trim();
        let is_word = |choice: &String| choice.starts_with('{') && word_of(choice) == word_of(value);
        self.choices().into_iter().find(|choice| !value.starts_with('{') && is_word(choice))
    }
}

/// The word that a choice begins with.
fn word_of(choice: &str) -> &str {
    choice.trim_start_matches(['{', '"', ' ']).split([':', '}', '"', ' ']).next().unwrap_or_default()
}

impl Question {
    fn bounds(&self) -> (u32, u32) {
        match self {
            Self::Scale => (1, 64),
            Self::Burst | Self::Load => (1, 10_000),
            Self::FailureRate(_) => (0, 100),
        }
    }

    fn number(&self, text: &str) -> Option<u32> {
        let (least, most) = self.bounds();
        text.trim().parse().ok().filter(|number| (least..=most).contains(number))
    }

    fn act(&self, number: u32) -> Option<(Act, String)> {
        Some(match self {
            Self::Scale => (Act::Scale(number), format!("the gateway goes to {number} replicas")),
            Self::Burst => (Act::Send(number), format!("{number} requests are on their way")),
            Self::Load => (Act::Load(number), format!("{number} requests a second from now on")),
            Self::FailureRate(provider) => {
                let percent = u8::try_from(number).ok()?;
                let said = format!("{provider} fails {percent} % of its requests from now on");
                (Act::SetFailureRate { provider: provider.clone(), percent }, said)
            }
        })
    }
}
