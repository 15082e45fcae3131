"""What one run of a drill's script left to be judged: how calls ended, what faults did, and the packets of both legs.

Frozen values only. Nothing here knows how they came about, or what was expected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scenarios.calls.caller import Call
from scenarios.evidence.capture import LegCapture
from scenarios.evidence.sockets import Socket
from scenarios.evidence.stalls import Stalls
from scenarios.evidence.tshark import Frame
from scenarios.spec.steps import Role


@dataclass(frozen=True, slots=True)
class Caught:
    """What a fault took hold of. `unsure` is why its count is no evidence; `details` has a line for each hit."""

    hits: int
    unsure: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """A step of the script, when it was done: nanoseconds since the epoch, by the captures' clock."""

    at_ns: int
    what: str


@dataclass(frozen=True, slots=True)
class Seen:
    """All of one run. `armed`: with its faults; otherwise it is the control."""

    armed: bool
    port: int  # of the service
    addresses: Mapping[Role, tuple[str, ...]]  # all of a role's, of both families
    client_side: frozenset[str]  # where packets of the client's side come from
    calls: Mapping[str, Sequence[Call]]
    caught: Mapping[str, Caught]
    looks: Mapping[str, Sequence[Socket]]
    logs: Mapping[str, Sequence[str]]
    captures: Mapping[str, LegCapture]
    frames: Mapping[str, Sequence[Frame]]
    events: Sequence[Event]
    byteorders: Mapping[Role, str] = field(default_factory=dict)  # of the hosts that play the roles of a pair
    made_under: Mapping[Role, Mapping[str, str]] = field(default_factory=dict)  # the kernels, and what TCP goes by
    held: Mapping[str, int] = field(default_factory=dict)  # packets that faults held at the end, and had let go later
    timings_s: Mapping[str, float] = field(default_factory=dict)  # where the time went, by phase
    stalls: Stalls = field(default_factory=Stalls)
    machines: Mapping[str, str] = field(default_factory=dict)  # of the lab, by their addresses
    look_times_ns: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # when each look began and ended
    captured_until_ns: int = 0  # when the captures were ended; 0: it is not known

    @property
    def held_up(self) -> Stalls:
        """The stalls after which something came at once: a packet, the beginning or the end of a call, or a step."""
        spans = [each for made in self.calls.values() for each in made if each.started_s is not None]
        moments = [each.time_ns for of_leg in self.frames.values() for each in of_leg]
        moments += [round((each.started_s or 0) * 1e9) for each in spans]
        moments += [round(((each.started_s or 0) + (each.duration_s or 0)) * 1e9) for each in spans]
        steps = [each.at_ns for each in self.events if each.what.split(" ended: ")[0] not in self.calls]
        return self.stalls.that_held_up(sorted(moments), sorted(steps))

    @property
    def zero_ns(self) -> int:
        """The moment from which times are told: the first packet that crossed a leg, or the first step."""
        packets = [
            each.time_ns for of_leg in self.frames.values() for each in of_leg if each.transport in ("tcp", "udp")
        ]
        return min(packets or [each.at_ns for each in self.events], default=0)
