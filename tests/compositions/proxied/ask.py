"""Ask for a line to be turned round. With `end` no line feed is sent: a half-close (shutdown) says that it is all."""

import socket
import sys

host, port, how = sys.argv[1:]
with socket.create_connection((host, int(port)), timeout=8) as sock:
    if how == "end":
        sock.sendall(b"tibbar")
        sock.shutdown(socket.SHUT_WR)
    else:
        sock.sendall(b"tibbar\n")
    answer = b""
    while not answer.endswith(b"\n"):
        part = sock.recv(4096)
        if not part:
            sys.exit(f"broken off after {answer!r}")
        answer += part
print(answer.decode().strip())
