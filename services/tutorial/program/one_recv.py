"""Ask an echo server, and take one recv() for the whole answer.

python one_recv.py HOST PORT
"""

import socket
import sys

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connected:
    connected.connect((sys.argv[1], int(sys.argv[2])))
    connected.sendall(b"Hello, world")
    data = connected.recv(1024)
print(f"Received {data!r}")
