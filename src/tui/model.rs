//! What the screen knows and what its actions change. No terminal here, and no wall clock: whoever
//! drives it tells how much time has gone by.

mod acting;
mod looking;
mod time;

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::action::{Action, Tab};
use super::arrivals::Arrivals;
use super::command::Command;
use super::filter::Filter;
use super::fold::Fold;
use super::keys::{Context, Keys};
use super::landmarks::Sort;
use super::lineup::Lineup;
use super::listing::{Chooser, Column};
use super::menu::Menu;
use super::pace::{Pace, Pacer};
use super::plan::Plan;
use super::story::Story;
use super::theme::Theme;
use super::timeline::Timeline;
use super::{Decision, Finding, Judge};
use crate::event::log::Header;
use crate::event::{At, Event};

pub(super) use acting::{Acting, is_heading};

/// Everything behind one screen.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct Model {
    pub(super) header: Header,
    pub(super) plan: Plan,
    pub(super) timeline: Timeline,
    /// The state of the moment that is shown.
    pub(super) fold: Fold,
    /// The moment that is shown; events up to it are in the fold.
    pub(super) at: At,
    pub(super) source: Source,
    pub(super) pacer: Pacer,
    /// Whether the latest moment is shown and kept up with. Always false in a replay.
    pub(super) attached: bool,
    /// Where the lab's clock stands, which may be after the last event.
    lab_now: At,
    /// Whether no more events will come.
    pub(super) over: bool,
    /// Whether the lab has done everything and waits for somebody to act.
    pub(super) resting: bool,
    has_rested: bool,
    /// What was asked for and has not begun: it waits for time to go on.
    pub(super) waiting: usize,
    /// The landmark that the lab goes on to, and how many events there were when that was asked.
    awaited: Option<(usize, Option<Sort>)>,
    /// How many events there were when a lab that rests was judged last.
    judged: usize,
    /// Where a lab on real ports can be reached: what, and its address.
    pub(super) addresses: Vec<(String, String)>,

    pub(super) tab: Tab,
    pub(super) theme: Theme,
    pub(super) keys: Keys,
    pub(super) projector: bool,
    pub(super) open: Open,
    /// What lay open when the help came over it, and how far it was scrolled.
    pub(super) below: (Open, usize),
    /// How far what is open is scrolled.
    pub(super) scroll: usize,
    pub(super) table: Table,
    pub(super) events: Scrolled,
    /// How far the scenario is scrolled from where it would stand.
    pub(super) scenario_scroll: isize,
    /// How far the providers are scrolled where there are more than can be seen.
    pub(super) topology_scroll: usize,
    pub(super) filter_text: String,
    pub(super) filter: Filter,
    pub(super) typing: bool,
    pub(super) marks: Vec<usize>,
    pub(super) message: Option<(String, Duration)>,
    pub(super) acting: Acting,
    /// Where files are written.
    pub(super) folder: PathBuf,
    /// What is to be done outside: the driver takes these.
    pub(super) effects: Vec<Effect>,
    /// Lines that the panel with the list had when it was last drawn.
    pub(super) page: usize,
    wall: Duration,
    commands: Option<mpsc::Sender<Command>>,
    pub(super) chooser: RefCell<Chooser>,
    story: RefCell<Option<(usize, Arc<Story>)>>,
}

/// Where the events come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A recording: all of time is ours.
    Replay,
    /// A lab in virtual time: its pace is ours.
    Virtual,
    /// A lab in real time.
    Real,
}

/// What lies over the panels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Open {
    #[default]
    Nothing,
    Help,
    Story(usize),
    Compare(usize, usize),
    /// The menu for breaking things.
    Menu,
}

/// How the requests are listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Table {
    /// The selected request; none follows the newest.
    pub(super) selected: Option<usize>,
    pub(super) oldest_first: bool,
    pub(super) sort: Column,
    pub(super) reverse: bool,
}

/// A list that follows its end until somebody scrolls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Scrolled {
    /// Position of the last line shown; none follows.
    pub(super) last: Option<usize>,
}

/// Something to be done outside the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    Quit,
    Copy(String),
    Export(Export),
    WriteScenario(PathBuf),
}

/// What is written to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Export {
    Text,
    Svg,
    Cast,
    Report,
}

/// How long a message stands.
const MESSAGE_FOR: Duration = Duration::from_secs(4);

impl Model {
    pub(super) fn new(header: Header, source: Source, judge: Option<Box<dyn Judge>>) -> Self {
        let timeline = Timeline::new(Lineup::of(&header), judge);
        Self::with_timeline(header, source, timeline)
    }

    /// A model over a timeline that was made for the header.
    pub(super) fn with_timeline(header: Header, source: Source, timeline: Timeline) -> Self {
        let plan = Plan::of(&header);
        let fold = timeline.head().clone();
        Self {
            header,
            plan,
            timeline,
            fold,
            at: At::default(),
            source,
            pacer: Pacer::new(Pace::Follow),
            attached: source != Source::Replay,
            lab_now: At::default(),
            over: false,
            resting: false,
            has_rested: false,
            waiting: 0,
            awaited: None,
            judged: 0,
            addresses: Vec::new(),
            tab: Tab::default(),
            theme: Theme::default(),
            keys: Keys::default(),
            projector: false,
            open: Open::Nothing,
            below: (Open::Nothing, 0),
            scroll: 0,
            table: Table::default(),
            events: Scrolled::default(),
            scenario_scroll: 0,
            topology_scroll: 0,
            filter_text: String::new(),
            filter: Filter::default(),
            typing: false,
            marks: Vec::new(),
            message: None,
            acting: Acting::default(),
            folder: PathBuf::from("."),
            effects: Vec::new(),
            page: 10,
            wall: Duration::ZERO,
            commands: None,
            chooser: RefCell::default(),
            story: RefCell::new(None),
        }
    }

    /// Lets commands go to a lab.
    pub(super) fn command(&mut self, commands: mpsc::Sender<Command>) {
        self.commands = Some(commands);
    }

    /// Takes in events, in order.
    pub(super) fn feed(&mut self, events: impl IntoIterator<Item = Event>) {
        self.timeline.feed(events.into_iter().collect());
        self.catch_up();
    }

    /// Takes in the batches of a queue for as long as there are some and `goes_on` says so. Whoever shows the
    /// model, or lets somebody act on it, has it [catch up](Model::catch_up) before.
    pub(super) fn take(&mut self, arrivals: &Arrivals, mut goes_on: impl FnMut() -> bool) {
        while goes_on()
            && let Some(batch) = arrivals.take()
        {
            self.timeline.extend(&batch);
            arrivals.give_back(batch);
        }
    }

    /// Tells where the lab's clock stands.
    pub(super) fn lab_at(&mut self, now: At) {
        self.lab_now = self.lab_now.max(now);
        if self.attached {
            self.at = self.latest();
        }
    }

    /// Tells that no more events will come, and what was found where somebody has judged the whole.
    pub(super) fn conclude(&mut self, verdict: Option<Vec<Finding>>) {
        self.over = true;
        self.timeline.conclude(verdict);
        self.miss_awaited();
        self.catch_up();
    }

    /// The latest moment there is.
    pub(super) fn latest(&self) -> At {
        self.timeline.end().max(self.lab_now)
    }

    /// Shows the latest there is, where nobody looks back.
    pub(super) fn catch_up(&mut self) {
        if !self.attached {
            return;
        }
        let end = self.timeline.len();
        if self.fold.position != end {
            self.timeline.seek(&mut self.fold, end);
        }
        self.at = self.latest();
    }

    /// Where the screen stands in time, to come back to.
    pub(super) fn place(&self) -> (At, usize, bool) {
        (self.at, self.fold.position, self.attached)
    }

    /// Shows another moment for a while, for those who draw many.
    pub(super) fn go_to(&mut self, at: At) {
        self.attached = false;
        self.show(at);
    }

    /// Comes back to where the screen stood.
    pub(super) fn return_to(&mut self, (at, position, attached): (At, usize, bool)) {
        self.timeline.seek(&mut self.fold, position);
        self.at = at;
        self.attached = attached;
        self.catch_up();
    }

    /// Whether the run has done everything and its end is shown.
    pub(super) fn is_at_end(&self) -> bool {
        (self.over || self.resting && self.waiting == 0) && self.at >= self.latest()
    }

    /// What has become of the run so far: the worst of its findings, and nothing while one is open.
    pub(super) fn verdict(&self) -> Option<Decision> {
        let findings = self.timeline.findings(self.fold.position);
        let has = |decision| findings.iter().any(|finding| finding.decision == decision);
        match () {
            () if findings.is_empty() => None,
            () if has(Decision::Fail) => Some(Decision::Fail),
            () if has(Decision::Open) => None,
            () if has(Decision::Unknown) => Some(Decision::Unknown),
            () => Some(Decision::Pass),
        }
    }

    fn detach(&mut self) {
        if self.attached {
            self.attached = false;
            // Who looks back wants to look: the past stands still, and a virtual lab waits.
            self.pacer.set_paused(true);
            if self.source == Source::Virtual {
                self.tell(Command::Pause);
            }
        }
    }

    fn attach(&mut self) {
        if self.source != Source::Replay && !self.attached {
            self.attached = true;
            self.catch_up();
        }
    }

    fn tell(&mut self, command: Command) -> bool {
        let sent = self.commands.as_ref().is_some_and(|commands| commands.send(command).is_ok());
        sent && !self.over
    }

    /// Shows a sentence for a while.
    pub(super) fn say(&mut self, text: impl Into<String>) {
        self.message = Some((text.into(), self.wall + MESSAGE_FOR));
    }

    /// What a key means just now depends on this.
    pub(super) fn context(&self) -> Context {
        match (self.typing || self.acting.prompt.is_some(), self.open) {
            (true, _) => Context::Typing,
            (false, Open::Menu) if self.acting.menu.as_ref().is_some_and(Menu::takes_text) => Context::Form,
            (false, Open::Nothing) => Context::Panels,
            (false, _) => Context::Reading,
        }
    }

    /// Whether an action does anything over what is open: the lists below that are out of reach.
    pub(super) fn means_something(&self, action: &Action) -> bool {
        let open = if self.open == Open::Help { self.below.0 } else { self.open };
        match open {
            Open::Nothing | Open::Help => true,
            Open::Story(_) => !action.is_about_lists() && *action != Action::Compare,
            Open::Compare(..) => !action.is_about_lists(),
            Open::Menu => {
                *action == Action::Open
                    || !action.is_about_lists() && !matches!(action, Action::Compare | Action::CopyCurl)
            }
        }
    }

    /// Does what a person wants.
    pub(super) fn act(&mut self, action: &Action) {
        if !self.means_something(action) {
            return;
        }
        if *action != Action::Nothing {
            // What was said was about what was done before.
            self.message = None;
        }
        match *action {
            Action::Nothing => {}
            Action::Quit => self.quit(),
            Action::Help => self.help(),
            Action::Back => self.back(),
            Action::Show(tab) => self.show_tab(tab),
            Action::NextTab => self.show_tab(self.tab.moved(1)),
            Action::PreviousTab => self.show_tab(self.tab.moved(-1)),
            Action::Move(by) => self.moved(by),
            Action::Page(by) => self.moved(by * self.page.max(2).cast_signed().saturating_sub(1)),
            Action::First => self.moved(-isize::MAX),
            Action::Last => self.moved(isize::MAX),
            Action::Open if self.open == Open::Menu => self.submit(),
            Action::Open => self.open_selected(),
            Action::Select(index) => self.select(index),
            Action::TogglePause => self.toggle_pause(),
            Action::StepEvent(by) => self.step_event(by),
            Action::StepTime(millis) => self.step_time(millis),
            Action::Faster => self.pace(Pace::faster),
            Action::Slower => self.pace(Pace::slower),
            Action::FollowPace => self.pace(|_| Pace::Follow),
            Action::Jump { forward, sort } => self.jump(forward, sort),
            Action::ToStart => self.seek(At::default()),
            Action::ToHead => self.go_to_head(),
            Action::Seek(thousandths) => self.seek(self.moment_of(thousandths)),
            Action::Filter => self.typing = true,
            Action::Type(char) => self.type_text(|text| text.push(char)),
            Action::Erase => self.type_text(|text| {
                text.pop();
            }),
            Action::EraseAll => self.type_text(String::clear),
            Action::Accept if self.acting.prompt.is_some() => self.accept_name(),
            Action::Accept => self.typing = false,
            Action::Cycle(by) => self.edit_form(|form| form.cycle(by)),
            Action::SortBy => self.table.sort = self.table.sort.next(),
            Action::SortOn(column) if self.table.sort == column => self.table.reverse = !self.table.reverse,
            Action::SortOn(column) => self.table.sort = column,
            Action::Reverse => self.table.reverse = !self.table.reverse,
            Action::NewestFirst => self.table.oldest_first = !self.table.oldest_first,
            Action::Mark => self.mark(),
            Action::Compare => self.compare(),
            Action::Theme => {
                self.theme = self.theme.next();
                self.say(format!("theme {}", self.theme.name));
            }
            Action::Projector => self.projector = !self.projector,
            Action::CopyCurl => self.copy_curl(),
            Action::ExportText => self.effects.push(Effect::Export(Export::Text)),
            Action::ExportSvg => self.effects.push(Effect::Export(Export::Svg)),
            Action::ExportCast => self.effects.push(Effect::Export(Export::Cast)),
            Action::ExportReport => self.effects.push(Effect::Export(Export::Report)),
            Action::BreakMenu => self.break_menu(),
            Action::BreakAt(place) => self.break_at(place),
            Action::Pick(line) => self.pick(line),
            Action::Submit => self.submit(),
            Action::ClearFaults => self.clear_faults(),
            Action::Send => self.send(),
            Action::Burst => self.burst(),
            Action::ToggleLoad => self.toggle_load(),
            Action::WriteScenario => self.ask_for_name(),
        }
    }

    fn quit(&mut self) {
        self.tell(Command::Quit);
        self.effects.push(Effect::Quit);
    }

    /// Shows what the keys do here, over what is open; that is there again afterwards.
    fn help(&mut self) {
        if self.open == Open::Help {
            (self.open, self.scroll) = std::mem::take(&mut self.below);
        } else {
            self.below = (self.open, self.scroll);
            (self.open, self.scroll) = (Open::Help, 0);
        }
    }

    fn toggle(&mut self, what: Open) {
        self.acting.menu = None;
        self.open = if self.open == what { Open::Nothing } else { what };
        self.scroll = 0;
    }

    fn back(&mut self) {
        if self.acting.prompt.take().is_some() {
            return;
        }
        if self.open == Open::Menu && !self.typing {
            self.menu_back();
            return;
        }
        if self.open == Open::Help {
            self.help();
            return;
        }
        if self.typing || self.open == Open::Nothing {
            self.typing = false;
            self.filter_text.clear();
            self.filter = Filter::default();
        }
        self.open = Open::Nothing;
    }

    fn show_tab(&mut self, tab: Tab) {
        self.tab = tab;
        // The projector has one picture of its own.
        self.projector = false;
        self.close_menu();
        self.scroll = 0;
    }
}

/// A name as a part of a file's name.
pub(super) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for char in name.chars().flat_map(char::to_lowercase) {
        if char.is_alphanumeric() {
            slug.push(char);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "labsim".to_owned() } else { slug.chars().take(60).collect() }
}
