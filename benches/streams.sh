#!/usr/bin/env bash
# How evenly `labsim vllm-sim` sends the tokens of many streams at once, and how much memory each takes.
#
#     benches/streams.sh [STREAMS GAP_MS]…        default: 1000 20 10000 250
#
# The reader is a process of its own (examples/stream_reader.rs). Figures are in docs/performance.md.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || set -- 1000 20 10000 250
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
labsim=${LABSIM:-target/release/labsim} reader=${READER:-target/release/examples/stream_reader}
[ -n "${LABSIM:-}${READER:-}" ] || cargo build --release --quiet --bin labsim --example stream_reader
port=${PORT:-18181}
server=
stop() { [ -z "$server" ] || { kill -TERM "$server" 2>/dev/null && wait "$server" 2>/dev/null || true; server=; }; }
trap stop EXIT

while [ $# -gt 1 ]; do
    "$labsim" vllm-sim --port "$port" --model sim --mode echo --max-num-seqs "$1" \
        --time-to-first-token "$2ms" --inter-token-latency "$2ms" 2>/dev/null &
    server=$!
    until (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.05; done
    "$reader" "127.0.0.1:$port" sim "$1" 40 "$2" "$server"
    stop
    shift 2
done
