"""Put a declared fault in force: in the firewall's kernel, in its injector, on a host, or on a program.

Whatever it is made of, it has one face: what it caught so far, and its end, which undoes it and says what it caught.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Protocol as Interface

from images.firewall.inject.declared import Pick
from scenarios.calls.call import Pending
from scenarios.calls.forkserver import WarmRunning
from scenarios.faults import Fault
from scenarios.faults.catch import Caught
from scenarios.faults.conntrack import forget_all
from scenarios.faults.injector import Fault as Injected
from scenarios.faults.injector import Hits, Injector
from scenarios.faults.kernel_effects import of_kernel, protocols
from scenarios.faults.kernel_fault import Standing
from scenarios.faults.loopback import Loopback
from scenarios.faults.nat import Nat, Rebind
from scenarios.faults.programs import Killed, KilledCalls, Paused, PausedCalls, Signalled, calls_that_run
from scenarios.faults.rate_limit import Rate
from scenarios.faults.vip import Vip
from scenarios.lab.earlier_connections import Connection, ports
from scenarios.lab.errors import LabProblem
from scenarios.lab.guest import Guest
from scenarios.lab.lab import Lab
from scenarios.lab.or_undo import OrUndo
from scenarios.lab.process import Running
from scenarios.spec import (
    kernel_faults,
    loopback_faults,
    mapping_faults,
)
from scenarios.spec.cast import Cast
from scenarios.spec.fault import Fault as Declared
from scenarios.spec.header_faults import Shift
from scenarios.spec.injected_faults import Hold, Picked
from scenarios.spec.path_faults import PathBetween
from scenarios.spec.program_faults import Kill, Pause, Signal
from scenarios.spec.roles import SERVER, Role


class Applied(Interface):
    """A fault that is in force, or was."""

    def read_hits(self) -> Caught:
        """What it took hold of so far."""

    def end(self, known: Caught | None = None) -> Caught:
        """Undo it; what it took hold of in all, if that is not known yet. Done twice, it says the same."""

    def count_held(self) -> int:
        """How many packets it holds now that will go on by themselves."""


class _Rule:
    """A fault that the kernel makes."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._last: Caught | None = None
        fault.__enter__()

    def read_hits(self) -> Caught:
        return self._last or Caught(self.fault.hits())

    def end(self, known: Caught | None = None) -> Caught:
        if self._last is None:
            try:
                self._last = known or (None if _counts_at_its_end(self.fault) else self.read_hits())
            finally:
                self.fault.__exit__(None, None, None)
            final = getattr(self.fault, "final", None)
            self._last = self._last or (
                Caught(0, "the fault's counter was gone when it was undone") if final is None else Caught(final)
            )
        return self._last

    def count_held(self) -> int:
        return self.fault.waiting() if isinstance(self.fault, Rate) and self._last is None else 0


def _counts_at_its_end(fault: Fault) -> bool:
    """Whether undoing it tells its hits: then none can come between the counting and the end."""
    return isinstance(fault, Standing) and type(fault).hits is Standing.hits


class _Led(_Rule):
    """A virtual address of the kernel's, which the injector knows too: it stands in front of the translation."""

    def __init__(self, fault: Vip, injector: Injector) -> None:
        self._injector = injector
        super().__init__(fault)
        with OrUndo(fault.__exit__):
            injector.take(fault.name, fault.addresses)

    def end(self, known: Caught | None = None) -> Caught:
        is_first = self._last is None
        ended = super().end(known)
        if is_first:
            self._injector.take(self.fault.name, {})
        return ended


class _Injection:
    """A fault that the injector makes."""

    def __init__(self, fault: Injected, *, for_ever: bool) -> None:
        self._fault, self._for_ever = fault, for_ever

    def read_hits(self) -> Caught:
        return _as_caught(self._fault.hits())

    def end(self, known: Caught | None = None) -> Caught:
        healed = _as_caught(self._fault.heal())
        return known or healed

    def count_held(self) -> int:
        return 0 if self._for_ever else self._fault.hits().held


def _as_caught(hits: Hits) -> Caught:
    details = [
        f"{each.protocol} {each.source} → {each.destination}, {each.length} bytes: {each.did}" for each in hits.hits
    ]
    return Caught(hits.picked - hits.untouched, hits.unsure, tuple(details))


class _BothWays(_Injection):
    """A fault of the injector of packets there and back, each with what is done to them."""

    def __init__(self, there: Injected, back: Injected) -> None:
        super().__init__(there, for_ever=False)
        self._ways = there, back

    def read_hits(self) -> Caught:
        there, back = (_as_caught(way.hits()) for way in self._ways)
        return Caught(there.hits + back.hits, there.unsure or back.unsure, there.details + back.details)

    def end(self, known: Caught | None = None) -> Caught:
        for way in self._ways:
            way.heal()
        return known or self.read_hits()

    def count_held(self) -> int:
        return sum(way.hits().held for way in self._ways)


class _Shifted(_Injection):
    """A fault of the injector that needs another for the packets that come back."""

    def __init__(self, there: Injected, back: Injected) -> None:
        super().__init__(there, for_ever=False)
        self._back = back

    def end(self, known: Caught | None = None) -> Caught:
        healed = super().end(known)
        self._back.heal()
        return healed


def applied(
    fault: Declared,
    lab: Lab,
    injector: Injector,
    cast: Cast,
    seed: int,
    server: Running | None,
    earlier: Mapping[str, Applied],
    left: Collection[Connection] = (),
    calls: Mapping[str, Sequence[Pending]] = MappingProxyType({}),
) -> Applied:
    """Put a fault in force. Raises LabProblem when it cannot be, Unsupported when this kernel cannot do it.

    `server` is the program on the server's side, if it runs; `earlier` are the faults that are in force. What is `left`
    of earlier scripts, the fault does not take hold of. `calls` are those that run, by their names.
    """

    def nat(name: str) -> Nat:
        found = earlier.get(name)
        if not isinstance(found, _Rule) or not isinstance(found.fault, Nat):
            raise LabProblem(f"{fault.name}: the NAT {name} is not in force")
        return found.fault

    def running() -> WarmRunning | Guest:
        if not isinstance(server, WarmRunning | Guest):
            raise LabProblem(f"{fault.name}: the server has no process on its host to kill, pause or signal")
        return server

    effect = fault.effect
    match effect:
        case Kill() if effect.who == SERVER:
            return Killed(running(), effect.by)
        case Kill():
            return KilledCalls(calls_that_run(fault.name, effect.who, calls), effect.by)
        case Pause() if effect.who == SERVER:
            return Paused(lab, cast.server, running())
        case Pause():
            return PausedCalls(lab, calls_that_run(fault.name, effect.who, calls))
        case Signal():
            whom = [running()] if effect.who == SERVER else calls_that_run(fault.name, effect.who, calls)
            return Signalled(whom, effect.by, effect.times, float(effect.every))
        case Picked() | kernel_faults.Refuse() if effect.action:
            pick = _translated(effect.pick(lambda role: cast.address(role, effect.family)), effect.to, effect, cast)
            if fault.after:
                pick = replace(pick, after=fault.after.fault, after_hits=fault.after.hits)
            of_pick = ports(left, pick.from_, pick.to, pick.behind, pick.virtual)
            injector.apply(fault.name, effect.action, pick, seed, of_pick)
            if isinstance(effect, Shift):
                back = effect.pick_back(lambda role: cast.address(role, effect.family))
                back = _translated(back, effect.from_, effect, cast)
                of_back = ports(left, back.from_, back.to, back.behind, back.virtual)
                with OrUndo(Injected(injector, fault.name).heal):
                    injector.apply(f"{fault.name}.back", effect.action_back, back, seed, of_back)
                return _Shifted(Injected(injector, fault.name), Injected(injector, f"{fault.name}.back"))
            return _Injection(Injected(injector, fault.name), for_ever=isinstance(effect, Hold))
        case PathBetween():
            address = functools.partial(cast.address, family=effect.family)
            there = _translated(effect.pick(address), effect.to, effect, cast)
            back = _translated(effect.pick_back(address), effect.from_, effect, cast)
            of_there, of_back = (ports(left, way.from_, way.to, way.behind, way.virtual) for way in (there, back))
            injector.apply(fault.name, effect.action, there, seed, of_there)
            with OrUndo(Injected(injector, fault.name).heal):
                injector.apply(f"{fault.name}.back", effect.action_back, back, seed, of_back)
            return _BothWays(Injected(injector, fault.name), Injected(injector, f"{fault.name}.back"))
        case mapping_faults.Vip():
            return _Led(Vip(lab, fault.name, cast.host(effect.to), effect.hairpin), injector)
        case loopback_faults.Loopback():
            return Loopback(lab, fault.name, cast.host(effect.who), effect.of)
        case mapping_faults.Rebind():
            return _Rule(Rebind(lab, fault.name, nat(effect.nat), protocols(effect.of)))
    return _Rule(of_kernel(fault.name, effect, lab, cast, left))


def _translated(pick: Pick, to: Role, effect: Picked | PathBetween | kernel_faults.Refuse, cast: Cast) -> Pick:
    """The pick with the addresses that stand in the place of the role's where they are translated."""
    return replace(pick, behind=cast.translated(to, effect.family), virtual=cast.virtual(to, effect.family))


def make_ready(lab: Lab, faults: Collection[Declared]) -> None:
    """Before the first of these comes into force: have the firewall forget what a `forget` would count as of now."""
    if any(each.forget for each in faults):
        forget_all(lab)
