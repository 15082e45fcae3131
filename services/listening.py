"""The one listening socket of a server: made and told of in one line, or refused in one by the errno's name."""

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from .address import address_words, resolved
from .outcome import errno_name

# Connections waiting for accept(); the kernel takes net.core.somaxconn if that is less, which is this by default. A
# backlog that is full answers with SYN cookies (tcp(7)): it knows nothing of who was answered so, and resets the one
# whose second segment comes before the first is repeated.
BACKLOG: Final = 4096
# accept(2) fails so while no descriptor or memory is free. The queue stays ready, so: pause, or spin.
NO_ROOM: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
ACCEPT_PAUSE_S: Final = 0.2


def listener(host: str, port: int, reuse: bool = True) -> socket.socket:
    """A listening TCP socket, blocking; the caller closes it, and calls `announce` once it is ready for SIGTERM.

    An empty host is every interface, IPv6 and IPv4 on one socket (ipv6(7)). Not to `reuse` the address of connections
    in TIME-WAIT is for showing what comes of it. Exits 71 when the address cannot
    be had, 68 when the name has none.
    """
    with refusals_told(host, port):
        family, address = _address(host, port)
        return _bound(family, address, reuse)


@contextmanager
def refusals_told(host: str, port: int) -> Iterator[None]:
    """Say in one line why the address cannot be had, and exit: 71, or 68 when the name has no address."""
    try:
        yield
    except socket.gaierror as error:
        print(f"cannot listen on {host} port {port}: {error.strerror}", file=sys.stderr, flush=True)
        raise SystemExit(os.EX_NOHOST) from error
    except OSError as error:
        print(f"cannot listen on {host or '::'} port {port}: {errno_name(error)}", file=sys.stderr, flush=True)
        raise SystemExit(os.EX_OSERR) from error


def announce(listening: socket.socket) -> None:
    """One line on stderr that says where: the real port where 0 was asked for."""
    print(f"listening on {address_words(listening.getsockname())}", file=sys.stderr, flush=True)


def _address(host: str, port: int) -> tuple[int, tuple[object, ...]]:
    if not host and socket.has_dualstack_ipv6():
        return socket.AF_INET6, ("::", port)
    found = resolved(host or "0.0.0.0", port)  # noqa: S104
    return found[0]


def _bound(family: int, address: tuple[object, ...], reuse: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A server started again must not wait for its old connections' TIME-WAIT (socket(7)).
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        # Answers are written whole: Nagle could only delay them. Linux hands it on to what accept() returns.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")
        made.bind(address)
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made
