"""Ask an echo server, and wait for each step at most so long.

python no_timeout_repaired.py HOST PORT
"""

import socket
import sys

try:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connected:
        connected.settimeout(3)
        connected.connect((sys.argv[1], int(sys.argv[2])))
        connected.sendall(b"Hello, world")
        data = b""
        while len(data) < len(b"Hello, world") and (piece := connected.recv(1024)):
            data += piece
except TimeoutError as error:
    sys.exit(repr(error))
print(f"Received {data!r}")
