"""Send a line over TLS, and print the line that comes back.

python ask_tls.py HOST PORT LINE
"""

import socket
import ssl
import sys

try:
    with (
        socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as plain,
        ssl.create_default_context().wrap_socket(plain, server_hostname=sys.argv[1]) as connected,
    ):
        connected.sendall(sys.argv[3].encode() + b"\n")
        data = b""
        while b"\n" not in data and (piece := connected.recv(1024)):
            data += piece
except OSError as error:
    sys.exit(repr(error))
print(f"Received {data.decode()}")
