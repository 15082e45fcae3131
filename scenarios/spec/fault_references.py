"""What a fault of a drill says of others: of a fault that it waits for, and of a program that it hurts or replaces."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from scenarios.spec.cross_references import unknown
from scenarios.spec.declaration_error import advice
from scenarios.spec.fault import Fault
from scenarios.spec.roles import SERVER
from scenarios.spec.steps import Call, Step

# What a router does to packets, or what it rests on; a bridge has none of it.
OF_ROUTER = (
    *("nat", "rebind", "vip", "no_route", "forged_neighbour", "mtu", "spend_ttl", "syn_proxy"),
    *("second_address", "no_address"),
)


class Script(Protocol):
    """What is asked of a drill."""

    @property
    def script(self) -> Sequence[Step]: ...

    @property
    def calls(self) -> Mapping[str, Call]: ...

    @property
    def faults(self) -> Sequence[Fault]: ...

    @property
    def givens(self) -> Sequence[Fault]: ...

    @property
    def from_the_start(self) -> Sequence[str]: ...


def problems_of_fault(
    fault: Fault, drill: Script, number: int, begun: Collection[str], over: Collection[str], at: str
) -> Iterator[str]:
    """What is wrong with the fault of step `number`, behind what has `begun`, and of that is `over`."""
    in_force = {each.name: each for each in drill.faults if each.name in begun and each.name not in over}
    yield from _problems_on_one_network(fault, drill.faults, at)
    yield from _problems_of_after(fault, in_force, [each.name for each in drill.givens], at)
    started = [step.start.name for step in drill.script if step.start]
    if fault.clock:
        who = f"{at}.clock.who"
        yield from unknown(fault.clock.who, list(drill.calls), who, "call")
        if fault.clock.who in begun:
            yield f"{who}: the call {fault.clock.who!r} has begun by then; expected this before it"
    if fault.replace:
        yield from _problems_of_replacement(fault, drill, number, at)
    for key, effect in (("kill", fault.kill), ("pause", fault.pause), ("signal", fault.signal)):
        if effect is None or effect.who == SERVER:
            continue
        who = f"{at}.{key}.who"
        if effect.who not in started:
            yield from unknown(effect.who, [SERVER, *started], who, "program that runs meanwhile")
            if effect.who in drill.calls:
                yield f"{who}: the call {effect.who!r} has ended by then; expected it under `start`"
        elif effect.who not in begun:
            yield f"{who}: the call {effect.who!r} is not started yet; expected this behind its `start`"


def _problems_on_one_network(fault: Fault, faults: Sequence[Fault], at: str) -> Iterator[str]:
    """What is wrong with a fault of a router, where the firewall is none for the two hosts of a `one_network`."""
    bridge = next((each for each in faults if each.one_network and each is not fault), None)
    of_router = next((key for key in OF_ROUTER if getattr(fault, key) is not None), None)
    if bridge and fault.one_network:
        yield f"{at}.one_network: {bridge.name!r} is one already; expected one of them"
    elif bridge and of_router:
        yield (
            f"{at}.{of_router}: between the hosts of {bridge.name!r} the firewall is a bridge, and no router; "
            "expected another fault, or no `one_network`"
        )


def problems_of_link_local(call: Call, faults: Sequence[Fault], at: str) -> Iterator[str]:
    """What is wrong with a call of a link-local address: only a neighbour has one."""
    if call.link_local is None:
        return
    ends = {call.from_, call.to}
    if not any(each.one_network and {*each.one_network.between} == ends for each in faults):
        yield (
            f"{at}.link_local: {call.from_} and {call.to} are on two networks; expected a `one_network` between them"
        )


def _problems_of_after(fault: Fault, before: Mapping[str, Fault], givens: Sequence[str], at: str) -> Iterator[str]:
    """What is wrong with the fault after which another takes hold; `before` are those of the steps before it."""
    if fault.after is None:
        return
    awaited = before.get(fault.after.fault)
    if awaited is None:
        yield from unknown(fault.after.fault, list(before), f"{at}.after.fault", "fault of a step before")
    elif not awaited.is_picked:
        can = [name for name, each in before.items() if each.is_picked]
        there_are = advice(awaited.name, can) if can else ""
        yield f"{at}.after.fault: {awaited.name!r} picks no packets one by one{there_are}"
    elif fault.name in givens and awaited.name not in givens:
        yield f"{at}.after.fault: {awaited.name!r} is not there in the control, and this is; expected it to be `given`"


def _problems_of_replacement(fault: Fault, drill: Script, number: int, at: str) -> Iterator[str]:
    assert fault.replace is not None  # noqa: S101 (whoever asks has seen to it)
    who = fault.replace.who
    yield from unknown(who, [SERVER, *drill.calls], f"{at}.replace.who", "program that can be replaced")
    restarted = who == SERVER and any(each.restart for each in drill.script[number:])
    if fault.name not in drill.from_the_start and not restarted:
        yield (
            f"{at}: a program is replaced from the start, so this step must come before every call; or it is the "
            "server, from a restart on, so one must follow"
        )
