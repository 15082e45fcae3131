"""Echo for one client at a time.

python no_reuseaddr.py HOST PORT
"""

import socket
import sys

listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listening.bind((sys.argv[1], int(sys.argv[2])))
listening.listen()
while True:
    connected, peer = listening.accept()
    with connected:
        while data := connected.recv(1024):
            connected.sendall(data)
