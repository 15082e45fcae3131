"""The questions of a lesson, as a lesson file writes them. None of them says its answer: see answers.py.

Each question has one key that says which part of the evidence answers it, and that key fixes what one may choose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal, NamedTuple

from scenarios.spec.declaration import declaration
from scenarios.spec.declaration_error import advice, quoted
from scenarios.spec.drill import Drill
from scenarios.spec.roles import SERVER, LegName, Role
from scenarios.spec.steps import State
from scenarios.spec.strict_yaml import check_pattern
from scenarios.spec.validate import check_one

PacketKind = Literal["syn", "syn-ack", "data", "fin", "reset", "datagram", "icmp", "arp"]
PACKETS: Final[Mapping[PacketKind, str]] = {
    "syn": "SYN",
    "syn-ack": "SYN-ACK",
    "data": "segments with data",
    "fin": "FIN",
    "reset": "RST",
    "datagram": "datagrams",
    "icmp": "ICMP messages",
    "arp": "ARP messages",
}
OTHER: Final = "something else"
NOBODY: Final = "nobody"


class Choice(NamedTuple):
    """What one may choose: the word of the evidence, and what it means."""

    value: str
    meaning: str = ""


OUTCOMES: Final = (
    Choice("answered", "the right answer came, all of it"),
    Choice("refused", "somebody said no, and the kernel told the program so by ECONNREFUSED"),
    Choice("reset", "the connection stood, and was broken by a RST"),
    Choice("timed out", "a clock ended the wait: the program's own, or the kernel's"),
    Choice("unreachable", "a router said that there is no way to the server"),
    Choice("broken off", "the answer ended before it was whole"),
    Choice("wrong answer", "an answer came, and it is not the right one"),
    Choice("not resolved", "no address was found for the name"),
    Choice("hung", "the program still waited when the lab's patience was over"),
    Choice(OTHER),
)
ERRNOS: Final = (
    Choice("no errno", "the kernel told the program of no error"),
    Choice("ECONNREFUSED", "connection refused"),
    Choice("ECONNRESET", "connection reset by peer"),
    Choice("EPIPE", "broken pipe"),
    Choice("ETIMEDOUT", "connection timed out, by the kernel's clock"),
    Choice("EHOSTUNREACH", "no route to host"),
    Choice("ENETUNREACH", "network is unreachable"),
    Choice(OTHER),
)
# The lengths of time that one may choose; a call that takes as long as the limit, or longer, is of the next one.
TIMES: Final = (
    (0.5, Choice("at once", "less than half a second")),
    (1.5, Choice("about a second", "half a second to a second and a half")),
    (4.5, Choice("a few seconds", "one and a half to four and a half seconds")),
    (30.0, Choice("many seconds", "four and a half to thirty seconds")),
    (float("inf"), Choice("longer than that")),
)
CROSSES, ENDS_THERE, SOME_CROSS, NONE_SENT = "all cross", "none crosses", "some cross", "none is sent"
REACHES: Final = (
    Choice(CROSSES, "each comes out on the other side of the firewall"),
    Choice(ENDS_THERE, "each ends at the firewall"),
    Choice(SOME_CROSS, "some come out on the other side, and some do not"),
    Choice(NONE_SENT),
)
FIREWALL, SEVERAL = "the firewall", "more than one of them"
MAKERS: Final = (
    Choice("the client"),
    Choice("the server"),
    Choice(FIREWALL),
    Choice(SEVERAL),
    Choice(NOBODY, "no such packet was seen"),
)
CLIENT_ALONE, SERVER_ALONE, BOTH, NEITHER = "the client alone", "the server alone", "both", "neither"
NOTICES: Final = (
    Choice(CLIENT_ALONE, "its call was not answered; the server's program logged no problem"),
    Choice(SERVER_ALONE, "its program logged a problem; the client was answered"),
    Choice(BOTH),
    Choice(NEITHER),
)


@declaration
class Count:
    """How many packets of a kind are on a leg, from one role to another."""

    of: PacketKind
    at: LegName
    from_: Role | None = None
    to: Role | None = None


@declaration
class Sent:
    """The packets of a kind that a role sends: do they cross the firewall?"""

    of: PacketKind
    from_: Literal["client", "server", "bystander", "other-server"]


@declaration
class Made:
    """The packets of a kind that are on a leg: who made them, whatever address they have?"""

    of: PacketKind
    at: LegName


@declaration
class Printed:
    """A number in what a program printed: the one group of a regular expression, in the first line that has it."""

    of: str
    line: str

    def __post_init__(self) -> None:
        check_pattern(self.line, "line")
        if self.line.count("(") - self.line.count("(?") - self.line.count(r"\(") != 1:
            raise ValueError(f"line: expected one group, which holds the number, got {quoted(self.line)}")


@declaration
class InState:
    """How many sockets of the service were in a state when the script looked."""

    look: str
    state: State


KINDS: Final = ("outcome", "errno", "takes", "notices", "count", "reaches", "made_by", "printed", "sockets")


@declaration
class Question:
    """A question, and the one key that says what answers it.

    `outcome`, `errno`, `takes` and `notices` are of the call that they name.
    """

    ask: str
    outcome: str | None = None
    errno: str | None = None
    takes: str | None = None
    notices: str | None = None
    count: Count | None = None
    reaches: Sent | None = None
    made_by: Made | None = None
    printed: Printed | None = None
    sockets: InState | None = None

    def __post_init__(self) -> None:
        if not self.ask.strip().endswith("?"):
            raise ValueError("ask: expected a question, with a question mark at its end")
        check_one(self, "a question", KINDS)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What one may choose; empty where one types a number."""
        if self.takes is not None:
            return tuple(choice for _, choice in TIMES)
        pairs = ((self.outcome, OUTCOMES), (self.errno, ERRNOS), (self.notices, NOTICES))
        objects = ((self.reaches, REACHES), (self.made_by, MAKERS))
        return next((choices for asked, choices in (*pairs, *objects) if asked is not None), ())

    def problems(self, drill: Drill) -> Iterator[str]:
        """Why the evidence of a drill cannot answer it, a sentence each; nothing where it can."""
        calls = (("outcome", self.outcome), ("errno", self.errno), ("takes", self.takes), ("notices", self.notices))
        for key, call in calls:
            if call is not None and call not in drill.calls:
                yield f"{key}: {drill.drill} makes no call {quoted(call)}{advice(call, drill.calls)}"
        looks = [step.look.name for step in drill.script if step.look]
        if self.sockets and self.sockets.look not in looks:
            wrong = quoted(self.sockets.look)
            yield f"sockets.look: {drill.drill} has no look {wrong}{advice(self.sockets.look, looks)}"
        if self.printed and self.printed.of not in drill.programs:
            wrong = quoted(self.printed.of)
            yield f"printed.of: {drill.drill} has no program {wrong}{advice(self.printed.of, drill.programs)}"
        touched = [fault.name for fault in drill.faults if SERVER in _programs(fault.effect)]
        if self.notices and touched:
            yield f"notices: {touched[0]!r} is done to the server's program, so what it writes tells nothing"


def _programs(effect: object) -> list[str]:
    """The program that a fault is done to, if it is done to one."""
    return [str(who)] if (who := getattr(effect, "who", None)) else []
