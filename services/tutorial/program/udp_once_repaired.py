"""Ask over UDP, and ask again where no answer comes.

python udp_once_repaired.py HOST PORT
"""

import socket
import sys

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
    for wait_s in (1, 2, 4):
        asking.settimeout(wait_s)
        asking.sendto(b"hello there", (sys.argv[1], int(sys.argv[2])))
        try:
            data, peer = asking.recvfrom(1024)
            break
        except TimeoutError as error:
            problem = repr(error)
    else:
        sys.exit(problem)
print(f"Received {data!r}")
