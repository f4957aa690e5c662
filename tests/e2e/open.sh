#!/usr/bin/env bash
# `trawl open FILE` and `trawl look-back 1m`: one step from a capture, or from the last minutes, to the dashboard at the calls.
. "$(dirname "$0")/lib.sh"
need jq curl nginx
make_hosts
start_nginx
start_trawl --ring-size 64MiB
for i in 1 2 3; do on_cli curl -s -o /dev/null "http://$srv_ip:8080/api/$i"; done
sleep 1.5
# A browser of our own that says where it was sent.
mkdir "$work/bin"
printf '#!/bin/sh\necho "$1" >%s/opened\n' "$work" >"$work/bin/xdg-open" && chmod 755 "$work/bin/xdg-open"
with_screen() { PATH="$work/bin:$PATH" DISPLAY=:77 "$@"; }
opened() { [ -s "$work/opened" ]; }
address=$(with_screen t look-back 1m --filter 'path == "/api/2"') || fail "look-back"
wait_until 5 "the browser" opened
equal "$(cat "$work/opened")" "$address" "what the browser was given"
id=$(sed -n 's|^http://127.0.0.1:8899/#/stream?source=\([0-9A-Z]*\)&filter=path%20%3D%3D%20%22%2Fapi%2F2%22$|\1|p' <<<"$address")
[ -n "$id" ] || fail "the address: $address"
equal "$(t snapshot show "$id" --json | jq -r '.status + " " + .name')" "Dissected look back 1m" "the snapshot"
equal "$(t entries --source "$id" --filter 'path == "/api/2"' --count)" 1 "its calls"
t snapshot pcap "$id" -o "$work/own.pcapng" || fail "pcap"
rm -f "$work/opened"
address=$(with_screen t open "$work/own.pcapng" --name again --no-browser) || fail "open"
sleep 0.3
opened && fail "--no-browser opened one"
id=${address##*=}
equal "$(t snapshot show "$id" --json | jq -r '.status + " " + .name')" "Dissected again" "the imported capture"
equal "$(t entries --source "$id" --filter 'http && path.startsWith("/api/")' --count)" "$(grep -c ' /api/[0-9]' "$work/nginx.log")" "its calls"
# An archive that was dissected already is only opened.
t snapshot download "$id" -o "$work/own.tar" && t snapshot delete "$id" >/dev/null || fail "download"
address=$(t open "$work/own.tar") || fail "open an archive"
equal "$(t snapshot show "${address##*=}" --json | jq '.dissections | length')" 1 "dissections of an archive"
for wrong in "look-back 0s" "look-back -5m" "look-back soon" "look-back" "open" "open $work/nothing.pcap" "open $work/up.err"; do
  # shellcheck disable=SC2086
  t $wrong >"$work/out" 2>"$work/err" && fail "trawl $wrong ends with 0"
  [ -s "$work/err" ] && [ ! -s "$work/out" ] || fail "trawl $wrong says nothing"
done
echo "look-back and open end at the calls in the dashboard"
