"""How a call of a test ended, as a value."""

from __future__ import annotations

from typing import Self

from scenarios.calls.call import Call
from scenarios.lab.valueclass import valueclass


@valueclass
class Ended:
    """A call that has ended. Times are in seconds; of a program of an image they are its own, without its container's.

    `outcome` is a word of the drills: `answered`, `refused`, `reset`, `timed out`, `unreachable`, `broken off`, `wrong
    answer`, `untrusted`, `not resolved`, `failed`, `unsupported`, `usage`, `hung` (the lab ended it), `cancelled`,
    `crashed`.
    """

    outcome: str
    errno: str | None  # by name, where the program told one: "ECONNREFUSED"
    status: int | None
    stdout: str
    stderr: str
    duration_s: float | None
    started_s: float | None  # Unix time
    conflict: str = ""  # what its exit status and its words say, where these are two things
    command: tuple[str, ...] = ()

    @classmethod
    def of(cls, call: Call) -> Self:
        """The public part of a call."""
        return cls(
            outcome=call.outcome.value,
            errno=call.errno,
            status=call.status,
            stdout=call.stdout,
            stderr=call.stderr,
            duration_s=call.duration_s,
            started_s=call.started_s,
            conflict=call.conflict,
            command=call.argv,
        )

    @property
    def printed(self) -> str:
        """What it printed, standard output first."""
        return self.stdout + self.stderr

    def __repr__(self) -> str:
        took = "" if self.duration_s is None else f" after {self.duration_s:.3f} s"
        errno = f" ({self.errno})" if self.errno else ""
        return f"<call {self.outcome}{errno}{took}: `{' '.join(self.command)}` printed {self.printed.strip()!r}>"
