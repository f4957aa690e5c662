"""The mail servers of record_smtp.sh: SMTP on 1025, LMTP on 1026, SMTP with STARTTLS on 1587."""
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import AuthResult

HOST, CERTIFICATE, KEY = sys.argv[1:4]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 accepted"

    async def handle_DATA(self, server, session, envelope):
        if b"refuse me" in envelope.content:
            return "554 5.6.0 refused"
        return f"250 2.0.0 kept {len(envelope.content)} bytes"


class Lmtp(Controller):
    def factory(self):
        return LMTP(self.handler)


def log_in(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b"meter" and data.password == b"right one", handled=False)


tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
tls.load_cert_chain(CERTIFICATE, KEY)
Controller(Handler(), hostname=HOST, port=1025, authenticator=log_in, auth_require_tls=False).start()
Lmtp(Handler(), hostname=HOST, port=1026).start()
Controller(Handler(), hostname=HOST, port=1587, tls_context=tls).start()
threading.Event().wait()
