//! The live screen in a real pseudo-terminal: what a person sees, does, and gets back.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::support::{Scratch, root};

/// A session of labsim at a terminal.
struct Session {
    /// Keeps the terminal open.
    master: Option<Box<dyn MasterPty + Send>>,
    child: Box<dyn Child + Send + Sync>,
    keyboard: Option<Box<dyn std::io::Write + Send>>,
    /// Whether nobody looks any more, and who looked.
    blind: Arc<AtomicBool>,
    eyes: Option<std::thread::JoinHandle<()>>,
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
        let blind = Arc::new(AtomicBool::new(false));
        let closed = blind.clone();
        let eyes = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                seen.lock().expect("the screen").process(&bytes[..count]);
                if closed.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        // The other side stays open with the session, so that its modes can be read after labsim is gone.
        std::mem::forget(pair.slave);
        let (master, keyboard, eyes) = (Some(pair.master), Some(keyboard), Some(eyes));
        Self { master, child, keyboard, blind, eyes, screen, modes, terminal }
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
        let keyboard = self.keyboard.as_mut().expect("the terminal is open");
        keyboard.write_all(keys.as_bytes()).expect("the keyboard");
        keyboard.flush().expect("the keyboard");
    }

    fn signal(&self, name: &str) {
        let id = self.child.process_id().expect("a process").to_string();
        assert!(std::process::Command::new("kill").args([name, &id]).status().expect("kill runs").success());
    }

    /// Waits for labsim to end with this status, and sees that the terminal is as it was.
    fn ends(&mut self, code: u32) {
        assert_eq!(self.ended(), code, "{}", self.text());
    }

    /// Waits for labsim to end, and sees that the terminal is as it was; gives its status.
    fn ended(&mut self) -> u32 {
        let mut status = None;
        for _ in 0..1_500 {
            status = self.child.try_wait().expect("labsim can be asked");
            if status.is_some() {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let Some(status) = status else { panic!("it does not end:\n{}", self.text()) };
        assert_eq!(modes(&self.terminal), self.modes, "the terminal's modes after {status:?}");
        std::thread::park_timeout(Duration::from_millis(100));
        let screen = self.screen.lock().expect("the screen");
        assert!(!screen.screen().alternate_screen(), "it is still on the other screen");
        assert!(!screen.screen().hide_cursor(), "the cursor is gone");
        assert_eq!(screen.screen().mouse_protocol_mode(), vt100::MouseProtocolMode::None, "the mouse is still told");
        status.exit_code()
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

impl Session {
    /// Closes the other side of the terminal, as a window does that is closed; gives labsim's status.
    fn closed(&mut self) -> u32 {
        self.blind.store(true, Ordering::SeqCst);
        self.eyes.take().map(std::thread::JoinHandle::join);
        drop((self.keyboard.take(), self.master.take()));
        for _ in 0..1_500 {
            if let Some(status) = self.child.try_wait().expect("labsim can be asked") {
                return status.exit_code();
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        panic!("it does not end without its terminal");
    }

    /// Waits until the screen no longer shows a text.
    fn sees_no(&self, text: &str) {
        for _ in 0..1_500 {
            if !self.text().contains(text) {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        panic!("still “{text}” on\n{}", self.text());
    }

    /// Leaves what is open. Escape and the next key in one breath would be another key.
    fn escape(&mut self, gone: &str) {
        self.press("\u{1b}");
        self.sees_no(gone);
    }

    /// Chooses a line of a list.
    fn choose(&mut self, text: &str) {
        for _ in 0..60 {
            if self.text().lines().any(|line| line.contains(&format!("▸ {text}"))) {
                self.press("\r");
                return;
            }
            let before = self.text();
            self.press("\u{1b}[B");
            for _ in 0..500 {
                if self.text() != before {
                    break;
                }
                std::thread::park_timeout(Duration::from_millis(10));
            }
        }
        panic!("no “{text}” to choose on\n{}", self.text());
    }
}

/// The events of a recording without where their steps came from.
fn events(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("a recording");
    let plain = |line: &str| {
        let mut event: serde_json::Value = serde_json::from_str(line).expect("an event");
        event.as_object_mut().expect("an event").remove("act");
        event.to_string()
    };
    text.lines().skip(1).map(plain).collect()
}

#[test]
fn a_closed_terminal_ends_what_was_shown_on_it() {
    let mut session = Session::open(&["run", SCENARIO, "--speed", "0.1"], (100, 30));
    session.sees("Topology");
    assert_eq!(session.closed(), 130);
    let mut session = Session::open(&["up", SCENARIO, "--port", "0", "--metrics-port", "0"], (100, 30));
    session.sees("Topology");
    assert_eq!(session.closed(), 0);
}

#[test]
fn a_session_is_watched_broken_wound_back_written_down_and_run_again() {
    let scratch = Scratch::new("screen-session");
    let name = |file: &str| scratch.path(file).display().to_string();
    let (live, again, written) = (name("live.jsonl"), name("again.jsonl"), name("session.yaml"));
    let mut session = Session::open(&["run", SCENARIO, "--speed", "100", "--record", &live], (120, 40));
    session.sees("all 5 steps · PASS");
    session.press("\r");
    session.sees("Request 11");
    session.escape("Request 11");
    session.press("b");
    session.sees("Break things");
    session.choose("openai-provider-primary");
    session.sees("What happens at openai-provider-primary");
    session.choose("status");
    session.sees("status at openai-provider-primary");
    // The first of its fields is the status.
    session.press("\u{15}5x");
    session.sees("5x▏");
    session.press("\r");
    session.sees("[ inject ]");
    session.press("\u{15}503");
    session.sees("503▏");
    session.press("\r");
    session.sees("⚡ status at openai-provider-primary");
    session.press("I");
    session.sees("21 sent");
    session.sees("· struck ");
    session.press("\u{1b}[H");
    session.sees("‖ past");
    session.sees_no("⚡");
    session.sees("1 sent");
    session.press("\u{1b}[F");
    session.sees("⚡ status at openai-provider-primary");
    session.press("w");
    session.sees("write the session to");
    session.press("\u{15}");
    session.press(&written);
    session.press("\r");
    session.sees("written to");
    session.press("q");
    let code = session.ended();
    let mut session = Session::open(&["run", &written, "--no-tui", "--record", &again], (120, 40));
    assert_eq!(session.ended(), code, "{}", session.text());
    let (live, again) = (events(Path::new(&live)), events(Path::new(&again)));
    assert!(live.iter().any(|event| event.contains("fault-struck")), "nothing was broken");
    for (one, other) in live.iter().zip(&again) {
        assert_eq!(one, other);
    }
    assert_eq!(live.len(), again.len());
}

#[test]
fn a_lab_on_real_ports_shows_what_others_ask_and_goes_down_with_the_screen() {
    let mut session = Session::open(&["up", SCENARIO, "--port", "0", "--metrics-port", "0"], (100, 30));
    session.sees("127.0.0.1:");
    let text = session.text();
    let address = text.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).expect("an address");
    let mut stream = std::net::TcpStream::connect(address).expect("the gateway");
    let body = r#"{"model":"","messages":[{"role":"user","content":"hi"}]}"#;
    let head =
        format!("POST /openai HTTP/1.1\r\nhost: lab\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).expect("a request");
    stream.read_to_end(&mut Vec::new()).expect("an answer");
    session.sees("1 sent");
    session.press(" ");
    session.sees("real time cannot be paused");
    session.press("b");
    session.sees("Break things");
    session.choose("client -> gateway");
    session.sees("What happens at client -> gateway");
    session.choose("refuse");
    session.sees("refuse at client -> gateway");
    session.press("\r");
    session.sees("⚡ refuse at client -> gateway");
    session.press("B");
    session.sees_no("⚡");
    session.press("q");
    session.ends(0);
}
