"""What lies in the queues of a TCP socket: asked of the socket itself, and as `ss` and netstat show it.

The two numbers come from the kernel by different ways (tcp(7), SIOCINQ and SIOCOUTQ; proc(5), /proc/net/tcp), and must
agree while nothing moves.
"""

import fcntl
import os
import socket
import struct
import termios
from dataclasses import dataclass
from pathlib import Path
from typing import Final

READINGS: Final = 3  # a table of several pages is no moment: while sockets come and go, a line may be missing, or twice
TABLES: Final = {socket.AF_INET: Path("/proc/net/tcp"), socket.AF_INET6: Path("/proc/net/tcp6")}


@dataclass(frozen=True, slots=True)
class Queues:
    """Recv-Q: bytes that came and were not read. Send-Q: bytes that were written and are not acknowledged."""

    receive: int
    send: int


def queues_by_ioctl(of: socket.socket) -> Queues:
    """From the socket, by ioctl. They are one int each, in the byte order of this machine."""
    receive, send = (
        struct.unpack("@i", fcntl.ioctl(of, request, bytes(4)))[0]
        for request in (termios.FIONREAD, termios.TIOCOUTQ)  # what tcp(7) calls SIOCINQ and SIOCOUTQ
    )
    return Queues(receive, send)


def queues_in_table(of: socket.socket) -> Queues:
    """From the kernel's table, which `ss` and netstat read. Raises LookupError for a socket that is not in it."""
    inode = str(os.fstat(of.fileno()).st_ino)
    table = TABLES[socket.AddressFamily(of.family)]
    for _ in range(READINGS):
        for line in table.read_text(encoding="ascii").splitlines()[1:]:
            if (found := in_line(line, inode)) is not None:
                return found
    raise LookupError(f"socket {inode} is not in {table}")


def in_line(line: str, inode: str) -> Queues | None:
    """The queues of this socket, if the line is its own.

    The inode tells it. The addresses would not do everywhere: they are numbers in the byte order of the kernel,
    which is not that of a program on an emulated machine.
    """
    words = line.split()
    if len(words) < 10 or words[9] != inode:
        return None
    send, _, receive = words[4].partition(":")
    return Queues(int(receive, 16), int(send, 16))
