"""Echo over TLS: a thread for each client, and the handshake in accept().

python handshake_in_accept.py HOST PORT CERTIFICATE
"""

import socket
import ssl
import sys
import threading


def converse(connected: socket.socket) -> None:
    with connected:
        while data := connected.recv(1024):
            connected.sendall(data)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[3])
listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listening.bind((sys.argv[1], int(sys.argv[2])))
listening.listen()
listening = context.wrap_socket(listening, server_side=True)
while True:
    connected, peer = listening.accept()
    threading.Thread(target=converse, args=(connected,)).start()
