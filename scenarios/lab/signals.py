"""How this program is told to end: Ctrl-C (SIGINT) and SIGTERM, which do the same but for the exit status.

The first signal raises KeyboardInterrupt in the main thread; what was begun is undone on the way out. Later signals
are told and let pass: they would break off the undoing, and the writing of what had been run. CI systems send one of
each, seconds apart. This module imports little, because it is in force before anything else is imported.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_Handler = Callable[[int, FrameType | None], None]


class _State:
    """What this process was told."""

    received: signal.Signals | None = None  # the first
    is_held_back = False  # whether the first is to be raised later
    is_due = False  # whether it came while it was held back
    is_in_order = False  # whether a signal is handled by `end_in_order`
    has_no_reader = False  # whether this process sent it to itself, since nobody reads what it prints


def _handle_with(handler: _Handler) -> None:
    for each in SIGNALS:
        if signal.getsignal(each) is not signal.SIG_IGN:  # a shell has what it starts with `&` ignore Ctrl-C
            signal.signal(each, handler)


def end_at_once() -> None:
    """Have a signal end this process on the spot, with one line: for the time in which nothing has been begun."""

    def handler(number: int, _: FrameType | None) -> None:
        os.write(2, b"interrupted: nothing was begun\n")
        os._exit(128 + number)  # no exception: it would come out of the middle of an import, with a traceback

    _handle_with(handler)


def end_in_order() -> None:
    """Have the first signal raise KeyboardInterrupt, so that all that was begun is undone and stored."""

    def handler(number: int, _: FrameType | None) -> None:
        name = signal.Signals(number).name
        if _State.received is not None:
            # Not by print(): a signal may come in the middle of another print.
            pid = os.getpid()
            os.write(2, f"{name}: this run is ending already; `kill -9 {pid}` ends it without cleaning up\n".encode())
            return
        _State.received = signal.Signals(number)
        if _State.is_held_back:
            _State.is_due = True
            return
        raise KeyboardInterrupt

    _handle_with(handler)
    _State.is_in_order = True


def end_without_reader() -> None:
    """Whoever read what is printed has gone, as `head` does: end in order, from whatever thread this is found out.

    Others end by SIGPIPE then (signal(7)); Python ignores it, and whoever writes has an error.
    """
    _State.has_no_reader = True
    if not _State.is_in_order:
        raise SystemExit(status())
    os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Let no signal interrupt the block: one that comes is handled after it, by whoever handles it.

    For what must be whole: the writing of results, or a program's start until it is known here.
    No other thread than the main one is ever interrupted: there it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _first_held_back() if _State.is_in_order else _handlers_put_off():
        yield


@contextlib.contextmanager
def _first_held_back() -> Iterator[None]:
    """The first is raised after the outermost block; later ones are told at once."""
    was_held_back = _State.is_held_back
    _State.is_held_back = True
    try:
        yield
    finally:
        _State.is_held_back = was_held_back
    if _State.is_due and not was_held_back:
        _State.is_due = False
        raise KeyboardInterrupt


@contextlib.contextmanager
def _handlers_put_off() -> Iterator[None]:
    """In a process of somebody else's, as pytest: what handles a signal by a function of Python's does so after it."""
    came: list[int] = []
    handlers = {each: handler for each in SIGNALS if callable(handler := signal.getsignal(each))}

    def handle() -> None:
        for number in came:
            signal.raise_signal(number)

    with contextlib.ExitStack() as after:  # each is restored, also when a signal comes meanwhile
        after.callback(handle)
        for each, handler in handlers.items():
            after.callback(signal.signal, each, handler)
            signal.signal(each, lambda number, _: came.append(number))
        yield


def status() -> int:
    """Return the exit status of a run that was interrupted: 128 and the signal: 130 (SIGINT), 141 (SIGPIPE), 143."""
    return 128 + (signal.SIGPIPE if _State.has_no_reader else _State.received or signal.SIGINT)


def acknowledgement() -> str:
    """Return what a run says at once when it was told to end: to undo what was begun may take it a while."""
    why = "nobody reads what is printed" if _State.has_no_reader else (_State.received or signal.SIGINT).name
    return f"{why}: this run is ending; what was begun is undone first"


def is_terminated() -> bool:
    """Return whether SIGTERM was what told this process to end."""
    return _State.received is signal.SIGTERM


def has_no_reader() -> bool:
    """Return whether this process told itself to end, since nobody reads what it prints."""
    return _State.has_no_reader
