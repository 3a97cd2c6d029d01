"""A gateway for tests: takes any request. Prints `listening PORT`, then one JSON line for each request. The first part
of the path says how it answers: /500/…, /429/…, /slow/…, /redirect/…, /endless/…, /echo/…; any other path is taken."""

import argparse
import http.server
import json
import ssl
import sys
import threading
import time

parser = argparse.ArgumentParser()
parser.add_argument("--certificate")
parser.add_argument("--key")
options = parser.parse_args()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        say({
            "method": self.command,
            "path": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "body": body,
        })
        first = self.path.split("/")[1]
        if first == "slow":
            time.sleep(30)
        elif first == "endless":
            self.send_response(400)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            except OSError:
                return
        headers = {"redirect": [("Location", "/elsewhere")], "429": [("Retry-After", "7")]}.get(first, [])
        status = {"redirect": 302, "echo": 400}.get(first) or (int(first) if first.isdigit() else 200)
        # A gateway that repeats what it was told is the worst case for whoever shows its words.
        said = f"you said {body} and {self.headers.items()} to {self.path}" if first == "echo" else "chat not found"
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said.encode())))
        self.end_headers()
        self.wfile.write(said.encode())

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *arguments):
        pass


def say(record):
    print(record if isinstance(record, str) else json.dumps(record), flush=True)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
if options.certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.certificate, options.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
say(f"listening {server.server_address[1]}")
threading.Thread(target=server.serve_forever, daemon=True).start()
# Ends with the test that started it: when its end of the pipe closes.
sys.stdin.read()
