"""The faults in force, one behind the other in the order in which they were applied, as boxes on a wire.

A packet comes to the first fault; what that gives goes to the next; what the last one gives goes on. So faults
compose: what one delays, the next may lose. The answer to everything is a list of steps for the owner of the packets
to take, in order.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable, Mapping
from enum import Enum
from typing import Any, NamedTuple

from .acting import acting
from .declared import Action, Alter, Cut, Pick, check, to_json
from .holding_back import UNTOUCHED
from .packet import Endpoint, Packet, as_it_came, describe, parse
from .picking import Flow, Picker

HITS_LIMIT = 4096  # packets of which a fault keeps a description
FAULTS_LIMIT = 64


class Verb(Enum):
    ACCEPT = "accept"  # the original goes on, with these bytes if there are any
    LOSE = "lose"  # the original does not
    SEND = "send"  # these bytes are a packet that was made here, as if it had just come in


class Step(NamedTuple):
    verb: Verb
    original: Any  # what it is, only its owner knows; None for SEND
    data: bytes  # empty for an original that goes on as it came, or is lost


def needs_stream(action: Action) -> bool:
    """Whether the action must know where in its stream a segment is."""
    return isinstance(action, Cut) or (isinstance(action, Alter) and action.of == "stream")


class Fault:
    """One fault in force: what it picks, what it does, and what it has done. Raises ValueError when it cannot be."""

    def __init__(self, name: str, action: Action, pick: Pick, seed: int, earlier: Collection[Flow] = ()) -> None:
        check(action, pick)
        self.name, self.action, self.pick, self.seed = name, action, pick, seed
        self.needs_stream = needs_stream(action) or bool(earlier)  # in the kernel's rules: whether to queue SYNs too
        self.picker = Picker(pick, seed, needs_stream=needs_stream(action), earlier=earlier)
        self.acting = acting(action, seed)
        self._hits: list[tuple[int, int, str, Packet]] = []
        self.untouched = 0
        self.behind: Fault | None = None  # it takes hold only after so many hits of that one
        self.hits_before = 0  # its hits when the packet came that is dealt with now

    @property
    def hit_count(self) -> int:
        """How many packets it took hold of."""
        return self.picker.picked - self.untouched

    def receive(self, packet: Packet, now: int, steps: list[Step]) -> list[Packet] | None:
        """The packets that go on now; None: the packet itself, and nothing else. Adds the step for a lost original."""
        picker = self.picker
        if not picker.concerns(packet):
            return None
        connection = picker.connection(packet)
        seen = picker.seen
        if self.behind is not None and self.behind.hits_before < self.pick.after_hits:
            return None
        if not picker.picks(packet, connection):
            behind = self.acting.passed() if self.acting.waiting and picker.seen != seen else None
            return [packet, *behind] if behind else None
        offset = connection.stream_offset(packet) if connection else None
        held = self.acting.count
        did, going = self.acting.act(packet, now, offset)
        original = packet.original
        if original is not None and held == self.acting.count and all(one.original is not original for one in going):
            steps.append(Step(Verb.LOSE, original, b""))
        self.untouched += did is UNTOUCHED
        if len(self._hits) < HITS_LIMIT:
            self._hits.append((now, picker.seen, did, packet))
        return going

    def hits(self, wall_offset: int) -> dict[str, object]:
        """What was seen, picked and done, as JSON. `wall_offset`: what makes a time here one since the epoch, in ns."""
        described = [
            {"at_ns": at + wall_offset, "count": count, "did": did, **describe(packet)}
            for at, count, did, packet in self._hits
        ]
        return {
            "fault": self.name,
            "action": to_json(self.action),
            "pick": to_json(self.pick),
            "seed": self.seed,
            "seen": self.picker.seen,
            "picked": self.picker.picked,
            "untouched": self.untouched,
            "unplaced": self.picker.unplaced,
            "held": self.acting.waiting,
            "hits": described,
            "left_off": self.picker.picked - len(described),
        }


class Wire:
    """The faults in force, by name, in the order in which they were applied.

    `inside` says whom a packet is for that came to the address of a NAT; None: it is for the NAT itself. `led` says the
    same of one to a virtual address; None: it begins a conversation, which whoever took that address last is given.
    """

    def __init__(
        self,
        inside: Callable[[Packet], Endpoint | None] = lambda _: None,
        led: Callable[[Packet], Endpoint | None] = lambda _: None,
    ) -> None:
        self.faults: dict[str, Fault] = {}
        self._boxes: list[Fault] = []
        self._inside, self._led = inside, led
        self._translators: frozenset[bytes] = frozenset()  # the addresses of NATs
        self._virtual: frozenset[bytes] = frozenset()  # virtual addresses
        self._taken: dict[str, Mapping[bytes, bytes]] = {}  # who took them, one behind the other: address to host
        self._awaited: list[Fault] = []  # those after whose hits others take hold; they need not be in force any more
        self.arrived = 0
        self.garbage = 0  # packets that could not be read, and went on as they were

    def apply(self, fault: Fault) -> None:
        """Put a fault behind the others. Raises ValueError when there is one of its name, or there are too many.

        The one that it waits for (`Pick.after`) must be in force.
        """
        if fault.name in self.faults:
            raise ValueError(f"there is a fault {fault.name!r} already")
        if len(self.faults) >= FAULTS_LIMIT:
            raise ValueError(f"there are {FAULTS_LIMIT} faults already")
        if fault.pick.after is not None:
            if fault.pick.after not in self.faults:
                raise ValueError(f"after: there is no fault {fault.pick.after!r} in force")
            fault.behind = self.faults[fault.pick.after]
        self.faults[fault.name] = fault
        self._boxes.append(fault)
        self._note()

    def heal(self, name: str, now: int) -> list[Step]:
        """Take a fault away; what it held goes on, to the faults behind it."""
        fault = self.faults.pop(name)
        place = self._boxes.index(fault)
        self._boxes.remove(fault)
        self._note()
        return self._forward(fault.acting.release_all(), place, now)

    def take(self, name: str, addresses: Mapping[bytes, bytes]) -> None:
        """Have virtual addresses lead new conversations to these hosts; empty: those of this name do so no more."""
        self._taken.pop(name, None)
        if addresses:
            self._taken[name] = addresses

    def _newest(self, packet: Packet) -> Endpoint | None:
        """Whom a conversation is given that begins with a packet to a virtual address."""
        for addresses in reversed(self._taken.values()):
            if packet.destination in addresses:
                return addresses[packet.destination], packet.destination_port
        return None

    def _note(self) -> None:
        """Take in which faults there are now."""
        self._awaited = [each.behind for each in self._boxes if each.behind is not None]
        self._note_hits()
        behind = [fault.pick.behind for fault in self._boxes]
        self._translators = frozenset(ipaddress.ip_address(each).packed for each in behind if each)
        virtual = [fault.pick.virtual for fault in self._boxes]
        self._virtual = frozenset(ipaddress.ip_address(each).packed for each in virtual if each)

    def _note_hits(self) -> None:
        """A fault that waits for a hit of another takes hold of what comes behind it, not of the very same packet."""
        for each in self._awaited:
            each.hits_before = each.hit_count

    def arrive(self, data: bytes, original: object, now: int) -> list[Step]:
        """A packet has come. `original` is given back in the steps that are about it."""
        self.arrived += 1
        if self._awaited:
            self._note_hits()
        packet = parse(data, original)
        if packet is None:
            self.garbage += 1
            return [Step(Verb.ACCEPT, original, b"")]
        if packet.destination in self._translators:
            packet.inside = self._inside(packet)
        elif packet.destination in self._virtual and self._taken:
            packet.inside = self._led(packet) or self._newest(packet)
        for place, box in enumerate(self._boxes):
            steps: list[Step] = []
            going = box.receive(packet, now, steps)
            if going is not None:
                return steps + self._forward(going, place + 1, now)
        return [Step(Verb.ACCEPT, original, b"")]

    @property
    def due(self) -> int | None:
        """When `tick` has something to do."""
        return min((due for box in self._boxes if (due := box.acting.due) is not None), default=None)

    def tick(self, now: int) -> list[Step]:
        """Let go what is due."""
        steps: list[Step] = []
        if self._awaited:
            self._note_hits()
        for place, box in enumerate(self._boxes):
            if box.acting.waiting:
                going = box.acting.release(now)
                lost = (each.original for each in box.acting.take_lost() if each.original is not None)
                steps += [Step(Verb.LOSE, original, b"") for original in lost]
                steps += self._forward(going, place + 1, now)
        return steps

    def _forward(self, packets: Iterable[Packet], place: int, now: int) -> list[Step]:
        steps: list[Step] = []
        for packet in packets:
            for behind, box in enumerate(self._boxes[place:], place + 1):
                going = box.receive(packet, now, steps)
                if going is not None:
                    steps += self._forward(going, behind, now)
                    break
            else:
                self._emit(packet, steps)
        return steps

    def _emit(self, packet: Packet, steps: list[Step]) -> None:
        if packet.original is not None:
            steps.append(Step(Verb.ACCEPT, packet.original, packet.data if packet.is_changed else b""))
        else:
            steps.append(Step(Verb.SEND, None, as_it_came(packet)))
