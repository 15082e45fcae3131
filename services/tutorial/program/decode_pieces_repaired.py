"""Ask an echo server, and decode by a decoder that keeps the half of a character until its other half comes.

python decode_pieces_repaired.py HOST PORT
"""

import codecs
import socket
import sys

ASKED = "A 🐰 is white."

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connected:
    connected.connect((sys.argv[1], int(sys.argv[2])))
    connected.sendall(ASKED.encode())
    text = ""
    decoder = codecs.getincrementaldecoder("utf-8")()
    while len(text) < len(ASKED) and (piece := connected.recv(1024)):
        text += decoder.decode(piece)
print(f"Received {text}")
