"""What the init of a guest's container says of how its program ended.

A program that a signal ended and one that called exit(128 + n) give a container the same ExitCode, for the init of the
container (docker-init is tini) ends with it. tini writes which of them it was where it is asked to: at its own end, as
the last that the container prints, since its standard output is a pipe. An engine with another init says nothing.
"""

from __future__ import annotations

import re
from signal import SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP
from typing import Final

ASKS: Final = "TINI_VERBOSITY=2"  # in the environment of the container; 2 is that of [INFO …], where 1 is the default
_TOLD: Final = re.compile(
    r"(?:\[INFO  tini \(1\)\] Spawned child process '.*' with pid '\d+'\n)?"
    r"\[INFO  tini \(1\)\] Main child exited (?P<how>normally|with signal) \(with (?:status|signal) '.*'\)\n\Z"
)
# A program that exits with the status of one of these passes on the end of another that it ran, as a shell does.
FAULTS: Final = frozenset({SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP})


def without_words_of_init(printed: str, status: int) -> tuple[str, bool]:
    """What a program wrote to its standard output, and whether its exit status is its own choice.

    It is not where a signal ended the program, where nothing says which it was, and where the status is that of a bug.
    """
    told = _TOLD.search(printed)
    if told is None:
        return printed, False
    return printed[: told.start()], told["how"] == "normally" and status - 128 not in FAULTS
