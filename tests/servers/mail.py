"""A mail server for tests: aiosmtpd with STARTTLS or TLS and authentication. Prints `listening PORT`, then one JSON
line for each mail it took, as Python's own e-mail package reads it."""

import argparse
import asyncio
import email
import email.policy
import json
import ssl
import sys
import threading

from aiosmtpd.smtp import SMTP, AuthResult

parser = argparse.ArgumentParser()
parser.add_argument("--certificate")
parser.add_argument("--key")
parser.add_argument("--tls", choices=["starttls", "tls", "none"], default="starttls")
parser.add_argument("--user")
parser.add_argument("--password")
parser.add_argument("--refuse-recipient")
parser.add_argument("--refuse-sender")
parser.add_argument("--refuse-message", help="answer to the end of a message")
parser.add_argument("--slow-s", type=float, default=0, help="seconds before a message is answered; only the first")
parser.add_argument("--mute", action="store_true", help="take connections and say nothing")
parser.add_argument("--mechanism", choices=["PLAIN", "LOGIN"], help="the only one offered")
options = parser.parse_args()

connections = 0


def say(record):
    print(record if isinstance(record, str) else json.dumps(record), flush=True)


class Handler:
    def __init__(self):
        self.slow_s = options.slow_s

    async def handle_MAIL(self, server, session, envelope, address, mail_options):
        if address == options.refuse_sender:
            return "553 5.7.1 sender " + address + " rejected"
        envelope.mail_from = address
        envelope.mail_options.extend(mail_options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address == options.refuse_recipient:
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        slow_s, self.slow_s = self.slow_s, 0
        await asyncio.sleep(slow_s)
        if options.refuse_message:
            return options.refuse_message
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
        say({
            "envelope_from": envelope.mail_from,
            "envelope_to": envelope.rcpt_tos,
            "mail_options": envelope.mail_options,
            "headers": [[name, str(value)] for name, value in mail.items()],
            "type": mail.get_content_type(),
            "parts": parts,
            "defects": [str(defect) for part in mail.walk() for defect in part.defects],
            "encrypted": session.ssl is not None or options.tls == "tls",
            "user": session.auth_data.login.decode() if session.auth_data else None,
            "hello": session.host_name,
            "connections": connections,
        })
        return "250 OK"


def authenticator(server, session, envelope, mechanism, auth_data):
    login, password = auth_data.login.decode(), auth_data.password.decode()
    if login == options.user and password == options.password:
        return AuthResult(success=True, auth_data=auth_data)
    # A server that repeats what it was told is the worst case for whoever shows its words.
    return AuthResult(success=False, handled=False, message="535 5.7.8 bad password " + password)


def tls_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.certificate, options.key)
    return context


handler = Handler()


def protocol():
    global connections
    connections += 1
    if options.mute:
        return asyncio.Protocol()
    return SMTP(
        handler,
        enable_SMTPUTF8=False,
        hostname="mail.test",
        tls_context=tls_context() if options.tls == "starttls" else None,
        require_starttls=options.tls == "starttls",
        authenticator=authenticator if options.user else None,
        auth_required=bool(options.user),
        auth_require_tls=options.tls == "starttls",
        auth_exclude_mechanism=[name for name in ("PLAIN", "LOGIN") if options.mechanism and name != options.mechanism],
        loop=asyncio.get_running_loop(),
    )


async def main():
    loop = asyncio.get_running_loop()
    context = tls_context() if options.tls == "tls" else None
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context)
    say(f"listening {server.sockets[0].getsockname()[1]}")
    # Ends with the test that started it: when its end of the pipe closes.
    ended = loop.create_future()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set_result, None)), daemon=True).start()
    await ended


asyncio.run(main())
