#!/usr/bin/env bash
# What labsim writes, read by programs that know nothing of it: reports by XML, JSON and TAP readers, the
# page by a browser, traces by OpenTelemetry's messages, metrics by Prometheus. Whatever is started here is stopped here.
set -euo pipefail
cd "$(dirname "$0")/../.."

export no_proxy="127.0.0.1,localhost${no_proxy:+,$no_proxy}"
labsim=$(realpath "${LABSIM:-target/release/labsim}")
work=$(mktemp -d)
server=
stop() { [ -z "$server" ] || { kill -TERM "$server" 2>/dev/null && wait "$server" 2>/dev/null || true; server=; }; }
trap 'stop; rm -rf "$work"' EXIT

# at NAME: the address behind a name in what `labsim up` has printed.
at() { awk -v name="$1" '$1 == name { sub("^http://", "", $2); print $2; exit }' "$work/up.log"; }

echo 'reports: a run that passes, one that fails, one that is unknown'
# The exit status is that of the failure; 69 or above would be no verdict.
"$labsim" run scenarios/intra-group.yaml tests/cases/fails-pattern/scenario.yaml tests/cases/unknown-nothing-evicted/scenario.yaml \
    --quiet --report junit="$work/r.xml" --report json="$work/r.json" --report tap="$work/r.tap" \
    --report html="$work/r.html" >/dev/null && exit 1 || [ $? -eq 1 ]
timeout 60 python3 tests/clients/reports.py "$work/r.xml" "$work/r.json" "$work/r.tap"

echo 'the page in a browser'
if [ -x /usr/bin/chromium ] && command -v npm >/dev/null &&
    timeout 120 npm install --prefix "$work/node" --no-save --no-audit --no-fund --silent playwright-core; then
    here=$PWD
    (cd "$work/node" && echo '{}' >package.json && timeout 180 node "$here/tests/clients/page.mjs" "$work/r.html")
else
    echo 'passed over: there is no chromium or no npm here'
fi

echo 'traces in OpenTelemetry'"'"'s own messages'
"$labsim" run scenarios/inter-group.yaml --quiet --traces "$work/traces.json" >/dev/null
python3 -m venv "$work/venv" 2>/dev/null && timeout 120 "$work/venv/bin/pip" --quiet install opentelemetry-proto grpcio || true
python=$(ls "$work/venv/bin/python3" 2>/dev/null || echo python3)
timeout 60 "$python" tests/clients/traces.py "$work/traces.json" || [ $? -eq 77 ]
timeout 90 "$python" tests/clients/collector.py "$work/traces.json" "$labsim" run scenarios/inter-group.yaml --quiet || [ $? -eq 77 ]

echo 'metrics in Prometheus'
"$labsim" up scenarios/inter-group.yaml --port 0 --metrics-port 0 >"$work/up.log" 2>"$work/up.err" &
server=$!
for _ in $(seq 200); do
    grep -q '^Ctrl-C' "$work/up.log" && break
    kill -0 "$server" 2>/dev/null || { cat "$work/up.err"; echo 'labsim up ended early'; exit 1; }
    sleep 0.1
done
metrics=$(at metrics)
curl --noproxy '*' -sf --max-time 5 "http://${metrics%/metrics}/healthz/ready"
for _ in 1 2 3; do
    curl --noproxy '*' -s --max-time 20 -o "$work/answer" "http://$(at gateway)/openai" -H 'Content-Type: application/json' \
        -d '{"model": "", "messages": [{"role": "user", "content": "What is 2+2?"}]}'
done
timeout 120 python3 tests/clients/prometheus.py "${metrics%/metrics}" --expect 200=2 429=1 || [ $? -eq 77 ]
stop
echo 'all readers are content'
