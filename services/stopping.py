"""SIGTERM and SIGINT as a socket that becomes readable, for servers that wait in select() and its kin.

Python's handlers run between bytecodes, and PEP 475 makes an interrupted select() go on waiting: only a
descriptor in its set ends the wait at once. This is the self-pipe trick; signal.set_wakeup_fd does the writing.
"""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

STOPS: Final = (signal.SIGTERM, signal.SIGINT)
GRACE_S: Final = 1.0  # what a stopping server gives to the answers in flight; it must end within 2 seconds


@contextmanager
def stop_signal() -> Iterator[socket.socket]:
    """A socket that is readable from the first SIGTERM or SIGINT on. Main thread only. Undone on leaving."""
    reading, writing = socket.socketpair()
    with reading, writing:
        writing.setblocking(False)
        before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        handlers = [(stop, signal.signal(stop, lambda *_: None)) for stop in STOPS]
        try:
            yield reading
        finally:
            for stop, handler in handlers:
                signal.signal(stop, handler)
            signal.set_wakeup_fd(before)


@contextmanager
def defer_signals(*signals: signal.Signals) -> Iterator[None]:
    """These signals come when the `with` block is left, and not before (sigprocmask(2))."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
