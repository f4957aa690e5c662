#!/usr/bin/env bash
# Who waits for a snapshot or a dissection while the hub is killed: waits on where the hub starts again, and is told what became of it;
# where it does not, one sentence says within a bounded time that it is not known and how to ask later.
. "$(dirname "$0")/lib.sh"
need jq curl
make_hosts
start_trawl --ring-size 32MiB --iface eth0
on_cli ping -q -c 20 -i 0.02 -W 2 $srv_ip >/dev/null || fail "ping"
sleep 1.2
hub() { on_srv ss -Hltnp "sport = :$port" | sed -n 's/.*pid=\([0-9]*\),.*/\1/p' | head -1; }
waits() { [ "$(t snapshot list --json 2>/dev/null | jq -r --arg name "$1" '.snapshots[] | select(.name == $name) | .status')" = "$2" ]; }

# ── the hub comes back ──
t snapshot create "killed" --from -1m --to "$(date -u -d '+6 seconds' +%Y-%m-%dT%H:%M:%SZ)" --wait >"$work/id" 2>"$work/err" &
waiter=$!
wait_until 10 "the snapshot is being taken" waits killed "In Progress"
before=$(hub)
kill -9 "$before" || fail "the hub is not found"
wait "$waiter"
code=$?
status=$(t snapshot show "$(cat "$work/id")" --json | jq -r .status)
[ "$(hub)" != "$before" ] || fail "the hub was not killed"
case $status in
  Completed | Dissected) [ $code = 0 ] || fail "the snapshot is there, and the waiter says $code: $(cat "$work/err")" ;;
  Failed) [ $code = 1 ] && grep -q 'It failed: ' "$work/err" || fail "it failed, and the waiter says $code: $(cat "$work/err")" ;;
  *) fail "nobody waits any more, but it is $status: $(cat "$work/err")" ;;
esac
note "a killed hub, a snapshot under way: $status"

# ── the hub stays away ──
t snapshot create "left alone" --from -1m --to "$(date -u -d '+60 seconds' +%Y-%m-%dT%H:%M:%SZ)" --wait >"$work/id" 2>"$work/err" &
waiter=$!
wait_until 10 "the other snapshot is being taken" waits "left alone" "In Progress"
stop_trawl
wait "$waiter" && fail "nothing is known, and the waiter is content"
equal "$(grep -c '' "$work/err" | tr -d ' ')" "$(grep -c '^Window: \|^trawl snapshot create: ' "$work/err")" "other lines than the window and one sentence: $(cat "$work/err")"
equal "$(grep -c '^trawl snapshot create: ' "$work/err")" 1 "sentences: $(cat "$work/err")"
grep -q "not known what became of it.*\`trawl snapshot wait $(cat "$work/id")\`" "$work/err" || fail "it does not say how to ask later: $(cat "$work/err")"
note "$(tail -n 1 "$work/err")"
echo "who waits is told what became of it"
