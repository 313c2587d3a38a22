#!/usr/bin/env bash
# Sends the lab's two curl commands, as its text has them, to `labsim up` on port 8080, and compares
# what they print with what the lab documents. Where the lab's text is not beside the repository, the
# same commands are taken from here. More go over TLS: to the vLLM simulator alone, and to a gateway that stands before it.
set -euo pipefail
cd "$(dirname "$0")/../.."

labsim=${LABSIM:-target/release/labsim}
[ -x "$labsim" ] || cargo build --release
lab=../shared/lab/llm-failover.md
work=$(mktemp -d)
server= gateway=
stop() { [ -z "$server" ] || { kill -TERM "$server" 2>/dev/null && wait "$server" 2>/dev/null || true; server=; }; }
trap 'stop; [ -z "$gateway" ] || kill "$gateway" 2>/dev/null || true; rm -rf "$work"' EXIT
export GATEWAY_IP=127.0.0.1

# up SCENARIO SEED: starts the lab and waits until it answers.
up() {
    "$labsim" up "$1" --seed "$2" >"$work/up.log" 2>"$work/up.err" &
    server=$!
    for _ in $(seq 100); do
        grep -q '^Ctrl-C' "$work/up.log" && return 0
        kill -0 "$server" 2>/dev/null || { cat "$work/up.err"; echo 'labsim up ended early'; exit 1; }
        sleep 0.05
    done
    echo 'labsim up never became ready'; exit 1
}

# command_of FLAG: the lab's curl command that begins with `curl FLAG`, up to its end.
command_of() {
    if [ -f "$lab" ]; then
        awk -v start="curl $1" 'index($0, start) == 1 { on = 1 } on { if ($0 == "```") exit; print }' "$lab"
    elif [ "$1" = -v ]; then
        printf '%s\n' "curl -v \"\$GATEWAY_IP:8080/openai\" -H 'Content-Type: application/json' -d '{\"model\": \"\", \"messages\": [{\"role\": \"user\", \"content\": \"What is 2+2?\"}]}'"
    else
        printf '%s\n' "curl -s -w '\nHTTP Status: %{http_code}\n' \"\$GATEWAY_IP:8080/openai\" -H 'Content-Type: application/json' -d '{\"model\": \"\", \"messages\": [{\"role\": \"user\", \"content\": \"What is 2+2?\"}]}'"
    fi
}

# expect NUMBER PATTERN FILE: one answer must hold this text.
expect() {
    grep -qF -- "$2" "$3" || { printf 'request %s: expected %s in\n' "$1" "$2"; cat "$3"; exit 1; }
    printf 'ok   request %s: %s\n' "$1" "$2"
}

echo 'inter-group, the first command'
up scenarios/inter-group.yaml 7
command=$(command_of -v)
[ -n "$command" ] || { echo 'the lab has no such command'; exit 1; }
for request in 1 2 3; do
    bash -c "$command" >"$work/$request.out" 2>"$work/$request.err"
done
expect 1 '< HTTP/1.1 429 Too Many Requests' "$work/1.err"
expect 1 '{"error":{"message":"Rate limit reached for mock-gpt-4o in organization org-xxx on requests per min (RPM): Limit 3, Used 3, Requested 1.","type":"RateLimitError","param":null,"code":429}}' "$work/1.out"
expect 2 '< HTTP/1.1 200 OK' "$work/2.err"
expect 2 '"model":"gpt-4o-mini-2024-07-18"' "$work/2.out"
expect 3 '< HTTP/1.1 200 OK' "$work/3.err"
for request in 1 2 3; do grep -qi '^< retry-after: 60' "$work/$request.err" || { echo "request $request: no Retry-After"; exit 1; }; done
stop

echo 'intra-group, the second command'
up scenarios/intra-group.yaml 7
command=$(command_of -s)
for request in 1 2 3; do
    bash -c "$command" >"$work/$request.out"
done
expect 1 'HTTP Status: 429' "$work/1.out"
for request in 2 3; do
    expect "$request" 'HTTP Status: 200' "$work/$request.out"
    expect "$request" '{"model":"gpt-4o-2024-08-06","' "$work/$request.out"
    expect "$request" '"content":"Four."' "$work/$request.out"
done
stop

echo 'the vLLM simulator over TLS'
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$labsim" vllm-sim --model m --mode echo --port "$port" --self-signed-certs 2>"$work/tls.err" &
server=$!
for _ in $(seq 100); do
    grep -q 'listens at https' "$work/tls.err" && break
    kill -0 "$server" 2>/dev/null || { cat "$work/tls.err"; echo 'the simulator ended early'; exit 1; }
    sleep 0.05
done
curl -sk -w '%{http_code} %{scheme}\n' "https://127.0.0.1:$port/v1/chat/completions" \
    -d '{"model": "m", "messages": [{"role": "user", "content": "over TLS"}]}' >"$work/tls.out"
expect 1 '"content":"over TLS"' "$work/tls.out"
expect 1 '200 HTTPS' "$work/tls.out"
if curl -s "https://127.0.0.1:$port/health"; then echo 'a certificate that signs itself was trusted'; exit 1; fi

echo 'a listener for HTTPS'
if command -v openssl >/dev/null; then
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=llm.example -addext 'subjectAltName=DNS:llm.example' \
        -keyout "$work/key.pem" -out "$work/cert.pem" 2>"$work/openssl.err"
    cat >"$work/gateway.yaml" <<EOF
binds:
- port: 8443
  listeners:
  - hostname: llm.example
    protocol: HTTPS
    tls: { cert: $work/cert.pem, key: $work/key.pem }
    routes:
    - backends:
      - ai:
          name: simulator
          hostOverride: 127.0.0.1:$port
          provider: { openAI: { model: m } }
          policies: { backendTLS: { insecure: true } }
EOF
    "$labsim" gateway -f "$work/gateway.yaml" --port 0 --metrics-port 0 >"$work/gateway.log" 2>&1 &
    gateway=$!
    for _ in $(seq 100); do
        grep -q '^Ctrl-C' "$work/gateway.log" && break
        kill -0 "$gateway" 2>/dev/null || { cat "$work/gateway.log"; echo 'the gateway ended early'; exit 1; }
        sleep 0.05
    done
    at=$(awk '$1 == "gateway" { sub("^https://127.0.0.1:", "", $2); print $2; exit }' "$work/gateway.log")
    for version in 1.1 2; do
        curl -s "--http$version" --cacert "$work/cert.pem" --resolve "llm.example:$at:127.0.0.1" -w '%{http_code} %{scheme} %{http_version}\n' \
            "https://llm.example:$at/v1/chat/completions" -d '{"messages": [{"role": "user", "content": "over TLS"}]}' >"$work/tls.out"
        expect "$version" '"content":"over TLS"' "$work/tls.out"
        expect "$version" "200 HTTPS $version" "$work/tls.out"
    done
    kill -INT "$gateway" && wait "$gateway"
    gateway=
else
    echo 'passed over: there is no openssl here'
fi
stop
echo 'the lab answers as documented'
