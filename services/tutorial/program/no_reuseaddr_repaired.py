"""Echo for one client at a time, on a port that it has again at once when it is started again.

python no_reuseaddr_repaired.py HOST PORT
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
        while data := connected.recv(1024):
            connected.sendall(data)
