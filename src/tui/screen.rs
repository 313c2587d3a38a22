//! The screen's thread: takes events and keys, lets time go on, draws.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use crossterm::event::{self as terminal_event, MouseButton, MouseEvent, MouseEventKind};
use tokio::time::Instant;

use super::action::Action;
use super::arrivals::Arrivals;
use super::bench::Workbench;
use super::command::Command;
use super::export;
use super::keys::Keys;
use super::model::{Effect, Model, Source};
use super::pace::{Pace, Pacer};
use super::terminal::{self, Guard, Input};
use super::theme::{THEMES, Theme};
use super::view::{self, Drawn};
use super::{Finding, Judge};
use crate::event::log::{Header, ReadError};
use crate::event::{At, Event, Sink};

/// What a screen is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// `dark`, `light`, `contrast` or `mono`; the terminal decides where absent.
    pub theme: Option<String>,
    /// The pace to begin with.
    pub pace: Pace,
    /// Lines of `name: key …` that change keys.
    pub keys: Option<String>,
    /// Whether to leave once the run is over, or the recording at its end.
    pub close: bool,
    /// Where screens and casts are written.
    pub folder: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self { theme: None, pace: Pace::Follow, keys: None, close: false, folder: PathBuf::from(".") }
    }
}

/// A frame, thirty in a second.
const FRAME: Duration = Duration::from_millis(33);
/// A frame while a lab keeps the machine busy: ten in a second.
const SLOW_FRAME: Duration = Duration::from_millis(100);
/// How much of its time a screen over a lab in real time is at work, as long as it shows ten frames a second.
const SHARE: f64 = 0.25;
/// How long events are taken at most between two frames.
const TAKE: Duration = Duration::from_millis(50);
/// How long to wait for a key while nothing moves.
const IDLE: Duration = Duration::from_millis(100);

/// What flows to the screen.
#[derive(Default)]
struct Inbox {
    events: Arrivals,
    now: AtomicU64,
    over: AtomicBool,
    verdict: Mutex<Option<Vec<Finding>>>,
    stop: Arc<AtomicBool>,
    notices: Mutex<Vec<String>>,
    addresses: Mutex<Vec<(String, String)>>,
}

/// A screen over a running lab.
pub struct Screen {
    inbox: Arc<Inbox>,
    gate: Gate,
    /// None once it has been waited for.
    thread: Mutex<Option<JoinHandle<io::Result<()>>>>,
}

/// Hands events to a screen. It never waits, and drops nothing.
pub struct ScreenSink(Arc<Inbox>);

impl Sink for ScreenSink {
    fn event(&mut self, event: &Event) {
        self.0.events.push(event);
    }
}

/// A way to tell the person at a screen something. Cheap to clone.
#[derive(Clone)]
pub struct Notices(Arc<Inbox>);

impl Notices {
    /// Shows a sentence for a while.
    pub fn say(&self, text: impl Into<String>) {
        self.0.notices.lock().unwrap_or_else(PoisonError::into_inner).push(text.into());
    }
}

impl Screen {
    /// Takes the terminal and opens a screen over a lab that is about to run.
    ///
    /// # Errors
    /// The terminal's, or the machine's if it gives no thread.
    pub fn open(
        header: Header,
        judge: Option<Box<dyn Judge>>,
        bench: Box<dyn Workbench>,
        options: Options,
    ) -> io::Result<(Self, mpsc::Receiver<Command>)> {
        let (commands, received) = mpsc::channel();
        let source = if header.clock == "virtual" { Source::Virtual } else { Source::Real };
        let inbox = Arc::new(Inbox::default());
        let gate = Gate::new(options.pace);
        let (theirs, gate_of_screen) = (inbox.clone(), gate.clone());
        let (ready, opened) = mpsc::channel();
        let thread = std::thread::Builder::new().name("screen".to_owned()).spawn(move || {
            let guard = match Guard::take() {
                Ok(guard) => guard,
                Err(error) => {
                    let _ = ready.send(Err(error));
                    return Ok(());
                }
            };
            let _ = ready.send(Ok(()));
            stand_back();
            let mut model = configured(Model::new(header, source, judge), &options);
            model.equip(bench);
            let (to_lab, from_screen) = mpsc::channel();
            model.command(to_lab);
            let driver = Driver {
                model,
                inbox: theirs,
                options,
                gate: Some((gate_of_screen.clone(), from_screen, commands)),
                rest: None,
                drawn: Drawn::default(),
                began: Instant::now(),
                lab_began: None,
            };
            let done = driver.run(guard);
            if done.is_err() {
                // Nobody watches any more: the run need not wait for anyone.
                gate_of_screen.open();
            }
            done
        })?;
        match opened.recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(io::Error::other("the screen's thread ended at once")),
        }
        terminal::watch_signals(&inbox.stop)?;
        Ok((Self { inbox, gate, thread: Mutex::new(Some(thread)) }, received))
    }

    /// Where the lab puts its events.
    #[must_use]
    pub fn sink(&self) -> ScreenSink {
        ScreenSink(self.inbox.clone())
    }

    /// A way to tell the person something.
    #[must_use]
    pub fn notices(&self) -> Notices {
        Notices(self.inbox.clone())
    }

    /// Tells where a lab on real ports can be reached: what, and its address. The first is the one to ask.
    pub fn addresses(&self, addresses: Vec<(String, String)>) {
        *self.inbox.addresses.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    /// What holds a virtual lab back.
    #[must_use]
    pub fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// Tells where the lab's clock stands, so that countdowns run between events.
    pub fn now(&self, now: At) {
        self.inbox.now.fetch_max(now.0, Ordering::Relaxed);
    }

    /// Tells that no more events will come, and what was found where somebody has judged the whole.
    pub fn finished(&self, verdict: Option<Vec<Finding>>) {
        *self.inbox.verdict.lock().unwrap_or_else(PoisonError::into_inner) = verdict;
        self.inbox.over.store(true, Ordering::SeqCst);
    }

    /// Waits until the person has closed the screen; the terminal is given back then.
    ///
    /// # Errors
    /// What the terminal said.
    pub fn wait(&self) -> io::Result<()> {
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return Ok(()) };
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the screen's thread panicked")))
    }

    /// Closes the screen now.
    ///
    /// # Errors
    /// As [`Screen::wait`].
    pub fn close(&self) -> io::Result<()> {
        self.inbox.stop.store(true, Ordering::SeqCst);
        self.wait()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

/// Lets a lab's threads go before the screen's where a core is wanted by both.
fn stand_back() {
    const NICE: i32 = 5;
    // Linux knows a niceness of each thread. Where that is refused, everybody is alike.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
}

/// Holds a virtual lab back so that a person can follow it. Cheap to clone.
#[derive(Clone)]
pub struct Gate(Arc<(Mutex<GateState>, Condvar)>);

struct GateState {
    pacer: Pacer,
    began: Instant,
    /// Goes on until there are more events than this.
    step_events: Option<u64>,
    /// Goes on up to this moment.
    step_until: Option<At>,
    now: At,
    open: bool,
}

/// Microseconds of the smallest step of a virtual clock.
const GRAIN: u64 = 1_000;
/// How long the lab is held at most before it may look at its commands again.
const TURN: Duration = Duration::from_millis(20);

impl Gate {
    fn new(pace: Pace) -> Self {
        let state = GateState {
            pacer: Pacer::new(pace),
            began: Instant::now(),
            step_events: None,
            step_until: None,
            now: At(0),
            open: false,
        };
        Self(Arc::new((Mutex::new(state), Condvar::new())))
    }

    /// Says up to which moment a lab may go that stands at `now`, with so many requests under way
    /// and so many events told. Waits up to 20 ms while it may not go on; then it is `now`.
    ///
    /// A lab that is idle should go on in steps of a millisecond and ask again after each, so that
    /// a request cannot begin and end unseen within a fast wait.
    #[must_use]
    pub fn turn(&self, now: At, in_flight: usize, events: u64) -> At {
        let (lock, changed) = &*self.0;
        let mut state = lock.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = now;
        for _ in 0..2 {
            // A virtual clock goes in whole milliseconds, and a part of one would be rounded up.
            let allowed = At(state.allow(now, in_flight, events).0 / GRAIN * GRAIN);
            if allowed > now {
                return allowed;
            }
            state = changed.wait_timeout(state, TURN / 2).unwrap_or_else(PoisonError::into_inner).0;
        }
        now
    }

    /// Where the lab stood when it last asked.
    fn now(&self) -> At {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).now
    }

    fn change(&self, change: impl FnOnce(&mut GateState)) {
        change(&mut self.0.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.1.notify_all();
    }

    /// Lets the lab go as fast as it can from now on.
    pub fn open(&self) {
        self.change(|state| state.open = true);
    }

    /// Does what a command asks of time; returns the others.
    fn obey(&self, command: Command, events: u64) -> Option<Command> {
        match command {
            Command::Pause => self.change(|state| state.pacer.set_paused(true)),
            Command::Resume => self.change(|state| state.pacer.set_paused(false)),
            Command::Pace(pace) => self.change(|state| state.pacer.set_pace(pace)),
            Command::StepEvent => self.change(|state| {
                state.pacer.set_paused(true);
                state.step_events = Some(events);
            }),
            Command::StepTime(by) => self.change(|state| {
                state.pacer.set_paused(true);
                state.step_until = Some(At(state.now.0.saturating_add(At::after(by).0)));
            }),
            other => return Some(other),
        }
        None
    }
}

impl GateState {
    fn allow(&mut self, now: At, in_flight: usize, events: u64) -> At {
        if self.open {
            return At(u64::MAX);
        }
        if let Some(until) = self.step_until {
            if now < until {
                return until;
            }
            self.step_until = None;
            self.pacer.jumped_to(now);
        }
        if let Some(before) = self.step_events {
            if events <= before {
                return At(now.0.saturating_add(GRAIN));
            }
            self.step_events = None;
            self.pacer.jumped_to(now);
        }
        self.pacer.allow(now, in_flight, self.began.elapsed())
    }
}

/// Opens a screen over a recording and stays until the person closes it. Only the beginning is read
/// before it opens, the rest while it is watched.
///
/// # Errors
/// The terminal's. A recording that is broken somewhere is shown up to there.
pub fn replay(
    header: Header,
    events: impl Iterator<Item = Result<Event, ReadError>> + 'static,
    judge: Option<Box<dyn Judge>>,
    bench: Box<dyn Workbench>,
    options: Options,
) -> io::Result<()> {
    let inbox = Arc::new(Inbox::default());
    let mut model = configured(Model::new(header, Source::Replay, judge), &options);
    model.equip(bench);
    let mut driver = Driver {
        model,
        inbox: inbox.clone(),
        options,
        gate: None,
        rest: Some(Box::new(events) as Recording),
        drawn: Drawn::default(),
        began: Instant::now(),
        lab_began: None,
    };
    driver.read_on(READ_FIRST);
    let guard = Guard::take()?;
    terminal::watch_signals(&inbox.stop)?;
    driver.run(guard)
}

/// The events of a recording that are still to be read.
type Recording = Box<dyn Iterator<Item = Result<Event, ReadError>>>;

/// How long a recording is read before the screen opens, and between two frames.
const READ_FIRST: Duration = Duration::from_millis(200);
const READ_ON: Duration = Duration::from_millis(25);
/// Events that are read between two looks at the clock.
const READ_AT_ONCE: usize = 64;

fn configured(mut model: Model, options: &Options) -> Model {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let name = options.theme.as_deref().or(no_color.then_some("mono")).unwrap_or(THEMES[0]);
    model.theme = Theme::named(name).unwrap_or_default();
    model.pacer.set_pace(options.pace);
    let mut keys = Keys::default();
    if let Some(text) = &options.keys
        && let Err(error) = keys.change(text)
    {
        model.say(format!("the key file: {error}"));
    }
    model.keys = keys;
    model
}

/// Drives a model with a terminal.
struct Driver {
    model: Model,
    inbox: Arc<Inbox>,
    options: Options,
    gate: Option<(Gate, mpsc::Receiver<Command>, mpsc::Sender<Command>)>,
    rest: Option<Recording>,
    drawn: Drawn,
    began: Instant,
    /// When a lab in real time began, as far as its events tell.
    lab_began: Option<Instant>,
}

impl Driver {
    fn run(mut self, mut guard: Guard) -> io::Result<()> {
        let done = self.show(&mut guard);
        if done.is_err() {
            // Nobody watches any more, and nobody will.
            self.pass(Command::Quit);
        }
        done
    }

    fn show(&mut self, guard: &mut Guard) -> io::Result<()> {
        loop {
            let woke = Instant::now();
            self.take_events();
            self.take_notices();
            self.read_on(READ_ON);
            self.model.tick(self.began.elapsed());
            if !terminal::is_taken() {
                // A panic elsewhere has given the terminal back.
                self.pass(Command::Quit);
                return Ok(());
            }
            guard.draw(|frame| self.drawn = view::draw(&self.model, frame))?;
            self.model.fit(self.drawn.page, self.drawn.scroll);
            if self.is_done() {
                return Ok(());
            }
            if !self.wait_for_input(self.pause(woke.elapsed()))? {
                // Nobody can see or press anything any more.
                self.pass(Command::Quit);
                return Ok(());
            }
            self.pass_commands();
            if self.do_effects(guard) {
                return Ok(());
            }
        }
    }

    fn take_events(&mut self) {
        // In this order: what comes before the end must not be missed.
        let resting = self.model.bench().is_some_and(Workbench::is_resting);
        let over = self.inbox.over.load(Ordering::SeqCst);
        let is_behind = self.take_batches();
        if let Some(began) = self.lab_began {
            self.model.lab_at(At::after(began.elapsed()));
        }
        let told = self.inbox.now.load(Ordering::Relaxed);
        let asked = self.gate.as_ref().map_or(At(0), |(gate, ..)| gate.now());
        self.model.lab_at(asked.max(At(told)));
        if over && !is_behind && !self.model.over {
            let verdict = self.inbox.verdict.lock().unwrap_or_else(PoisonError::into_inner).take();
            self.model.conclude(verdict);
        }
        self.model.rests(resting);
    }

    /// In real time the lab's clock goes on between events as the machine's does.
    fn lab_is_at(&mut self, at: At) {
        if self.model.source == Source::Real {
            let began = Instant::now().checked_sub(Duration::from_micros(at.0));
            self.lab_began = self.lab_began.into_iter().chain(began).min();
        }
    }

    fn take_notices(&mut self) {
        for notice in std::mem::take(&mut *self.inbox.notices.lock().unwrap_or_else(PoisonError::into_inner)) {
            self.model.say(notice);
        }
        let mut addresses = self.inbox.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if !addresses.is_empty() {
            self.model.addresses = std::mem::take(&mut addresses);
        }
    }

    /// Takes what the lab has told, for a while at most. True while some is left.
    fn take_batches(&mut self) -> bool {
        let began = Instant::now();
        let (inbox, mut is_behind) = (self.inbox.clone(), false);
        let batches = std::iter::from_fn(|| {
            is_behind = began.elapsed() > TAKE;
            if is_behind { None } else { inbox.events.take() }
        });
        let before = self.model.timeline.len();
        self.model.take(batches);
        self.inbox.events.hear(self.model.timeline.is_heard());
        if self.model.timeline.len() > before {
            self.lab_is_at(self.model.timeline.end());
        }
        is_behind
    }

    /// Reads some more of a recording.
    fn read_on(&mut self, for_at_most: Duration) {
        let Some(mut rest) = self.rest.take() else { return };
        let began = Instant::now();
        while began.elapsed() < for_at_most {
            let mut broken = None;
            let whole = rest.by_ref().map_while(|event| event.map_err(|error| broken = Some(error)).ok());
            let read: Vec<Event> = whole.take(READ_AT_ONCE).collect();
            let is_end = read.len() < READ_AT_ONCE;
            self.model.feed(read);
            if let Some(error) = broken {
                self.model.say(format!("the recording ends here: {error}"));
            }
            if is_end {
                return self.model.conclude(None);
            }
        }
        self.rest = Some(rest);
    }

    /// Whether time goes by on the screen.
    fn moves(&self) -> bool {
        let goes_on = !self.model.pacer.is_paused() && !self.model.is_at_end();
        goes_on || self.model.message.is_some()
    }

    /// How long to wait for a key before the next frame.
    ///
    /// Over a lab in real time the work of a frame, `busy`, may only take so much of the time: a machine
    /// that is busy gets fewer frames, so that the lab keeps its cores.
    fn pause(&self, busy: Duration) -> Duration {
        let whole = match self.model.source {
            _ if self.rest.is_some() => return Duration::ZERO,
            _ if !self.moves() => return IDLE,
            Source::Real => busy.div_f64(SHARE).clamp(FRAME, SLOW_FRAME),
            Source::Virtual | Source::Replay => FRAME,
        };
        whole.saturating_sub(busy)
    }

    fn is_done(&mut self) -> bool {
        if self.inbox.stop.load(Ordering::SeqCst) {
            self.pass(Command::Quit);
            return true;
        }
        self.options.close && self.model.is_at_end()
    }

    /// Takes what a person does; false once there is no terminal any more.
    fn wait_for_input(&mut self, wait: Duration) -> io::Result<bool> {
        match terminal::wait(wait) {
            Input::Gone => return Ok(false),
            Input::Nothing => return Ok(true),
            Input::Ready => {}
        }
        while terminal_event::poll(Duration::ZERO)? {
            match terminal_event::read()? {
                terminal_event::Event::Key(key) if key.kind != terminal_event::KeyEventKind::Release => {
                    if let Some(action) = self.model.keys.action(key, self.model.context()) {
                        self.model.act(&action);
                    }
                }
                terminal_event::Event::Mouse(mouse) => self.mouse(mouse),
                terminal_event::Event::Paste(text) => self.model.paste(&text),
                _ => {}
            }
        }
        Ok(true)
    }

    fn mouse(&mut self, mouse: MouseEvent) {
        let action = match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => self.drawn.hits.click(mouse.column, mouse.row),
            MouseEventKind::Drag(MouseButton::Left) => self.drawn.hits.slide(mouse.column, mouse.row),
            MouseEventKind::ScrollUp => Some(Action::Move(-3)),
            MouseEventKind::ScrollDown => Some(Action::Move(3)),
            _ => None,
        };
        if let Some(action) = action {
            self.model.act(&action);
        }
    }

    /// Does what the model wants done outside; true when it wants to leave.
    fn do_effects(&mut self, guard: &mut Guard) -> bool {
        for effect in std::mem::take(&mut self.model.effects) {
            match effect {
                Effect::Quit => return true,
                Effect::Copy(text) => {
                    let _ = export::copy(&mut io::stdout(), &text);
                }
                Effect::Export(what) => {
                    let size = guard.terminal.size().unwrap_or_default();
                    let said = match export::write(&mut self.model, what, size, &self.options.folder) {
                        Ok(path) => format!("written to {}", path.display()),
                        Err(error) => format!("cannot write: {error}"),
                    };
                    self.model.say(said);
                }
                Effect::WriteScenario(name) => {
                    let path = export::within(&self.options.folder, name);
                    let said = export::scenario(&mut self.model, &path);
                    self.model.say(said);
                }
            }
        }
        false
    }

    fn pass_commands(&mut self) {
        let Some((gate, from_model, to_lab)) = &self.gate else { return };
        let events = self.model.timeline.len() as u64;
        for command in from_model.try_iter() {
            if let Some(command) = gate.obey(command, events) {
                let _ = to_lab.send(command);
            }
        }
    }

    fn pass(&mut self, command: Command) {
        self.pass_commands();
        if let Some((_, _, to_lab)) = &self.gate {
            let _ = to_lab.send(command);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_grants_whole_milliseconds_at_the_pace() {
        let gate = Gate::new(Pace::Times(0.1));
        let (began, mut now, mut grants) = (Instant::now(), At(0), 0);
        while began.elapsed() < Duration::from_millis(300) {
            let until = gate.turn(now, 1, 0);
            assert_eq!(until.0 % GRAIN, 0);
            grants += u32::from(until > now);
            now = until;
        }
        // A machine that is busy may let it go less far, and never further.
        let most = At(u64::try_from(began.elapsed().as_micros() / 10).unwrap_or(u64::MAX) + 10_000);
        assert!(now <= most, "{now:?} of {most:?} after {grants} grants");
    }

    #[test]
    fn a_paused_gate_lets_go_event_by_event_and_second_by_second() {
        let gate = Gate::new(Pace::Max);
        assert!(gate.turn(At(5_000), 0, 3) > At(1_000_000));
        assert_eq!(gate.obey(Command::Pause, 3), None);
        assert_eq!(gate.turn(At(5_000), 0, 3), At(5_000));
        gate.obey(Command::StepEvent, 3);
        assert_eq!(gate.turn(At(5_000), 0, 3), At(6_000));
        assert_eq!(gate.turn(At(6_000), 0, 4), At(6_000), "one event has come");
        gate.obey(Command::StepTime(Duration::from_secs(1)), 4);
        assert_eq!(gate.turn(At(6_000), 0, 4), At(1_006_000));
        assert_eq!(gate.turn(At(1_006_000), 0, 9), At(1_006_000));
        let send = Command::Act(crate::tui::Act::Send(1));
        assert_eq!(gate.obey(send.clone(), 9), Some(send));
        gate.obey(Command::Resume, 9);
        assert!(gate.turn(At(1_006_000), 0, 9) > At(2_000_000));
    }
}
