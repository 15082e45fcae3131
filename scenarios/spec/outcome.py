"""How a call ended, in one word: the words of the drills, the exit statuses that say them, and the errno by name.

The services have the same table (services/outcome.py), which this program does not import; a test compares the two.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from enum import Enum
from typing import Final


class Outcome(Enum):
    """How a call ended, in the words of the drills."""

    ANSWERED = "answered"
    REFUSED = "refused"
    RESET = "reset"
    TIMED_OUT = "timed out"  # by the client's own clock, or the kernel's
    UNREACHABLE = "unreachable"
    BROKEN_OFF = "broken off"  # asked, and not answered whole: what became of it cannot be known
    WRONG_ANSWER = "wrong answer"
    UNTRUSTED = "untrusted"
    NOT_RESOLVED = "not resolved"
    FAILED = "failed"  # any other errno
    UNSUPPORTED = "unsupported"  # the machine has not what was asked for: nothing is known of the network
    USAGE = "usage"  # the command line was wrong: nothing was called
    HUNG = "hung"  # it did not end by itself in the time that it was given, and was ended
    CANCELLED = "cancelled"  # ended before that, because the caller wanted it
    CRASHED = "crashed"  # by a signal, an uncaught exception, or a status that no client of ours has


OF_STATUS: Final[Mapping[int, Outcome]] = {
    0: Outcome.ANSWERED,
    10: Outcome.REFUSED,
    11: Outcome.RESET,
    12: Outcome.TIMED_OUT,
    13: Outcome.UNREACHABLE,
    14: Outcome.BROKEN_OFF,
    15: Outcome.WRONG_ANSWER,
    16: Outcome.UNTRUSTED,
    64: Outcome.USAGE,
    68: Outcome.NOT_RESOLVED,
    71: Outcome.FAILED,
    77: Outcome.UNSUPPORTED,
}


# The outcome that an errno is; any other is `failed`.
OF_ERRNO: Final[Mapping[str, Outcome]] = {
    "ECONNREFUSED": Outcome.REFUSED,
    "ECONNRESET": Outcome.RESET,
    "EPIPE": Outcome.RESET,
    "ETIMEDOUT": Outcome.TIMED_OUT,
    "EHOSTUNREACH": Outcome.UNREACHABLE,
    "ENETUNREACH": Outcome.UNREACHABLE,
    "EACCES": Outcome.UNREACHABLE,
    "EHOSTDOWN": Outcome.UNREACHABLE,
    "ENONET": Outcome.UNREACHABLE,
    "ENOPROTOOPT": Outcome.UNREACHABLE,
}


CANNOT_LISTEN: Final = "cannot listen on "


def errno_from_stderr(stderr: str) -> str | None:
    """The errno in the one line with which a client of ours says why, by name; the last, where it tried more than one.

    `refused: ECONNREFUSED connecting to 198.18.1.138 port 7007` says ECONNREFUSED. A server of ours that a drill starts
    as a call says `cannot listen on 198.18.1.138 port 7007: EADDRINUSE`.
    """
    last = stderr.rstrip().rpartition("\n")[2]
    outcome, _, why = last.partition(": ")
    if outcome not in {each.value for each in OF_STATUS.values()} and not last.startswith(CANNOT_LISTEN):
        return None
    names = [name for name in re.findall(r"\bE[A-Z0-9]+\b", why) if isinstance(getattr(errno, name, None), int)]
    return names[-1] if names else None
