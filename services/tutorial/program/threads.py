"""Echo: a thread for each client, however many there are.

python threads.py HOST PORT
"""

import socket
import sys
import threading


def converse(connected: socket.socket) -> None:
    with connected:
        while data := connected.recv(1024):
            connected.sendall(data)


listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listening.bind((sys.argv[1], int(sys.argv[2])))
listening.listen(1000)
while True:
    connected, peer = listening.accept()
    threading.Thread(target=converse, args=(connected,)).start()
