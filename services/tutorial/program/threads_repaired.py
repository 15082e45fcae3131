"""Echo: a thread for each client, at most a hundred; who comes then waits until one of them is free.

python threads_repaired.py HOST PORT
"""

import socket
import sys
import threading

free = threading.Semaphore(100)


def converse(connected: socket.socket) -> None:
    try:
        connected.settimeout(60)
        with connected:
            while data := connected.recv(1024):
                connected.sendall(data)
    finally:
        free.release()


listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listening.bind((sys.argv[1], int(sys.argv[2])))
listening.listen(1000)
while True:
    free.acquire()
    connected, peer = listening.accept()
    threading.Thread(target=converse, args=(connected,)).start()
