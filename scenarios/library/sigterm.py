"""SIGTERM ends pytest as Ctrl-C does while it has a lab: what runs in the lab is ended, and evidence is kept.

By itself SIGTERM ends Python on the spot, and the user's programs would go on in the lab. Nobody's handler is replaced:
ours is in force only where SIGTERM would end the process, and only while there is a lab. The first signal raises
KeyboardInterrupt in the main thread; those that come while pytest is ending already would break off the undoing, and
are let pass.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest

STATUS: Final = 128 + signal.SIGTERM  # as a shell has it, and as the command line has
SAID: Final = "ended by SIGTERM"
WORKERS_END_WITHIN_S: Final = 120.0  # each takes its lab down


class EndInOrder:
    """What SIGTERM does in a process of pytest."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.was_told = False  # by a signal
        self.is_undoing = False  # what is begun is undone now, so nothing is to interrupt it

    @contextlib.contextmanager
    def in_force(self) -> Iterator[None]:
        """Have SIGTERM end pytest in order for the time of the block, unless somebody else handles it."""
        with _handled_by(self._handle):
            yield

    def _handle(self, _: int, __: FrameType | None) -> None:
        if self.was_told or _is_interrupted():
            if not is_worker(self._config):
                said = f"SIGTERM: pytest is ending already; `kill -9 {os.getpid()}` ends it without cleaning up\n"
                os.write(2, said.encode())  # not by print(): a signal may come in the middle of another print
            return
        self.was_told = True
        if not self.is_undoing:
            self.end()

    def end(self) -> None:
        """Raise what ends pytest. Under --pdb KeyboardInterrupt opens the debugger, and ends nothing."""
        if self._config.getoption("usepdb", False):
            pytest.exit(SAID, returncode=STATUS)
        raise KeyboardInterrupt(SAID)


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is a test process of pytest-xdist."""
    return hasattr(config, "workerinput")


@contextlib.contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have `handler` handle SIGTERM for the time of the block, where it would end this process else."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) == handler:  # else somebody has replaced it since
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _is_interrupted() -> bool:
    """Whether the code that runs now undoes something on the way out of Ctrl-C."""
    error = sys.exc_info()[1]
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False


class Workers:
    """The test processes of pytest-xdist, in the process that hands out the tests: they have the labs.

    When it is interrupted it has them end in order, and waits: xdist would kill them after ten seconds. Where none of
    them has a lab, SIGTERM does what it does without this.
    """

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._stack = contextlib.ExitStack()
        self._was_told = False

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Know the test process; the first has SIGTERM handled."""
        if not self._nodes:
            self._stack.enter_context(_handled_by(self._handle))
        self._nodes.append(node)

    def _handle(self, _: int, __: FrameType | None) -> None:
        if self._was_told or _is_interrupted():
            return
        if not any(map(_handles_sigterm, self._nodes)):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        self._was_told = True
        raise KeyboardInterrupt(SAID)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Before xdist ends the test processes: those that have a lab end in order, and after SIGTERM the others too.

        A process without a lab ends at once by SIGTERM.
        """
        if exitstatus == pytest.ExitCode.INTERRUPTED:
            busy = [each for each in self._nodes if self._is_to_end(each) and not each.channel.isclosed()]
            for each in busy:
                each.gateway._io.popen.send_signal(signal.SIGTERM)  # to one that has ended it sends nothing
            for each in busy:
                with contextlib.suppress(Exception):  # it has ended with an error, which xdist tells, or not at all
                    each.channel.waitclose(WORKERS_END_WITHIN_S)
        if self._was_told:
            session.exitstatus = STATUS

    def _is_to_end(self, node: Any) -> bool:
        return _handles_sigterm(node) or (self._was_told and bool(node.gateway.spec.popen))

    def pytest_unconfigure(self) -> None:
        """Take the handler back."""
        self._stack.close()


def _handles_sigterm(node: Any) -> bool:
    """Whether a worker, a process of this machine, has a handler of SIGTERM now: it has one while it has a lab."""
    if not node.gateway.spec.popen:
        return False
    try:
        lines = Path(f"/proc/{node.gateway._io.popen.pid}/status").read_text("ascii", "replace").splitlines()
    except OSError:  # it has ended
        return False
    caught = next((line.partition(":")[2] for line in lines if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)
