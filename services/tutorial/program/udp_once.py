"""Ask over UDP once, and wait for the answer.

python udp_once.py HOST PORT
"""

import socket
import sys

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
    asking.sendto(b"hello there", (sys.argv[1], int(sys.argv[2])))
    data, peer = asking.recvfrom(1024)
print(f"Received {data!r}")
