"""Read all that a client sends, and answer how many bytes that was; a thread for each client.

python count.py HOST PORT
"""

import socketserver
import sys


class Counting(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        count = 0
        while data := self.request.recv(65536):
            count += len(data)
        self.request.sendall(f"{count} bytes came".encode())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server((sys.argv[1], int(sys.argv[2])), Counting).serve_forever()
