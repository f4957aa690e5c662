#!/usr/bin/env bash
# What -o names: a file appears whole or not at all, a link's target is replaced and not the link, nothing is written through a link that somebody
# left there, and a device or a pipe stays one.
. "$(dirname "$0")/lib.sh"
need jq tshark mkfifo mknod
make_hosts
start_trawl --ring-size 64MiB
on_cli ping -c 3 -i 0.2 -q $srv_ip >/dev/null
sleep 1.5
id=$(t snapshot create out --last 1m --wait) || fail "create"
t snapshot pcap "$id" -o "$work/plain.pcapng" || fail "pcap"
packets() { tshark -n -r "$1" 2>/dev/null | wc -l; }
count=$(packets "$work/plain.pcapng")
[ "$count" -gt 5 ] || fail "only $count packets"
mkdir "$work/o"
commands=("t snapshot pcap $id" "t snapshot download $id" "t export $work/plain.pcapng")
for command in "${commands[@]}"; do
  rm -rf "${work:?}/o" && mkdir "$work/o"
  mknod "$work/o/null" c 1 3
  $command -o "$work/o/null" 2>"$work/err" || fail "$command into a device: $(cat "$work/err")"
  [ -c "$work/o/null" ] || fail "$command made a file of a device"
  mkfifo "$work/o/pipe"
  cat "$work/o/pipe" >"$work/o/read" &
  reader=$!
  $command -o "$work/o/pipe" 2>"$work/err" || fail "$command into a pipe: $(cat "$work/err")"
  wait "$reader"
  [ -p "$work/o/pipe" ] || fail "$command made a file of a pipe"
  [ -s "$work/o/read" ] || fail "$command wrote nothing into the pipe"
  echo old >"$work/o/target" && ln -s target "$work/o/link"
  $command -o "$work/o/link" 2>"$work/err" || fail "$command behind a link: $(cat "$work/err")"
  [ -L "$work/o/link" ] && [ "$(stat -c %s "$work/o/target")" -gt 100 ] || fail "$command replaced the link"
  echo victim >"$work/o/victim" && ln -s victim "$work/o/new.part"
  $command -o "$work/o/new" || fail "$command"
  equal "$(cat "$work/o/victim")" victim "what a link beside the output points to"
  equal "$(find "$work/o" -name '*.part' ! -type l | wc -l)" 0 "left over"
  $command -o "$work/o/no/such" 2>"$work/err" && fail "$command into no folder ends with 0"
  equal "$(wc -l <"$work/err")" 1 "lines about a folder that is not there"
done
# An answer that breaks off leaves what was there.
echo old >"$work/o/kept"
t snapshot pcap nosuch -o "$work/o/kept" 2>/dev/null && fail "no such snapshot"
equal "$(cat "$work/o/kept")" old "the file of a failed download"
equal "$(find "$work/o" -name '*.part' ! -type l | wc -l)" 0 "left over by a failed download"
echo "outputs of ${#commands[@]} commands: devices, pipes and links stay what they are"
