"""Aggregates counted again from whole entries (--jsonl), and compared with what the API says.
usage: aggregates.py CALLS.jsonl[,CALLS.jsonl…] KIND ANSWER.json   KIND: timeline, top, page
Of several files a call that is in more than one (its id) is counted once, whole where one has it whole.
Silent when they agree; says the first difference otherwise."""
import json
import math
import sys
from collections import defaultdict
from datetime import datetime, timezone


def nanoseconds(text):
    seconds, _, nanos = text.rstrip("Z").partition(".")
    whole = int(datetime.fromisoformat(seconds).replace(tzinfo=timezone.utc).timestamp())
    return whole * 10**9 + int((nanos + "0" * 9)[:9])


def quantile(values, q):
    """The smallest value that at least the share q of them does not exceed; 0 of none."""
    values = sorted(values)
    return values[max(1, len(values) - math.floor(len(values) - len(values) * q)) - 1] if values else 0


def count(calls):
    ended = [call.get("status", "ok") for call in calls]
    refused = sum(1 for call in calls if call.get("status") == "ok" and 400 <= call.get("status_code", 0) <= 499)
    times = [call["elapsed_time"] for call in calls if "elapsed_time" in call]
    return {
        "calls": len(calls), "errors": ended.count("error"), "error": ended.count("error"), "client_error": refused,
        "ok": ended.count("ok") - refused, "no_response": len(calls) - ended.count("ok") - ended.count("error"),
        "p50_us": quantile(times, 0.5), "p95_us": quantile(times, 0.95), "p99_us": quantile(times, 0.99), "elapsed_us": sum(times),
        "request_bytes": sum(call.get("request", {}).get("size", 0) for call in calls),
        "response_bytes": sum(call.get("response", {}).get("size", 0) for call in calls),
    }


def end(call, side):
    return call[side].get("name") or call[side]["ip"]


def key(call, field):
    if field in ("src", "dst"):
        return end(call, field)
    value = call
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return None if value is None else str(value)


def same(what, have, want, names):
    for name in names:
        if have.get(name) != want[name]:
            sys.exit(f"{what}: {name} is {have.get(name)}, counted {want[name]}")


def once(calls):
    """A call at several hops is one: the first of them."""
    first = {}
    for call in sorted(calls, key=lambda call: (nanoseconds(call["timestamp"]), call["index"])):
        first.setdefault(call.get("hop_of", call["id"]), call)
    return list(first.values())


def timeline(calls, answer):
    calls = once(calls)
    first, last, step = nanoseconds(answer["from"]), nanoseconds(answer["to"]), answer["bucket_ns"]
    series = answer["by"] == "protocol"
    buckets = defaultdict(list)
    for call in calls:
        at = nanoseconds(call["timestamp"])
        if not first <= at < last:
            sys.exit(f"a call at {call['timestamp']} is outside {answer['from']} … {answer['to']}")
        buckets[(at - first) // step, call["protocol"] if series else ""].append(call)
    told = {((nanoseconds(b["at"]) - first) // step, b.get("protocol", "")): b for b in answer["buckets"]}
    if sorted(told) != sorted(buckets) or len(told) != len(answer["buckets"]):
        sys.exit(f"buckets {sorted(told)}, counted {sorted(buckets)}")
    if list(told) != sorted(told):
        sys.exit("the buckets are not in order")
    for where, of in buckets.items():
        same(f"bucket {where}", told[where], count(of), ("ok", "client_error", "error", "no_response", "p50_us", "p95_us", "p99_us"))
    if answer["calls"] != len(calls):
        sys.exit(f"{answer['calls']} calls, counted {len(calls)}")


def top(calls, answer):
    groups = defaultdict(list)
    for call in calls:
        groups[tuple(key(call, field) for field in answer["by"])].append(call)
    groups = {where: once(of) for where, of in groups.items()}
    total = sum(map(len, groups.values()))
    told = {tuple(group["keys"]): group for group in answer["groups"]}
    if len(groups) != answer["groups_total"] or not set(told) <= set(groups):
        sys.exit(f"{answer['groups_total']} groups {sorted(map(str, told))}, counted {sorted(map(str, groups))}")
    for where, group in told.items():
        same(f"group {where}", group, count(groups[where]),
             ("calls", "errors", "no_response", "p50_us", "p95_us", "p99_us", "elapsed_us", "request_bytes", "response_bytes"))
    shown = sum(group["calls"] for group in answer["groups"])
    if answer["calls"] != total or answer["other_calls"] != total - shown:
        sys.exit(f"{answer['calls']} calls and {answer['other_calls']} in other groups, counted {total} and {total - shown}")


def page(calls, answer):
    """The lines of --jsonl of all of them: the same calls in the order of time, each of the source that was counted."""
    told = [json.loads(line) for line in answer]
    if [call["id"] for call in told] != [call["id"] for call in sorted(calls, key=lambda call: nanoseconds(call["timestamp"]))]:
        sys.exit(f"{len(told)} calls, counted {len(calls)}, or another order")
    counted = {call["id"]: call for call in calls}
    for call in told:
        source = call.pop("source")
        want = dict(counted[call["id"]])
        if source != want.pop("from"):
            sys.exit(f"{call['id']} is said to be of {source}, counted of {counted[call['id']]['from']}")
        if call != want:
            sys.exit(f"{call['id']}: {call} is not {want}")


def read_calls(names):
    best = {}
    for number, name in enumerate(names):
        with open(name, encoding="utf-8") as lines:
            for call in map(json.loads, lines):
                rank = (call.get("incomplete", False), call.get("status") == "open", number)
                if call["id"] not in best or rank < best[call["id"]][0]:
                    best[call["id"]] = (rank, call)
                if len(names) > 1:
                    call["from"] = name.rsplit(".", 1)[1].replace("@", "/")
    return [call for _, call in best.values()]


with open(sys.argv[3], encoding="utf-8") as file:
    {"timeline": timeline, "top": top, "page": page}[sys.argv[2]](read_calls(sys.argv[1].split(",")), file if sys.argv[2] == "page" else json.load(file))
