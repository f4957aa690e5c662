"""dig's questions to the dnsmasq of record_dns.sh; prints what each must look like as an entry, after dig's own words."""
import json
import re
import subprocess
import sys

HOST, PORT = sys.argv[1], sys.argv[2]


def dig(name, kind, *options, **more):
    done = subprocess.run(["dig", f"@{HOST}", "-p", PORT, name, kind, "+tries=1", "+timeout=2", "+noidnin", *options],
                          capture_output=True, text=True, check=True)
    status = re.search(r"status: (\w+), id: (\d+)", done.stdout)
    flags = re.search(r"flags: ([a-z ]*);", done.stdout).group(1).split()
    answers, inside = [], False
    ttls = []
    for line in done.stdout.split("\n"):
        if line.startswith(";; ANSWER SECTION"):
            inside = True
        elif not line.strip():
            inside = False
        elif inside:
            _, ttl, _, kind_of, data = line.split(None, 4)
            ttls.append(int(ttl))
            # dig ends names with a dot, and separates strings as we do
            if kind_of not in ("TXT", "CAA", "TLSA"):
                data = " ".join(word.rstrip(".") or "." for word in data.split())
            answers.append(data)
    size = int(re.search(r"MSG SIZE +rcvd: (\d+)", done.stdout).group(1))
    print(json.dumps({
        "dns_questions": [name.rstrip(".")], "dns_question_types": [kind], "dns_rcode_name": status.group(1),
        "dns_id": int(status.group(2)), "dns_answers": answers or None, "dns_authoritative": "aa" in flags,
        "dns_ttl_min": min(ttls) if ttls else None, "dns_response_length": size, "dns_request": True,
        "dns_response": True, "status": "ok" if status.group(1) in ("NOERROR", "NXDOMAIN") else "error", **more}))


for name, kind in (("www.example", "A"), ("www.example", "AAAA"), ("alias.example", "A"), ("example", "MX"),
                   ("_http._tcp.example", "SRV"), ("text.example", "TXT"), ("example", "CAA"), ("n.example", "NAPTR"),
                   ("10.2.0.192.in-addr.arpa", "PTR"), ("nothing.example", "A"), ("other.example", "AAAA"),
                   ("WWW.Example", "A"), ("elsewhere.invalid", "A"), ("raw.example", "TLSA")):
    dig(name, kind)
dig("www.example", "A", "+tcp")
dig("nothing.example", "AAAA", "+tcp")
dig("www.example", "A", "+noedns")
dig("www.example", "A", "+subnet=198.51.100.0/24", dns_client_subnet="198.51.100.0/24/0")
dig("www.example", "A", "+nsid", "+nocookie", "+bufsize=1400")
dig("text.example", "TXT", "+tcp", "+dnssec")
# Several questions on one TCP connection.
batch = "\n".join(f"@{HOST} -p {PORT} +tcp +keepopen www.example {kind}" for kind in ("A", "AAAA", "A")) + "\n"
done = subprocess.run(["dig", "-f", "-"], input=batch, capture_output=True, text=True, check=True)
for kind, identity in zip(("A", "AAAA", "A"), re.findall(r"id: (\d+)", done.stdout)):
    print(json.dumps({"dns_questions": ["www.example"], "dns_question_types": [kind], "dns_id": int(identity),
                      "dns_answers": ["2001:db8::10" if kind == "AAAA" else "192.0.2.10"]}))
