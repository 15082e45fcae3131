"""What every client needs: one deadline over all of a call, each address of a name, and how it ended, in one line.

Rule: the deadline is over the whole, and not over each address, each send() or each byte.
"""

import errno
import socket
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from . import command
from .address import Address, address_words, resolved
from .outcome import CallError, Outcome, errno_name

READ_BYTES: Final = 256 * 1024
TIMEOUT_S: Final = 10.0
SYN_RETRIES_LIMIT: Final = 127  # of TCP_SYNCNT, in Linux


class Call:
    """One call, whose time begins now. Every method raises CallError.

    `syn_retries` is how often the kernel repeats a SYN that is not answered (TCP_SYNCNT of tcp(7)); None: as ever.
    """

    def __init__(
        self, host: str, port: int, timeout_s: float, syn_retries: int | None = None, *, fast_open: bool = False
    ) -> None:
        self.host, self.port, self.timeout_s, self.syn_retries = host, port, timeout_s, syn_retries
        self.fast_open = fast_open
        self.deadline_s = time.monotonic() + timeout_s

    @property
    def peer(self) -> str:
        return f"{self.host} port {self.port}"

    def left_s(self, doing: str) -> float:
        """The seconds that are left. `doing` says at what there may be none."""
        left_s = self.deadline_s - time.monotonic()
        if left_s <= 0:
            raise self.too_late(doing)
        return left_s

    def too_late(self, doing: str) -> CallError:
        return CallError(Outcome.TIMED_OUT, f"not done within {self.timeout_s:g} s, {doing}")

    def resolve(self) -> list[tuple[int, Address]]:
        """All addresses of the host. In a thread, for getaddrinfo(3) takes no timeout."""
        found: list[tuple[int, Address]] = []
        errors: list[OSError] = []

        def ask() -> None:
            try:
                found.extend(resolved(self.host, self.port))
            except OSError as error:
                errors.append(error)

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(self.left_s(f"resolving {self.host}"))
        if asking.is_alive():
            raise self.too_late(f"resolving {self.host}")
        for error in errors:
            raise CallError(Outcome.NOT_RESOLVED, f"{self.host}: {error.strerror}") from error
        return found

    def connect(self) -> socket.socket:
        """Connected to the first address that takes us; each has an equal share of the time that is left."""
        addresses = self.resolve()
        failures: list[CallError] = []
        for number, (family, address) in enumerate(addresses):
            doing = f"connecting to {address_words(address)}"
            share_s = self.left_s(doing) / (len(addresses) - number)
            made = socket.socket(family, socket.SOCK_STREAM)
            try:
                if self.syn_retries is not None:
                    set_option(made, socket.IPPROTO_TCP, "TCP_SYNCNT", self.syn_retries)
                if self.fast_open:
                    set_option(made, socket.IPPROTO_TCP, "TCP_FASTOPEN_CONNECT", 1)
                made.settimeout(share_s)
                made.connect(address)
                return made
            except OSError as error:
                made.close()
                failures.append(self.failed(error, doing))
            except CallError:
                made.close()
                raise
        raise CallError(failures[-1].outcome, "; ".join(str(failure) for failure in failures))

    def send(self, connected: socket.socket, data: bytes) -> None:
        """Send all of it."""
        doing = f"sending to {self.peer}"
        try:
            connected.settimeout(self.left_s(doing))
            connected.sendall(data)  # its timeout is over the whole, not over each send()
        except OSError as error:
            raise self.failed(error, doing) from error

    def send_eof(self, connected: socket.socket) -> None:
        """Say that no more is sent; what is received stays open (shutdown(2), SHUT_WR)."""
        try:
            connected.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:  # it was reset already, which recv() tells
                raise self.failed(error, f"sending to {self.peer}") from error

    def recv(self, connected: socket.socket, most: int = READ_BYTES) -> bytes:
        """What has arrived, at most `most` bytes; b"" when the peer has finished."""
        doing = f"waiting for the answer of {self.peer}"
        try:
            connected.settimeout(self.left_s(doing))
            return connected.recv(most)
        except OSError as error:
            raise self.failed(error, doing) from error

    def failed(self, error: OSError, doing: str) -> CallError:
        """What an errno means to this call; a timeout of Python's has none."""
        if isinstance(error, TimeoutError) and not error.errno:  # our timeout; the kernel's own is ETIMEDOUT
            return self.too_late(doing)
        return CallError.of(error, doing)


# Options of Linux that Python 3.11 has no name for (linux/tcp.h).
UNNAMED: Final = {"TCP_FASTOPEN_CONNECT": 30}


def set_option(made: socket.socket, level: int, name: str, value: int) -> None:
    """Set an option of a socket, and read it back: an emulator may take one and do nothing. Raises CallError."""
    try:
        option = UNNAMED.get(name) or getattr(socket, name)
        made.setsockopt(level, option, value)
        got = made.getsockopt(level, option)
    except (AttributeError, OSError) as error:
        why = errno_name(error) if isinstance(error, OSError) else "Python does not know it"
        raise CallError(Outcome.UNSUPPORTED, f"{name}: {why}") from error
    if got != value:
        raise CallError(Outcome.UNSUPPORTED, f"{name}: set to {value}, and it is {got}")


def parser(module: str, says: str | None, timeout_s: float = TIMEOUT_S) -> command.Parser:
    """HOST, PORT and --timeout; add the rest, then `parse`."""
    made = command.parser(module, says)
    whole = "for the whole call, every address included (%(default)s)"
    made.add_argument("--timeout", metavar="SECONDS", type=command.seconds, default=timeout_s, help=whole)
    return made


def parse(made: command.Parser) -> Namespace:
    """What the command line says. Exits 64 when it says something wrong."""
    asked = made.parse_args()
    if not asked.host:
        made.error("HOST is empty: a client needs somewhere to go")
    return asked


@contextmanager
def reporting_errors() -> Iterator[None]:
    """A CallError of the `with` block becomes its one line on stderr and its exit status."""
    try:
        yield
    except CallError as error:
        print(f"{error.outcome.words}: {error}", file=sys.stderr)
        raise SystemExit(error.outcome.value) from None
