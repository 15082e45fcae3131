"""Send each datagram back to where it came from.

python udp_echo.py HOST PORT
"""

import socket
import sys

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
    bound.bind((sys.argv[1], int(sys.argv[2])))
    while True:
        data, peer = bound.recvfrom(1024)
        bound.sendto(data, peer)
