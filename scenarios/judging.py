"""Holding expectations against evidence: each becomes a check, with the frames that it rests on. No I/O, no clock.

What the evidence does not carry is unproven, and is told apart from what it refutes: a fault that took hold of
nothing, a capture with a hole, a control that did not go as it should.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from scenarios import ladder
from scenarios.caller import Call
from scenarios.conversation import Conversation, conversations, difference
from scenarios.dissect import Frame
from scenarios.drill import Drill
from scenarios.evidence import Caught, Seen
from scenarios.expecting import Alike, Duration, Expectation, Hits, Log, Order, Outcomes, Packets, Sockets
from scenarios.outcome import Outcome
from scenarios.programs import CUT, was_cut
from scenarios.script import LegName, Replace, Role
from scenarios.verdict import Check, Verdict, proof

TOLD_CHARACTERS = 500  # of a line that a program printed


def judged(drill: Drill, control: Seen, armed: Seen | None) -> tuple[list[Check], list[Check]]:
    """The checks of the control run, and those of the run with the fault, which a failed control may have spared."""
    of_control = [_as_control(each) for each in _checks(drill, drill.control, control)]
    return of_control, _checks(drill, drill.expect, armed) if armed else []


def _as_control(check: Check) -> Check:
    """A control that does not go as it should refutes nothing: it only makes the claim unproven."""
    holds = Verdict.UNPROVEN if check.holds is Verdict.FAIL else check.holds
    return dataclasses.replace(check, rule=f"control: {check.rule}", holds=holds)


def _checks(drill: Drill, expectations: Sequence[Expectation], seen: Seen) -> list[Check]:
    found = [
        proof(f"frames that the capture of the {leg} dropped", "0", str(each.dropped), each.dropped == 0)
        for leg, each in seen.captures.items()
    ]
    found += [
        proof(f"packets that the fault {fault} held at the end of the script", "0", f"{count}", proven=False)
        for fault, count in seen.held.items()
    ]
    counted = {each.hits.fault for each in expectations if each.hits}
    for fault in drill.faults if seen.armed else drill.givens:
        # a condition of the network that is given may have no occasion to take hold; a program has
        if fault.name not in counted and (fault not in drill.givens or isinstance(fault.effect, Replace)):
            found.append(_hits(Hits(fault=fault.name), seen))
    return found + [_check(each, seen, drill) for each in expectations]


def _check(expectation: Expectation, seen: Seen, drill: Drill) -> Check:
    match expectation.value:
        case Hits() as hits:
            return _hits(hits, seen) if hits.most != 0 else _no_hits(hits, seen, drill.witnesses(hits.fault))
        case Outcomes() as outcome:
            return _outcome(outcome, seen)
        case Packets() as packets:
            return _packets(packets, seen)
        case Order() as order:
            return _order(order, seen)
        case Sockets() as sockets:
            return _sockets(sockets, seen)
        case Log() as log:
            return _log(log, seen)
        case Duration() as duration:
            return _duration(duration, seen)
        case Alike() as alike:
            return _alike(alike, seen)


def _verdict(holds: bool) -> Verdict:
    return Verdict.PASS if holds else Verdict.FAIL


def _hits(expected: Hits, seen: Seen) -> Check:
    caught = seen.caught.get(expected.fault, Caught(0))
    holds = _verdict(expected.holds(caught.hits))
    if caught.unsure or caught.hits == 0:
        holds = Verdict.UNPROVEN  # it did not happen, or nobody knows how often
    told = f"{caught.hits}" + (f", but {caught.unsure}" if caught.unsure else "")
    return Check(f"hits of the fault {expected.fault}", expected.amount, told, holds)


def _no_hits(expected: Hits, seen: Seen, witnesses: Sequence[str]) -> Check:
    """The fault took hold of nothing: proven where its counter was read, and a witness shows that it could have.

    A witness is the same fault under another name, in force while a call was made that does not avoid it.
    """
    rule = f"hits of the fault {expected.fault}"
    caught = seen.caught.get(expected.fault, Caught(0, "it was never in force"))
    if caught.unsure:
        return Check(rule, expected.amount, f"{caught.hits}, but {caught.unsure}", Verdict.UNPROVEN)
    if caught.hits:
        return Check(rule, expected.amount, f"{caught.hits}", Verdict.FAIL)
    counts = {name: seen.caught[name] for name in witnesses if name in seen.caught}
    shown = {name: each.hits for name, each in counts.items() if each.hits and not each.unsure}
    if not shown:
        told = f"0, but nothing shows that it could: {' and '.join(witnesses) or 'no witness'} took hold of nothing"
        return Check(rule, expected.amount, told, Verdict.UNPROVEN)
    told = ", ".join(f"{hits} as {name}" for name, hits in shown.items())
    return Check(rule, expected.amount, f"0, while the same fault took hold of {told}", Verdict.PASS)


def ending(call: Call) -> str:
    """`refused (ECONNREFUSED)`."""
    return call.outcome.value + (f" ({call.errno})" if call.errno else "")


def _outcome(expected: Outcomes, seen: Seen) -> Check:
    calls = seen.calls.get(expected.call, ())
    right = [
        call
        for call in calls
        if call.outcome.value in expected.words and (expected.errno is None or call.errno == expected.errno)
    ]
    counted = expected.exactly is not None or expected.at_least is not None or expected.at_most is not None
    holds = expected.holds(len(right)) if counted else len(right) == len(calls) > 0
    endings = Counter(ending(call) for call in calls)
    told = ", ".join(each if count == len(calls) == 1 else f"{count} {each}" for each, count in endings.items())
    verdict = _verdict(holds)
    lacking = [call for call in calls if call.outcome is Outcome.UNSUPPORTED]
    if lacking and not holds:
        verdict, told = Verdict.UNSUPPORTED, lacking[0].stderr.strip()
    amount = f"{expected.amount} of {len(calls)} " if counted else f"all {len(calls)} " if len(calls) > 1 else ""
    return Check(f"outcome of {expected.call}", amount + expected.right, told or "it was not called", verdict)


def _crossings(seen: Seen, leg: LegName) -> dict[int, float | None]:
    """The seconds that each frame of this leg took from one leg to the other; None: it was on this leg alone."""
    found: dict[int, float | None] = {}
    for rung in ladder.rungs(seen.frames["client-leg"], seen.frames["server-leg"], seen.client_side):
        here, there = rung.client_leg, rung.server_leg
        if leg == "server-leg":
            here, there = there, here
        if here:
            found[here.number] = abs(here.time_ns - there.time_ns) / 1e9 if there else None
    return found


def kept(expected: Packets, seen: Seen) -> list[Frame]:
    """The frames that an expectation of packets counts, in the order of the capture."""
    frames = [frame for frame in seen.frames.get(expected.at, ()) if expected.where in frame.marks]
    if expected.from_:
        frames = [frame for frame in frames if frame.sender[0] in seen.addresses[expected.from_]]
    if expected.to:
        frames = [frame for frame in frames if frame.receiver[0] in seen.addresses[expected.to]]
    if expected.family:
        frames = [frame for frame in frames if (":" in frame.source) == (expected.family == "ipv6")]
    if expected.alone or expected.took:
        crossings = _crossings(seen, expected.at)
        frames = [frame for frame in frames if _crossed(expected, crossings[frame.number])]
    return frames


def _crossed(expected: Packets, took_s: float | None) -> bool:
    if expected.took is None:
        return took_s is None
    return took_s is not None and expected.took.holds(took_s)


def _packets(expected: Packets, seen: Seen) -> Check:
    frames = kept(expected, seen)
    holds = expected.holds(len(frames))
    told = f"{len(frames)}"
    if expected.gaps:
        times = sorted(frame.time_ns for frame in frames)
        gaps_s = [(later - earlier) / 1e9 for earlier, later in itertools.pairwise(times)]
        bands = [expected.gaps[min(i, len(expected.gaps) - 1)] for i in range(len(gaps_s))]
        holds = holds and all(band.holds(gap) for band, gap in zip(bands, gaps_s, strict=True))
        told += f", {', '.join(f'{gap:.3f}s' for gap in gaps_s) or 'nothing'} apart" if len(frames) > 1 else ""
    evidence: dict[str, list[int]] = {expected.at: [frame.number for frame in frames]}
    return Check(expected.rule, expected.right, told, _verdict(holds), evidence)


def _order(expected: Order, seen: Seen) -> Check:
    firsts = []
    for where in expected.of:
        frame = next((frame for frame in seen.frames.get(expected.at, ()) if where in frame.marks), None)
        firsts.append(frame)
    numbers = [frame.number for frame in firsts if frame]
    there = len(numbers) == len(firsts)
    holds = there and all(a < b for a, b in itertools.pairwise(numbers))
    told = ", ".join(f"frame {frame.number}" if frame else "none" for frame in firsts)
    return Check(expected.says, "each before the next", told, _verdict(holds), {expected.at: numbers})


def _sockets(expected: Sockets, seen: Seen) -> Check:
    of_port = [each for each in seen.looks.get(expected.look, ()) if expected.any_port or each.has_port(seen.port)]
    right = [
        each
        for each in of_port
        if each.state == expected.state and each.recv_q >= expected.recv_q and each.send_q >= expected.send_q
    ]
    told = f"{len(right)}; there were " + (
        ", ".join(f"{each.state} Recv-Q {each.recv_q} Send-Q {each.send_q}" for each in of_port[:8]) or "none"
    )
    rule = f"sockets at the look {expected.look} in {expected.state}"
    rule += f", Recv-Q at least {expected.recv_q}" if expected.recv_q else ""
    rule += f", Send-Q at least {expected.send_q}" if expected.send_q else ""
    return Check(rule, expected.amount, told, _verdict(expected.holds(len(right))))


def _log(expected: Log, seen: Seen) -> Check:
    log = seen.logs.get(expected.of, ())
    lines = [line for line in log if re.search(expected.line, line)]
    told = f"{len(lines)}" + (f": {_last(lines[:1])}" if lines else f"; it printed: {_last(log)}")
    rule = f"lines of {expected.of} with {expected.line!r}"
    verdict = _verdict(expected.holds(len(lines)))
    if was_cut(log):  # there may be more of them
        told += f"; {CUT}"
        more_matters = len(lines) <= expected.most if expected.most is not None else len(lines) < expected.least
        verdict = Verdict.UNPROVEN if more_matters else verdict
    return Check(rule, expected.amount, told, verdict)


def _last(lines: Sequence[str]) -> str:
    return " | ".join(line[:TOLD_CHARACTERS] for line in lines[-3:]) or "nothing"


def _duration(expected: Duration, seen: Seen) -> Check:
    taken = [call.duration_s for call in seen.calls.get(expected.call, ())]
    holds = bool(taken) and all(each is not None and expected.is_.holds(each) for each in taken)
    known = [each for each in taken if each is not None]
    told = f"{min(known):.3f}s" if known else "it never began"
    if len(known) > 1:
        told += f" to {max(known):.3f}s"
    return Check(f"duration of {expected.call}", str(expected.is_), told, _verdict(holds))


def _alike(expected: Alike, seen: Seen) -> Check:
    frames_there = seen.frames.get(expected.at, ())
    found: dict[tuple[Role, Role], Sequence[Conversation]] = {
        (client, server): conversations(frames_there, seen.addresses[client], seen.addresses[server], seen.port)
        for client in expected.from_
        for server in expected.to
    }
    unlike = next(_unlike(found, seen), "")
    count = sum(len(each) for each in found.values())
    sizes = [f"{len(each.request.raw)} and {len(each.answer.raw)}" for made in found.values() for each in made]
    told = unlike or f"{count} conversations; bytes of request and answer: {', '.join(dict.fromkeys(sizes))}"
    frames: dict[str, list[int]] = {
        expected.at: sorted(number for made in found.values() for each in made for number in each.frames)
    }
    return Check(expected.says, "it does", told, _verdict(not unlike), frames)


def _unlike(found: Mapping[tuple[Role, Role], Sequence[Conversation]], seen: Seen) -> Iterator[str]:
    """What makes conversations unlike, beside the first of them; also what would make them alike for lack of any."""
    first = next(iter(found))
    for (client, server), made in found.items():
        ends = f"{client} and {server}"
        if not made or not all(each.request.raw and each.answer.raw for each in made):
            yield f"{ends} said nothing to each other" if not made else f"{ends}: one of them said nothing"
            continue
        if len(made) != len(found[first]):
            yield f"{ends} had {len(made)} connections, {' and '.join(first)} had {len(found[first])}"
        for at, (one, other) in enumerate(zip(found[first], made, strict=False), 1):
            for what, sender in (("request", client), ("answer", server)):
                theirs = getattr(other, what)
                if diff := difference(getattr(one, what), theirs):
                    yield f"the {what} of connection {at} between {ends}, beside {' and '.join(first)}:\n{diff}"
                if wrong := [order for order in theirs.orders if order != seen.byteorders.get(sender)]:
                    yield f"the {what} of connection {at} between {ends} calls its sender {wrong[0]}-endian"
