#!/bin/sh
# aiosmtpd (SMTP, with TLS, LMTP) with Python's smtplib, msmtp and a client of our own that pipelines: mails of many sizes,
# refused recipients, log-ins, STARTTLS. What the clients sent and got is what the entries must say.
set -eu
. "$(dirname "$0")/record.inc" msmtp openssl
# Debian's own Python: the library is a Debian package.
/usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null || { echo "skipped: python3-aiosmtpd is not installed"; exit 77; }
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=mail.example -days 2 -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
serve /usr/bin/python3 "$here/record_smtp_server.py" "$SERVER_IP" "$work/cert.pem" "$work/key.pem"
for port in 1025 1026 1587; do wait_for_port $port; done
start_recording
in_client /usr/bin/python3 "$here/record_smtp_client.py" "$SERVER_IP" >"$work/expected.jsonl"
stop_recording
compare smtp
compare_losses smtp smtp_command smtp_from smtp_to smtp_code
