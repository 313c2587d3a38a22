#!/usr/bin/env python3
"""What the live screen costs a lab in real time.

    benches/screen.py [ROUNDS [SECONDS]]        default: 10 rounds of 2 seconds

A load is played without a screen and under one in a pseudo-terminal of 120 by 40, in turn: first as many requests as
come through (32 users), then half as many a second, over connections that are open already. A machine's speed
changes from minute to minute by more than the screen costs. So each run under the screen is compared with those
right before and after it, and left out where these two differ by more than 8 % in what is compared; the medians of
the rest are told, with how many they are. p99 differs more than that from run to run: there it is the medians of all
that are compared. Figures are in docs/performance.md. LABSIM names another binary.
"""
import fcntl
import os
import pty
import re
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

LABSIM = os.environ.get("LABSIM", "target/release/labsim")
USERS = 32
MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: { name: echo, namespace: lab }
spec:
  selector: { matchLabels: { app: echo } }
  template:
    metadata: { labels: { app: echo } }
    spec:
      containers:
        - name: sim
          image: ghcr.io/llm-d/llm-d-inference-sim:latest
          args: [--model, echo, --port, "8000", --mode, echo, --max-num-seqs, "1024"]
          ports: [{ containerPort: 8000 }]
---
apiVersion: v1
kind: Service
metadata: { name: echo-svc, namespace: lab }
spec:
  selector: { app: echo }
  ports: [{ port: 8000, targetPort: 8000 }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: echo, namespace: lab }
spec:
  parentRefs: [{ name: agentgateway-proxy, namespace: lab }]
  rules:
    - matches: [{ path: { type: PathPrefix, value: /echo } }]
      backendRefs: [{ name: echo, group: agentgateway.dev, kind: AgentgatewayBackend }]
---
apiVersion: agentgateway.dev/v1alpha1
kind: AgentgatewayBackend
metadata: { name: echo, namespace: lab }
spec:
  ai:
    groups:
      - providers:
          - name: echo
            openai: { model: echo }
            host: echo-svc.lab.svc.cluster.local
            port: 8000
            path: /v1/chat/completions
            policies: { auth: { passthrough: {} } }
"""
SCENARIO = """\
name: A load for the screen
seed: 1
lab: {{ manifests: [manifests.yaml], gateway: {{ replicas: 1, personality: agentgateway-1.4 }} }}
steps:
  # The connections are open then: to open hundreds at once takes longer than all else.
  - load: {{ path: /echo, key: bench, users: 300, times: 1500 }}
  # Nobody answers within a microsecond: what is not kept is printed.
  - load: {{ path: /echo, key: bench, {load}, for: {seconds}s, expect: {{ latency: {{ p99: "<=0.001ms" }} }} }}
"""
BEGINS = b"\x1b[?2026h"


def plain(path):
    """Plays without a screen; returns what is printed."""
    run = [LABSIM, "run", "--clock", "real", "--quiet", "--no-tui", path]
    return subprocess.run(run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout.decode(), None


def watched(path):
    """Plays under the screen; returns what is printed below it, and its frames a second while it was open."""
    environment = {key: value for key, value in os.environ.items() if key != "CI"} | {"TERM": "xterm-256color"}
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(LABSIM, [LABSIM, "run", "--clock", "real", "--close", path], environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    seen, frames, first, last = b"", 0, None, None
    while True:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:
            break
        if not piece:
            break
        count = piece.count(BEGINS)
        if count:
            frames += count
            last = time.monotonic()
            first = first or last
        seen = (seen + piece)[-20_000:]
    os.waitpid(child, 0)
    return seen.split(b"\x1b[?1049l")[-1].decode(errors="replace"), frames / max(last - first, 0.1)


def figures(printed, seconds):
    """Requests a second and p99 in milliseconds of what is printed."""
    # As the expectation that was not met has it, of the load that counts.
    found = re.search(r"p99 is ([0-9.]+)(µs|us|ms|s), of (\d+) requests", printed)
    if not found:
        sys.exit("no p99 in\n" + printed)
    scale = {"µs": 0.001, "us": 0.001, "ms": 1, "s": 1000}[found.group(2)]
    return int(found.group(3)) / seconds, float(found.group(1)) * scale


def spent():
    """Processor time that programs which have ended took, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def play(folder, load, seconds, player):
    """Requests a second, p99, processor time a request and frames a second of one run."""
    path = os.path.join(folder, "load.yaml")
    with open(path, "w", encoding="utf-8") as out:
        out.write(SCENARIO.format(load=load, seconds=seconds))
    begun = spent()
    printed, frames = player(path)
    rate, late = figures(printed, seconds)
    return rate, late, 1e6 * (spent() - begun) / (rate * seconds), frames


def middle(values):
    return statistics.median(values) if values else float("nan")


def told(name, runs):
    """Tells of runs without and with the screen in turn, which begin and end without."""
    def change(what):
        pairs = [(runs[at][what], runs[at - 1][what], runs[at + 1][what]) for at in range(1, len(runs), 2)]
        calm = [with_it / statistics.mean(around) for with_it, *around in pairs
                if max(around) <= 1.08 * min(around)]
        return f"{100 * (middle(calm) - 1):+.1f} % in {len(calm)} of {len(pairs)}"
    without, with_it = runs[::2], runs[1::2]
    column = lambda some, what: middle([run[what] for run in some])
    late = 100 * (column(with_it, 1) / column(without, 1) - 1)
    print(f"{name}: {column(without, 0):.0f}/s without, {column(with_it, 0):.0f}/s with the screen ({change(0)}); "
          f"p99 {column(without, 1):.2f} ms and {column(with_it, 1):.2f} ms ({late:+.1f} %); "
          f"{column(without, 2):.0f} µs and {column(with_it, 2):.0f} µs of a core a request ({change(2)}); "
          f"{column(with_it, 3):.1f} frames a second")


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "manifests.yaml"), "w", encoding="utf-8") as out:
            out.write(MANIFESTS)

        def runs(load):
            players = [plain] + [watched, plain] * rounds
            return [play(folder, load, seconds, player) for player in players]
        full = runs(f"users: {USERS}")
        told("saturated", full)
        half = int(middle([run[0] for run in full[::2]]) / 2)
        told(f"half ({half}/s)", runs(f"rate: {half}"))


if __name__ == "__main__":
    main()
