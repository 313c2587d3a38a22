//! What a person does in the lab, through keys, the menu and a prompt. It takes effect at the head of
//! the run.

use std::path::PathBuf;

use super::{Effect, Model, Open, Source, slug};
use crate::event::At;
use crate::tui::action::{Action, Place};
use crate::tui::bench::{FaultKind, Workbench};
use crate::tui::command::{Act, Cleared, Command, Draft};
use crate::tui::fold::Fold;
use crate::tui::health::State;
use crate::tui::menu::{Does, Item, Level, List, Menu, Target, things};

/// What the screen has to work with, and what is open of the menu.
#[derive(Default)]
pub(in crate::tui) struct Acting {
    bench: Option<Box<dyn Workbench>>,
    catalogue: Vec<FaultKind>,
    pub(in crate::tui) menu: Option<Menu>,
    /// The name of a file that is being typed.
    pub(in crate::tui) prompt: Option<String>,
}

/// Requests of the burst that a key sends.
const BURST: u32 = 10;
/// Requests a second of the load that a key starts.
const LOAD: u32 = 20;

impl Model {
    /// Lets faults be looked up, and sessions be written.
    pub(in crate::tui) fn equip(&mut self, bench: Box<dyn Workbench>) {
        self.acting.catalogue = bench.catalogue();
        self.plan.played = bench.plays_steps();
        self.acting.bench = Some(bench);
    }

    /// What knows of faults and writes sessions.
    pub(in crate::tui) fn bench(&self) -> Option<&dyn Workbench> {
        self.acting.bench.as_deref()
    }

    /// Asks the lab for something, and says so.
    pub(super) fn ask(&mut self, act: Act, said: &str) {
        if self.source == Source::Replay {
            self.say("this is a recording: nothing can be changed in it");
        } else if self.tell(Command::Act(act)) {
            let when = self.when();
            self.say(format!("{when}{said}"));
        } else {
            self.say("the run is over");
        }
    }

    /// What is said first where an act does not take effect at once.
    fn when(&self) -> String {
        let key = |action| self.keys.shown(&action).unwrap_or_default();
        match (self.source, self.attached) {
            (Source::Virtual, false) => {
                format!("once time goes on at the latest moment ({}): ", key(Action::ToHead))
            }
            (Source::Virtual, true) if self.pacer.is_paused() => {
                format!("once time goes on ({}): ", key(Action::TogglePause))
            }
            (_, false) => "at the latest moment: ".to_owned(),
            _ => String::new(),
        }
    }

    pub(super) fn send(&mut self) {
        self.ask(Act::Send(1), "one request is on its way");
    }

    pub(super) fn burst(&mut self) {
        self.ask(Act::Send(BURST), &format!("{BURST} requests are on their way"));
    }

    pub(super) fn clear_faults(&mut self) {
        if self.timeline.head().faults.is_empty() && self.source != Source::Replay {
            self.say("no fault is active");
        } else {
            self.ask(Act::Clear(Cleared::All), "all faults are cleared");
        }
    }

    pub(super) fn toggle_load(&mut self) {
        if has_load(self.timeline.head()) {
            self.ask(Act::StopLoad, "the load stops");
        } else {
            self.ask(Act::Load(LOAD), &format!("{LOAD} requests a second from now on"));
        }
    }

    /// Opens the menu, or closes it.
    pub(super) fn break_menu(&mut self) {
        if self.open == Open::Menu {
            self.close_menu();
        } else if self.source == Source::Replay {
            self.say("this is a recording: nothing can be broken in it");
        } else {
            self.acting.menu = Some(Menu::new(self.things()));
            self.open = Open::Menu;
        }
    }

    /// Opens the menu at a place of the topology: at what can happen to a provider or a link, or with the cursor
    /// on what can be done to a replica.
    pub(super) fn break_at(&mut self, place: Place) {
        if self.source == Source::Replay {
            self.break_menu();
            return;
        }
        let things = self.things();
        let Some(line) = self.line_at(&things, place) else { return };
        let is_aim = matches!(things.items.get(line), Some(Item { does: Does::Aim(_), .. }));
        self.acting.menu = Some(Menu::new(things));
        self.open = Open::Menu;
        self.pick(line);
        if is_aim && self.acting.menu.as_ref().is_some_and(|menu| menu.levels.len() == 1) {
            self.submit();
        }
    }

    /// The line of the menu that is about a place of the topology, or about what it is part of.
    fn line_at(&self, things: &List, place: Place) -> Option<usize> {
        let line = |does: &dyn Fn(&Does) -> bool| things.items.iter().position(|item| does(&item.does));
        let aim = |is_link, name: String| {
            let aimed = Does::Aim(Target { name, is_link });
            line(&|does| *does == aimed)
        };
        let restart = |which| line(&|does| matches!(does, Does::Act(Act::Restart(of), _) if *of == which));
        match place {
            Place::Provider(number) => aim(false, self.target_of(number)),
            Place::LinkToProvider(number) => aim(true, format!("gateway -> {}", self.target_of(number))),
            Place::Client => aim(true, "client -> gateway".to_owned()),
            Place::LinkToReplica(number) => {
                aim(true, format!("client -> gateway/{number}")).or_else(|| aim(true, "client -> gateway".to_owned()))
            }
            Place::Replica(number) => restart(u32::try_from(number).ok()).or_else(|| restart(None)),
        }
    }

    pub(super) fn close_menu(&mut self) {
        self.acting.menu = None;
        self.open = Open::Nothing;
    }

    /// Goes back a level of the menu.
    pub(super) fn menu_back(&mut self) {
        if !self.acting.menu.as_mut().is_some_and(Menu::back) {
            self.close_menu();
        }
    }

    /// Puts the menu's cursor on a line, and chooses a line of a list that it was on.
    pub(super) fn pick(&mut self, line: usize) {
        let Some(menu) = &mut self.acting.menu else { return };
        if menu.point(line) && !menu.takes_text() {
            self.submit();
        }
    }

    /// Chooses what the menu's cursor is on.
    pub(super) fn submit(&mut self) {
        let Some(mut menu) = self.acting.menu.take() else { return };
        let wanted = menu.choose(&self.acting.catalogue, &|draft| self.complaints(draft));
        let cannot_be = match &wanted {
            Some((Act::Apply(path), _)) => self.bench().and_then(|bench| bench.check_manifests(path)),
            _ => None,
        };
        if let Some(why) = cannot_be {
            // What was typed may be mended.
            menu.complain(why);
            self.acting.menu = Some(menu);
            return;
        }
        match wanted {
            Some((act, said)) => {
                self.close_menu();
                self.ask(act, &said);
            }
            None => self.acting.menu = Some(menu),
        }
    }

    /// Changes the field of the menu's form.
    pub(super) fn edit_form(&mut self, change: impl FnOnce(&mut crate::tui::menu::form::Form)) {
        let Some(mut menu) = self.acting.menu.take() else { return };
        menu.edit(&|draft| self.complaints(draft), change);
        self.acting.menu = Some(menu);
    }

    fn complaints(&self, draft: &Draft) -> Vec<crate::tui::bench::Complaint> {
        self.bench().map(|bench| bench.check(draft)).unwrap_or_default()
    }

    /// What there is to break at the head of the run.
    fn things(&self) -> List {
        let head = self.timeline.head();
        let providers = 0..head.chosen.len();
        let lab = things::Lab {
            providers: providers.map(|number| (self.target_of(number), self.told_of(number))).collect(),
            replicas: head.replicas.iter().filter(|replica| replica.up).count().max(1),
            faults: &head.faults,
            load: has_load(head),
        };
        things::things(&lab)
    }

    /// The name that faults know a provider by.
    pub(in crate::tui) fn target_of(&self, number: usize) -> String {
        let lineup = &self.timeline.lineup;
        let Some(provider) = lineup.providers.get(number) else { return String::new() };
        let backend = lineup.backends.get(provider.backend).map_or("", String::as_str);
        match self.bench() {
            Some(bench) => bench.target(backend, &provider.name),
            None => provider.name.clone(),
        }
    }

    /// The state of a provider and its faults, in a few words.
    fn told_of(&self, number: usize) -> String {
        let head = self.timeline.head();
        let states = head.replicas.iter().filter_map(|replica| replica.health.get(number));
        let worst = states.map(|health| health.state(self.latest())).max().unwrap_or(State::Healthy);
        let target = self.target_of(number);
        let faults = head.faults.iter().filter(|fault| *fault.target == *target).map(|fault| fault.name.to_string());
        let mut told = vec![worst.name().to_owned()];
        told.extend(faults);
        told.join(", ")
    }

    /// Asks for the name of a file to write the session to.
    pub(super) fn ask_for_name(&mut self) {
        let name = |number: usize| {
            let again = if number > 1 { format!("-{number}") } else { String::new() };
            format!("{}-session{again}.yaml", slug(&self.header.name))
        };
        let is_free = |name: &String| !self.folder.join(name).exists();
        self.acting.prompt = Some((1..1_000).map(name).find(is_free).unwrap_or_else(|| name(1)));
    }

    /// Takes the name as it stands.
    pub(super) fn accept_name(&mut self) {
        let Some(name) = self.acting.prompt.take() else { return };
        if !name.trim().is_empty() {
            self.effects.push(Effect::WriteScenario(PathBuf::from(name.trim())));
        }
    }

    /// Tells whether the lab has done everything and stands still, so that what is expected of it is
    /// decided, until somebody goes on. An act may begin and end between two looks.
    pub(in crate::tui) fn rests(&mut self, resting: bool) {
        self.waiting = self.bench().map_or(0, Workbench::waiting);
        let end = self.timeline.len();
        let has_moved = self.judged != end && self.timeline.head().in_flight() == 0;
        if resting && !self.over && (!self.resting || has_moved) {
            self.judged = end;
            self.timeline.rest();
            if self.attached {
                self.catch_up();
            }
            if !self.has_rested {
                self.say("all steps are played, and time stands still until you act, or leave");
            }
            self.has_rested = true;
            self.miss_awaited();
        }
        self.resting = resting;
    }

    /// What waits to begin until time goes on, in words.
    pub(in crate::tui) fn told_of_waiting(&self) -> Option<String> {
        let stands = self.source == Source::Virtual && (self.pacer.is_paused() || !self.attached);
        match self.waiting {
            1.. if !stands => None,
            0 => None,
            1 => Some("1 act waits".to_owned()),
            acts => Some(format!("{acts} acts wait")),
        }
    }

    /// The steps that have begun so far, as events, and the latest moment.
    pub(in crate::tui) fn steps(&self) -> (Vec<crate::event::Event>, At) {
        let mut steps = Vec::new();
        self.timeline.scan(0..self.timeline.len(), |_, event| {
            if matches!(event.kind, crate::event::Kind::StepStarted { .. }) {
                steps.push(event.clone());
            }
            true
        });
        (steps, self.latest())
    }

    /// All events so far.
    pub(in crate::tui) fn all_events(&self) -> Vec<crate::event::Event> {
        let mut all = Vec::with_capacity(self.timeline.len());
        self.timeline.scan(0..self.timeline.len(), |_, event| {
            all.push(event.clone());
            true
        });
        all
    }
}

/// Whether a load is under way.
fn has_load(fold: &Fold) -> bool {
    fold.steps.values().any(|step| &*step.verb == "load" && step.ended.is_none())
}

/// What a line of a list says, for those who draw it.
pub(in crate::tui) fn is_heading(item: &Item) -> bool {
    item.does == Does::Heading
}

impl Acting {
    /// What is shown of the menu.
    pub(in crate::tui) fn level(&self) -> Option<&Level> {
        self.menu.as_ref().and_then(Menu::level)
    }
}
