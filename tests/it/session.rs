//! A program at a pseudo-terminal, as a person sits at one.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, SlavePty, native_pty_system};

use crate::support::root;

/// A session of labsim at a terminal.
pub(crate) struct Session {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    keyboard: Box<dyn std::io::Write + Send>,
    seen: Arc<Mutex<Seen>>,
    reader: Option<JoinHandle<()>>,
    /// The terminal's other side, held so that its modes can be read after labsim is gone.
    other_side: Option<Box<dyn SlavePty + Send>>,
    /// The terminal's modes before labsim came.
    modes: String,
    terminal: String,
}

/// What came out of it: as a terminal shows it, and as it came.
struct Seen {
    screen: vt100::Parser,
    bytes: Vec<u8>,
}

impl Session {
    /// Runs labsim with these arguments.
    pub(crate) fn open(arguments: &[&str], size: (u16, u16)) -> Self {
        Self::run(env!("CARGO_BIN_EXE_labsim"), arguments, &[], size)
    }

    /// Runs a program with more variables in its environment.
    pub(crate) fn run(program: &str, arguments: &[&str], more: &[(&str, &str)], (columns, rows): (u16, u16)) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let terminal = pair.master.tty_name().expect("its name").display().to_string();
        let modes = modes(&terminal);
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.cwd(root());
        command.env("TERM", "xterm-256color");
        for variable in ["CI", "NO_COLOR", "LABSIM_THEME", "LABSIM_KEYS", "RUST_BACKTRACE"] {
            command.env_remove(variable);
        }
        for (name, value) in more {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).expect("labsim starts");
        let keyboard = pair.master.take_writer().expect("a keyboard");
        let mut output = pair.master.try_clone_reader().expect("its output");
        let screen = vt100::Parser::new(some(rows), some(columns), 0);
        let seen = Arc::new(Mutex::new(Seen { screen, bytes: Vec::new() }));
        let of_reader = seen.clone();
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                let mut seen = of_reader.lock().expect("what is seen");
                seen.screen.process(&bytes[..count]);
                seen.bytes.extend_from_slice(&bytes[..count]);
            }
        });
        let (reader, other_side) = (Some(reader), Some(pair.slave));
        Self { master: pair.master, child, keyboard, seen, reader, other_side, modes, terminal }
    }

    /// What the terminal shows.
    pub(crate) fn text(&self) -> String {
        self.seen.lock().expect("what is seen").screen.screen().contents()
    }

    /// Everything that came out, as it came.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.seen.lock().expect("what is seen").bytes.clone()
    }

    /// Whether the live screen is open.
    pub(crate) fn is_on_screen(&self) -> bool {
        self.seen.lock().expect("what is seen").screen.screen().alternate_screen()
    }

    /// Makes the terminal larger or smaller.
    pub(crate) fn resize(&self, (columns, rows): (u16, u16)) {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.seen.lock().expect("what is seen").screen.screen_mut().set_size(some(rows), some(columns));
        self.master.resize(size).expect("another size");
    }

    /// Waits until the screen shows a text.
    pub(crate) fn sees(&self, text: &str) {
        for _ in 0..1_500 {
            if self.text().contains(text) {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        panic!("no “{text}” on\n{}", self.text());
    }

    /// Types.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the keyboard");
        self.keyboard.flush().expect("the keyboard");
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> String {
        self.child.process_id().expect("a process").to_string()
    }

    /// Sends a signal, such as `-TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process();
        assert!(std::process::Command::new("kill").args([name, &id]).status().expect("kill runs").success());
    }

    /// Waits for labsim to end, and sees that the terminal is as it was.
    pub(crate) fn ends(&mut self, code: u32) {
        let mut status = None;
        for _ in 0..1_500 {
            status = self.child.try_wait().expect("labsim can be asked");
            if status.is_some() {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let Some(status) = status else { panic!("it does not end:\n{}", self.text()) };
        let after = modes(&self.terminal);
        // With nobody on the other side what came out comes to an end.
        drop(self.other_side.take());
        if let Some(reader) = self.reader.take() {
            reader.join().expect("everything is read");
        }
        assert_eq!(status.exit_code(), code, "{}", self.text());
        assert_eq!(after, self.modes, "the terminal's modes");
        assert!(!self.is_on_screen(), "it is still on the other screen");
        assert_eq!(left_on(&self.bytes()), [""; 0], "what the terminal was told and not told back");
    }
}

fn some(side: u16) -> NonZeroU16 {
    NonZeroU16::new(side).expect("a side of a terminal")
}

/// The private modes that are another than before: each was turned on, or the cursor off, and not back.
fn left_on(bytes: &[u8]) -> Vec<String> {
    let mut modes = BTreeMap::new();
    for piece in String::from_utf8_lossy(bytes).split("\u{1b}[?").skip(1) {
        let number: String = piece.chars().take_while(char::is_ascii_digit).collect();
        if let Some(way @ ('h' | 'l')) = piece[number.len()..].chars().next() {
            modes.insert(number, way);
        }
    }
    let usual = |number: &str| if number == "25" { 'h' } else { 'l' };
    modes.into_iter().filter(|(number, way)| *way != usual(number)).map(|(number, _)| number).collect()
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
    // The first line tells its size, which is not labsim's to keep.
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    told.split_once('\n').map(|(_, modes)| modes.to_owned()).unwrap_or_default()
}
