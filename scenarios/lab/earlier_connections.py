"""The connections that earlier scripts left on the hosts: their ends may send for minutes what nobody acknowledges.

What such a connection sends is of no script that comes later, so no fault of that one takes hold of it. They are read
from the tables of the hosts' kernels (proc(5), /proc/net/tcp), for an end that has no program any more is only there.
"""

from __future__ import annotations

import ipaddress
import re
import sys
from collections.abc import Collection, Iterator
from typing import Literal

from scenarios.lab.valueclass import valueclass

TABLES = ("/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6")
ESTABLISHED = "01"
LISTEN = "0A"
TIME_WAIT = "06"  # sends nothing of its own accord; while its peer does, it is in the peer's table
SOCKET = re.compile(r"^ *\d+: ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]{2}) ")
OF_UDP = "drops"  # a column that the tables of UDP have
Transport = Literal["tcp", "udp"]
Address = tuple[str, int]  # with a port


@valueclass
class Connection:
    """One connection, as one of its hosts has it."""

    transport: Transport
    local: Address
    peer: Address

    def ways(self) -> Iterator[tuple[Address, Address]]:
        """From where to where its packets go: there, and back."""
        yield self.local, self.peer
        yield self.peer, self.local


def connections(
    tables: str, byteorder: Literal["little", "big"] = sys.byteorder, *, ending: bool = False
) -> set[Connection]:
    """The connections in what TABLES hold, one after the other; `byteorder` is that of the kernel they are of.

    `ending`: only those that an end has closed. The others may go on.
    """
    found: set[Connection] = set()
    passed_over = {LISTEN, TIME_WAIT, ESTABLISHED} if ending else {LISTEN, TIME_WAIT}
    transport: Transport = "tcp"
    for line in tables.splitlines():
        if "local_address" in line:
            transport = "udp" if OF_UDP in line else "tcp"
        elif match := SOCKET.match(line):
            local, local_port, peer, peer_port, state = match.groups()
            if state not in passed_over and int(peer_port, 16):
                near = _address(local, byteorder), int(local_port, 16)
                far = _address(peer, byteorder), int(peer_port, 16)
                found.add(Connection(transport, near, far))
    return found


def _address(written: str, byteorder: Literal["little", "big"]) -> str:
    """An address of a table: words of 32 bits, each as a number of the kernel's."""
    words = [int(written[at : at + 8], 16).to_bytes(4, byteorder) for at in range(0, len(written), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def ports(left: Collection[Connection], source: str, *destinations: str | None) -> list[tuple[str, int, int]]:
    """The connections of which packets go from this address to one of those: the transport, and from and to where."""
    return sorted(
        (each.transport, from_port, to_port)
        for each in left
        for (from_, from_port), (to, to_port) in each.ways()
        if from_ == source and to in destinations
    )
