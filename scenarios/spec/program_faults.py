"""The words of faults that are done to programs: killed, paused, replaced by another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scenarios.spec.command_line import PLACEHOLDERS, check_command
from scenarios.spec.roles import SERVER, program_label
from scenarios.spec.strict_yaml import check_pattern

Signal = Literal["KILL", "TERM", "INT", "HUP"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """The server's program is ended by a signal."""

    who: Literal["server"]
    by: Signal = "KILL"

    @property
    def says(self) -> str:
        return f"{program_label(self.who)} is ended by SIG{self.by}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """The server's program is stopped (SIGSTOP) until the fault is healed; its kernel goes on acknowledging."""

    who: Literal["server"]

    @property
    def says(self) -> str:
        return f"{program_label(self.who)} is paused (SIGSTOP)"


@dataclass(frozen=True, slots=True, kw_only=True)
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
