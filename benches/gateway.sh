#!/usr/bin/env bash
# What `labsim gateway` adds to a static upstream (nginx), and which share of the upstream's own requests a
# second it passes on; access log on, all on the cores that wrk uses too.
#
#     benches/gateway.sh [ROUNDS [SECONDS]]        default: 5 rounds of 2 seconds for each of four parts
#
# In each round, alternately: the upstream and the gateway at 1 connection, the upstream and the gateway at 32.
# Then the time to the first byte of a stream, alternately with and without the gateway. Figures are in
# docs/performance.md. Needs Debian's packages wrk, nginx, curl and python3.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-5} seconds=${2:-2}
need() { command -v "$1" >/dev/null || { apt-get update -qq && apt-get install -y -qq "$1" >/dev/null; }; }
need wrk
need nginx
need curl
labsim=${LABSIM:-target/release/labsim}
[ -n "${LABSIM:-}" ] || cargo build --release --quiet --bin labsim
port=${PORT:-18291}
upstream=$((port + 1))
work=$(mktemp -d)
chmod 755 "$work"
gateway=
web=
end() { [ -z "$1" ] || { kill -TERM "$1" 2>/dev/null && wait "$1" 2>/dev/null || true; }; }
trap 'end "$gateway"; end "$web"; rm -rf "$work"' EXIT

answer='{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant","content":"Four.","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":14,"completion_tokens":2,"total_tokens":16}}'
event='data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"delta":{"content":"Four."},"finish_reason":null}]}\n\n'
cat >"$work/nginx.conf" <<EOF
worker_processes 1; daemon off; pid $work/nginx.pid; error_log $work/error.log;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 100000000;
  server {
    listen 127.0.0.1:$upstream;
    location / { default_type application/json; return 200 '$answer'; }
    location /stream { default_type text/event-stream; return 200 '${event}data: [DONE]\n\n'; }
  }
}
EOF
cat >"$work/gateway.yaml" <<EOF
binds:
- port: $port
  listeners:
  - routes:
    - matches: [{ path: { pathPrefix: /stream } }]
      backends:
      - ai: { name: stream, hostOverride: "127.0.0.1:$upstream", pathOverride: /stream, provider: { openAI: {} } }
    - backends:
      - ai: { name: static, hostOverride: "127.0.0.1:$upstream", provider: { openAI: {} } }
EOF
cat >"$work/post.lua" <<'EOF'
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"model":"gpt-4o","messages":[{"role":"user","content":"What is 2+2? Answer in one word."}]}'
function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("RATE %.0f %.0f %.0f %d\n", summary.requests / (summary.duration / 1e6),
    latency:percentile(50), latency:percentile(99), failed))
end
EOF
nginx -c "$work/nginx.conf" -p "$work" -e "$work/error.log" &
web=$!
"$labsim" gateway -f "$work/gateway.yaml" --metrics-port 0 --access-log "$work/access.log" >/dev/null 2>"$work/gateway.err" &
gateway=$!
for one in "$upstream" "$port"; do
    until (: >"/dev/tcp/127.0.0.1/$one") 2>/dev/null; do sleep 0.01; done
done

load() { # connections, port: "requests/s p50us p99us failed"
    local threads=1
    [ "$1" = 1 ] || threads=2
    wrk -t$threads -c"$1" -d"${seconds}s" -s "$work/post.lua" "http://127.0.0.1:$2/v1/chat/completions" | sed -n 's/^RATE //p'
}
for round in $(seq "$rounds"); do
    read -r _ alone _ _ <<<"$(load 1 "$upstream")"
    read -r _ behind _ failed1 <<<"$(load 1 "$port")"
    read -r all _ _ _ <<<"$(load 32 "$upstream")"
    read -r ours p50 p99 failed32 <<<"$(load 32 "$port")"
    echo "round $round: adds $((behind - alone)) us at the median (p50 $alone, $behind) · at 32: upstream $all/s, gateway $ours/s, share $(awk -v a="$ours" -v b="$all" 'BEGIN { printf "%.2f", a / b }') (p50 $p50 us, p99 $p99 us) · failed $((failed1 + failed32))"
done | tee "$work/rounds"
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }
echo "adds, median: $(sed 's/.*adds \(-*[0-9]*\) us.*/\1/' "$work/rounds" | median) us"
echo "share at 32, median: $(sed 's/.*share \([0-9.]*\).*/\1/' "$work/rounds" | median)"
[ "${STREAM:-1}" = 0 ] || python3 benches/first_token.py "$upstream" "$port"
end "$gateway"; gateway=
echo "access log: $(wc -l <"$work/access.log") lines"
