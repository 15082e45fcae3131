"""Faults of the injector on the firewall (images/firewall/injector): which packets, and what is done to them.

    with Injector(lab) as injector:
        with injector.fault("lose-one", Drop(), Pick(client, server, of="syn", first=1)) as fault:
            …
        assert fault.hits().picked == 1

The words, Pick and the actions, are the injector's own: images/firewall/inject/declared.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Self

from images.firewall.inject.declared import Action, Pick, to_json
from scenarios.lab.json_lines import Child
from scenarios.lab.lab import Lab
from scenarios.lab.or_undo import OrUndo
from scenarios.lab.valueclass import valueclass

PROGRAM = "/usr/local/lib/faultwire/injector"
ANSWER_WITHIN_S = 30
END_WITHIN_S = 20  # it takes its rules away first, with programs that have 10 s


@valueclass
class Hit:
    """A packet that was picked, as it came to the firewall; `at_ns` is on the clock of the captures."""

    at_ns: int
    count: int  # the how manieth of its kind it was, from 1
    did: str  # what was done with it: "dropped", "delayed by 0.2 s", "untouched", …
    protocol: str
    source: str
    source_port: int
    destination: str
    destination_port: int
    identification: int | None  # of IPv4
    length: int  # of the transport's payload
    head: bytes  # of the payload, at most 16 bytes
    flags: frozenset[str]  # of TCP
    seq: int | None
    ack: int | None
    number: int | None  # the sequence number of an ICMP echo


@valueclass
class Hits:
    """What a fault has seen and done. It is evidence only when `unsure` is empty."""

    fault: str
    seed: int
    seen: int  # packets of the kind
    picked: int
    hits: tuple[Hit, ...]
    left_off: int  # of `picked`, without a description: there were too many
    held: int  # now
    untouched: int  # picked, but it could not be done to them, or there was nothing to do
    unplaced: int  # segments of connections whose SYN did not cross while the fault was in force
    arrived: int  # packets that were queued since it was applied, for whichever fault; likewise the next three
    garbage: int  # that could not be read, and went on
    unsent: int  # made, but not taken by the kernel
    overflowed: int  # lost because they came faster than they were dealt with

    @property
    def unsure(self) -> str:
        """What makes these counts doubtful, for a person; empty when nothing does."""
        doubts = {
            "could not be read": self.garbage,
            "could not be sent": self.unsent,
            "were lost because they came too fast": self.overflowed,
        }
        return "; ".join(f"{count} packets {doubt}" for doubt, count in doubts.items() if count)


def _hit(told: dict[str, Any]) -> Hit:
    return Hit(
        at_ns=told["at_ns"],
        count=told["count"],
        did=told["did"],
        protocol=told["protocol"],
        source=told["from"],
        source_port=told["from_port"],
        destination=told["to"],
        destination_port=told["to_port"],
        identification=told["id"],
        length=told["length"],
        head=bytes.fromhex(told["head"]),
        flags=frozenset(told.get("flags", ())),
        seq=told.get("seq"),
        ack=told.get("ack"),
        number=told.get("number"),
    )


def _hits(told: dict[str, Any]) -> Hits:
    described = tuple(_hit(each) for each in told["hits"])
    counts = "seed seen picked left_off held untouched unplaced arrived garbage unsent overflowed".split()
    return Hits(fault=told["fault"], hits=described, **{count: told[count] for count in counts})


class Fault:
    """A fault that is, or was, in force."""

    def __init__(self, injector: Injector, name: str) -> None:
        self._injector = injector
        self._last: Hits | None = None
        self.name = name

    def hits(self) -> Hits:
        """What it has seen and done so far; once healed, what it had then."""
        return self._last or self._injector.hits(self.name)

    def heal(self) -> Hits:
        """End it, and let go what it held. It may be healed more than once."""
        if self._last is None:
            self._last = self._injector.heal(self.name)
        return self._last


class Injector:
    """The injector on the firewall, for the time of the `with` block; every fault ends with it.

    `left` has the names of the faults that a dead injector had left, which are removed; `pid` is its process. Raises
    LabProblem when the injector cannot run or cannot do what it is told; the faults in force stay in force then.
    """

    def __init__(self, lab: Lab) -> None:
        self.pid = 0
        self.left: tuple[str, ...] = ()
        self._child = Child(lab.open("firewall", [PROGRAM]), "the injector on the firewall")

    def __enter__(self) -> Self:
        with OrUndo(self.__exit__):
            began = self._child.next(ANSWER_WITHIN_S, "begin") or {}
            self.pid, self.left = int(began["ready"]["pid"]), tuple(began["ready"]["left"])
        return self

    def __exit__(self, *_: object) -> None:
        self._child.close(END_WITHIN_S)  # where it died before, the kernel lets all packets pass

    def _ask(self, verb: str, what: object, name: str, key: str) -> Any:
        does = {
            "apply": "put {} in force",
            "heal": "end {}",
            "hits": "count the hits of {}",
            "take": "learn the addresses of {}",
        }
        to = does[verb].format(name)
        return self._child.ask({verb: what}, to, ANSWER_WITHIN_S)[key]

    def apply(
        self, name: str, action: Action, pick: Pick, seed: int = 0, earlier: Collection[tuple[str, int, int]] = ()
    ) -> None:
        """Put a fault in force; it is in force when this returns. The pick's addresses must be addresses by now.

        `earlier` are connections whose packets are left alone: "tcp" or "udp", and the ports from and to which the
        pick would see them go.
        """
        what = {"name": name, "action": to_json(action), "pick": to_json(pick), "seed": seed}
        self._ask("apply", {**what, "earlier": [list(each) for each in earlier]}, name, "applied")

    def take(self, name: str, addresses: Mapping[str, str]) -> None:
        """Have packets to virtual addresses be known as of these hosts; empty: those of this name are it no more."""
        self._ask("take", {"name": name, "to": dict(addresses)}, name, "taken")

    def heal(self, name: str) -> Hits:
        """End a fault and let go what it held; what it had seen and done."""
        return _hits(self._ask("heal", name, name, "healed"))

    def hits(self, name: str) -> Hits:
        """What a fault has seen and done so far."""
        return _hits(self._ask("hits", name, name, "hits"))

    @contextlib.contextmanager
    def fault(self, name: str, action: Action, pick: Pick, seed: int = 0) -> Iterator[Fault]:
        """A fault for the time of the `with` block. Its hits can be asked for during and after it."""
        self.apply(name, action, pick, seed)
        fault = Fault(self, name)
        try:
            yield fault
        finally:
            if not self._child.over:  # else it died, and its faults with it
                fault.heal()
