"""What one run of a drill's script left to be judged: how calls ended, what faults did, and the packets of the legs.

Frozen values only. Nothing here knows how they came about, or what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field

from scenarios.calls.call import Call
from scenarios.evidence.frame import Frame
from scenarios.evidence.stalls import Stalls
from scenarios.faults.catch import Caught
from scenarios.lab.valueclass import valueclass
from scenarios.spec.may_differ import MayDiffer
from scenarios.spec.roles import LegName, Role

SERVED_WITHIN_S = 3.0  # a call that has not ended by then was not served
LATE_S = 1.0  # a call that took longer had to wait
LATE_COLD_S = 3.0  # the same of one that starts an interpreter or a container first


@valueclass
class Event:
    """A step of the script, when it was done: nanoseconds since the epoch, by the captures' clock."""

    at_ns: int
    what: str


@valueclass
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
    cpus: Mapping[Role, str] = field(default_factory=dict)  # of the programs of client and server, as `native`
    may_differ: MayDiffer | None = None  # what the service says of its protocol's bytes
    service: str = ""  # with its server, as `echo/select`
    connects_again: bool = False  # the service says that its client tries again
    made_under: Mapping[Role, Mapping[str, str]] = field(default_factory=dict)  # the kernels, and what TCP goes by
    held: Mapping[str, int] = field(default_factory=dict)  # packets that faults held at the end, and had let go later
    timings_s: Mapping[str, float] = field(default_factory=dict)  # where the time went, by phase
    stalls: Stalls = field(default_factory=Stalls)
    machines: Mapping[str, str] = field(default_factory=dict)  # of the lab, by their addresses
    look_times_ns: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # when each look began and ended
    captured_until_ns: int = 0  # when the captures were ended; 0: it is not known
    # the sockets of a caller's host by the call's name, shortly before the lab ended a call that did not end by itself
    waiting: Mapping[str, Sequence[Waiting]] = field(default_factory=dict)
    # from when to when each fault was in force, and each call ran, by their names: nanoseconds since the epoch
    spans: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    counters: Mapping[Role, Mapping[str, int]] = field(default_factory=dict)  # by how much each rose, on a host
    backend_side: frozenset[str] = frozenset()  # the addresses behind a server in the middle

    @property
    def held_up(self) -> Stalls:
        """The stalls after which something came at once: a packet, the beginning or the end of a call, or a step."""
        spans = [each for made in self.calls.values() for each in made if each.started_s is not None]
        moments = [each.time_ns for of_leg in self.frames.values() for each in of_leg]
        moments += [round((each.started_s or 0) * 1e9) for each in spans]
        moments += [round(((each.started_s or 0) + (each.duration_s or 0)) * 1e9) for each in spans]
        steps = [each.at_ns for each in self.events if each.what.split(" ended: ")[0] not in self.calls]
        return self.stalls.that_held_up(sorted(moments), sorted(steps))

    def leg_of(self, address: str) -> LegName:
        """The leg by which packets from an address come to the firewall."""
        if address in self.client_side:
            return "client-leg"
        return "backend-leg" if address in self.backend_side else "server-leg"

    @property
    def zero_ns(self) -> int:
        """The moment from which times are told: the first packet that crossed a leg, or the first step."""
        packets = [
            each.time_ns for of_leg in self.frames.values() for each in of_leg if each.transport in ("tcp", "udp")
        ]
        return min(packets or [each.at_ns for each in self.events], default=0)


@valueclass
class LegCapture:
    """What crossed one leg: the pcapng file, how many frames it holds, how many the kernel dropped before the file."""

    leg: str
    pcapng: bytes
    frames: int
    dropped: int


@valueclass
class Socket:
    """A socket as its host's kernel has it. Addresses are as `ss` writes them: `[::1]:80`, `0.0.0.0:*`, `*:80`.

    A listening socket's queues count connections: those that wait for accept(), and how many may. Any other's count
    bytes: received and not read, sent and not acknowledged.
    """

    host: str
    byteorder: str
    transport: str
    state: str
    recv_q: int
    send_q: int
    local: str
    peer: str
    programs: tuple[str, ...] = ()  # `7/python`, as netstat writes them; empty where nobody asked, or none is seen
    timer_s: float | None = None  # until the kernel's timer of it is over: in TIME-WAIT, until it is gone

    def has_port(self, port: int) -> bool:
        """Whether either of its ends has this port."""
        return str(port) in (self.local.rpartition(":")[2], self.peer.rpartition(":")[2])

    @property
    def proto(self) -> str:
        """`tcp`, `tcp6`, `udp` or `udp6`, as netstat says; a socket for both families is the latter."""
        return self.transport + ("" if re.match(r"[0-9]", self.local) else "6")


@valueclass
class Waiting:
    """A socket on which a program may wait, with the kernel's timer: `on` (it sends again), `keepalive`, …; or none."""

    socket: Socket
    timer: str
    left_s: float  # until the timer is over
    rto_s: float  # the retransmission timeout, before it was doubled


@valueclass
class Patience:
    """How long another client's call may take. `needs_s` is what such a call takes where nothing fails, with the start
    of its program: nothing for one that is warm. Some programs start for longer than others are served.
    """

    needs_s: float = 0.0

    @classmethod
    def shown_by(cls, control: Seen) -> Patience:
        cold = [each for made in control.calls.values() for each in made if not each.warm]
        return cls(max((each.duration_s or 0.0 for each in cold), default=0.0))

    @property
    def within_s(self) -> float:
        """After it, a call was not served; a busy machine may start a program half as fast."""
        return SERVED_WITHIN_S + 2 * self.needs_s

    def late_after_s(self, call: Call) -> float:
        """After it, a call had to wait."""
        return LATE_S if call.warm else LATE_COLD_S + self.needs_s


@valueclass
class Beside:
    """How the calls of another client ended while the script ran, and one of the client's when all was undone.

    `stalls` are those of all that time.
    """

    meanwhile: Sequence[Call]
    afterwards: Call
    patience: Patience = Patience()
    stalls: Stalls = field(default_factory=Stalls)
