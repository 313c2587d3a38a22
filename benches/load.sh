#!/usr/bin/env bash
# How fast `labsim load` asks a static server, beside oha in the same run: throughput as a share of oha's, and how
# far their median service times are apart. Both in turn, with the same number of connections, on the same cores.
#
#     benches/load.sh [ROUNDS [SECONDS [CONNECTIONS]]]        default: 5 rounds of 4 seconds, 50 connections
#
# Figures are in docs/performance.md. Needs Debian's package nginx, and oha (OHA names it; else it is installed into
# target/tools with cargo, once).
set -euo pipefail
cd "$(dirname "$0")/.."

. benches/common.sh

rounds=${1:-5} seconds=${2:-4} connections=${3:-50}
need nginx
oha=${OHA:-target/tools/bin/oha}
[ -x "$oha" ] || cargo install --quiet --locked --root target/tools oha
port=${PORT:-$((20000 + RANDOM % 20000))}
nginx_at "$port" 1 'location / { default_type application/json; return 200 '\''{"choices":[{"message":{"role":"assistant","content":"Four."}}]}'\''; }'

url=http://127.0.0.1:$port/
theirs() { "$oha" --no-tui --output-format json -z "${seconds}s" -c "$connections" --disable-compression "$url"; }
ours() { "$labsim" load "$url" --method GET --users "$connections" --for "${seconds}s" --format json; }

for round in $(seq "$rounds"); do
    theirs >"$work/oha.json"
    ours >"$work/labsim.json"
    python3 - "$work/oha.json" "$work/labsim.json" "$round" <<'PY'
import json, sys
oha, labsim = (json.load(open(path)) for path in sys.argv[1:3])
assert set(labsim["ends"]) == {"200"}, labsim["ends"]
theirs, ours = oha["summary"]["requestsPerSec"], labsim["rate"]
median, own = oha["latencyPercentiles"]["p50"] * 1e6, labsim["service_ms"]["p50"] * 1e3
print(f"round {sys.argv[3]}: oha {theirs:.0f}/s, p50 {median:.0f} us · labsim {ours:.0f}/s, p50 {own:.0f} us · "
      f"ratio {ours / theirs:.2f} · medians {own - median:+.0f} us apart")
PY
done | tee "$work/rounds"
echo "ratio, median: $(sed 's/.*ratio \([0-9.]*\).*/\1/' "$work/rounds" | median) · medians apart, median: $(sed 's/.*medians \([-+0-9]*\) us.*/\1/' "$work/rounds" | median) us"
