"""The words of faults that are done to programs: killed, paused, replaced by another."""

from __future__ import annotations

from typing import Literal

from scenarios.spec.command_line import PLACEHOLDERS, check_command
from scenarios.spec.declaration import declaration
from scenarios.spec.roles import SERVER, program_label
from scenarios.spec.strict_yaml import check_pattern
from scenarios.spec.units import Seconds

End = Literal["KILL", "TERM", "INT", "HUP"]
Interruption = Literal["WINCH", "CHLD", "CONT", "URG", "USR1", "USR2", "ALRM", "HUP", "INT", "QUIT", "TERM"]
SIGNALS_LIMIT = 10_000


@declaration
class Kill:
    """A program is ended by a signal: the `server`'s, or that of a call which was started and runs."""

    who: str
    by: End = "KILL"

    @property
    def says(self) -> str:
        return f"{program_label(self.who)} is ended by SIG{self.by}"


@declaration
class Pause:
    """A program is stopped (SIGSTOP) until the fault is healed; its kernel goes on acknowledging.

    It is the `server`'s, or that of a call which was started and runs.
    """

    who: str

    @property
    def says(self) -> str:
        return f"{program_label(self.who)} is paused (SIGSTOP)"


@declaration
class Signal:
    """A program gets a signal, `times` in all, one `every` so often: the `server`'s, or that of a call which runs.

    Hits are the signals that it got.
    """

    who: str
    by: Interruption
    times: int = 1
    every: Seconds = Seconds(0.05)

    def __post_init__(self) -> None:
        if not 1 <= self.times <= SIGNALS_LIMIT:
            raise ValueError(f"times: expected 1 to {SIGNALS_LIMIT}, got {self.times}")
        if not self.every:
            raise ValueError("every: expected more than 0s")

    @property
    def says(self) -> str:
        often = f" {self.times} times, every {self.every}" if self.times > 1 else ""
        return f"{program_label(self.who)} gets SIG{self.by}{often}"


@declaration
class Replace:
    """Another program stands in the place of one: of the `server`, or of the client of a call. Of two, the last counts.

    It is there from the start; the server's, where calls came before this step, from the next `restart` on. It took
    hold when it printed a line that matches `proof`; each such line is a hit. `{service}` in the server's command is
    the command of the service's own server, for a program that runs another.
    """

    who: str
    run: str
    proof: str = "^did: "  # the program is believed; expectations about its packets are what tests it
    ready: str = "listening on"

    def __post_init__(self) -> None:
        check_command(self.run, "run", (*PLACEHOLDERS, "service") if self.who == SERVER else PLACEHOLDERS)
        check_pattern(self.proof, "proof")
        check_pattern(self.ready, "ready")

    @property
    def says(self) -> str:
        return f"{program_label(self.who)} is `{self.run}`"
