"""Answer each client's line with the same line, and read until the end of the line has come.

python one_recv_server_repaired.py HOST PORT
"""

import socket
import sys

listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listening.bind((sys.argv[1], int(sys.argv[2])))
listening.listen()
while True:
    connected, peer = listening.accept()
    with connected:
        line = b""
        while b"\n" not in line and (piece := connected.recv(1024)):
            line += piece
        connected.sendall(line)
