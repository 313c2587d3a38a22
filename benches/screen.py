#!/usr/bin/env python3
"""What the live screen costs a lab in real time.

    benches/screen.py [ROUNDS [SECONDS]]        default: 10 rounds of 2 seconds

A load is played without a screen, under one in a pseudo-terminal of 120 by 40, and without again: first as many
requests as come through (32 users), then half as many a second as came through just now, over connections that are
open already. A machine's speed changes from minute to minute by more than the screen costs. So each run under the
screen is compared with those right before and after it, and left out where these two differ by more than 8 %: in
requests a second, or at half load in processor time a request. The medians of the rest are told. Figures are in
docs/performance.md. LABSIM names another binary.
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
lab: { manifests: [manifests.yaml], gateway: { replicas: 1, personality: agentgateway-1.4 } }
steps:
"""
# Nobody answers within a microsecond: what is not kept is printed.
STEP = """\
  - load: {{ path: /echo, key: bench, {load}, for: {piece}ms, expect: {{ latency: {{ p99: "<=0.001ms" }} }} }}
"""
# A machine that is shared stands still for tens of milliseconds now and then. So p99 is taken of short pieces, each with
# some frames in it, and of these the median: what stands still in few of them does not count.
PIECE = 200
# What is known of a run.
RATE, LATE, COST, FRAMES = range(4)
# By how much two runs without the screen may differ around one with it.
STEADY = 1.08
# By how much processor time a request may differ under it.
FLIP = 1.25
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


def figures(printed, pieces):
    """Requests a second, and the median of the pieces' p99 in milliseconds, of what is printed."""
    # As the expectations that were not met have it. The first piece opens the connections.
    found = re.findall(r"p99 is ([0-9.]+)(µs|us|ms|s), of (\d+) requests", printed)[1:]
    if len(found) != pieces:
        sys.exit(f"{len(found)} of {pieces} p99 in\n" + printed)
    scale = {"µs": 0.001, "us": 0.001, "ms": 1, "s": 1000}
    requests = sum(int(count) for _, _, count in found)
    return 1000 * requests / (pieces * PIECE), middle([float(number) * scale[unit] for number, unit, _ in found])


def spent():
    """Processor time that programs which have ended took, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def play(folder, load, seconds, player):
    """Requests a second, p99, processor time a request and frames a second of one run."""
    path, pieces = os.path.join(folder, "load.yaml"), 1000 * seconds // PIECE
    with open(path, "w", encoding="utf-8") as out:
        out.write(SCENARIO + (pieces + 1) * STEP.format(load=load, piece=PIECE))
    begun = spent()
    printed, frames = player(path)
    rate, late = figures(printed, pieces)
    return rate, late, 1e9 * (spent() - begun) / (rate * (pieces + 1) * PIECE), frames


def middle(values):
    return statistics.median(values) if values else float("nan")


def steady(one, what):
    """Whether the machine went at one speed through a run without, one with the screen, and one without."""
    before, watched, after = one
    alike = max(before[what], after[what]) <= STEADY * min(before[what], after[what])
    return alike and watched[COST] <= FLIP * min(before[COST], after[COST])


def told(name, rounds, what):
    """Tells the medians of rounds of a run without, one with the screen, and one without."""
    first = lambda at: middle([(one[0][at] + one[2][at]) / 2 for one in rounds])
    second = lambda at: middle([one[1][at] for one in rounds])
    change = lambda at: 100 * (middle([2 * one[1][at] / (one[0][at] + one[2][at]) for one in rounds]) - 1)
    print(f"{name}, {len(rounds)} of {what} rounds: {first(RATE):.0f}/s without, {second(RATE):.0f}/s with the screen "
          f"({change(RATE):+.1f} %); p99 {first(LATE):.2f} ms and {second(LATE):.2f} ms ({change(LATE):+.1f} %); "
          f"{first(COST):.0f} µs and {second(COST):.0f} µs of a core a request ({change(COST):+.1f} %); "
          f"{second(FRAMES):.1f} frames a second")


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "manifests.yaml"), "w", encoding="utf-8") as out:
            out.write(MANIFESTS)

        def three(load):
            return [play(folder, load, seconds, player) for player in (plain, watched, plain)]
        full, half = [], []
        for _ in range(rounds):
            one = three(f"users: {USERS}")
            if steady(one, RATE):
                full.append(one)
            # Of what comes through now: an hour, or a minute, later it is another half.
            one = three(f"rate: {int(one[2][RATE] / 2)}")
            if steady(one, COST):
                half.append(one)
        told("saturated", full, rounds)
        told("half", half, rounds)


if __name__ == "__main__":
    main()
