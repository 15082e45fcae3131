"""Real server processes on loopback, and peers that speak to them byte for byte.

Rules: every server takes port 0 and is asked which one it got; whatever is waited for has a deadline; `sleep`
stands in `eventually` only; a process that a test started is ended by it.
"""

import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.search.client import request
from services.wire import NEED_DATA, Connection, Message, content_json

ROOT: Final = Path(__file__).parents[2]
PATIENCE_S: Final = 15.0  # for what must happen; a shared machine may be slow


def eventually(condition: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
    """Wait until `condition` holds. Fails, saying `what` did not come about."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {within_s} s: {what}"
        time.sleep(0.005)


@dataclass(slots=True)
class Running:
    """A server process. `journal` is all that it has written on stderr."""

    process: subprocess.Popen[bytes]
    written: Path
    host: str
    port: int = 0

    @property
    def journal(self) -> str:
        return self.written.read_text(encoding="utf-8")

    def said(self, pattern: str, times: int = 1) -> None:
        """Wait until the journal has `pattern` so many times."""
        found = re.compile(pattern)
        eventually(lambda: len(found.findall(self.journal)) >= times, f"{pattern!r} in:\n{self.journal}")

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=PATIENCE_S)

    def terminate(self) -> float:
        """SIGTERM, and the seconds that the server took to end, which it must have done well."""
        began_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE_S) == 0, self.journal
        return time.monotonic() - began_s


@contextmanager
def running(
    module: str, written: Path, *flags: str, host: str = "127.0.0.1", bind: str | None = None, files: int = 0
) -> Iterator[Running]:
    """`python -m services.search.<module>`, listening. `files`: how many descriptors it may have (0: as we)."""
    words = [sys.executable, "-m", f"services.search.{module}", host if bind is None else bind, "0", *flags]
    if files:
        words = ["prlimit", f"--nofile={files}", *words]
    with written.open("wb") as stderr:
        process = subprocess.Popen(words, cwd=ROOT, stderr=stderr)
    server = Running(process, written, host)
    try:
        server.said(r"listening on .* port \d+\n")
        server.port = int(server.journal.split("\n")[0].rpartition(" ")[2])
        yield server
        assert process.poll() in (None, 0), server.journal
        assert "Traceback" not in server.journal
    finally:
        process.kill()
        process.wait(PATIENCE_S)


def run_client(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.search.client", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE_S * 2,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )


def asking(value: str, action: str = "search") -> bytes:
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
