"""Handshakes of many kinds with the servers of record_tls.sh; prints what each must look like as an entry, after what
s_client and curl said."""
import json
import re
import subprocess
import sys

HOST, WORK, NOT_AFTER = sys.argv[1:4]
CERTIFICATE = {"tlsx_subject": "CN=shop.example,O=Example Org,C=DE", "tlsx_issuer": "CN=shop.example,O=Example Org,C=DE",
               "tlsx_not_after": NOT_AFTER}


def expect(**fields):
    print(json.dumps(fields))


def s_client(port, *options, fails=False, request=True):
    """What s_client prints of the handshake."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"{HOST}:{port}", *options] + ["-ign_eof"] * request,
                          input=b"GET / HTTP/1.0\r\n\r\n" if request else b"", capture_output=True, timeout=20)
    assert (done.returncode != 0) == fails, done.stderr.decode()[-400:]
    return done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")


def said(output, pattern):
    found = re.search(pattern, output)
    return found.group(1) if found else None


def names(openssl_name):
    """IANA's name of a cipher suite."""
    output = subprocess.run(["openssl", "ciphers", "-V", "-stdname", "ALL:COMPLEMENTOFALL"], capture_output=True,
                            text=True, check=True).stdout
    return next(line.split(" - ")[1].split()[0] for line in output.split("\n") if f" {openssl_name} " in line + " ")


VERSIONS = {"TLSv1.3": "TLS 1.3", "TLSv1.2": "TLS 1.2", "DTLSv1.2": "DTLS 1.2"}


def handshake(port, *options, **more):
    output = s_client(port, *options)
    version, cipher = re.search(r"New, (\S+), Cipher is (\S+)", output).groups()
    version = said(output, r"Protocol *: (\S+)") or version
    alpn = said(output, r"ALPN protocol: (\S+)")
    fields = {"status": "ok", "tlsx_version": VERSIONS[version], "tlsx_cipher_suite": names(cipher), "incomplete": False,
              "tlsx_resumed": False, **more}
    if version == "TLSv1.2":
        fields.update(CERTIFICATE)
        if alpn:
            fields["tlsx_alpn"] = [alpn]
    expect(**fields)


handshake(4430, "-servername", "shop.example", tlsx_sni="shop.example")
handshake(4430, "-servername", "shop.example", "-alpn", "h2", tlsx_alpn=["h2"])
handshake(4431, "-servername", "old.example", "-alpn", "http/1.1", tlsx_sni="old.example")
handshake(4431, "-cipher", "AES128-SHA", tlsx_cipher_suite="TLS_RSA_WITH_AES_128_CBC_SHA")
handshake(4432, "-noservername", tlsx_sni=None)
# The server wants another group: HelloRetryRequest.
handshake(4433, "-groups", "X25519:P-384", "-servername", "retry.example", tlsx_sni="retry.example")
# No cipher suite in common.
output = s_client(4432, "-cipher", "AES128-SHA", "-tls1_2", "-noservername", fails=True)
assert "alert handshake failure" in output, output[-300:]
expect(status="error", tlsx_alert="handshake_failure", tlsx_version="TLS 1.2", tlsx_cipher_suite=None)
# A version the server does not speak.
output = s_client(4430, "-tls1_2", "-noservername", fails=True)
assert "alert protocol version" in output, output[-300:]
expect(status="error", tlsx_alert="protocol_version", tlsx_version="TLS 1.2")
# Sessions taken up again.
for port, version in ((4431, "TLS 1.2"), (4430, "TLS 1.3")):
    session = f"{WORK}/session-{port}.pem"
    s_client(port, "-sess_out", session, "-noservername")
    expect(status="ok", tlsx_version=version, tlsx_resumed=False)
    output = s_client(port, "-sess_in", session, "-noservername")
    assert "Reused, " in output, output[:300]
    expect(status="ok", tlsx_version=version, tlsx_resumed=True, tlsx_subject=None)
# DTLS.
output = s_client(4434, "-dtls1_2", "-servername", "udp.example", request=False)
expect(status="ok", tlsx_version="DTLS 1.2", tlsx_sni="udp.example",
       tlsx_cipher_suite=names(re.search(r"Cipher is (\S+)", output).group(1)), **CERTIFICATE)
# curl and nginx.
for i in range(3):
    done = subprocess.run(["curl", "-s", "-k", "--resolve", f"web{i}.example:4440:{HOST}",
                           f"https://web{i}.example:4440/", "-w", "%{http_code}"], capture_output=True, text=True, check=True)
    assert done.stdout == "secret\n200"
    expect(status="ok", tlsx_version="TLS 1.2", tlsx_sni=f"web{i}.example", **CERTIFICATE)
