#!/usr/bin/env bash
# How many plain chat completions a second `labsim vllm-sim` answers, as a share of what nginx does with a
# static answer of the same bytes; both in turn, on the cores that wrk uses too.
#
#     benches/throughput.sh [ROUNDS [SECONDS]]        default: 5 rounds of 4 seconds
#
# Figures are in docs/performance.md. Needs Debian's packages wrk, nginx and curl.
set -euo pipefail
cd "$(dirname "$0")/.."

. benches/common.sh

rounds=${1:-5} seconds=${2:-4}
need wrk
need nginx
need curl
port=${PORT:-18191}
static=$((port + 1))

serve() {
    "$labsim" vllm-sim --port "$port" --model sim --mode echo --max-num-seqs 1024 --max-waiting-queue-length 100000 2>/dev/null &
    server=$!
}
ask=(curl -s -o "$work/answer.json" -H 'content-type: application/json'
    -d '{"model":"sim","messages":[{"role":"user","content":"What is 2+2? Answer in one word."}]}')

serve
ready "$port"
"${ask[@]}" "http://127.0.0.1:$port/v1/chat/completions"
nginx_at "$static" 2 "location / { default_type application/json; return 200 '$(cat "$work/answer.json")'; }"

rate() { wrk -t1 -c64 -d"${seconds}s" -s benches/post.lua "http://127.0.0.1:$1/v1/chat/completions" | sed -n 's/^RATE //p'; }
for round in $(seq "$rounds"); do
    nginx=$(rate "$static")
    ours=$(rate "$port")
    echo "round $round: nginx $nginx · labsim $ours · ratio $(awk -v a="${ours%% *}" -v b="${nginx%% *}" 'BEGIN { printf "%.2f", a / b }')"
done | tee "$work/rounds"
echo "ratio, median: $(sed 's/.*ratio //' "$work/rounds" | median)"
end "$server"; server=
