"""Send ten pictures, one every tenth of a second, each by sendall(); then ask how many bytes came.

python one_send_repaired.py HOST PORT
"""

import socket
import sys
import time

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connected:
    connected.connect((sys.argv[1], int(sys.argv[2])))
    connected.settimeout(10)
    for _ in range(10):
        connected.sendall(bytes(32768))
        time.sleep(0.1)
    connected.shutdown(socket.SHUT_WR)
    data = b""
    while piece := connected.recv(1024):
        data += piece
print(data.decode())
