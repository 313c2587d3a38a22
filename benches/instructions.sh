#!/usr/bin/env bash
# How many instructions of its own program `labsim gateway` takes for a request, and where: by callgrind, so that
# it does not matter what else the machine does. The kernel's are not counted.
#
#     benches/instructions.sh [SECONDS [LINES]]        default: 6 seconds, the 40 most expensive functions
#
# Figures are in docs/performance.md. Needs Debian's packages valgrind, wrk and nginx.
set -euo pipefail
cd "$(dirname "$0")/.."

. benches/common.sh

seconds=${1:-6} lines=${2:-40}
need valgrind
need wrk
need nginx
port=${PORT:-18291}
upstream=$((port + 1))

nginx_at "$upstream" 1 "location / { default_type application/json; return 200 '$answer'; }"
cat >"$work/gateway.yaml" <<YAML
binds:
- port: $port
  listeners:
  - routes:
    - backends:
      - ai: { name: static, hostOverride: "127.0.0.1:$upstream", provider: { openAI: {} } }
YAML
valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file="$work/profile" \
    "$labsim" gateway -f "$work/gateway.yaml" --metrics-port 0 --threads 2 --access-log "$work/access.log" \
    >/dev/null 2>"$work/valgrind.log" &
server=$!
ready "$port"

load() { wrk -t1 -c8 "-d${1}s" -s benches/post.lua "http://127.0.0.1:$port/v1/chat/completions" >/dev/null; }
# Pages and pools are warm before anything is counted, and all lines of the access log written.
load 2
sleep 1
before=$(wc -l <"$work/access.log")
callgrind_control --instr=on "$server" >/dev/null 2>&1
load "$seconds"
sleep 1
requests=$(($(wc -l <"$work/access.log") - before))
end "$server"
server=

all=$(sed -n 's/.*Collected : //p' "$work/valgrind.log")
echo "$requests requests, $((all / requests)) instructions each; inclusive, by function:"
callgrind_annotate --inclusive=yes "$work/profile" 2>/dev/null |
    awk -v n="$requests" -v most="$lines" '/^ *[0-9,]+ \(/ && !/PROGRAM TOTALS/ && count++ < most {
        gsub(",", "", $1); name = $0; sub(/^[^)]*\) */, "", name); printf "%8d  %s\n", $1 / n, name }'
