#!/usr/bin/env bash
# Drives both simulators over real sockets with the official OpenAI clients for Python and Node, and
# compares what they see with openai-vllm-sim.txt and openai-openai.txt. The clients are installed, at
# pinned versions, in a scratch folder that is removed afterwards; SCRATCH=folder names one that is kept.
set -euo pipefail
cd "$(dirname "$0")/../.."

labsim=$(realpath -m "${LABSIM:-target/release/labsim}")
[ -x "$labsim" ] || cargo build --release
here=$PWD/tests/clients
work=${SCRATCH:-$(mktemp -d)}
server=
stop() { [ -z "$server" ] || { kill -TERM "$server" 2>/dev/null && wait "$server" 2>/dev/null || true; server=; }; }
trap 'stop; [ -n "${SCRATCH:-}" ] || rm -rf "$work"' EXIT

[ -d "$work/venv" ] || python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
cp "$here/package.json" "$work/"
(cd "$work" && npm install --silent --no-audit --no-fund)

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# start ARGS…: a server on a free port; sets $at.
start() {
    : >"$work/server.log"
    "$labsim" "$@" --port "$(free_port)" >"$work/server.log" 2>&1 &
    server=$!
    for _ in $(seq 200); do
        at=$(sed -n 's/.* listens at //p' "$work/server.log")
        [ -z "$at" ] || return 0
        kill -0 "$server" 2>/dev/null || { cat "$work/server.log"; echo "labsim $1 ended early"; exit 1; }
        sleep 0.05
    done
    echo "labsim $1 never became ready"; exit 1
}

# client LANGUAGE MODEL WHAT [HOW]
client() {
    local language=$1
    shift
    case $language in
    Python) "$work/venv/bin/python" "$here/openai.py" "$at/v1" sk-labsim "$@" ;;
    Node) (cd "$work" && node "$here/openai.mjs" "$at/v1" sk-labsim "$@") ;;
    esac
}

# same WHAT: the file `seen` holds what is expected on standard input.
same() { diff - "$work/seen" && printf 'ok   %s\n' "$1" || { printf 'differs (< expected, > seen): %s\n' "$1"; exit 1; }; }

# counted INJECTED SUCCEEDED: what the simulator itself counted.
counted() {
    "$work/venv/bin/python" - "$at/metrics" <<'PY' >>"$work/seen"
import sys, urllib.request
lines = urllib.request.urlopen(sys.argv[1]).read().decode().splitlines()
for name in ("labsim_injected_failures_total", "vllm:request_success_total"):
    values = [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name)]
    print(f"{name} {sum(values):.0f}")
PY
}

# met: what the fake OpenAI's own fault has seen.
met() {
    "$work/venv/bin/python" - "$at/admin/faults" <<'PY' >>"$work/seen"
import json, sys, urllib.request
fault = json.load(urllib.request.urlopen(sys.argv[1]))["faults"][0]
print(f"requests met {fault['met']}, struck {fault['struck']}")
PY
}

fails_once='vllm-sim --model sim --failure-count 1 --failure-types rate_limit --failure-retry-after 1'
limited_once='{fault: {retry-after: {value: {seconds: 1s}}}, window: {first: 1}}'
soon='{fault: {retry-after: {value: {several: [{seconds: 5s}, {milliseconds: 100ms}]}}}, window: {first: 1}}'
for language in Python Node; do
    start vllm-sim --model sim --mode echo
    client "$language" sim calls >"$work/seen"
    same "$language, the vLLM simulator" <"$here/openai-vllm-sim.txt"
    stop

    start openai --api-key sk-labsim --latency none
    client "$language" gpt-4o-mini calls >"$work/seen"
    same "$language, the fake OpenAI" <"$here/openai-openai.txt"
    stop

    for how in '' streamed; do
        # The client waits as it is told, asks again, and its user never hears of the 429.
        start $fails_once --mode echo
        client "$language" sim retries $how >"$work/seen"
        counted
        same "$language, the vLLM simulator's 429 with retries${how:+, }$how" <<'EXPECTED'
fails first: What is 2+2? | waited a second
labsim_injected_failures_total 1
vllm:request_success_total 1
EXPECTED
        stop

        start $fails_once --mode echo
        client "$language" sim no-retry $how >"$work/seen"
        counted
        same "$language, the vLLM simulator's 429 without retries${how:+, }$how" <<'EXPECTED'
fails first: RateLimitError 429 retry-after 1 | at once
labsim_injected_failures_total 1
vllm:request_success_total 0
EXPECTED
        stop

        start openai --api-key sk-labsim --latency none --fault "$limited_once"
        client "$language" gpt-4o-mini retries $how >"$work/seen"
        met
        same "$language, the fake OpenAI's 429 with retries${how:+, }$how" <<'EXPECTED'
fails first: Four. | waited a second
requests met 2, struck 1
EXPECTED
        stop

        start openai --api-key sk-labsim --latency none --fault "$limited_once"
        client "$language" gpt-4o-mini no-retry $how >"$work/seen"
        met
        same "$language, the fake OpenAI's 429 without retries${how:+, }$how" <<'EXPECTED'
fails first: RateLimitError 429 retry-after 1 | at once
requests met 1, struck 1
EXPECTED
        stop
    done

    # Milliseconds win over seconds.
    start openai --api-key sk-labsim --latency none --fault "$soon"
    client "$language" gpt-4o-mini retries >"$work/seen"
    met
    same "$language, retry-after-ms" <<'EXPECTED'
fails first: Four. | at once
requests met 2, struck 1
EXPECTED
    stop
done
echo 'the official clients see what they should'
