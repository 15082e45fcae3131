"""One pair of CPUs: how the client and the server ended, the first byte that differs, and the words. No I/O."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from typing import Final

from scenarios.lab.process import Finished
from scenarios.lab.valueclass import valueclass
from scenarios.spec.outcome import Outcome
from scenarios.verdict.check import Verdict
from scenarios.verdict.guess import Difference

# What qemu itself says where it cannot do what the program asked for: that is no fault of the program.
EMULATION: Final = re.compile(r"^qemu.*(?:[Uu]nsupported|[Uu]nknown syscall|Illegal instruction).*$", re.MULTILINE)
OF_QEMU: Final = re.compile(r"^qemu: uncaught target signal \d+ ")  # it says that the program died, and not why


@valueclass
class Row:
    """One pair of CPUs: how the call ended, the first difference from the native pair, and why it cannot be tried.

    `outcome` is None where the client was not called, for the server did not come to listen: `not_ready` says why.
    `server_status` is None where the server went on; `server_printed` is its last line since it listened.
    """

    client: str
    server: str
    outcome: Outcome | None
    printed: str
    difference: Difference | None = None
    unsupported: str = ""
    not_ready: str = ""
    server_status: int | None = None
    server_printed: str = ""

    @property
    def pair(self) -> str:
        """The CPU of the client, then of the server: `mips-native`."""
        return f"{self.client}-{self.server}"

    @property
    def client_is(self) -> str:
        """How the client ended, in a word or two."""
        return self.outcome.value if self.outcome else "not called"

    @property
    def verdict(self) -> Verdict:
        if self.unsupported:
            return Verdict.UNSUPPORTED
        return Verdict.PASS if self.outcome is Outcome.ANSWERED else Verdict.FAIL

    @property
    def has_lost_its_server(self) -> bool:
        """Whether the server was not there, or failed during the call: then it is no wonder that it sends nothing."""
        return self.outcome is not Outcome.ANSWERED and (bool(self.not_ready) or bool(self.server_status))

    @property
    def says(self) -> str:
        """What differs, in a sentence."""
        if self.unsupported or self.not_ready:
            return self.unsupported or self.not_ready
        if self.outcome is Outcome.ANSWERED:
            return str(self.difference or "the same bytes")
        of_server = self._of_server()
        if self.difference is not None:
            return f"{self.difference}; and {of_server}" if of_server else str(self.difference)
        if self.has_lost_its_server:
            return of_server
        return f"the same bytes, and the client printed: {self.printed}" + (f"; and {of_server}" if of_server else "")

    def _of_server(self) -> str:
        """How it ended, and what it printed last, in the call; empty where it went on, and printed nothing."""
        printed = f"printed: {self.server_printed}" if self.server_printed else "printed nothing"
        if self.server_status is not None:
            return f"the server ended {how(self.server_status)} during the call, and {printed}"
        return f"the server {printed}" if self.server_printed else ""


def how(status: int) -> str:
    """An exit status in words; the shell's number of a signal by its name."""
    if status > 128 and status - 128 in {each.value for each in signal.Signals}:
        return f"by {signal.Signals(status - 128).name}"
    return f"with status {status}"


def not_called(client: str, server: str, status: int | None, lines: Sequence[str], problem: str) -> Row:
    """The row of a pair whose server did not come to listen. `status`: with which it ended; None where it runs."""
    printed = last_of(lines)
    what = f"the server ended {how(status)} before it listened" if status is not None else "the server did not listen"
    if status is None:
        what += f" ({problem.splitlines()[0].partition('; it printed:')[0]})"
    why = f"{what}, and " + (f"printed: {printed}" if printed else "printed nothing")
    cannot = said[0] if (said := EMULATION.search("\n".join(lines))) else ""
    return Row(client, server, None, printed, None, cannot, why, status, printed)


def last_of(lines: Sequence[str]) -> str:
    """The last line in which the program says something, and not qemu that it died."""
    told = [line.strip() for line in lines if line.strip()]
    return next((line for line in reversed(told) if not OF_QEMU.search(line)), told[-1] if told else "")


def last_line(ran: Finished) -> str:
    """The last line that a client printed."""
    lines = f"{ran.stdout}\n{ran.stderr}".strip().splitlines()
    return lines[-1] if lines else f"nothing (status {ran.status})"


def unsupported(outcome: Outcome, ran: Finished, served: str) -> str:
    """Why the emulation cannot show it; empty when it can."""
    if outcome is Outcome.UNSUPPORTED:
        return last_line(ran)
    if outcome is not Outcome.ANSWERED and (said := EMULATION.search(f"{ran.stderr}\n{ran.stdout}\n{served}")):
        return said[0]
    return ""
