"""Real server processes, and peers that speak to them byte for byte, on loopback or in any other place.

A place says where a server runs and from where its peers come; no test knows which it is (tests/infra/entering.py has
the hosts of a lab). Rules: every server takes port 0 and is asked which one it got; whatever is waited for has a
deadline; `sleep` stands in `eventually` only; a process that a test started is ended by it.
"""

import fcntl
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Literal, Protocol

import pytest

from services.search.client import request
from services.wire import NEED_DATA, Connection, Message, content_json
from tests.services.forking import ROOT as ROOT
from tests.services.forking import forked, ran

PATIENCE_S: Final = 15.0  # for what must happen; a shared machine may be slow


def eventually(condition: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
    """Wait until `condition` holds. Fails, saying `what` did not come about."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {within_s} s: {what}"
        time.sleep(0.005)


def has_ipv6_loopback() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


class Process(Protocol):
    """What is wanted of subprocess.Popen."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


Family = Literal["ipv4", "ipv6"]


class Place(Protocol):
    """Where servers run, and from where their peers come."""

    byteorder: str  # of the machine of the servers, as sys.byteorder

    def address(self, family: Family = "ipv4") -> str:
        """That of the servers, as their peers name it."""
        ...

    def python(self, words: Sequence[str], stderr: IO[bytes], files: int = 0) -> Process:
        """Start Python with these words, where it finds `services`; it may have so many descriptors (0: as we)."""
        ...

    def peers(self) -> AbstractContextManager[None]:
        """The sockets that this thread makes in the `with` block are of the machine from which the peers come."""
        ...


class Loopback:
    byteorder: str = sys.byteorder

    def address(self, family: Family = "ipv4") -> str:
        if family == "ipv4":
            return "127.0.0.1"
        if not has_ipv6_loopback():
            pytest.skip("this machine has no IPv6 loopback address, ::1")
        return "::1"

    def python(self, words: Sequence[str], stderr: IO[bytes], files: int = 0) -> Process:
        return forked(words, stderr=stderr.fileno(), files=files)

    def peers(self) -> AbstractContextManager[None]:
        return nullcontext()


LOOPBACK: Final = Loopback()


@dataclass(slots=True)
class Running:
    """A server process. `journal` is all that it has written on stderr."""

    process: Process
    written: Path
    host: str
    port: int = 0
    place: Place = LOOPBACK

    @property
    def journal(self) -> str:
        return self.written.read_text(encoding="utf-8")

    def wait_for_journal(self, pattern: str, times: int = 1) -> None:
        """Wait until the journal has `pattern` so many times."""
        found = re.compile(pattern)
        eventually(lambda: len(found.findall(self.journal)) >= times, f"{pattern!r} in:\n{self.journal}")

    def connect(self, family: Family | None = None) -> socket.socket:
        """A connection to the address that it was started with, or to one of another family that it listens on too."""
        with self.place.peers():
            address = self.place.address(family) if family else self.host
            return socket.create_connection((address, self.port), timeout=PATIENCE_S)

    def terminate(self) -> float:
        """SIGTERM, and the seconds that the server took to end, which it must have done well."""
        began_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE_S) == 0, self.journal
        return time.monotonic() - began_s


# A kernel that takes at most 7 bytes at a time, as any may that has little room (send(2)).
SHORT_WRITES: Final = """
import runpy, socket, sys
send = socket.socket.send
socket.socket.send = lambda self, data, *flags: send(self, memoryview(data)[:7], *flags)
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""

# A stopping server that waits for those who are busy (services/stopping.py) waits so long that it is seen.
LONG_GRACE: Final = """
import runpy, sys
from services import stopping
stopping.GRACE_S = 10.0
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""

# SIGUSR1 makes of itself a SIGTERM that another thread takes. What the main thread waits in is not interrupted by it,
# as by one that came a moment before the waiting began.
UNHEARD_SIGTERM: Final = """
import runpy, signal, sys, threading
def take():
    signal.sigwait([signal.SIGUSR1])
    threading.Event().wait(0.1)  # until the main thread waits, however slow the machine
    signal.raise_signal(signal.SIGTERM)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
threading.Thread(target=take, daemon=True).start()
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


@contextmanager
def running(
    module: str,
    written: Path,
    *flags: str,
    host: str | None = None,
    bind: str | None = None,
    port: int = 0,
    files: int = 0,
    within: str = "",
    place: Place = LOOPBACK,
) -> Iterator[Running]:
    """`python -m services.<module>`, listening. `files`: how many descriptors it may have (0: as we).

    `within`: a program that runs the module that is its first argument (as SHORT_WRITES). A module that stands in no
    folder is one of services/search.
    """
    module = module if "." in module else f"search.{module}"
    host = place.address() if host is None else host
    start = ["-c", within] if within else ["-m"]
    with written.open("wb") as stderr:
        words = [*start, f"services.{module}", host if bind is None else bind, str(port), *flags]
        process = place.python(words, stderr, files)
    server = Running(process, written, host, place=place)
    try:
        server.wait_for_journal(r"listening on .* port \d+\n")
        server.port = int(server.journal.split("\n")[0].rpartition(" ")[2])
        yield server
        assert process.poll() in (None, 0), server.journal
        assert "Traceback" not in server.journal
    finally:
        process.kill()
        process.wait(PATIENCE_S)


def refused_to_run(place: Place, module: str, *words: str) -> tuple[int, str]:
    """`python -m services.<module>`, which ends at once: its status, and what it said on stderr."""
    with tempfile.TemporaryFile() as stderr:
        process = place.python(["-m", f"services.{module}", *words], stderr)
        try:
            status = process.wait(PATIENCE_S * 2)
        finally:
            process.kill()
        stderr.seek(0)
        return status, stderr.read().decode("utf-8")


def run(module: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`python -m services.<module>`, to its end."""
    done = ran(["-m", f"services.{module}", *words], PATIENCE_S * 2)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def search_request(value: str, action: str = "search") -> bytes:
    return request(action, value, Connection())


def answers(connected: socket.socket, count: int) -> list[str]:
    """The results of the next `count` answers on this connection."""
    connection = Connection()
    results: list[str] = []
    while len(results) < count:
        if (event := connection.next_event()) is NEED_DATA:
            data = connected.recv(1 << 20)
            connection.receive_data(data) if data else connection.receive_eof()
            continue
        assert isinstance(event, Message), f"the server finished after {len(results)} of {count} answers"
        said = content_json(event) if event.header.content_type == "text/json" else repr(event.content)
        results.append(str(said["result"]) if isinstance(said, dict) else str(said))
    assert connection.buffered == 0
    return results


def exactly(connected: socket.socket, count: int) -> bytes:
    """The next `count` bytes; fewer when the peer ends before."""
    received = bytearray()
    while len(received) < count and (data := connected.recv(min(1 << 20, count - len(received)))):
        received += data
    return bytes(received)


def until_end(connected: socket.socket) -> bytes:
    """All that comes until the peer ends its stream, by FIN or by reset."""
    received = bytearray()
    try:
        while data := connected.recv(1 << 20):
            received += data
    except ConnectionResetError:
        pass
    return bytes(received)


def drip_until_cut_off(connected: socket.socket, content: bytes) -> None:
    """Send byte after byte, as the socket's timeout paces them, until the peer closes. Fails where it does not."""
    slowly = iter(content)

    def is_cut_off() -> bool:
        try:
            connected.sendall(bytes([next(slowly)]))
            return connected.recv(1) == b""
        except TimeoutError:
            return False
        except (ConnectionResetError, BrokenPipeError):
            return True

    eventually(is_cut_off, "the slow peer is cut off")


def unacknowledged(connected: socket.socket) -> int:
    """How many bytes the other kernel has not taken yet (tcp(7), SIOCOUTQ, which is TIOCOUTQ)."""
    return int.from_bytes(fcntl.ioctl(connected, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def reset(connected: socket.socket) -> None:
    """Close with a reset in place of a FIN: SO_LINGER with no time (socket(7))."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connected.close()


def ended(connected: socket.socket) -> bool:
    """Whether the server closes this connection, having sent nothing more."""
    try:
        return connected.recv(1) == b""
    except ConnectionResetError:
        return True


# Of every server with these options: the words of a command line, and what is said of them.
WRONG_COMMAND_LINES: Final = [
    (["127.0.0.1"], "PORT"),
    (["127.0.0.1", "http"], "'http' is not a whole number from 0 to 65535"),
    (["127.0.0.1", "0", "--idle-timeout", "nan"], "--idle-timeout: 'nan' is not a number of seconds"),
    (["127.0.0.1", "0", "--message-timeout", "0"], "--message-timeout: '0' is not a number of seconds"),
    (["127.0.0.1", "0", "--colour"], "--colour"),
]


def assert_usage_error(ran: subprocess.CompletedProcess[str], says: str) -> None:
    """One line that names what is wrong, and status 64 (EX_USAGE of sysexits(3))."""
    assert ran.returncode == 64
    assert says in ran.stderr
    assert ran.stderr.count("\n") == 1
