"""Mails of many kinds to the servers of record_smtp.sh; prints what each command must look like as an entry."""
import json
import smtplib
import socket
import ssl
import subprocess
import sys

HOST = sys.argv[1]


def expect(command, code, text=None, **fields):
    fields = {name.replace("__", "."): value for name, value in fields.items()}
    if text is not None:
        fields["response.body"] = text
    print(json.dumps({"smtp_command": command, "smtp_code": code, "status": "ok" if code < 400 else "error",
                      "incomplete": False, **fields}))


class Logged:
    """smtplib, with what it sends and gets written down."""
    current, fields, asked, content = None, {}, False, None

    def putcmd(self, cmd, args=""):
        if not self.asked:  # else an answer to a challenge
            self.current = cmd.upper()
            self.fields = {}
            if self.current in ("MAIL", "RCPT"):
                name = "smtp_from" if self.current == "MAIL" else "smtp_to"
                self.fields[name] = args[args.index("<") + 1:args.index(">")] or "<>"
        super().putcmd(cmd, args)

    def send(self, s):
        if self.asked and self.current == "DATA":
            content = s if isinstance(s, str) else s.decode()
            assert content.endswith("\r\n.\r\n")
            content = content[:-3].replace("\r\n..", "\r\n.")
            self.fields["request.body"] = content[1:] if content.startswith("..") else content
        super().send(s)

    def getreply(self):
        code, text = super().getreply()
        self.asked = code in (334, 354)
        if not self.asked:
            expect(self.current, code, text.decode(), **self.fields)
            self.current = None
        return code, text


class Smtp(Logged, smtplib.SMTP):
    pass


class Lmtp(Logged, smtplib.LMTP):
    pass


def mail(i):
    return f"Subject: {i}\r\n\r\n" + "".join(f"{'.' * (k % 3)}line {k} of mail {i}\r\n" for k in range(i * 7))


def many_mails(kind, port, count):
    client = kind(HOST, port, local_hostname="client.example")
    for i in range(count):
        client.sendmail(f"sender{i}@example.com" if i % 10 else "", [f"to{i}@example.com"], mail(i))
    client.quit()


def refusals():
    client = Smtp(HOST, 1025, local_hostname="client.example")
    for user, password in (("meter", "wrong"), ("meter", "right one")):
        try:
            client.ehlo()
            client.login(user, password)
        except smtplib.SMTPAuthenticationError:
            pass
    refused = client.sendmail("a@example.com", ["nobody@example.com", "b@example.com", "c@example.com"], mail(3))
    assert list(refused) == ["nobody@example.com"]
    try:
        client.sendmail("a@example.com", ["b@example.com"], "Subject: x\r\n\r\nrefuse me\r\n")
    except smtplib.SMTPDataError:
        pass
    client.rset()
    client.noop()
    client.docmd("VRFY", "b@example.com")
    client.quit()


def secured():
    client = Smtp(HOST, 1587, local_hostname="client.example")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client.ehlo()
    assert smtplib.SMTP.starttls(client, context=context)[0] == 220
    client.close()


def pipelined():
    connection = socket.create_connection((HOST, 1025))
    file = connection.makefile("rb")
    expect(None, 220, file.readline()[4:].decode().rstrip())
    connection.sendall(b"HELO client.example\r\n")
    expect("HELO", 250, file.readline()[4:].decode().rstrip())
    for i in range(40):
        connection.sendall(b"MAIL FROM:<p@example.com>\r\nRCPT TO:<nobody@example.com>\r\nRCPT TO:<q%d@example.com>\r\n"
                           b"RCPT TO:<r@example.com>\r\nDATA\r\n" % i)
        codes = [int(file.readline()[:3]) for _ in range(5)]
        assert codes == [250, 550, 250, 250, 354], codes
        expect("MAIL", 250, smtp_from="p@example.com")
        expect("RCPT", 550, smtp_to="nobody@example.com")
        expect("RCPT", 250, smtp_to=f"q{i}@example.com")
        expect("RCPT", 250, smtp_to="r@example.com")
        connection.sendall(b"pipelined %d\r\n.\r\nNOOP\r\n" % i)
        expect("DATA", 250, file.readline()[4:].decode().rstrip(), smtp_from="p@example.com",
               smtp_to=f"q{i}@example.com, r@example.com", request__body=f"pipelined {i}\r\n")
        expect("NOOP", 250, file.readline()[4:].decode().rstrip())
    connection.sendall(b"QUIT\r\n")
    expect("QUIT", 221, file.readline()[4:].decode().rstrip())
    connection.close()


def msmtp():
    done = subprocess.run(["msmtp", "--debug", "--host", HOST, "--port", "1025", "--from", "m@example.com", "b@example.com"],
                          input="Subject: m\n\nfrom msmtp\n", capture_output=True, text=True, check=True)
    command, text = None, []
    for line in done.stdout.splitlines():
        if line.startswith("--> ") and command != "DATA":
            command = line[4:].split()[0]
        elif line.startswith("<-- "):
            text.append(line[8:])
            if line[7:8] != "-" and line[4:7] != "354":
                expect(command, int(line[4:7]), "\n".join(text))
                command = None
            if line[7:8] != "-":
                text = []


many_mails(Smtp, 1025, 60)
many_mails(Lmtp, 1026, 20)
refusals()
secured()
pipelined()
msmtp()
