# What the benchmark scripts share: tools, the binary, nginx with static answers, an end for what was started.
# Sourced from the repository's root.
# shellcheck shell=bash

need() { command -v "$1" >/dev/null || { apt-get update -qq && apt-get install -y -qq "$1" >/dev/null; }; }

labsim=${LABSIM:-target/release/labsim}
[ -n "${LABSIM:-}" ] || cargo build --release --quiet --bin labsim

work=$(mktemp -d)
chmod 755 "$work"
server=
webs=()
end() { [ -z "$1" ] || { kill -TERM "$1" 2>/dev/null && wait "$1" 2>/dev/null || true; }; }
trap 'end "$server"; for web in "${webs[@]}"; do end "$web"; done; rm -rf "$work"' EXIT

# ready PORT: until somebody listens there.
ready() { until (: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do sleep 0.002; done; }

# nginx_at PORT WORKERS LOCATION…: static answers, until the script ends.
nginx_at() {
    nginx_with "$1" "$2" "access_log off; server { listen 127.0.0.1:$1; ${*:3} }"
}

# nginx_with PORT WORKERS HTTP: what stands in `http`, until the script ends.
nginx_with() {
    cat >"$work/nginx-$1.conf" <<CONF
worker_processes $2; daemon off; pid $work/nginx-$1.pid; error_log $work/error.log;
events { worker_connections 4096; }
http {
  keepalive_requests 100000000;
  $3
}
CONF
    nginx -c "$work/nginx-$1.conf" -p "$work" -e "$work/error.log" &
    webs+=($!)
    ready "$1"
}

# A short answer as OpenAI gives it.
# shellcheck disable=SC2034
answer='{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant","content":"Four.","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":14,"completion_tokens":2,"total_tokens":16}}'

# median: of the numbers on standard input.
median() { sort -g | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }
