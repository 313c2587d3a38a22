# What the benchmark scripts share: tools, the binary, nginx with static answers, an end for what was started.
# Sourced from the repository's root.
# shellcheck shell=bash

need() { command -v "$1" >/dev/null || { apt-get update -qq && apt-get install -y -qq "$1" >/dev/null; }; }

labsim=${LABSIM:-target/release/labsim}
[ -n "${LABSIM:-}" ] || cargo build --release --quiet --bin labsim

work=$(mktemp -d)
chmod 755 "$work"
server=
web=
end() { [ -z "$1" ] || { kill -TERM "$1" 2>/dev/null && wait "$1" 2>/dev/null || true; }; }
trap 'end "$server"; end "$web"; rm -rf "$work"' EXIT

# ready PORT: until somebody listens there.
ready() { until (: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do sleep 0.002; done; }

# nginx_at PORT WORKERS LOCATION…: static answers, until the script ends.
nginx_at() {
    cat >"$work/nginx.conf" <<CONF
worker_processes $2; daemon off; pid $work/nginx.pid; error_log $work/error.log;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 100000000;
  server {
    listen 127.0.0.1:$1;
$(printf '    %s\n' "${@:3}")
  }
}
CONF
    nginx -c "$work/nginx.conf" -p "$work" -e "$work/error.log" &
    web=$!
    ready "$1"
}

# median: of the numbers on standard input.
median() { sort -g | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }
