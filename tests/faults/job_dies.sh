#!/usr/bin/env bash
# A dissection whose process is killed, or that gets no memory, Fails with a sentence; the snapshot stays Completed and verifies, recording
# goes on in the same process, and the next dissection works.
. "$(dirname "$0")/../e2e/lib.sh"
need jq curl
make_hosts
capturer() { ip netns pids "$srv" | xargs ps -o pid=,args= -p | awk '/capturer/ {print $1; exit}'; }
try() { # fault, what the reason says
  export TRAWL_FAULT=$1
  start_trawl --ring-size 32MiB
  unset TRAWL_FAULT
  local recorder id reason
  recorder=$(capturer)
  on_cli ping -q -c 20 -i 0.02 -W 2 $srv_ip >/dev/null
  sleep 1.2
  id=$(t snapshot create "$1" --last 20s --wait) || fail "create with $1"
  timeout 60 ip netns exec "$srv" env TRAWL_HUB="http://127.0.0.1:$port" TRAWL_TOKEN="$(cat "$work/data/token")" "$TRAWL" snapshot dissect "$id" --wait >/dev/null 2>"$work/err" &&
    fail "the dissection with $1 is done"
  reason=$(t snapshot show "$id" --json | jq -r '.dissections[0] | select(.state == "failed") | .reason')
  grep -qiE "$2" <<<"$reason" || fail "with $1 the reason is \"$reason\""
  equal "$(t snapshot show "$id" --json | jq -r .status)" Completed "status"
  t snapshot verify "$id" >/dev/null || fail "verify"
  trawl_is_recording || fail "recording stopped"
  equal "$(capturer)" "$recorder" "the capturer's process"
  note "$1: $reason"
  stop_trawl
  start_trawl --ring-size 32MiB
  t snapshot dissect "$id" --wait >/dev/null || fail "dissect without a fault"
  equal "$(t snapshot show "$id" --json | jq -r .status)" Dissected "status afterwards"
  stop_trawl
}
try kill:1:entries-block 'kill|memory|ended'
try fail:1:entries-block:12 'memory'
try full:1:entries-block 'space|disk'
# The hub stopped between the snapshot's end and the dissection that was asked for with it: the next start goes on. What a person
# deleted stays deleted.
start_trawl --ring-size 32MiB
id=$(t snapshot create "asked for" --last 20s --wait) || fail "create"
stop_trawl
state=$work/data/snapshots/$id/state.json
jq -c '.request.auto_dissect = true' "$state" >"$work/state" && cat "$work/state" >"$state"
start_trawl --ring-size 32MiB
status_is() { [ "$(t snapshot show "$id" --json | jq -r .status)" = "$1" ]; }
wait_until 30 "the dissection that was asked for begins by itself" status_is Dissected
api DELETE "/api/v1/snapshots/$id/dissections/default" >/dev/null || fail "delete the dissection"
stop_trawl
start_trawl --ring-size 32MiB
sleep 2
equal "$(t snapshot show "$id" --json | jq -c '[.status, (.dissections | length)]')" '["Completed",0]' "a deleted dissection after a restart"
stop_trawl
echo "a job that dies costs that job"
