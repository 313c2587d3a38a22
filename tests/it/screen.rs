//! The live screen in a real pseudo-terminal: what a person sees, does, and gets back.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::support::{Scratch, root};

/// A session of labsim at a terminal.
struct Session {
    /// Keeps the terminal open.
    _master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    keyboard: Box<dyn std::io::Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    /// The terminal's modes before labsim came.
    modes: String,
    terminal: String,
}

impl Session {
    fn open(arguments: &[&str], (columns, rows): (u16, u16)) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let terminal = pair.master.tty_name().expect("its name").display().to_string();
        let modes = modes(&terminal);
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_labsim"));
        command.args(arguments);
        command.cwd(root());
        command.env("TERM", "xterm-256color");
        for variable in ["CI", "NO_COLOR", "LABSIM_THEME", "LABSIM_KEYS", "RUST_BACKTRACE"] {
            command.env_remove(variable);
        }
        let child = pair.slave.spawn_command(command).expect("labsim starts");
        let keyboard = pair.master.take_writer().expect("a keyboard");
        let mut output = pair.master.try_clone_reader().expect("its output");
        let parser = vt100::Parser::new(rows.try_into().expect("rows"), columns.try_into().expect("columns"), 0);
        let screen = Arc::new(Mutex::new(parser));
        let seen = screen.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                seen.lock().expect("the screen").process(&bytes[..count]);
            }
        });
        // The other side stays open with the session, so that its modes can be read after labsim is gone.
        std::mem::forget(pair.slave);
        Self { _master: pair.master, child, keyboard, screen, modes, terminal }
    }

    fn text(&self) -> String {
        self.screen.lock().expect("the screen").screen().contents()
    }

    fn is_on_screen(&self) -> bool {
        self.screen.lock().expect("the screen").screen().alternate_screen()
    }

    /// Waits until the screen shows a text.
    fn sees(&self, text: &str) {
        for _ in 0..1_500 {
            if self.text().contains(text) {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        panic!("no “{text}” on\n{}", self.text());
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the keyboard");
        self.keyboard.flush().expect("the keyboard");
    }

    fn signal(&self, name: &str) {
        let id = self.child.process_id().expect("a process").to_string();
        assert!(std::process::Command::new("kill").args([name, &id]).status().expect("kill runs").success());
    }

    /// Waits for labsim to end, and sees that the terminal is as it was.
    fn ends(&mut self, code: u32) {
        let mut status = None;
        for _ in 0..1_500 {
            status = self.child.try_wait().expect("labsim can be asked");
            if status.is_some() {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let Some(status) = status else { panic!("it does not end:\n{}", self.text()) };
        assert_eq!(status.exit_code(), code, "{}", self.text());
        assert_eq!(modes(&self.terminal), self.modes, "the terminal's modes");
        std::thread::park_timeout(Duration::from_millis(100));
        let screen = self.screen.lock().expect("the screen");
        assert!(!screen.screen().alternate_screen(), "it is still on the other screen");
        assert!(!screen.screen().hide_cursor(), "the cursor is gone");
        assert_eq!(screen.screen().mouse_protocol_mode(), vt100::MouseProtocolMode::None, "the mouse is still told");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// The terminal's modes, as `stty` tells them.
fn modes(terminal: &str) -> String {
    let output = std::process::Command::new("stty").args(["-a", "-F", terminal]).output().expect("stty runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const SCENARIO: &str = "scenarios/intra-group.yaml";

#[test]
fn leaving_early_interrupts_the_run() {
    let mut session = Session::open(&["run", SCENARIO, "--speed", "0.1"], (100, 30));
    session.sees("Topology");
    assert!(session.is_on_screen());
    session.press("q");
    session.ends(130);
    assert!(session.text().contains("INTERRUPTED"), "{}", session.text());
}

#[test]
fn ctrl_c_is_a_key_that_leaves() {
    let mut session = Session::open(&["run", SCENARIO, "--speed", "0.1"], (100, 30));
    session.sees("Topology");
    session.press("\u{3}");
    session.ends(130);
}

#[test]
fn a_request_to_end_and_a_hang_up_give_the_terminal_back() {
    for signal in ["-TERM", "-HUP", "-INT"] {
        let mut session = Session::open(&["run", SCENARIO, "--speed", "0.1"], (80, 24));
        session.sees("Topology");
        session.signal(signal);
        session.ends(130);
    }
}

#[test]
fn the_screen_leaves_by_itself_where_that_is_asked_for() {
    let mut session = Session::open(&["run", SCENARIO, "--speed", "max", "--close"], (120, 40));
    session.ends(0);
    assert!(session.text().contains("PASS  Intra-group failover"), "{}", session.text());
}

#[test]
fn no_screen_opens_where_it_is_not_wanted() {
    let mut session = Session::open(&["run", SCENARIO, "--no-tui"], (100, 30));
    session.ends(0);
    assert!(session.text().contains("PASS  Intra-group failover"), "{}", session.text());
    assert!(!session.text().contains("Topology"));
}

#[test]
fn a_recording_is_watched_again_and_its_pace_was_not_recorded() {
    let scratch = Scratch::new("screen-recording");
    let (watched, plain) = (scratch.path("watched.jsonl"), scratch.path("plain.jsonl"));
    let name = |path: &Path| path.display().to_string();
    for scenario in ["scenarios/intra-group.yaml", "scenarios/two-replicas.yaml"] {
        let mut session =
            Session::open(&["run", scenario, "--speed", "30", "--close", "--record", &name(&watched)], (100, 30));
        session.ends(0);
        let mut session = Session::open(&["run", scenario, "--no-tui", "--record", &name(&plain)], (100, 30));
        session.ends(0);
        let (watched, plain) =
            (std::fs::read(&watched).expect("a recording"), std::fs::read(&plain).expect("a recording"));
        assert!(watched == plain, "{scenario}: watching changed what happened");
    }
    let mut session = Session::open(&["replay", &name(&watched)], (100, 30));
    session.sees("Topology");
    session.press("\u{1b}[F");
    session.sees("PASS");
    session.press("q");
    session.ends(0);
}
