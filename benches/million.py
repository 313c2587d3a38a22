#!/usr/bin/env python3
"""How the live screen holds a recording of a million events.

    benches/million.py [REQUESTS]        default: 92000, which tell about a million events

Makes the recording by load in virtual time, replays it in a pseudo-terminal of 120 by 40, clicks all over the bar of time,
and tells how long it took from each click to the end of the frame that shows that moment, and how much memory the screen
took. Figures are in docs/performance.md. LABSIM names another binary.
"""
import fcntl
import os
import pty
import random
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time

LABSIM = os.path.abspath(os.environ.get("LABSIM", "target/release/labsim"))
COLUMNS, ROWS = 120, 40
SCENARIO = """\
name: A million events
seed: 1
lab:
  manifests: [manifests/mock-429.yaml, manifests/inter-group.yaml]
  secrets: {{ openai-secret: {{ Authorization: "Bearer sk-labsim" }} }}
steps:
  - load: {{ path: /openai, rate: 50, times: {requests}, for: 24h }}
"""
BEGIN, END = b"\x1b[?2026h", b"\x1b[?2026l"


def read(terminal, seconds):
    """What comes within this time at most, up to the end of a whole frame."""
    seen, until = b"", time.monotonic() + seconds
    while time.monotonic() < until:
        if select.select([terminal], [], [], 0.005)[0]:
            seen += os.read(terminal, 1 << 16)
            start = seen.find(BEGIN)
            if start >= 0 and seen.find(END, start) >= 0:
                break
    return seen


def memory(process):
    """MiB of a process: its own, without pages of files."""
    with open(f"/proc/{process}/status", encoding="utf-8") as status:
        return int(re.search(r"RssAnon:\s+(\d+)", status.read()).group(1)) / 1024


def watch(recording):
    environment = {key: value for key, value in os.environ.items() if key != "CI"} | {"TERM": "xterm-256color"}
    began = time.monotonic()
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(LABSIM, [LABSIM, "replay", recording], environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    read(terminal, 60)
    print(f"first frame after {time.monotonic() - began:.2f} s")
    os.write(terminal, b" ")
    # The screen reads on while it is watched; it is done when nothing is read any more.
    size, last = -1, began
    while size != (now := int(open(f"/proc/{child}/io", encoding="utf-8").read().split()[1])):
        size, last = now, time.monotonic()
        until = last + 1.5
        while time.monotonic() < until:
            read(terminal, 0.2)
    print(f"whole recording read after {last - began:.1f} s; {memory(child):.0f} MiB")
    dice, took = random.Random(1), []
    for _ in range(60):
        while select.select([terminal], [], [], 0)[0]:
            os.read(terminal, 1 << 16)
        column = dice.randrange(30, COLUMNS - 16)
        began = time.monotonic()
        os.write(terminal, f"\x1b[<0;{column};{ROWS - 1}M".encode())
        read(terminal, 5)
        took.append(1000 * (time.monotonic() - began))
    took.sort()
    print(f"click to frame, 60 times: median {took[30]:.1f} ms, most {took[-1]:.1f} ms; {memory(child):.0f} MiB in the end")
    os.write(terminal, b"q")
    try:
        while os.read(terminal, 1 << 16):
            pass
    except OSError:
        pass
    os.close(terminal)
    os.waitpid(child, 0)


def main():
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 92_000
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree("scenarios/manifests", os.path.join(folder, "manifests"))
        path, recording = os.path.join(folder, "million.yaml"), os.path.join(folder, "million.jsonl")
        with open(path, "w", encoding="utf-8") as out:
            out.write(SCENARIO.format(requests=requests))
        run = [LABSIM, "run", path, "--no-tui", "--quiet", "--record", recording]
        subprocess.run(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        with open(recording, "rb") as lines:
            events = sum(1 for _ in lines) - 1
        print(f"{requests} requests, {events} events, {os.path.getsize(recording) >> 20} MiB as a recording")
        watch(recording)


main()
