//! A screen over a lab or a recording: its thread, what flows to it, and how it is opened and closed.

mod driver;
mod frames;
mod gate;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use tokio::time::Instant;

use super::arrivals::Arrivals;
use super::bench::Workbench;
use super::breath;
use super::command::Command;
use super::keys::Keys;
use super::model::{Model, Source};
use super::pace::Pace;
use super::terminal::{self, Guard};
use super::theme::{THEMES, Theme};
use super::view::Drawn;
use super::{Finding, Judge};
use crate::event::log::{Header, ReadError};
use crate::event::{At, Event, Sink};

use driver::{Driver, READ_FIRST, Recording};
use frames::Frames;
pub use gate::Gate;

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
pub struct ScreenSink(Arc<Inbox>, Gate);

impl Sink for ScreenSink {
    fn event(&mut self, event: &Event) {
        self.1.hear(&event.kind);
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
                frames: Frames::default(),
                due: Instant::now(),
                sliding: false,
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
        ScreenSink(self.inbox.clone(), self.gate.clone())
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
    breath::begin();
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
        frames: Frames::default(),
        due: Instant::now(),
        sliding: false,
        began: Instant::now(),
        lab_began: None,
    };
    driver.read_on(READ_FIRST);
    let guard = Guard::take()?;
    terminal::watch_signals(&inbox.stop)?;
    driver.run(guard)
}

fn configured(mut model: Model, options: &Options) -> Model {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let name = options.theme.as_deref().or(no_color.then_some("mono")).unwrap_or(THEMES[0]);
    // Where colours are not wanted the theme has none; one that was chosen is shown as it is.
    crossterm::style::force_color_output(true);
    model.theme = Theme::named(name).unwrap_or_default();
    model.pacer.set_pace(options.pace);
    model.folder.clone_from(&options.folder);
    let mut keys = Keys::default();
    if let Some(text) = &options.keys
        && let Err(error) = keys.change(text)
    {
        model.say(format!("the key file: {error}"));
    }
    model.keys = keys;
    model
}
