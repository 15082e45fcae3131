"""Ask an echo server, and decode each piece of the answer as it comes.

python decode_pieces.py HOST PORT
"""

import socket
import sys

ASKED = "A 🐰 is white."

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connected:
    connected.connect((sys.argv[1], int(sys.argv[2])))
    connected.sendall(ASKED.encode())
    text = ""
    while len(text) < len(ASKED) and (piece := connected.recv(1024)):
        text += piece.decode()
print(f"Received {text}")
