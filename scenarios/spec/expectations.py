"""The words of a drill's expectations, as frozen values. What they are held against is evidence/record.py; by
verdict/judge.py.

Each class is a mapping of a drill file and its docstring says what it demands; `says` is that as a sentence.
"""

from __future__ import annotations

import errno
from typing import Literal, get_args

from scenarios.spec.counted import COUNTS, Counted
from scenarios.spec.declaration import declaration
from scenarios.spec.declaration_error import advice, nearest, quoted
from scenarios.spec.kernel_counters import problem_of_counter
from scenarios.spec.may_differ import MayDiffer
from scenarios.spec.one_of import OneOf
from scenarios.spec.outcome import Outcome
from scenarios.spec.packet_expectations import Bytes, Order, Packets
from scenarios.spec.roles import HostRole, program_label, role_label
from scenarios.spec.steps import State
from scenarios.spec.strict_yaml import check_pattern
from scenarios.spec.units import Band
from scenarios.spec.validate import check_least, given_keys

OutcomeWord = Literal[
    "answered",
    "refused",
    "reset",
    "timed out",
    "unreachable",
    "broken off",
    "wrong answer",
    "untrusted",
    "not resolved",
    "failed",
    "usage",
    "hung",
    "crashed",
]
assert {each.value for each in Outcome} >= set(OutcomeWord.__args__)  # type: ignore[attr-defined]  # noqa: S101


@declaration
class Hits(Counted):
    """How many packets the fault took hold of; for faults of programs, how often it happened.

    `exactly: 0` is for a program that avoids the failure. That the fault could have taken hold is shown by a witness:
    the same fault under another name, in force while a call is made that does not avoid it.
    """

    fault: str

    @property
    def says(self) -> str:
        return f"{self.fault} takes hold {self.often}"


@declaration
class Outcomes(Counted):
    """How a call ends, and with which errno; of several calls all do, unless a count says how many."""

    call: str
    is_: OutcomeWord | tuple[OutcomeWord, ...]
    errno: str | None = None

    def __post_init__(self) -> None:
        Counted.__post_init__(self)
        if not self.words or set(self.words) == set(get_args(OutcomeWord)):
            always = "always holds" if self.words else "never holds"
            raise ValueError(f"is: this {always}; expected some of: {', '.join(get_args(OutcomeWord))}")
        names = sorted(errno.errorcode.values())
        if self.errno is not None and self.errno not in names:
            same = errno.errorcode.get(getattr(errno, self.errno, None) or 0)
            raise ValueError(f"errno: unknown errno {quoted(self.errno)}{_errno_advice(self.errno, names, same)}")
        if self.errno is not None and "answered" in self.words:
            raise ValueError("errno: a call that is answered has no errno; expected no `answered` beside it")

    @property
    def words(self) -> tuple[str, ...]:
        return (self.is_,) if isinstance(self.is_, str) else self.is_

    @property
    def is_counted(self) -> bool:
        """Whether a count says how many calls end so; else all do."""
        return bool(given_keys(self, COUNTS))

    @property
    def right(self) -> str:
        """`refused (ECONNREFUSED)`."""
        return " or ".join(self.words) + (f" ({self.errno})" if self.errno else "")

    @property
    def says(self) -> str:
        many = f", {self.amount} of its calls" if self.is_counted else ""
        return f"the call {self.call} is {self.right}{many}"


def _errno_advice(wrong: str, names: list[str], same: str | None) -> str:
    """Of some hundred names the nearest ones; or the one that is told, of two for one number (EAGAIN, EWOULDBLOCK)."""
    return f"; it is told as {same}" if same else advice(wrong, nearest(wrong, names)[:5])


@declaration
class Sockets(Counted):
    """How many sockets were in a `state` at a `look`, with at least so much in their queues.

    The states are RFC 9293's; no socket is CLOSED. `timer` is how long the kernel's timer of the socket still runs, as
    `ss --options` tells: in TIME-WAIT, until the socket is gone.

    Only sockets of the service's port count, unless `any_port`, and no connections that were there before the script.
    """

    look: str
    state: State
    recv_q: int = 0
    send_q: int = 0
    timer: Band | None = None
    any_port: bool = False

    def __post_init__(self) -> None:
        Counted.__post_init__(self)
        check_least(self.recv_q, 0, "recv_q")
        check_least(self.send_q, 0, "send_q")

    @property
    def says(self) -> str:
        return f"sockets in {self.state} at the look {self.look}{self.more}: {self.amount}"

    @property
    def more(self) -> str:
        """What is demanded beside the state: `, Recv-Q at least 5`."""
        more = f", Recv-Q at least {self.recv_q}" if self.recv_q else ""
        more += f", Send-Q at least {self.send_q}" if self.send_q else ""
        return more + (f", with {self.timer} left of their timer" if self.timer else "")

    def fits(self, state: str, recv_q: int, send_q: int, timer_s: float | None) -> bool:
        """Return whether a socket is as it says."""
        in_time = self.timer is None or (timer_s is not None and self.timer.holds(timer_s))
        return state == self.state and recv_q >= self.recv_q and send_q >= self.send_q and in_time


@declaration
class Counters(Counted):
    """How much more a counter of a host's kernel is at the end of the script than at its beginning.

    `of` is its name as nstat(8) has it: `TcpExtListenOverflows`, `TcpActiveOpens`, `UdpInErrors`, `Ip6InReceives`. It
    counts all that the host does meanwhile.
    """

    on: HostRole
    of: str

    def __post_init__(self) -> None:
        Counted.__post_init__(self)
        if problem := problem_of_counter(self.of):
            raise ValueError(f"of: {problem}")

    @property
    def rule(self) -> str:
        return f"the counter {self.of} of {role_label(self.on)}"

    @property
    def says(self) -> str:
        return f"{self.rule} rises by {self.amount}"


@declaration
class Log(Counted):
    """How many lines a program printed in which a regular expression is found.

    `of` is `server`, `other-server` where the service runs there too, or a call's name.
    """

    of: str
    line: str

    def __post_init__(self) -> None:
        Counted.__post_init__(self)
        check_pattern(self.line, "line")

    @property
    def says(self) -> str:
        return f"{program_label(self.of)} prints {self.line!r}, {self.often}"


@declaration
class Duration:
    """How long a call takes, by the clock of the host that makes it; without its program's start."""

    call: str
    is_: Band

    @property
    def says(self) -> str:
        return f"the call {self.call} takes {self.is_}"


@declaration
class Alike:
    """Each role of `from` and each of `to` say the same to each other, byte for byte, over as many connections.

    `beside: control` compares with what the same roles said in the control, of a drill with `control_with`. Only what
    tells the byte order of the machine that sends may differ, and does: the header's `byteorder`, which must be the
    sender's own, its length, the elements of an array, and a text in UTF-16 or UTF-32 with its mark. Of any other
    protocol `may_differ` names the bytes.
    """

    at: Literal["client-leg", "server-leg"]
    from_: tuple[Literal["client", "bystander"], ...]
    to: tuple[Literal["server", "other-server"], ...]
    beside: Literal["control"] | None = None
    may_differ: MayDiffer | None = None

    def __post_init__(self) -> None:
        if self.beside is None and len(set(self.from_)) * len(set(self.to)) < 2:
            raise ValueError("to: one conversation has nothing to be compared with; expected two or more roles")
        if self.may_differ is not None and self.beside is None:
            raise ValueError("may_differ: it goes with `beside: control`, which is not here")
        for key, roles in (("from", self.from_), ("to", self.to)):
            if len(set(roles)) < len(roles):
                raise ValueError(f"{key}: a role stands twice: {', '.join(roles)}")

    @property
    def says(self) -> str:
        ends = [" and ".join(map(role_label, roles)) for roles in (self.from_, self.to)]
        compared = "as in the control" if self.beside else "in every mix"
        return f"on the {self.at}, the same conversation goes between {ends[0]} and {ends[1]}, {compared}"


@declaration
class Expectation(OneOf):
    """One expectation: exactly one of these keys."""

    WHAT = "an expectation"

    hits: Hits | None = None
    outcome: Outcomes | None = None
    packets: Packets | None = None
    order: Order | None = None
    sockets: Sockets | None = None
    log: Log | None = None
    duration: Duration | None = None
    alike: Alike | None = None
    bytes: Bytes | None = None
    counters: Counters | None = None

    @property
    def value(self) -> Hits | Outcomes | Packets | Order | Sockets | Log | Duration | Alike | Bytes | Counters:
        """The one that it is."""
        first_half = self.hits or self.outcome or self.packets or self.order
        second_half = self.sockets or self.log or self.duration or self.alike
        found = first_half or second_half or self.bytes or self.counters
        assert found is not None  # noqa: S101 (exactly one is given)
        return found

    @property
    def says(self) -> str:
        return self.value.says
