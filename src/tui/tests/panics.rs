//! A panic in any thread gives the terminal back before it says what happened, and nothing is drawn after.
//!
//! The panics happen in a process of their own, at a pseudo-terminal: this program again, with one of the
//! ignored tests.

use std::io::Read as _;
use std::time::Duration;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::tui::terminal::Guard;

const IN_CHILD: &str = "LABSIM_TEST_CHILD";

fn draw(guard: &mut Guard, text: &str) {
    guard.draw(|frame| frame.render_widget(text, frame.area())).expect("a frame");
}

#[test]
#[ignore = "runs at a terminal of its own, for another test"]
fn child_elsewhere() {
    if std::env::var_os(IN_CHILD).is_none() {
        return;
    }
    let mut guard = Guard::take().expect("a terminal");
    draw(&mut guard, "first-picture");
    let elsewhere = std::thread::spawn(|| panic!("the lab breaks"));
    assert!(elsewhere.join().is_err());
    draw(&mut guard, "second-picture");
}

#[test]
#[ignore = "runs at a terminal of its own, for another test"]
fn child_while_drawing() {
    if std::env::var_os(IN_CHILD).is_none() {
        return;
    }
    let mut guard = Guard::take().expect("a terminal");
    draw(&mut guard, "first-picture");
    let _ = guard.draw(|frame| {
        frame.render_widget("second-picture", frame.area());
        panic!("the view breaks");
    });
}

/// What a child writes to its terminal, and the terminal's modes before and after it.
fn at_a_terminal(child: &str) -> (String, String, String) {
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
    let name = pair.master.tty_name().expect("its name").display().to_string();
    let before = modes(&name);
    let mut command = CommandBuilder::new(std::env::current_exe().expect("this program"));
    command.args(["--ignored", "--nocapture", "--exact", &format!("tui::tests::panics::{child}")]);
    command.env(IN_CHILD, "1");
    command.env("TERM", "xterm-256color");
    command.env("RUST_BACKTRACE", "0");
    let mut reader = pair.master.try_clone_reader().expect("its output");
    let mut process = pair.slave.spawn_command(command).expect("it starts");
    let reading = std::thread::spawn(move || {
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = reader.read(&mut piece) {
            all.extend_from_slice(&piece[..count]);
        }
        String::from_utf8_lossy(&all).into_owned()
    });
    process.wait().expect("it ends");
    let after = modes(&name);
    std::thread::park_timeout(Duration::from_millis(50));
    drop(pair);
    (reading.join().expect("what was read"), before, after)
}

fn modes(terminal: &str) -> String {
    let output = std::process::Command::new("stty").args(["-a", "-F", terminal]).output().expect("stty runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_terminal_is_given_back_before_a_panic_is_told() {
    for (child, said) in [("child_elsewhere", "the lab breaks"), ("child_while_drawing", "the view breaks")] {
        let (out, before, after) = at_a_terminal(child);
        assert_eq!(before, after, "{child}: the terminal's modes");
        let place = |text: &str| out.find(text).unwrap_or_else(|| panic!("{child}: no {text:?} in {out:?}"));
        assert!(place("first-picture") < place("\u{1b}[?1049l"), "{child}");
        assert!(place("\u{1b}[?1049l") < place(said), "{child}: told on a screen that is gone");
        assert!(!out.contains("second-picture"), "{child}: drawn on a terminal that was given back");
        let after = &out[place("\u{1b}[?1049l")..];
        for off in ["\u{1b}[?25h", "\u{1b}[?1049l"] {
            assert!(after.contains(off), "{child}: {off:?} is missing");
        }
        for off in ["\u{1b}[?1000l", "\u{1b}[?1006l", "\u{1b}[?2004l", "\u{1b}[?2026l"] {
            assert!(place("first-picture") < place(off), "{child}");
        }
        assert_eq!(out.matches("\u{1b}[?1049l").count(), 1, "{child}: given back twice");
    }
}
