"""A client's own log beside our entries: every line of EXPECTED (a JSON object: dotted name → value, null for "absent")
fits exactly one entry of its own, in the order of time, and no entry is left over."""
import json
import sys


def value(entry, name):
    here = entry
    for part in name.split("."):
        if not isinstance(here, dict) or part not in here:
            return None
        here = here[part]
    return here


def fits(entry, expected):
    return all(value(entry, name) == wanted for name, wanted in expected.items())


def main():
    with open(sys.argv[1], encoding="utf-8") as lines:
        expected = [json.loads(line) for line in lines]
    with open(sys.argv[2], encoding="utf-8") as lines:
        entries = [json.loads(line) for line in lines]
    left, missing = list(entries), []
    for want in expected:
        found = next((entry for entry in left if fits(entry, want)), None)
        if found is None:
            missing.append(want)
        else:
            left.remove(found)
    for want in missing:
        print("no entry fits:", json.dumps(want)[:300])
    for entry in left:
        print("nobody asked for:", json.dumps({k: v for k, v in entry.items() if k in (
            "summary", "status", "status_reason", "protocol", "dns_questions", "dns_question_types", "dns_answers", "dns_rcode_name", "tlsx_version",
            "tlsx_cipher_suite", "redis_value", "redis_type", "status_code")})[:600], json.dumps(entry.get("response", {}))[:300])
    print(f"{len(expected)} calls made, {len(entries)} entries, {len(missing)} missing, {len(left)} too many")
    return 1 if missing or left or not expected else 0


sys.exit(main())
