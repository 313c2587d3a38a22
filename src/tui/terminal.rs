//! The terminal, taken and given back: on quitting, when any thread panics, on SIGTERM and SIGHUP.
//!
//! Any thread may give it back while another draws. So each write asks whether the terminal is still
//! ours, under the same lock that it is given back under: nothing is drawn on a terminal that is not.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::backend::CrosstermBackend;
use ratatui::{Frame, Terminal};

use super::breath;

/// Whether the terminal is ours. Whoever turns it off gives the terminal back, so that it is done once.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Held while the terminal is taken or given back, so that nobody goes on, or ends the process, halfway.
static CHANGING: Mutex<()> = Mutex::new(());
/// How long a screen that is asked to end may take.
const GRACE: Duration = Duration::from_secs(10);
static PANIC_HOOK: Once = Once::new();

/// The terminal while it is ours.
pub(super) struct Guard {
    pub(super) terminal: Terminal<CrosstermBackend<io::BufWriter<Ours>>>,
}

impl Guard {
    /// Takes the terminal.
    pub(super) fn take() -> io::Result<Self> {
        restore_on_panic();
        let entered = enter()?;
        let out = io::BufWriter::with_capacity(1 << 16, Ours(io::stdout()));
        let terminal = entered.and_then(|()| Terminal::new(CrosstermBackend::new(out)));
        match terminal {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }
}

/// Turns the terminal's modes on. What is inside is what it said to being told of the screen.
fn enter() -> io::Result<io::Result<()>> {
    let _whole = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    Ok(execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture, EnableBracketedPaste, cursor::Hide))
}

impl Guard {
    /// Draws a frame, which a terminal that can shows at one stroke.
    pub(super) fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| {
            render(frame);
            breath::breathe();
        })?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }
}

/// Standard output as long as the terminal is ours; after that nothing comes out.
pub(super) struct Ours(io::Stdout);

impl Write for Ours {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        breath::breathe();
        let mut out = self.0.lock();
        if is_taken() { out.write(bytes) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut out = self.0.lock();
        if is_taken() { out.flush() } else { Ok(()) }
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

/// What a terminal has for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    Ready,
    Nothing,
    /// Its other side is closed: reading would give nothing for ever, without waiting.
    Gone,
}

/// Waits for keys. Not crossterm's waiting, which never returns from a terminal that is closed meanwhile.
pub(super) fn wait(most: Duration) -> Input {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let input = io::stdin();
    let mut asked = [PollFd::new(&input, PollFlags::IN)];
    let most = Timespec { tv_sec: most.as_secs().cast_signed(), tv_nsec: most.subsec_nanos().into() };
    // Interrupted by a signal, there is nothing yet.
    let answered = poll(&mut asked, Some(&most)).unwrap_or(0);
    let found = asked[0].revents();
    match () {
        () if answered == 0 => Input::Nothing,
        () if found.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) => Input::Gone,
        () => Input::Ready,
    }
}

/// Whether there is nobody at the other side of the terminal any more.
pub(super) fn is_gone() -> bool {
    wait(Duration::ZERO) == Input::Gone
}

/// Has crossterm told again that there is input. It is told once, and forgets it where a change of size
/// comes in the same breath: the key would wait for the next one, and we for it without a rest.
pub(super) fn remind() {
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    let input = io::stdin();
    // To set the modes anew, whatever they are, wakes all who wait for the terminal.
    if let Ok(modes) = tcgetattr(&input) {
        let _ = tcsetattr(&input, OptionalActions::Now, &modes);
    }
}

/// Gives the terminal back, if it was not given back yet; it is back when this returns, whoever did it.
/// Errors are passed over: it may be gone.
pub fn restore() {
    let _whole = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout().lock();
    let _ = execute!(
        out,
        EndSynchronizedUpdate,
        DisableBracketedPaste,
        DisableMouseCapture,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = out.flush();
    drop(out);
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
        // A screen that hangs, say in writing to a terminal that takes nothing, must not outlive this.
        std::thread::park_timeout(GRACE);
        if is_taken() {
            restore();
            std::process::exit(130);
        }
    })?;
    Ok(())
}
