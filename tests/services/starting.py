"""Any server of ours as a real process on loopback, any client called in this process, and peers played by a test."""

import io
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from tests.services.running import PATIENCE_S, Running, running


@contextmanager
def started(
    module: str, written: Path, *flags: str, host: str = "127.0.0.1", bind: str | None = None, files: int = 0
) -> Iterator[Running]:
    """`python -m services.<module>`, listening. `files`: how many descriptors it may have (0: as we)."""
    with running(module, written, *flags, host=host, bind=bind, files=files) as server:
        yield server


def run_main(main: Callable[[], None], *words: object) -> tuple[int, str, str]:
    """The exit status of a program's `main`, and what it printed on stdout and stderr."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err), patch.object(sys, "argv", ["", *map(str, words)]):
        try:
            main()
        except SystemExit as ended:
            status = int(ended.code or 0)
    return status, out.getvalue(), err.getvalue()


@contextmanager
def peer(kind: socket.SocketKind, serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """The port of a peer that is played by `serve`, in a thread: given a connection, or a bound UDP socket."""

    def play() -> None:
        if kind is socket.SOCK_DGRAM:
            serve(bound)
            return
        connected, _ = bound.accept()
        with connected:
            connected.settimeout(PATIENCE_S)
            serve(connected)

    with socket.socket(socket.AF_INET, kind) as bound:
        bound.settimeout(PATIENCE_S)
        bound.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            bound.listen()
        playing = threading.Thread(target=play, daemon=True)
        playing.start()
        yield bound.getsockname()[1]
        playing.join(PATIENCE_S)
        assert not playing.is_alive()
