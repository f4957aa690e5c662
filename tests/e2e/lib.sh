# Sourced by end-to-end tests: two hosts (network namespaces with a veth pair), a data folder, `trawl up` in the server's namespace.
# Everything is named after this process and removed on exit, also when the test fails.
set -uo pipefail
: "${TRAWL:?path of the trawl binary}"
id=$$
work=$(mktemp -d /tmp/trawl_e2e_XXXXXX)
chmod 755 "$work"
srv=ts$id cli=tc$id
srv_ip=10.77.0.1 cli_ip=10.77.0.2
started=()
port=8899

fail() { echo "FAILED: $*" >&2; exit 1; }
note() { echo "· $*"; }

cleanup() {
  local pid
  for pid in "${started[@]:-}"; do [ -n "$pid" ] && kill "$pid" 2>/dev/null; done
  for pid in "${started[@]:-}"; do
    [ -n "$pid" ] || continue
    for _ in $(seq 60); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null
  done
  wait 2>/dev/null
  ip netns del "$srv" 2>/dev/null
  ip netns del "$cli" 2>/dev/null
  [ -n "${KEEP:-}" ] && echo "kept: $work" || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

need() { local c; for c in "$@"; do command -v "$c" >/dev/null || { echo "$c is not installed"; exit 77; }; done; }
[ "$(id -u)" = 0 ] || { echo "needs root for network namespaces"; exit 77; }

# Two hosts with one wire.
make_hosts() {
  ip netns add "$srv" && ip netns add "$cli" || { echo "network namespaces cannot be made here"; exit 77; }
  ip link add "v$id" netns "$srv" type veth peer name "w$id" netns "$cli"
  ip -n "$srv" link set "v$id" name eth0 && ip -n "$cli" link set "w$id" name eth0
  ip -n "$srv" addr add $srv_ip/24 dev eth0 && ip -n "$cli" addr add $cli_ip/24 dev eth0
  ip -n "$srv" link set eth0 up && ip -n "$cli" link set eth0 up
  ip -n "$srv" link set lo up && ip -n "$cli" link set lo up
  # IPv6 chatter of fresh interfaces would be counted as traffic.
  ip netns exec "$srv" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
  ip netns exec "$cli" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
}
on_srv() { ip netns exec "$srv" "$@"; }
on_cli() { ip netns exec "$cli" "$@"; }

# trawl up on the server's host; further options as arguments. Waits until it records.
start_trawl() {
  ip netns exec "$srv" "$TRAWL" up --data "$work/data" --listen "127.0.0.1:$port" "$@" >>"$work/up.out" 2>>"$work/up.err" &
  up_pid=$!
  started+=("$up_pid")
  wait_until 20 "trawl up records" trawl_is_recording
}
trawl_is_recording() { t nodes --json 2>/dev/null | jq -e '.nodes[0].state == "recording"' >/dev/null 2>&1; }
stop_trawl() {
  kill -TERM "$up_pid" && wait "$up_pid"
  local code=$?
  [ $code = 0 ] || fail "trawl up ended with $code"
}
# A client command of the CLI, beside the hub.
t() {
  local token
  token=$(cat "$work/data/token" 2>/dev/null)
  on_srv env TRAWL_HUB="http://127.0.0.1:$port" TRAWL_TOKEN="$token" "$TRAWL" "$@"
}
api() { # method path [curl options]
  local method=$1 path=$2
  shift 2
  on_srv curl -sS -X "$method" -H "Authorization: Bearer $(cat "$work/data/token")" "$@" "http://127.0.0.1:$port$path"
}
wait_until() { # seconds, what, command…
  local limit=$1 what=$2 end
  shift 2
  end=$(($(date +%s) + limit))
  until "$@"; do
    [ "$(date +%s)" -lt "$end" ] || { tail -n 20 "$work/up.err" >&2 2>/dev/null; fail "not within $limit s: $what"; }
    sleep 0.1
  done
}
equal() { [ "$1" = "$2" ] || fail "$3: \"$1\" is not \"$2\""; }

# nginx on the server's host: 200 JSON, 404, 503 on /err, /slow closes without an answer. Log: one line a request.
start_nginx() {
  mkdir -p "$work/www"
  printf '{"items":[1,2,3]}' >"$work/www/p.json"
  cat >"$work/nginx.conf" <<N
worker_processes 1; daemon off; pid $work/nginx.pid; error_log $work/nginx.err; user root;
events { worker_connections 512; }
http {
  log_format plain '\$status \$request_method \$request_uri \$body_bytes_sent';
  access_log $work/nginx.log plain;
  client_body_temp_path $work/b; proxy_temp_path $work/p; fastcgi_temp_path $work/f; uwsgi_temp_path $work/u; scgi_temp_path $work/s;
  default_type application/json; keepalive_requests 1000; gzip on; gzip_types application/json; gzip_min_length 10;
  server { listen $srv_ip:8080; root $work/www;
    location /api/ { return 200 '{"status":"ok","path":"\$uri"}'; }
    location /err { return 503 '{"error":"unavailable"}'; }
    location /slow { return 444; } } }
N
  ip netns exec "$srv" nginx -c "$work/nginx.conf" 2>>"$work/nginx.err" &
  started+=($!)
  wait_until 10 "nginx answers" on_cli curl -sf -o /dev/null "http://$srv_ip:8080/api/ready"
}
