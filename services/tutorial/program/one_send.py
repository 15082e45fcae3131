"""Send ten pictures, one every tenth of a second, each by one send() that does not wait; then ask how many bytes came.

python one_send.py HOST PORT
"""

import socket
import sys
import time

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connected:
    connected.connect((sys.argv[1], int(sys.argv[2])))
    connected.setblocking(False)
    for _ in range(10):
        connected.send(bytes(32768))
        time.sleep(0.1)
    connected.settimeout(10)
    connected.shutdown(socket.SHUT_WR)
    data = b""
    while piece := connected.recv(1024):
        data += piece
print(data.decode())
