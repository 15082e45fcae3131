"""Two ends on one machine that speak by a file's name, and by no network: AF_UNIX.

    python unix_socket.py

The calls are those of TCP; the address is a path. No packet is sent, so no drill can lose one.
"""

import pathlib
import socket
import tempfile
import threading

with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
    path = pathlib.Path(folder, "echo")
    listening.bind(str(path))
    listening.listen()

    def serve() -> None:
        connected, _ = listening.accept()
        with connected:
            while data := connected.recv(1024):
                connected.sendall(data)

    threading.Thread(target=serve).start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connecting:
        connecting.connect(str(path))
        print(f"connected to {path.name}, a socket: {path.is_socket()}")
        connecting.sendall(b"Hello, world")
        print(f"Received {connecting.recv(1024)!r}")
