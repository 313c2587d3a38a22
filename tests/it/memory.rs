//! How much memory a lab takes while something endless passes through it.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::servers::start_and_read;
use crate::support::{Scratch, root};

const MIB: u64 = 1 << 20;
/// Length of a line, and how much more memory it may take while it passes.
const LINE: u64 = 128 * MIB;
const BOUND: u64 = 48 * MIB;

/// The most memory that a process has had so far, in bytes.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// Asks for a stream at `address` and reads it to its end; how many bytes there were.
fn streamed(address: &str) -> u64 {
    let body = r#"{"model": "", "stream": true, "messages": [{"role": "user", "content": "one two three"}]}"#;
    let mut request = String::from("POST /openai HTTP/1.1\r\nhost: lab\r\nconnection: close\r\n");
    let _ = write!(request, "content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut stream = TcpStream::connect(address).expect("the gateway listens");
    stream.write_all(request.as_bytes()).expect("it reads");
    let (mut buffer, mut count) = (vec![0; 1 << 16], 0);
    while let Ok(bytes @ 1..) = stream.read(&mut buffer) {
        count += bytes as u64;
    }
    count
}

/// Simulator, gateway and whoever counts what passes: none of them keeps a line until its end.
#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn a_line_without_an_end_passes_in_bounded_memory() {
    let scratch = Scratch::new("memory");
    let file = scratch.path("endless.yaml");
    let base = root().join("scenarios/bases/streams.base");
    let scenario = format!(
        "name: An endless line\nextends: {}\nsteps:\n  \
         - inject: {{ fault: {{ oversize-line: {{ bytes: {LINE}, line: comment }} }}, target: primary }}\n  - note: ready\n",
        base.display()
    );
    std::fs::write(&file, scenario).expect("a scenario");
    let args = ["up", file.to_str().expect("a path"), "--play", "--port", "0", "--metrics-port", "0"];
    let (running, lines) = start_and_read(&args);
    let mut lines = lines.into_iter();
    let address = lines.find_map(|line| Some(line.strip_prefix("gateway")?.trim().strip_prefix("http://")?.to_owned()));
    let address = address.expect("it says where it listens");
    assert!(lines.any(|line| line.contains("ready")), "the fault is never injected");
    std::thread::spawn(move || lines.for_each(drop));
    let before = peak(running.0.id());
    let passed = streamed(&address);
    assert!(passed > LINE, "only {passed} bytes passed");
    let more = peak(running.0.id()) - before;
    assert!(more < BOUND, "{} MiB more for a line of {} MiB", more / MIB, LINE / MIB);
}
