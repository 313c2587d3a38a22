#!/usr/bin/env python3
"""From the start of `labsim vllm-sim` to its first answer, and its resident memory when idle.

    benches/cold_start.py [LABSIM [TIMES]]        default: target/release/labsim, 15 times
"""

import http.client
import pathlib
import socket
import subprocess
import sys
import time

LABSIM = sys.argv[1] if len(sys.argv) > 1 else "target/release/labsim"
TIMES = int(sys.argv[2]) if len(sys.argv) > 2 else 15
BODY = '{"model":"sim","messages":[{"role":"user","content":"hi"}]}'


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def answered(port):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("POST", "/v1/chat/completions", BODY)
        assert connection.getresponse().status == 200
        return True
    except ConnectionRefusedError:
        return False


def once():
    port = free_port()
    command = [LABSIM, "vllm-sim", "--port", str(port), "--model", "sim", "--mode", "echo"]
    start = time.monotonic()
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        while not answered(port):
            time.sleep(0.0005)
        took = time.monotonic() - start
        status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
        server.terminate()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return took * 1000, int(resident.split()[1]) / 1024


took, resident = (sorted(values) for values in zip(*[once() for _ in range(TIMES)]))
print(f"cold start to first answer: median {took[TIMES // 2]:.1f} ms, least {took[0]:.1f} ms, most {took[-1]:.1f} ms")
print(f"resident, idle: median {resident[TIMES // 2]:.1f} MiB")
