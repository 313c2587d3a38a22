//! The terminal, taken and given back: on quitting, when any thread panics, on SIGTERM and SIGHUP.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

/// Whether the terminal is ours. Whoever turns it off gives the terminal back, so that it is done once.
static TAKEN: AtomicBool = AtomicBool::new(false);
static PANIC_HOOK: Once = Once::new();

/// The terminal while it is ours.
pub(super) struct Guard {
    pub(super) terminal: Terminal<CrosstermBackend<io::BufWriter<io::Stdout>>>,
}

impl Guard {
    /// Takes the terminal.
    pub(super) fn take() -> io::Result<Self> {
        restore_on_panic();
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let entered = execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture, cursor::Hide);
        let terminal = entered.and_then(|()| Terminal::new(CrosstermBackend::new(io::BufWriter::new(io::stdout()))));
        match terminal {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }
}

impl Guard {
    /// Gives the terminal back where it may be gone: whoever drops it would complain to nobody, and panic.
    pub(super) fn abandon(self) {
        restore();
        std::mem::forget(self);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

/// Whether the terminal is still ours; another thread may have given it back.
pub(super) fn is_taken() -> bool {
    TAKEN.load(Ordering::SeqCst)
}

/// Waits until a person does something, or for a time; false once the other side of the terminal is closed.
///
/// Reading gives nothing then, for ever and without waiting, and whoever reads until there is an event
/// never comes back. So events are read only where there is something.
pub(super) fn wait(time: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let input = io::stdin();
    let mut asked = [PollFd::new(&input, PollFlags::IN)];
    let time = Timespec::try_from(time).unwrap_or_default();
    // A signal may cut it short, which does no harm.
    let answered = poll(&mut asked, Some(&time)).is_ok();
    !(answered && asked[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL))
}

/// Gives the terminal back, if it was not given back yet. Errors are passed over: it may be gone.
pub fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    let _ = execute!(out, DisableMouseCapture, LeaveAlternateScreen, cursor::Show);
    let _ = out.flush();
    let _ = disable_raw_mode();
}

/// Has a panic in any thread give the terminal back before it says what happened.
fn restore_on_panic() {
    PANIC_HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
    });
}

/// Turns `stop` on when the process is asked to end or its terminal is closed.
pub(super) fn watch_signals(stop: &Arc<AtomicBool>) -> io::Result<()> {
    use futures_util::FutureExt as _;
    use tokio::signal::unix::{SignalKind, signal};
    // The lab's runtime may have no IO driver, so the signals get one of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut hang_up) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?)
    };
    let stop = stop.clone();
    std::thread::Builder::new().name("screen-signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            futures_util::select_biased! {
                _ = Box::pin(terminate.recv()).fuse() => {}
                _ = Box::pin(hang_up.recv()).fuse() => {}
            }
        });
        stop.store(true, Ordering::SeqCst);
    })?;
    Ok(())
}
