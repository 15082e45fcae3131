"""How a call ended, for every client: one word for it, and an exit status of its own.

Rule: "broken off" is no failure like the others: the request was sent, and what became of it cannot be known.
"""

import errno
import os
from enum import Enum
from typing import Final


class Outcome(Enum):
    """The value is the exit status."""

    ANSWERED = 0
    REFUSED = 10
    RESET = 11
    TIMED_OUT = 12
    UNREACHABLE = 13
    BROKEN_OFF = 14
    WRONG_ANSWER = 15
    UNTRUSTED = 16  # the peer's certificate: of another name, of an unknown authority, not valid now
    NOT_RESOLVED = os.EX_NOHOST  # 68
    FAILED = os.EX_OSERR  # 71: any other errno
    UNSUPPORTED = 77  # this machine has not what was asked for; the status with which Automake's tests are skipped

    @property
    def words(self) -> str:
        return self.name.lower().replace("_", " ")


OF_ERRNO: Final = {
    errno.ECONNREFUSED: Outcome.REFUSED,
    errno.ECONNRESET: Outcome.RESET,
    errno.EPIPE: Outcome.RESET,  # what a second send() after the reset gets
    errno.ETIMEDOUT: Outcome.TIMED_OUT,
    errno.EHOSTUNREACH: Outcome.UNREACHABLE,
    errno.ENETUNREACH: Outcome.UNREACHABLE,
    # What else Linux makes of an ICMP or ICMPv6 "destination unreachable", by its code (icmp_err_convert)
    errno.EACCES: Outcome.UNREACHABLE,
    errno.EHOSTDOWN: Outcome.UNREACHABLE,
    errno.ENONET: Outcome.UNREACHABLE,
    errno.ENOPROTOOPT: Outcome.UNREACHABLE,
}


def errno_name(error: OSError) -> str:
    """ECONNREFUSED and not "Connection refused": the man pages' word, the same in every language."""
    return errno.errorcode.get(error.errno or 0, str(error))


class CallError(Exception):
    """A call that was not answered: `outcome`, and why in words."""

    def __init__(self, outcome: Outcome, why: str) -> None:
        super().__init__(why)
        self.outcome = outcome

    @classmethod
    def of(cls, error: OSError, doing: str) -> "CallError":
        """What an errno means to the caller. `doing` says at what, and to whom."""
        return cls(OF_ERRNO.get(error.errno or 0, Outcome.FAILED), f"{errno_name(error)} {doing}")
