"""Python's own mail clients log in with a bearer token.

Reads one JSON object on stdin (protocol, port, mechanism, user, token), and
prints "in", or the server's last words. Over TLS wherever the protocol has it,
with a certificate that nobody knows.
"""
import base64
import imaplib
import json
import poplib
import smtplib
import socket
import ssl
import sys

job = json.load(sys.stdin)
user, token, mechanism, port = (job[key] for key in ("user", "token", "mechanism", "port"))
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


def response():
    if mechanism == "XOAUTH2":
        return f"user={user}\x01auth=Bearer {token}\x01\x01"
    return f"n,a={user},\x01host=mail.example.org\x01port={port}\x01auth=Bearer {token}\x01\x01"


def encoded():
    return base64.b64encode(response().encode()).decode()


def imap():
    client = imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=context)
    # Called once for the token, and again for the error challenge.
    answers = iter([response().encode()])
    try:
        client.authenticate(mechanism, lambda challenge: next(answers, b"\x01"))
        client.select("INBOX")
    except imaplib.IMAP4.error as error:
        return str(error)
    return "in"


def pop3():
    client = poplib.POP3_SSL("127.0.0.1", port, context=context)
    try:
        answer = client._shortcmd(f"AUTH {mechanism} {encoded()}")
        if answer.startswith(b"+ "):
            answer = client._shortcmd("AQ==")
        client.stat()
    except poplib.error_proto as error:
        return str(error)
    return "in"


def smtp(starttls, at_once=True):
    client = smtplib.SMTP("127.0.0.1", port)
    if starttls:
        client.starttls(context=context)
    client.ehlo("client.example.org")
    answers = iter([response()])
    try:
        client.auth(mechanism, lambda _=None: next(answers, "\x01"), initial_response_ok=at_once)
    except smtplib.SMTPAuthenticationError as error:
        return f"{error.smtp_code} {error.smtp_error.decode()}"
    return "in"


def sieve():
    """ManageSieve (RFC 5804), for which Python has no client."""
    stream = socket.create_connection(("127.0.0.1", port))
    lines = stream.makefile("rb")

    def until_done():
        for line in lines:
            if line.startswith((b"OK", b"NO", b"BYE")):
                return line.decode().strip()
        return "BYE"

    until_done()
    stream.sendall(b"STARTTLS\r\n")
    until_done()
    lines.close()
    stream = context.wrap_socket(stream)
    lines = stream.makefile("rb")
    until_done()
    stream.sendall(f'AUTHENTICATE "{mechanism}" "{encoded()}"\r\n'.encode())
    for line in lines:
        line = line.decode().strip()
        if line.startswith("OK"):
            return "in"
        if line.startswith(("NO", "BYE")):
            return line
        # An error challenge, as a string or a literal.
        if line.startswith("{"):
            next(lines)
        stream.sendall(b'"AQ=="\r\n')
    return "BYE"


clients = {
    "imap": imap,
    "pop3": pop3,
    "smtp": lambda: smtp(starttls=False),
    "submission": lambda: smtp(starttls=True),
    # Dovecot's submission service: too long a line for it, but for an answer.
    "submission in two": lambda: smtp(starttls=True, at_once=False),
    "sieve": sieve,
}
print(clients[job["protocol"]]())
