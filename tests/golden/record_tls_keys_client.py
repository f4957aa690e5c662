"""Calls over TLS with every cipher suite that curl can speak to the nginx of record_tls_keys.sh; prints what each call must look like as
an entry, after what the client said. Secrets go to keys.log."""
import json
import os
import re
import subprocess
import sys

HOST, WORK = sys.argv[1:3]
URL = f"https://{HOST}:4443"
ENVIRONMENT = {**os.environ, "SSLKEYLOGFILE": f"{WORK}/keys.log"}
SIZES = {"/small.json": 17, "/large.txt": 320000, "/fails": 3, "/post": 3}


def expect(method, path, status, size, **more):
    print(json.dumps({"protocol": "http", "tls": True, "method": method, "path": path, "status_code": status,
                      "response.body_size": size, "incomplete": False, **more}))


def curl(tag, *options, version="1.1"):
    """Three calls on one connection."""
    calls = [("GET", f"/small.json?{tag}"), ("POST", f"/post?{tag}"), ("GET", f"/fails?{tag}"), ("GET", f"/large.txt?{tag}")]
    command = ["curl", "-s", "-k", "--http2" if version == "2" else "--http1.1", *options]
    for method, path in calls:
        command += ["-o", "/dev/null", "-w", "%{http_code} %{size_download} %{http_version}\\n", URL + path, *options]
        command += ["-d", "field=" + "v" * 3000] if method == "POST" else []
        command += ["-k", "--http2" if version == "2" else "--http1.1", "--next"]
    done = subprocess.run(command[:-1], env=ENVIRONMENT, capture_output=True, text=True, timeout=20)
    if done.returncode == 35 or done.returncode == 59:  # the two sides have no such suite
        return False
    assert done.returncode == 0, (command, done.stderr, done.stdout)
    for (method, path), line in zip(calls, done.stdout.split("\n")):
        status, size, spoken = line.split()
        assert int(size) == SIZES[path.split("?")[0]] and spoken == version, line
        expect(method, path.split("?")[0], int(status), int(size), http_version=version, url=URL + path,
               **({"request.body_size": 3006} if method == "POST" else {}))
    return True


def suites(option):
    output = subprocess.run(["openssl", "ciphers", option, "ALL:COMPLEMENTOFALL:@SECLEVEL=0"], capture_output=True, text=True, check=True)
    return output.stdout.strip().split(":")


spoken = []
for suite in suites("-tls1_3"):
    if suite.startswith("TLS_"):
        spoken += [suite] * curl(suite, "--tls13-ciphers", suite, "--tlsv1.3")
# AES-CCM is in no default list of TLS 1.3
for suite in ("TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"):
    spoken += [suite] * curl(suite, "--tls13-ciphers", suite, "--tlsv1.3")
for suite in suites("-tls1_2"):
    if not re.search("PSK|SRP|ADH|AECDH|NULL|ARIA|CAMELLIA|SEED|IDEA|TLS_", suite):
        spoken += [suite] * curl(suite, "--ciphers", suite + ":@SECLEVEL=0", "--tlsv1.0", "--tls-max", "1.2")
for version in ("1.0", "1.1"):
    for suite in ("AES128-SHA", "AES256-SHA", "ECDHE-RSA-AES128-SHA"):
        spoken += [version + suite] * curl(suite + version, "--ciphers", suite + ":@SECLEVEL=0", f"--tlsv{version}", "--tls-max", version)
assert len(spoken) > 30 and any("CHACHA" in s for s in spoken) and any("CCM" in s for s in spoken), spoken
curl("h2", version="2")
curl("h2-12", "--tls-max", "1.2", version="2")


def s_client(text, *options):
    done = subprocess.run(["openssl", "s_client", "-connect", f"{HOST}:4443", "-keylogfile", f"{WORK}/keys.log", "-crlf", *options],
                          input=text.encode(), capture_output=True, timeout=20)
    return done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")


def interactive(steps, *options):
    """Lines one after the other, as somebody would type them."""
    script = "".join(f"printf '%b' '{step}'; sleep 0.3; " for step in steps)
    done = subprocess.run(["bash", "-c", f"({script}) | openssl s_client -connect {HOST}:4443 -keylogfile {WORK}/keys.log -crlf " +
                           " ".join(options)], capture_output=True, timeout=20)
    return done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")


request = "GET {} HTTP/1.1\\nHost: shop.example\\n\\n"
# The keys change twice between three calls on one connection (RFC 8446 section 4.6.3).
output = interactive([request.format("/small.json?before"), "k\\n", request.format("/small.json?between"), "K\\n",
                      request.format("/small.json?after"), "Q\\n"], "-tls1_3")
assert output.count("KEYUPDATE") == 2 and output.count("200 OK") == 3, output[-2000:]
for _ in range(3):
    expect("GET", "/small.json", 200, 17)
# A session is taken up again, the second time with early data.
for version in ("-tls1_2", "-tls1_3"):
    session = f"{WORK}/session{version}"
    for option in ("-sess_out", "-sess_in"):
        output = interactive([request.format("/small.json?resumed"), "Q\\n"], version, option, session)
        assert "200 OK" in output, output[-2000:]
        expect("GET", "/small.json", 200, 17)
    assert "Reused" in output, output[-2000:]
with open(f"{WORK}/early", "w", encoding="ascii") as early:
    early.write("GET /small.json?early HTTP/1.1\r\nHost: shop.example\r\n\r\n")
output = interactive([request.format("/small.json?late"), "Q\\n"], "-tls1_3", "-sess_in", f"{WORK}/session-tls1_3", "-early_data", f"{WORK}/early")
assert "Early data was accepted" in output and output.count("200 OK") == 2, output[-2000:]
for _ in range(2):
    expect("GET", "/small.json", 200, 17)
