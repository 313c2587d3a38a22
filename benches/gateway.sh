#!/usr/bin/env bash
# What `labsim gateway` adds to a static upstream (nginx), and which share of the upstream's own requests a
# second it passes on; access log on, all on the cores that wrk uses too.
#
#     benches/gateway.sh [ROUNDS [SECONDS]]        default: 5 rounds of 2 seconds for each of four parts
#
# In each round, alternately: the upstream and the gateway at 1 connection, the upstream and the gateway at 32,
# and, as a yardstick, nginx as a proxy (2 workers, access log on) before the same upstream at 32. Then the time to the first byte of a stream, alternately with and without the gateway. Figures are in
# docs/performance.md. Needs Debian's packages wrk, nginx, curl and python3.
set -euo pipefail
cd "$(dirname "$0")/.."

. benches/common.sh

rounds=${1:-5} seconds=${2:-2}
need wrk
need nginx
need curl
port=${PORT:-18291}
upstream=$((port + 1))

event='data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"delta":{"content":"Four."},"finish_reason":null}]}\n\n'
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
nginx_at "$upstream" 1 "location / { default_type application/json; return 200 '$answer'; }" \
    "location /stream { default_type text/event-stream; return 200 '${event}data: [DONE]\n\n'; }"
proxy=$((port + 2))
nginx_with "$proxy" 2 "log_format line escape=json '\$time_iso8601 \$remote_addr \$request \$status \$upstream_addr \$request_time';
  access_log $work/proxy.log line buffer=64k flush=1s;
  upstream static { server 127.0.0.1:$upstream; keepalive 64; keepalive_requests 100000000; }
  server { listen 127.0.0.1:$proxy;
    location / { proxy_pass http://static; proxy_http_version 1.1; proxy_set_header Connection ''; } }"
"$labsim" gateway -f "$work/gateway.yaml" --metrics-port 0 --access-log "$work/access.log" >/dev/null 2>"$work/gateway.err" &
server=$!
ready "$port"

load() { # connections, port: "requests/s p50 N us p99 N us failed N"
    local threads=1
    [ "$1" = 1 ] || threads=2
    wrk -t$threads -c"$1" -d"${seconds}s" -s benches/post.lua "http://127.0.0.1:$2/v1/chat/completions" | sed -n 's/^RATE //p'
}
part() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }
for round in $(seq "$rounds"); do
    read -r _ _ alone _ <<<"$(load 1 "$upstream")"
    read -r _ _ behind _ _ _ _ _ failed1 <<<"$(load 1 "$port")"
    read -r all _ <<<"$(load 32 "$upstream")"
    read -r ours _ p50 _ _ p99 _ _ failed32 <<<"$(load 32 "$port")"
    read -r theirs _ <<<"$(load 32 "$proxy")"
    echo "round $round: adds $((behind - alone)) us at the median (p50 $alone, $behind) · at 32: upstream $all/s, gateway $ours/s, share $(part "$ours" "$all"), nginx as a proxy $theirs/s, share $(part "$theirs" "$all") (p50 $p50 us, p99 $p99 us) · failed $((failed1 + failed32))"
done | tee "$work/rounds"
echo "adds, median: $(sed 's/.*adds \(-*[0-9]*\) us.*/\1/' "$work/rounds" | median) us"
echo "share at 32, median: $(sed 's/.*gateway [0-9]*\/s, share \([0-9.]*\).*/\1/' "$work/rounds" | median)"
echo "nginx as a proxy, median: $(sed 's/.*proxy [0-9]*\/s, share \([0-9.]*\).*/\1/' "$work/rounds" | median)"
[ "${STREAM:-1}" = 0 ] || python3 benches/first_token.py "$upstream" "$port"
end "$server"; server=
echo "access log: $(wc -l <"$work/access.log") lines"
