"""An application of HTTP that closes a connection which is idle for two seconds, as gunicorn does; and one of lines."""

import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEEPALIVE_S, THINKS_S = 2.0, 0.5


class Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = KEEPALIVE_S

    def do_GET(self) -> None:
        body = b"Follow the white rabbit.\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Lines(socketserver.StreamRequestHandler):
    """Answers a line, or what came before the end, after a thought."""

    def handle(self) -> None:
        line = self.rfile.readline()
        time.sleep(THINKS_S)
        self.wfile.write(line.strip()[::-1] + b"\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


threading.Thread(target=Server(("", 9001), Lines).serve_forever, daemon=True).start()
ThreadingHTTPServer(("", 8000), Page).serve_forever()
