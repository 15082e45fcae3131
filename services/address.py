"""Internet addresses: from a person's words, and into words for a person."""

import socket
from typing import Any

Address = tuple[str, int] | tuple[str, int, *tuple[Any, ...]]  # host and port; IPv6 has two more


def resolved(host: str, port: int) -> list[tuple[int, Address]]:
    """Every (family, address) of a TCP host. As bytes, the name needs no import of the IDNA codec, which is slow."""
    found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]  # type: ignore[misc]


def address_words(address: Address) -> str:
    """`198.18.0.1 port 65432`; an IPv4 peer of an IPv6 socket (RFC 4291, 2.5.5.2) by its IPv4 address."""
    return f"{address[0].removeprefix('::ffff:')} port {address[1]}"
