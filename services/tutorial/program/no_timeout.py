"""Ask an echo server, and wait for its answer for as long as that takes.

python no_timeout.py HOST PORT
"""

import socket
import sys

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connected:
    connected.connect((sys.argv[1], int(sys.argv[2])))
    connected.sendall(b"Hello, world")
    data = b""
    while len(data) < len(b"Hello, world") and (piece := connected.recv(1024)):
        data += piece
print(f"Received {data!r}")
