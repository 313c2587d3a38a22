#!/usr/bin/env bash
# How evenly `labsim vllm-sim` sends the tokens of many streams at once, and how much memory each takes.
#
#     benches/streams.sh [STREAMS GAP_MS]…        default: 1000 20 10000 250
#
# The reader is a process of its own (examples/stream_reader.rs). A gap can only be kept on a machine that does
# nothing else; the last line of each says whether it was one. Figures are in docs/performance.md.
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

# What else the machine did meanwhile: with more than a few per cent the gaps tell of that, and not of the server.
TIMEFORMAT='%U %S'
ticks() { awk '/^cpu / { print $2 + $3 + $4 + $7 + $8 + $9, $5 + $6 }' /proc/stat; }
others() {
    awk -v all="$1 $2 $3 $4" 'BEGIN {
        split(all, n, " "); busy = n[3] - n[1]; idle = n[4] - n[2]; server = n[5]; reader = 100 * (n[6] + n[7]); total = busy + idle
        other = busy - server - reader
        printf "of all cores: server %.0f %%, reader %.0f %%, other processes %.0f %%\n", 100 * server / total, 100 * reader / total, 100 * other / total }'
}

while [ $# -gt 1 ]; do
    "$labsim" vllm-sim --port "$port" --model sim --mode echo --max-num-seqs "$1" \
        --time-to-first-token "$2ms" --inter-token-latency "$2ms" 2>/dev/null &
    server=$!
    until (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.05; done
    before=$(ticks)
    { spent=$( { time "$reader" "127.0.0.1:$port" sim "$1" 40 "$2" "$server" >&3; } 2>&1); } 3>&1
    others "$before" "$(ticks)" "$(awk '{ print $14 + $15 }' "/proc/$server/stat")" "$spent"
    stop
    shift 2
done
