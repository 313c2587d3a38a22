#!/usr/bin/env bash
# How many plain chat completions a second `labsim vllm-sim` answers, as a share of what nginx does with a
# static answer of the same bytes; both in turn, on the cores that wrk uses too.
#
#     benches/throughput.sh [ROUNDS [SECONDS]]        default: 5 rounds of 4 seconds
#
# Figures are in docs/performance.md. Needs Debian's packages wrk, nginx and curl.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-5} seconds=${2:-4}
need() { command -v "$1" >/dev/null || { apt-get update -qq && apt-get install -y -qq "$1" >/dev/null; }; }
need wrk
need nginx
need curl
labsim=${LABSIM:-target/release/labsim}
[ -n "${LABSIM:-}" ] || cargo build --release --quiet --bin labsim
port=${PORT:-18191}
static=$((port + 1))
work=$(mktemp -d)
chmod 755 "$work"
server=
web=
end() { [ -z "$1" ] || { kill -TERM "$1" 2>/dev/null && wait "$1" 2>/dev/null || true; }; }
trap 'end "$server"; end "$web"; rm -rf "$work"' EXIT

serve() {
    "$labsim" vllm-sim --port "$port" --model sim --mode echo --max-num-seqs 1024 --max-waiting-queue-length 100000 2>/dev/null &
    server=$!
}
ready() { until (: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do sleep 0.002; done; }
ask=(curl -s -o "$work/answer.json" -H 'content-type: application/json'
    -d '{"model":"sim","messages":[{"role":"user","content":"What is 2+2? Answer in one word."}]}')

serve
ready "$port"
"${ask[@]}" "http://127.0.0.1:$port/v1/chat/completions"
cat >"$work/nginx.conf" <<EOF
worker_processes 2; daemon off; pid $work/nginx.pid; error_log $work/error.log;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 100000000;
  server {
    listen 127.0.0.1:$static;
    location / { default_type application/json; return 200 '$(cat "$work/answer.json")'; }
  }
}
EOF
nginx -c "$work/nginx.conf" -p "$work" -e "$work/error.log" &
web=$!
ready "$static"

rate() { wrk -t1 -c64 -d"${seconds}s" -s benches/post.lua "http://127.0.0.1:$1/v1/chat/completions" | sed -n 's/^RATE //p'; }
for round in $(seq "$rounds"); do
    nginx=$(rate "$static")
    ours=$(rate "$port")
    echo "round $round: nginx $nginx · labsim $ours · ratio $(awk -v a="${ours%% *}" -v b="${nginx%% *}" 'BEGIN { printf "%.2f", a / b }')"
done | tee "$work/rounds"
sed 's/.*ratio //' "$work/rounds" | sort -n | awk '{ all[NR] = $1 } END { print "ratio, median: " all[int((NR + 1) / 2)] }'
end "$web"; web=
end "$server"; server=
