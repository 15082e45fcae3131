"""A lab made ready for drills: held alone, with what stays from drill to drill, and freed from what a dead run left.

A caller on each host, the injector, the captures and their decoder. It judges nothing, and knows no expectations.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

from scenarios.calls import compositions
from scenarios.calls.caller import Caller
from scenarios.evidence.capture import Capturing
from scenarios.evidence.flows import Flows
from scenarios.evidence.meter import Metering
from scenarios.evidence.tshark import Dissector
from scenarios.faults.injector import Injector
from scenarios.faults.recovery import held_without_faults, remove_all
from scenarios.lab.architecture import query_architecture, settings
from scenarios.lab.composition import Composition
from scenarios.lab.heartbeat import under_way
from scenarios.lab.lab import Lab
from scenarios.lab.links import carrier_changes, changes
from scenarios.lab.topology import Host
from scenarios.lab.valueclass import valueclass
from scenarios.lab.waiting import Meanwhile
from scenarios.spec.service import Service

TOLD_AFTER_S: Final = 1.0  # of a wait: what is over sooner is not told


class Interrupted(Exception):
    """The run was told to end; what was begun has been undone."""


@valueclass
class Happened:
    """An event of a script, as it happens. `in_force`: the faults that are, by name; `armed`: not the control."""

    cell: str
    armed: bool
    at_ns: int  # since the epoch, by the captures' clock
    what: str
    in_force: tuple[str, ...]


class Stage:
    """A lab that is up, for the time of the `with` block. `interrupted` says whether to stop at the next step.

    `happened` is told of each event of a script.
    """

    def __init__(
        self,
        lab: Lab,
        interrupted: Callable[[], bool] = lambda: False,
        happened: Callable[[Happened], None] = lambda _: None,
    ) -> None:
        self.lab = lab
        self.interrupted = interrupted
        self.happened = happened
        self.flows = Flows([each for leg in lab.topology.legs.values() for each in (leg.ipv4, leg.ipv6)])
        self.disturbed = True  # connections may be left whose ends still send: of a script with a fault, of another run
        self.left_on: set[str] | None = None  # the hosts on which they may be; None: on any, another run had the lab
        self.composition: Composition | None = None  # that of the last service that has one
        self._composed = contextlib.ExitStack()
        self._architectures: dict[str, str] = {}
        self._settings: dict[str, Mapping[str, str]] = {}
        self._links: dict[str, Mapping[str, int]] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(held_without_faults(self.lab))
            self.injector = stack.enter_context(Injector(self.lab))
            self.caller = stack.enter_context(Caller(self.lab))
            self.capturing = stack.enter_context(Capturing(self.lab))
            self.metering = stack.enter_context(Metering(self.lab))
            self.dissector = stack.enter_context(Dissector(self.lab))
            self._composed = stack.enter_context(contextlib.ExitStack())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:  # an interrupt may have come while a fault was being put in force
            self._stack.callback(remove_all, self.lab)
        self._stack.close()

    def compose(self, service: Service) -> None:
        """Have the composition of a service up, if it has one; it stays for the next drills. Raise LabProblem."""
        if not service.compose or (self.composition and self.composition.plan.name == service.service):
            return
        self._composed.close()
        self.composition = None
        self.lab.topology = compositions.with_seats(self.lab.topology, service)
        with under_way(f"lab {self.lab.number}: the composition {service.service} comes up"):
            self.composition = self._composed.enter_context(self._composition_of(service))

    def _composition_of(self, service: Service) -> Composition:
        return Composition(self.lab, compositions.plan_of(service), self.check_interrupted)

    @contextlib.contextmanager
    def interruptible(self, until: str) -> Iterator[Meanwhile]:
        """What a wait of the `with` block is to call at each look: it raises Interrupted if the run was told to end.

        A wait that takes longer is told as under way, with `until`.
        """
        told_s = time.monotonic() + TOLD_AFTER_S
        with contextlib.ExitStack() as told:

            def meanwhile() -> None:
                nonlocal told_s
                self.check_interrupted()
                if time.monotonic() >= told_s:
                    told_s = math.inf
                    told.enter_context(under_way(f"lab {self.lab.number}: waiting {until}"))

            yield meanwhile

    def check_interrupted(self) -> None:
        """Raise Interrupted if the run was told to end."""
        if self.interrupted():
            raise Interrupted

    def machine(self, host: Host) -> str:
        """What a host is, as the host itself says; asked once."""
        if host.name not in self._architectures:
            self._architectures[host.name] = query_architecture(self.lab, host)
        return self._architectures[host.name]

    def settings(self, host: Host) -> Mapping[str, str]:
        """The kernel of a host, and what its TCP goes by; asked once."""
        if host.name not in self._settings:
            self._settings[host.name] = settings(self.lab, host)
        return self._settings[host.name]

    def remember_links(self, machines: Collection[str]) -> None:
        """Note how the links of these machines are; asked once. Raise LabProblem."""
        with ThreadPoolExecutor() as pool:
            new = [each for each in machines if each not in self._links]
            self._links |= zip(new, pool.map(lambda each: carrier_changes(self.lab, each), new), strict=True)

    def changed_links(self, machines: Collection[str]) -> list[str]:
        """What became of the links of these machines since they were asked last, in words. Raise LabProblem."""
        before = {each: self._links.pop(each) for each in machines if each in self._links}
        self.remember_links(before)
        return [each for name, links in before.items() for each in changes(name, links, self._links[name])]

    def forget_links(self, machine: str) -> None:
        """Ask anew, the next time, how the links of a machine are: a fault changes them."""
        self._links.pop(machine, None)
