//! Frame after frame: takes events and keys, lets time go on, draws.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, mpsc};
use std::time::Duration;

use crossterm::event::{self as terminal_event, MouseButton, MouseEvent, MouseEventKind};
use tokio::time::Instant;

use super::frames::{FRAME, Frames, Mark};
use super::{Gate, Inbox, Options};
use crate::event::log::ReadError;
use crate::event::{At, Event};
use crate::tui::action::Action;
use crate::tui::bench::Workbench;
use crate::tui::command::Command;
use crate::tui::export;
use crate::tui::model::{Effect, Model, Source};
use crate::tui::terminal::{self, Guard, Input};
use crate::tui::view::{self, Drawn};

/// How long events are taken at most between two frames.
const TAKE: Duration = Duration::from_millis(50);
/// How long to wait for a key while nothing moves.
const IDLE: Duration = Duration::from_millis(100);
/// How often between two frames what a lab in real time tells is taken: little at a time keeps the lab from a core for
/// a moment only. Where it wants the cores, frames are rarer, and so is this.
const SIPS: u32 = 16;

/// The events of a recording that are still to be read.
pub(super) type Recording = Box<dyn Iterator<Item = Result<Event, ReadError>>>;

/// How long a recording is read before the screen opens, and between two frames.
pub(super) const READ_FIRST: Duration = Duration::from_millis(200);
const READ_ON: Duration = Duration::from_millis(25);
/// Events that are read between two looks at the clock.
const READ_AT_ONCE: usize = 64;

/// Drives a model with a terminal.
pub(super) struct Driver {
    pub(super) model: Model,
    pub(super) inbox: Arc<Inbox>,
    pub(super) options: Options,
    pub(super) gate: Option<(Gate, mpsc::Receiver<Command>, mpsc::Sender<Command>)>,
    pub(super) rest: Option<Recording>,
    pub(super) drawn: Drawn,
    pub(super) frames: Frames,
    /// When the frame that is on the screen was due.
    pub(super) due: Instant,
    /// Whether the mouse holds the bar of time.
    pub(super) sliding: bool,
    pub(super) began: Instant,
    /// When a lab in real time began, as far as its events tell.
    pub(super) lab_began: Option<Instant>,
}

impl Driver {
    /// Shows it until somebody leaves.
    pub(super) fn run(mut self, mut guard: Guard) -> io::Result<()> {
        let done = self.show(&mut guard);
        if done.is_err() {
            // Nobody watches any more, and nobody will.
            self.pass(Command::Quit);
        }
        match done {
            // A terminal that is closed takes nothing: that is a way to leave.
            Err(_) if terminal::is_gone() => Ok(()),
            done => done,
        }
    }

    fn show(&mut self, guard: &mut Guard) -> io::Result<()> {
        loop {
            let begin = Mark::now();
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
            let pause = self.pause(begin);
            if !self.wait_and_sip(pause)? {
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
        self.model.catch_up();
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
        let (mut is_behind, before) = (false, self.model.timeline.len());
        self.model.take(&self.inbox.events, || {
            is_behind = began.elapsed() > TAKE;
            !is_behind
        });
        self.inbox.events.hear(self.model.timeline.is_heard());
        if self.model.timeline.len() > before {
            self.lab_is_at(self.model.timeline.end());
        }
        is_behind
    }

    /// Reads some more of a recording.
    pub(super) fn read_on(&mut self, for_at_most: Duration) {
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

    /// How long to wait for a key before the next frame, after one that began then.
    ///
    /// It is counted from when that one was due: whoever stands back for others wakes late.
    fn pause(&mut self, begin: Mark) -> Duration {
        let whole = match self.model.source {
            _ if self.rest.is_some() => return Duration::ZERO,
            _ if !self.moves() => IDLE,
            Source::Real => self.frames.next(begin),
            Source::Virtual | Source::Replay => FRAME,
        };
        let earliest = begin.at.checked_sub(whole).unwrap_or(begin.at);
        self.due = self.due.clamp(earliest, begin.at) + whole;
        self.due.saturating_duration_since(Instant::now())
    }

    fn is_done(&mut self) -> bool {
        if self.inbox.stop.load(Ordering::SeqCst) {
            self.pass(Command::Quit);
            return true;
        }
        self.options.close && self.model.is_at_end()
    }

    /// Waits for a person, and takes events on the way.
    fn wait_and_sip(&mut self, pause: Duration) -> io::Result<bool> {
        let until = Instant::now() + pause;
        if self.model.source == Source::Real {
            let sip = pause / SIPS;
            while until.saturating_duration_since(Instant::now()) > sip && terminal::wait(sip) == Input::Nothing {
                self.take_batches();
            }
            self.model.catch_up();
        }
        self.wait_for_input(until.saturating_duration_since(Instant::now()))
    }

    /// Takes what a person does; false once there is no terminal any more.
    fn wait_for_input(&mut self, wait: Duration) -> io::Result<bool> {
        match terminal::wait(wait) {
            Input::Gone => return Ok(false),
            Input::Nothing => return Ok(true),
            Input::Ready => {}
        }
        let mut heard = false;
        while terminal_event::poll(Duration::ZERO)? {
            let event = terminal_event::read()?;
            heard |= !matches!(event, terminal_event::Event::Resize(..));
            match event {
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
        if !heard {
            terminal::remind();
        }
        Ok(true)
    }

    fn mouse(&mut self, mouse: MouseEvent) {
        let action = match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => {
                self.sliding = self.drawn.hits.slide(mouse.column, mouse.row).is_some();
                self.drawn.hits.click(mouse.column, mouse.row)
            }
            MouseEventKind::Drag(MouseButton::Left) if self.sliding => self.drawn.hits.slide_on(mouse.column),
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
