#!/usr/bin/env bash
# `trawl entries --har` on real calls: valid by the published HAR 1.2 schema (npm's har-validator), call by call what curl sent and got.
. "$(dirname "$0")/lib.sh"
need jq curl nginx node npm
peers=$(cd "$(dirname "$0")/../golden/peers" && pwd)
"$peers/install.sh" || fail "npm cannot install the validator"
make_hosts
start_nginx
printf '\x89PNG\0\1\2\xff' >"$work/www/p.png"
start_trawl --ring-size 64MiB
url=http://$srv_ip:8080
on_cli curl -s -o /dev/null -b 'sid=42; theme=dark' -H 'X-Empty:' "$url/api/a?page=2&q=h%C3%A9"
on_cli curl -s -o /dev/null -d 'a=1&b=2' "$url/api/post"
on_cli curl -s -o /dev/null --compressed "$url/p.json"
on_cli curl -s -o /dev/null "$url/p.png"
on_cli curl -s -o /dev/null "$url/slow"
on_cli curl -s -o /dev/null -I "$url/err"
sleep 1.5
id=$(t snapshot create har --last 1m --wait) && t snapshot dissect "$id" --wait || fail "snapshot"
t entries --source "$id" --filter 'http && src.ip == "'$cli_ip'" && path != "/api/ready"' --har >"$work/calls.har" || fail "--har"
cat >"$work/validate.cjs" <<'J'
const validate = require(process.argv[3] + "/node_modules/har-validator");
validate.har(JSON.parse(require("fs").readFileSync(process.argv[2]))).then(() => console.log("valid"), (e) => { console.log(JSON.stringify(e.errors ?? String(e)).slice(0, 2000)); process.exit(1); });
J
node "$work/validate.cjs" "$work/calls.har" "$peers" >"$work/valid.out" 2>&1 || fail "not valid: $(cat "$work/valid.out")"
q() { jq -r "$1" "$work/calls.har"; }
equal "$(q '.log.version + " " + .log.creator.name')" "1.2 trawl" "version, creator"
equal "$(q '[.log.entries[] | .request.method + " " + .request.url + " " + (.response.status | tostring)] | join("\n")')" "GET $url/api/a?page=2&q=h%C3%A9 200
POST $url/api/post 200
GET $url/p.json 200
GET $url/p.png 200
GET $url/slow 0
HEAD $url/err 503" "calls"
equal "$(q '.log.entries[0].request.cookies | map(.name + "=" + .value) | join(" ")')" "sid=42 theme=dark" "cookies"
equal "$(q '.log.entries[0].request.queryString | map(.name + "=" + .value) | join(" ")')" "page=2 q=hé" "query"
equal "$(q '.log.entries[1].request.postData | .mimeType + " " + .text')" "application/x-www-form-urlencoded a=1&b=2" "posted"
equal "$(q '.log.entries[2].response.content.text')" '{"items":[1,2,3]}' "a gzip body"
equal "$(q '.log.entries[3].response.content | .encoding + " " + .text')" "base64 $(base64 <"$work/www/p.png")" "a body that is no text"
equal "$(q '.log.entries[4]._status + " " + (.log.entries[4].timings.receive | tostring)')" "no_response -1" "a call without an answer"
equal "$(q '[.log.entries[] | select((.timings.send + .timings.wait + .timings.receive - .time | fabs) > 0.002 and .response.status != 0)] | length')" 0 "times add up"
t entries --source "$id" --filter 'src.ip == "'$cli_ip'"' --har | jq -r .log.comment | grep -q 'are no HTTP calls' || fail "what was left out is not told"
t entries --source "$id" --filter 'path == "/nothing"' --har >"$work/none.har" || fail "no calls"
node "$work/validate.cjs" "$work/none.har" "$peers" >/dev/null || fail "an empty archive is not valid"
equal "$(jq -c .log.entries "$work/none.har")" "[]" "an empty archive"
t entries --source "$id" --har --csv >/dev/null 2>"$work/err" && fail "--har --csv at once"
echo "HAR: $(q '.log.entries | length') calls, valid by the published schema"
