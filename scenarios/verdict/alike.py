"""Whether conversations are the same, byte for byte: between several machines of one run, or beside those of a control.

A message of the lab's own protocol names its sender's byte order, and may differ by that. In any other protocol the lab
cannot know which bytes may differ: the author of the drill or of the service names them. Two calls of the control show
which bytes differ from call to call on one machine too, as those of a clock do; they prove nothing. No I/O.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

from scenarios.evidence.conversation import Conversation, Direction, conversations, difference
from scenarios.evidence.record import Seen
from scenarios.evidence.stalls import COURSE_SLACK_S
from scenarios.lab.cpus import CPUS
from scenarios.lab.valueclass import valueclass
from scenarios.spec.drill import Drill
from scenarios.spec.errno_numbers import NATIVE, names_on
from scenarios.spec.expectations import Alike
from scenarios.spec.may_differ import ByteRange, MayDiffer
from scenarios.spec.outcome import Outcome
from scenarios.spec.roles import Role
from scenarios.spec.units import so_many
from scenarios.verdict.check import Check, Verdict
from scenarios.verdict.fields import Sender
from scenarios.verdict.guess import Exchange, Message, first_difference
from scenarios.verdict.weighing import verdict_of, weighed

What = Literal["request", "answer"]
BOTH: Final[tuple[What, ...]] = ("request", "answer")
Found = Mapping[tuple[Role, Role], Sequence[Conversation]]


def sender(cpu: str) -> Sender:
    """What the table of the CPUs says of one, of what may show in the bytes that it sends."""
    if cpu == NATIVE:
        return Sender(cpu, "little", 64, errnos=names_on())
    found = CPUS[cpu]
    return Sender(cpu, "big", found.bits, found.aligned, names_on(cpu))


def check_alike(expected: Alike, seen: Seen, drill: Drill, control: Seen | None) -> Check:
    """Hold the conversations of a run against each other, or against those of the control."""
    found = _conversations_of(expected, seen)
    frames: dict[str, list[int]] = {
        expected.at: sorted(number for made in found.values() for each in made for number in each.frames)
    }
    check = Check(expected.says, "it does", _sizes(found), Verdict.PASS, frames)
    if expected.beside is None:
        unlike = next(_differences(found, seen), "")
        check = dataclasses.replace(check, seen=unlike or check.seen, holds=verdict_of(not unlike))
    elif control is None:
        check = dataclasses.replace(check, seen="there is no control to compare with", holds=Verdict.UNPROVEN)
    else:
        unlikes = [
            each
            for each in _differences_from_control(expected, seen, found, control, _conversations_of(expected, control))
            if each.differs
        ]
        if unlikes:
            check = _of_unlike(check, unlikes, drill, seen)
    return weighed(check, seen, COURSE_SLACK_S)


def _conversations_of(expected: Alike, seen: Seen) -> Found:
    frames = seen.frames.get(expected.at, ())
    return {
        (client, server): conversations(frames, seen.addresses[client], seen.addresses[server], seen.port)
        for client in expected.from_
        for server in expected.to
    }


def _sizes(found: Found) -> str:
    count = sum(len(each) for each in found.values())
    sizes = [f"{len(each.request.raw)} and {len(each.answer.raw)}" for made in found.values() for each in made]
    return f"{so_many(count, 'conversation')}; bytes of request and answer: {', '.join(dict.fromkeys(sizes))}"


# In one run: every mix of machines beside the first


def _differences(found: Found, seen: Seen) -> Iterator[str]:
    """What makes conversations unlike, beside the first of them; also what would make them alike for lack of any."""
    first = next(iter(found))
    for (client, server), made in found.items():
        ends = f"{client} and {server}"
        if silent := _silent(ends, made):
            yield silent
            continue
        if len(made) != len(found[first]):
            yield f"{ends} had {so_many(len(made), 'connection')}, {' and '.join(first)} had {len(found[first])}"
        for at, (one, other) in enumerate(zip(found[first], made, strict=False), 1):
            for what, by in zip(BOTH, (client, server), strict=True):
                theirs = getattr(other, what)
                if diff := difference(getattr(one, what), theirs):
                    where = f"the {what} of connection {at} between {ends}"
                    yield f"{where} differs from the one between {' and '.join(first)}:\n{diff}"
                if wrong := _wrong_order(theirs, seen.byteorders.get(by)):
                    yield f"the {what} of connection {at} between {ends} {wrong}"


def _wrong_order(sent: Direction, own: str | None) -> str:
    """What a direction says of its sender's byte order that is not so; empty where nobody knows that."""
    wrong = next((order for order in sent.orders if own is not None and order != own), None)
    return f"calls its sender {wrong}-endian, and it is {own}-endian" if wrong else ""


def _silent(ends: str, made: Sequence[Conversation]) -> str:
    if not made:
        return f"{ends} said nothing to each other"
    return "" if all(each.request.raw and each.answer.raw for each in made) else f"{ends}: one of them said nothing"


# Beside the control: the same machines' roles, played by others


@valueclass
class _Unlike:
    """What differs from the control, in words; empty where nothing does. `is_steady`: not from call to call as well.
    `is_known`: whether it was said which bytes may differ.
    """

    differs: str
    is_steady: bool = True
    is_known: bool = True


def _differences_from_control(
    expected: Alike, seen: Seen, found: Found, control: Seen, before: Found
) -> Iterator[_Unlike]:
    for (client, server), made in found.items():
        ends, earlier = f"{client} and {server}", before[client, server]
        if silent := _silent(ends, made) or _silent(f"in the control, {ends}", earlier):
            yield _Unlike(silent)
            continue
        if len(made) != len(earlier):
            yield _Unlike(f"{ends} had {so_many(len(made), 'connection')}, and {len(earlier)} in the control")
        for at, (one, other) in enumerate(zip(earlier, made, strict=False), 1):
            for what, by in zip(BOTH, (client, server), strict=True):
                where = f"the {what} of connection {at} between {ends}"
                mine, theirs = getattr(one, what), getattr(other, what)
                if wrong := _wrong_order(theirs, seen.byteorders.get(by)):
                    yield _Unlike(f"{where} {wrong}")
                elif _is_read(mine) and _is_read(theirs):
                    diff = difference(mine, theirs)
                    yield _Unlike(f"{where} differs from the one in the control:\n{diff}" if diff else "")
        yield from _unread(expected, seen, control, (client, server), earlier, made)


def _is_read(sent: Direction) -> bool:
    """Whether it is of the lab's own protocol, which tells the sender's order."""
    return any(part.kind != "bytes" for part in sent.parts)


def _unread(
    expected: Alike,
    seen: Seen,
    control: Seen,
    ends: tuple[Role, Role],
    earlier: Sequence[Conversation],
    made: Sequence[Conversation],
) -> Iterator[_Unlike]:
    """What differs in conversations of a protocol that nobody here reads: as bytes, with a guess at the cause."""
    own = {role: _names(control.addresses[role]) for role in ends}
    there = {role: _names(seen.addresses[role]) for role in ends}
    calls = sum(len(each) for each in control.calls.values())
    a_call = len(earlier) // calls if calls and len(earlier) % calls == 0 else len(earlier)
    for at, (one, other) in enumerate(zip(earlier, made, strict=False)):
        streams: list[tuple[bytes, bytes]] = []
        steady, known = True, True
        for what in BOTH:
            if _is_read(getattr(one, what)):
                return
            mine, theirs = (
                _without_addresses(getattr(each, what).raw, of) for each, of in ((one, own), (other, there))
            )
            named = _ranges_of(expected.may_differ, what) or _ranges_of(seen.may_differ, what)
            theirs = _with_bytes_of(mine, theirs, _inside(named or ()))
            if mine != theirs:
                again = [
                    _without_addresses(getattr(each, what).raw, own)
                    for number, each in enumerate(earlier)
                    if number != at and number % a_call == at % a_call
                ]
                steady = steady and not _only_where(mine, theirs, again)
                known = known and (named is not None or expected.may_differ is not None)
            streams.append((mine, theirs))
        if all(mine == theirs for mine, theirs in streams):
            yield _Unlike("")
            continue
        guessed = _guessed(streams, control, seen, ends)
        yield _Unlike(f"connection {at + 1} (here: in the control, there: in this run): {guessed}", steady, known)


def _ranges_of(may_differ: MayDiffer | None, what: What) -> tuple[ByteRange, ...] | None:
    return getattr(may_differ, what) if may_differ else None


def _inside(ranges: Sequence[ByteRange]) -> Iterator[int]:
    for each in ranges:
        yield from range(each.first, each.last + 1)


def _with_bytes_of(mine: bytes, theirs: bytes, places: Iterator[int]) -> bytes:
    """What was sent here, with the control's bytes at these places."""
    changed = bytearray(theirs)
    for at in places:
        if at >= min(len(mine), len(theirs)):
            break
        changed[at] = mine[at]
    return bytes(changed)


def _only_where(mine: bytes, theirs: bytes, again: Sequence[bytes]) -> bool:
    """Whether two streams differ only where calls of the control differ among themselves."""
    if any(len(each) != len(mine) for each in again):
        return True
    differ = {at for at, byte in enumerate(mine) if any(each[at] != byte for each in again)}
    return len(mine) == len(theirs) and all(at in differ for at, byte in enumerate(mine) if byte != theirs[at])


def _names(addresses: Sequence[str]) -> tuple[bytes, ...]:
    """How a program may write a host's addresses into what it sends: as text, and in network byte order."""
    return tuple(name for each in addresses for name in (each.encode(), ipaddress.ip_address(each).packed))


def _without_addresses(raw: bytes, hosts: Mapping[Role, Sequence[bytes]]) -> bytes:
    """The bytes with each host's role in the place of its address: another host plays it in another pair."""
    for role, names in hosts.items():
        for name in names:
            raw = raw.replace(name, f"{role:.<{len(name)}}".encode()[: len(name)])
    return raw


def _guessed(streams: Sequence[tuple[bytes, bytes]], control: Seen, seen: Seen, ends: tuple[Role, Role]) -> str:
    client, server = ends
    here, there = (
        Exchange(
            sender(of.cpus.get(client, NATIVE)),
            sender(of.cpus.get(server, NATIVE)),
            (Message("client", streams[0][side]), Message("server", streams[1][side])),
        )
        for side, of in enumerate((control, seen))
    )
    return str(first_difference(here, there))


def _of_unlike(check: Check, unlikes: Sequence[_Unlike], drill: Drill, seen: Seen) -> Check:
    """The check, where something differs: it failed, unless nobody can tell whether that is meant."""
    told = next((each for each in unlikes if each.is_steady and each.is_known), unlikes[0])
    failed = dataclasses.replace(check, seen=told.differs, holds=Verdict.FAIL)
    answered = all(call.outcome is Outcome.ANSWERED for made in seen.calls.values() for call in made)
    if told.is_known and told.is_steady:
        return failed
    if not told.is_steady:
        hint = "it differs from call to call on one machine too; name such bytes in `may_differ` of service.yaml"
        return dataclasses.replace(failed, holds=Verdict.UNPROVEN, seen=f"{told.differs}; {hint}")
    if not drill.is_general or not answered:
        return failed
    hint = (
        "the call is answered all the same, and a message may say its sender's order: name the bytes that may differ "
        "in service.yaml, as `may_differ: {request: [4-7], answer: []}` names four of the request"
    )
    return dataclasses.replace(failed, holds=Verdict.UNPROVEN, seen=f"{told.differs}; {hint}")
