"""Ask an echo server, and read until as many bytes have come as were sent.

python one_recv_repaired.py HOST PORT
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
