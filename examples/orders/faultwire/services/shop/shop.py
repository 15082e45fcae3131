"""A shop whose orders can be read and placed over HTTP. It prints a line for each request."""

from __future__ import annotations

import itertools
import json
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NUMBERS = itertools.count(8)


class Orders(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer({"order": int(self.path.rpartition("/")[2]), "state": "shipped"})

    def do_POST(self) -> None:
        self._answer({"order": next(NUMBERS)})

    def _answer(self, told: dict[str, object]) -> None:
        print(f"{self.command} {self.path}", flush=True)
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing: each request has its line already."""


class Server(ThreadingHTTPServer):
    daemon_threads = True


if __name__ == "__main__":
    bind, port = sys.argv[1], int(sys.argv[2])
    Server.address_family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with Server((bind, port), Orders) as server:
        print(f"listening on {bind} port {port}", flush=True)
        server.serve_forever()
