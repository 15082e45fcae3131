"""Following the packets of a lab as they come: a live ladder, for as long as somebody watches.

The frames of the legs come decoded from images/firewall/watch. Here the two frames of one packet are put together, in
the order of time. A packet that one leg had and the other not, for HOLD_S seconds, ended at the firewall, and is drawn
so; one that was only held there comes later, and that is said. Nothing is kept but the last seconds, and the lab is not
held: drills run beside this, and neither knows of the other.
"""

from __future__ import annotations

import bisect
import contextlib
import ipaddress
import itertools
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from rich.text import Text

from scenarios.evidence import pairing
from scenarios.evidence.frame import Frame
from scenarios.evidence.pairing import Rung
from scenarios.evidence.tshark_fields import live_arguments, live_frame
from scenarios.evidence.ways import Way, goes_right, way_of
from scenarios.lab.json_lines import Child
from scenarios.lab.lab import Lab
from scenarios.lab.places import typed
from scenarios.lab.valueclass import valueclass
from scenarios.spec.cast import CLIENT_NET, Cast
from scenarios.spec.roles import LegName

PROGRAM: Final = "/usr/local/lib/faultwire/watch"  # images/firewall/watch
EVERY_LEG: Final = f"cd /run/legs && exec {PROGRAM} *"  # that of a program in the middle too, while there is one
HOLD_S: Final = 0.4  # how long a frame waits for its other half; the decoders of the two legs are not equally quick
LATE_WITHIN_S: Final = 60.0  # so long it is known that a packet was drawn as lost
PENDING_LIMIT: Final = 4_000  # packets; more cannot come in HOLD_S, for the firewall decodes 400 a second of each leg
LINES_A_SECOND: Final = 150  # of packets; more scroll by unread
OPENS_WITHIN_S: Final = 20.0


@dataclass(slots=True, eq=False)
class _Packet:
    """A packet of which one leg or both have told."""

    rung: Rung
    is_near: bool  # the leg that told first is that on which it came
    at_ns: int
    due_s: float  # by the clock of whoever watches: then the other leg is waited for no longer


@valueclass
class ReadyRung:
    """A packet that is ready to be drawn. `after_s`: it was drawn as lost before, and has now come, so much later."""

    rung: Rung
    after_s: float | None = None


@dataclass(slots=True)
class Pairing:
    """The frames of the legs, put together as they come. It has no clock: the time is passed in, in seconds.

    `clients` are the addresses from which packets come from the client's side, `backends` those behind a program in the
    middle. Only `legs` are followed.
    """

    clients: Container[str]
    backends: Container[str] = ()
    legs: Collection[str] = ("client-leg", "server-leg")
    _waiting: list[_Packet] = field(default_factory=list)  # in the order of time
    _halves: dict[tuple[bool, tuple[object, ...]], deque[_Packet]] = field(default_factory=dict)  # by what they are
    _lost: OrderedDict[tuple[object, ...], tuple[float, int]] = field(default_factory=OrderedDict)
    _busy: dict[str, set[int]] = field(default_factory=dict)  # by leg, the seconds of which it does not tell all
    unknown: int = 0  # packets of which nobody knows whether they crossed, and that are not drawn

    def add(self, leg: LegName, frame: Frame, now_s: float) -> None:
        """A frame that was on this leg."""
        way = way_of(frame.source, frame.destination, leg, self.clients, self.backends)
        if not {*way} <= {*self.legs}:
            self.unknown += 1
            return
        rightwards = goes_right(frame.source, way, self.clients, self.backends)
        is_near = leg == way[0 if rightwards else 1]
        if others := self._halves.get((not is_near, frame.crossing)):
            # of several that are equal to the bit, the last that can have become this one
            able = [each for each in others if (each.at_ns <= frame.time_ns) is not is_near]
            if able:
                packet = able[0] if is_near else able[-1]
                self._forget(packet)
                there = packet.rung.frame
                packet.rung = _rung(frame, there, rightwards, way) if is_near else _rung(there, frame, rightwards, way)
                return
        rung = _rung(frame, None, rightwards, way) if is_near else _rung(None, frame, rightwards, way)
        packet = _Packet(rung, is_near, frame.time_ns, now_s + HOLD_S)
        bisect.insort(self._waiting, packet, key=lambda each: each.at_ns)
        self._halves.setdefault((is_near, frame.crossing), deque()).append(packet)

    def skips(self, leg: str, second: int) -> None:
        """This leg does not tell of all frames of this second (Unix time)."""
        seconds = self._busy.setdefault(leg, set())
        seconds.add(second)
        self._busy[leg] = {each for each in seconds if each > second - 10}

    def due(self, now_s: float) -> Iterator[ReadyRung]:
        """The packets that are ready, in the order of time. Those after one that is still waited for wait too."""
        while self._waiting:
            first = self._waiting[0]
            whole = first.rung.left is not None and first.rung.right is not None
            if not whole and first.due_s > now_s and len(self._waiting) < PENDING_LIMIT:
                return
            self._waiting.pop(0)
            if whole:
                yield ReadyRung(first.rung)
                continue
            self._forget(first)
            if shown := self._alone(first, now_s):
                yield shown

    def next_s(self) -> float | None:
        """When something will be due, if nothing comes; None: nothing waits."""
        return self._waiting[0].due_s if self._waiting else None

    def _forget(self, packet: _Packet) -> None:
        """It is waited for no longer."""
        key = (packet.is_near, packet.rung.frame.crossing)
        self._halves[key].remove(packet)
        if not self._halves[key]:
            del self._halves[key]

    def _alone(self, packet: _Packet, now_s: float) -> ReadyRung | None:
        """A packet that one leg alone had; None where the other one did not tell of all."""
        rung, frame = packet.rung, packet.rung.frame
        other = rung.way[0 if rung.left is None else 1]
        second = frame.time_ns // 1_000_000_000
        if self._busy.get(other, set()) & {second - 1, second, second + 1}:
            self.unknown += 1
            return None
        while self._lost and next(iter(self._lost.values()))[0] < now_s - LATE_WITHIN_S:
            self._lost.popitem(last=False)
        if packet.is_near:
            self._lost[frame.crossing] = (now_s, frame.time_ns)
            while len(self._lost) > PENDING_LIMIT:
                self._lost.popitem(last=False)
            return ReadyRung(rung)
        _, left_ns = self._lost.pop(frame.crossing, (0.0, None))
        return ReadyRung(rung, None if left_ns is None else (frame.time_ns - left_ns) / 1e9)


def _rung(near: Frame | None, far: Frame | None, rightwards: bool, way: Way) -> Rung:
    return Rung(near, far, True, way) if rightwards else Rung(far, near, False, way)


class Within:
    """The addresses of some networks, and more: who is there need not be known."""

    def __init__(self, networks: Iterable[str], more: Iterable[str] = ()) -> None:
        self._networks = [ipaddress.ip_network(each) for each in networks]
        self._more = frozenset(more)

    def __contains__(self, address: object) -> bool:
        if address in self._more:
            return True
        with contextlib.suppress(ValueError):  # ARP for another protocol
            return any(ipaddress.ip_address(str(address)) in each for each in self._networks)
        return False


class Picture:
    """What is printed: each conversation under its two ends, and no more packets than a person can read."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names  # the machines, by address
        self._ends: tuple[str, str] | None = None
        self._second, self._lines = 0, 0
        self.left_out = 0  # packets of this second that were not drawn
        self.packets = 0

    def lines(self, shown: ReadyRung) -> Iterator[Text]:
        """The lines of one packet. Those of more packets than LINES_A_SECOND holds are counted, and told afterwards."""
        self.packets += 1
        frame, rightwards = shown.rung.frame, shown.rung.rightwards
        second = frame.time_ns // 1_000_000_000
        if second != self._second:
            yield from self.rest()
            self._second, self._lines = second, 0
        if self._lines >= LINES_A_SECOND:
            self.left_out += 1
            return
        self._lines += 1
        ends = (self._end(frame.source, frame.source_port), self._end(frame.destination, frame.destination_port))
        if (ends := ends if rightwards else ends[::-1]) != self._ends:
            self._ends = ends
            yield pairing.heading(ends[0], "", ends[1], "bold")
        at = datetime.fromtimestamp(frame.time_ns / 1e9)
        yield from pairing.ladder_lines(shown.rung, f"{at:%H:%M:%S}.{at.microsecond // 1000:03}")
        if shown.after_s is not None:
            yield Text(f"{' ' * pairing.MARGIN}│  it was held at the firewall for {shown.after_s:.3f} s", "dim")

    def rest(self) -> Iterator[Text]:
        """What the last second had more."""
        if self.left_out:
            yield Text(f"{' ' * pairing.MARGIN}┊ {self.left_out} packets more in this second ┊", "dim")
            self.left_out = 0

    def _end(self, address: str, port: int | None) -> str:
        name = self._names.get(address, "")
        spoken = address if port is None else f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        return f"{name} {spoken}".strip()


def watch(lab: Lab, draw: Callable[[Text], None], say: Callable[[str], None]) -> int:
    """Draw what crosses the firewall of a lab that is up, until KeyboardInterrupt; then the number of packets drawn.

    `say` is told when it begins. Raises LabProblem when the firewall does not run, or runs no longer.
    """
    topology = lab.topology
    names = {address: host.name for host in topology.places.values() for address in (host.ipv4, host.ipv6)}
    names |= {address: "firewall" for leg in topology.legs.values() for address in (leg.ipv4, leg.ipv6)}
    clients = Within(topology.networks[CLIENT_NET], Cast(topology, "le-le", "ipv4").client_side)
    pairing = Pairing(clients, Within(topology.backend.subnets))
    picture = Picture(names)
    with _watching(lab) as stream, contextlib.suppress(KeyboardInterrupt):
        pairing.legs = stream.ask({"tshark": live_arguments()}, "begin to watch", OPENS_WITHIN_S)["watching"]
        say(f"lab {lab.number} is watched; Ctrl-C ends it")
        while True:
            due_s = pairing.next_s()
            within_s = None if due_s is None else max(0.0, due_s - time.monotonic())
            if picture.left_out:
                within_s = min(1.0, within_s if within_s is not None else 1.0)
            said = stream.next(within_s) or {}
            if "frame" in said:
                frame = live_frame(said["frame"])
                if frame is not None:
                    pairing.add(said["leg"], frame, time.monotonic())
            elif "skips" in said:
                pairing.skips(said["leg"], said["skips"])
            elif "skipped" in said:
                pairing.unknown += said["skipped"]
            for line in itertools.chain.from_iterable(map(picture.lines, pairing.due(time.monotonic()))):
                draw(line)
            if not said and pairing.next_s() is None:  # nothing comes any more, and so no second after this
                for line in picture.rest():
                    draw(line)
    if pairing.unknown:
        say(f"{pairing.unknown} packets came faster than they are decoded, and were not drawn")
    return picture.packets


@contextlib.contextmanager
def _watching(lab: Lab) -> Iterator[Child]:
    """The firewall's program, for the time of the `with` block. The next run in this lab leaves it alone."""
    advice = {"not found": f"`{typed('down', lab=lab.number)}` and `{typed('up', lab=lab.number)}` bring it up to date"}
    stream = lab.open("firewall", ["sh", "-c", EVERY_LEG], mark=False)
    child = Child(stream, f"the watch program on the firewall of lab {lab.number}", advice=advice)
    try:
        yield child
    finally:
        child.close()
