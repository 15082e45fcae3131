"""Holding expectations against evidence: each becomes a check, with the frames that it rests on. No I/O, no clock.

A check is unproven, and not refuted, where the evidence does not carry it: a fault took hold of nothing, a capture has
a hole, a control did not go as it should, or a stall of the lab may have made what was seen. So each check is held
against the stalls of the run too, by the rules of evidence/stalls.py.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence

from scenarios.calls.call import Call
from scenarios.evidence import stalls
from scenarios.evidence.record import Seen, Socket
from scenarios.evidence.stalls import COUNT_SLACK_S, COURSE_SLACK_S, Window
from scenarios.faults.catch import Caught
from scenarios.lab.process import CUT, was_cut
from scenarios.spec import steps
from scenarios.spec.drill import Drill
from scenarios.spec.expectations import Alike, Counters, Duration, Expectation, Hits, Log, Outcomes, Sockets
from scenarios.spec.outcome import Outcome
from scenarios.spec.packet_expectations import Bytes, Order, Packets
from scenarios.spec.program_faults import Kill, Pause, Replace, Signal
from scenarios.spec.units import so_many
from scenarios.verdict import strangers
from scenarios.verdict.alike import check_alike
from scenarios.verdict.check import Check, Verdict, proof
from scenarios.verdict.counters import check_counters
from scenarios.verdict.packets import check_bytes, check_order, check_packets
from scenarios.verdict.served_on import unless_served_on
from scenarios.verdict.weighing import (
    doubted,
    doubted_for_repeats,
    passes,
    repeated_by_stalls,
    spans,
    stall_at_the_end,
    verdict_of,
    weighed,
)

TOLD_CHARACTERS = 500  # of a line that a program printed


def judged(drill: Drill, control: Seen, armed: Seen | None) -> tuple[list[Check], list[Check]]:
    """The checks of the control run, and those of the run with the fault, which a failed control may have spared."""
    of_control = _premises(drill, control, "control: premise")
    of_control += [_refutes_nothing(each, "control") for each in _checks(drill, drill.control, control)]
    of_control = [strangers.with_shape(each, drill, control) for each in of_control]
    if armed is None:
        return of_control, []
    of_claim = [
        strangers.unless_tried_again(each, drill, control, armed)
        for each in _checks(drill, drill.expect, armed, control)
    ]
    return of_control, [*_premises(drill, armed, "premise"), *unless_served_on(of_claim, drill, armed)]


def _premises(drill: Drill, seen: Seen, prefix: str) -> list[Check]:
    return [_refutes_nothing(_check(each, seen, drill), prefix) for each in drill.premise]


def _refutes_nothing(check: Check, prefix: str) -> Check:
    """A control or a premise that is not as it should be refutes nothing: it only makes the claim unproven."""
    holds = Verdict.UNPROVEN if check.holds is Verdict.FAIL else check.holds
    return dataclasses.replace(check, rule=f"{prefix}: {check.rule}", holds=holds)


def _checks(drill: Drill, expectations: Sequence[Expectation], seen: Seen, control: Seen | None = None) -> list[Check]:
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
            found.append(_hits(Hits(fault=fault.name), seen, drill))
    return found + [_check(each, seen, drill, control) for each in expectations]


def judged_alone(expectation: Expectation, seen: Seen, drill: Drill) -> Check:
    """One expectation of a drill against the evidence of one run, whatever run that is."""
    return _check(expectation, seen, drill)


def _check(expectation: Expectation, seen: Seen, drill: Drill, control: Seen | None = None) -> Check:
    match expectation.value:
        case Hits() as hits:
            return _hits(hits, seen, drill) if hits.most != 0 else _no_hits(hits, seen, drill.witnesses(hits.fault))
        case Outcomes() as outcome:
            return _outcome(outcome, seen, drill.calls.get(outcome.call))
        case Packets() as packets:
            return check_packets(packets, seen)
        case Bytes() as of_bytes:
            return check_bytes(of_bytes, seen)
        case Counters() as counters:
            return check_counters(counters, seen)
        case Order() as order:
            return check_order(order, seen)
        case Sockets() as sockets:
            return _sockets(sockets, seen)
        case Log() as log:
            return _log(log, seen)
        case Duration() as duration:
            return _duration(duration, seen, drill.calls[duration.call])
        case Alike() as alike:
            return check_alike(alike, seen, drill, control)


def _hits(expected: Hits, seen: Seen, drill: Drill) -> Check:
    caught = seen.caught.get(expected.fault, Caught(0))
    holds = verdict_of(expected.holds(caught.hits))
    if caught.unsure or caught.hits == 0:
        holds = Verdict.UNPROVEN  # it did not happen, or nobody knows how often
    told = f"{caught.hits}" + (f", but {caught.unsure}" if caught.unsure else "")
    check = Check(f"hits of the fault {expected.fault}", expected.amount, told, holds)
    # The hits of what is done to a program are lines that it printed, or signals that it got, and no packets.
    done_to_programs = (Replace, Kill, Pause, Signal)
    of_a_program = any(
        isinstance(each.effect, done_to_programs) for each in drill.faults if each.name == expected.fault
    )
    repeated = 0 if of_a_program else repeated_by_stalls(seen)
    if holds is Verdict.PASS and not all(expected.holds(caught.hits - fewer) for fewer in range(repeated + 1)):
        return doubted_for_repeats(check, seen)
    # A fault that came too late took hold of nothing: if the machine stood still, one more try may prove it.
    if not caught.hits and not caught.unsure and seen.stalls.between(None, None).reaches(COURSE_SLACK_S):
        return doubted(check, seen, seen.stalls.between(None, None))
    return weighed(check, seen, COUNT_SLACK_S)


def _no_hits(expected: Hits, seen: Seen, witnesses: Sequence[str]) -> Check:
    """The fault took hold of nothing: proven where its counter was read, and a witness shows that it could have.

    A witness is the same fault under another name, in force while a call was made that does not avoid it.
    """
    rule = f"hits of the fault {expected.fault}"
    caught = seen.caught.get(expected.fault, Caught(0, "it was never in force"))
    if caught.unsure:
        return Check(rule, expected.amount, f"{caught.hits}, but {caught.unsure}", Verdict.UNPROVEN)
    if caught.hits:
        return weighed(Check(rule, expected.amount, f"{caught.hits}", Verdict.FAIL), seen, COUNT_SLACK_S)
    counts = {name: seen.caught[name] for name in witnesses if name in seen.caught}
    shown = {name: each.hits for name, each in counts.items() if each.hits and not each.unsure}
    if not shown:
        why = f"as {' and '.join(witnesses)} it had no certain hit either" if witnesses else "it has no witness"
        told = f"0, but nothing shows that it could have taken hold: {why}"
        return Check(rule, expected.amount, told, Verdict.UNPROVEN)
    told = ", ".join(f"{so_many(hits, 'hit')} as {name}" for name, hits in shown.items())
    check = Check(rule, expected.amount, f"0, while the same fault had {told}", Verdict.PASS)
    if max(shown.values()) <= repeated_by_stalls(seen):  # then no witness is sure
        return doubted_for_repeats(check, seen)
    at_the_end = stall_at_the_end(seen)
    return doubted(check, seen, at_the_end) if at_the_end else check


def ending(call: Call) -> str:
    """`refused (ECONNREFUSED)`."""
    return call.outcome.value + (f" ({call.errno})" if call.errno else "")


def _outcome(expected: Outcomes, seen: Seen, step: steps.Call | None) -> Check:
    calls = seen.calls.get(expected.call, ())
    right = [call for call in calls if strangers.is_right(call, expected)]
    holds = expected.holds(len(right)) if expected.is_counted else len(right) == len(calls) > 0
    addresses = seen.addresses.get(step.from_, ()) if step else ()
    endings = Counter(strangers.ending_of(call, ending(call), seen, addresses) for call in calls)
    told = ", ".join(each if count == len(calls) == 1 else f"{count} {each}" for each, count in endings.items())
    verdict = verdict_of(holds)
    lacking = [call for call in calls if call.outcome is Outcome.UNSUPPORTED]
    if lacking and not holds:
        verdict, told = Verdict.UNSUPPORTED, lacking[0].stderr.strip()
    amount = (
        f"{expected.amount} of {len(calls)} " if expected.is_counted else f"all {len(calls)} " if len(calls) > 1 else ""
    )
    check = Check(f"outcome of {expected.call}", amount + expected.right, told or "it was not called", verdict)
    check = strangers.unless_unread(check, expected, calls)
    if step:
        check = strangers.unless_unborne(check, expected, seen, step)
        check = strangers.unless_answered(check, expected, seen, step)
        check = strangers.unless_unanswered(check, expected, seen, step)
    check = weighed(_unless_ended_by_a_stall(check, right, seen), seen, COURSE_SLACK_S)
    wrong = [call for call in calls if call not in right]
    return check if seen.armed else strangers.with_last_words(check, wrong)


# How a call ends when a timer ends it, its own, its peer's or TCP's, and not an answer; and which of these a packet may
BY_A_TIMER = frozenset({Outcome.TIMED_OUT, Outcome.HUNG, Outcome.RESET, Outcome.BROKEN_OFF, Outcome.UNREACHABLE})
BY_A_PACKET = frozenset({Outcome.RESET, Outcome.BROKEN_OFF, Outcome.UNREACHABLE})


def _unless_ended_by_a_stall(check: Check, calls: Sequence[Call], seen: Seen) -> Check:
    """The check; unproven where it passes by calls of which a stall may have been the end."""
    for began_ns, ended_ns, call in spans(calls) if passes(check) else ():
        if call.outcome in BY_A_PACKET and _ended_by_no_timer(began_ns, ended_ns, seen):
            continue
        if call.outcome in BY_A_TIMER and stalls.ended_by_a_stall(began_ns, ended_ns, seen.stalls):
            return doubted(check, seen, seen.stalls.between(began_ns, ended_ns))
    return check


def _ended_by_no_timer(began_ns: float, ended_ns: float, seen: Seen) -> bool:
    """Whether a packet ended something for a client in this time and a stall had no part in that.

    It came at once after what the client had sent, or no timer of a peer is as short as the stalls were.
    """
    if seen.stalls.between(began_ns, ended_ns).total_s < stalls.PEERS_TIMER_S:
        return True
    frames = seen.frames.get("client-leg", ())
    meanwhile = [each for each in frames if began_ns <= each.time_ns <= ended_ns]
    to_clients = [each for each in meanwhile if each.receiver[0] in seen.client_side]
    ends = [each for each in to_clients if each.is_icmp_error or each.flags & {"FIN", "RST"}]
    return stalls.follows_at_once(ends, frames)


def _socket_words(socket: Socket) -> str:
    timer = "" if socket.timer_s is None else f" timer {socket.timer_s:g} s"
    return f"{socket.state} Recv-Q {socket.recv_q} Send-Q {socket.send_q}{timer}"


def _sockets(expected: Sockets, seen: Seen) -> Check:
    of_port = [each for each in seen.looks.get(expected.look, ()) if expected.any_port or each.has_port(seen.port)]
    right = [each for each in of_port if expected.fits(each.state, each.recv_q, each.send_q, each.timer_s)]
    told = f"{len(right)}; there were " + (", ".join(_socket_words(each) for each in of_port[:8]) or "none")
    rule = f"sockets at the look {expected.look} in {expected.state}{expected.more}"
    check = Check(rule, expected.amount, told, verdict_of(expected.holds(len(right))))
    looked_ns = seen.look_times_ns.get(expected.look)
    if looked_ns and passes(check):  # a program that is held leaves a state as it is
        frames = (frame.time_ns for of_leg in seen.frames.values() for frame in of_leg)
        last_ns = max((time_ns for time_ns in frames if time_ns <= looked_ns[1]), default=looked_ns[0])
        if at_the_look := stalls.stall_before_effect(last_ns, looked_ns[0], seen.stalls, COUNT_SLACK_S):
            return doubted(check, seen, Window(at_the_look.length_s, at_the_look))
    return weighed(check, seen, COURSE_SLACK_S, looked_ns[1] if looked_ns else None)


def _log(expected: Log, seen: Seen) -> Check:
    log = seen.logs.get(expected.of, ())
    lines = [line for line in log if re.search(expected.line, line)]
    told = f"{len(lines)}" + (f": {_last(lines[:1])}" if lines else f"; it printed: {_last(log)}")
    rule = f"lines of {expected.of} with {expected.line!r}"
    verdict = verdict_of(expected.holds(len(lines)))
    if was_cut(log):  # there may be more of them
        told += f"; {CUT}"
        more_matters = len(lines) <= expected.most if expected.most is not None else len(lines) < expected.least
        verdict = Verdict.UNPROVEN if more_matters else verdict
    check = Check(rule, expected.amount, told, verdict)
    return weighed(_unless_ended_by_a_stall(check, seen.calls.get(expected.of, ()), seen), seen, COURSE_SLACK_S)


def _last(lines: Sequence[str]) -> str:
    return " | ".join(line[:TOLD_CHARACTERS] for line in lines[-3:]) or "nothing"


def _duration(expected: Duration, seen: Seen, step: steps.Call) -> Check:
    taken = [(call, strangers.duration_of(call, step, seen)) for call in seen.calls.get(expected.call, ())]
    holds = bool(taken) and all(each is not None and expected.is_.holds(each) for _, each in taken)
    known = [each for _, each in taken if each is not None]
    told = f"{min(known):.3f}s" if known else "it never began"
    if len(known) > 1:
        told += f" to {max(known):.3f}s"
    check = Check(f"duration of {expected.call}", str(expected.is_), told, verdict_of(holds))
    if any(each is None and call.duration_s is not None for call, each in taken):
        told = "it sent no packet from which to measure; the time of its call includes the start of its program"
        return dataclasses.replace(check, seen=told, holds=Verdict.UNPROVEN)
    if len(known) < len(taken) or not taken:
        return weighed(check, seen, COURSE_SLACK_S)
    check = strangers.unless_shared(check, expected, step, seen)
    window = _window_of_calls(expected, check, seen, step)
    return doubted(check, seen, window) if window else check


def _window_of_calls(expected: Duration, check: Check, seen: Seen, step: steps.Call) -> Window | None:
    """The stalls that may have moved a duration into its band; or every one that is outside, out of it."""
    held_up = seen.held_up
    found: Window | None = None
    for _, ended_ns, call in spans(seen.calls.get(expected.call, ())):
        took_s, band = strangers.duration_of(call, step, seen) or 0.0, expected.is_
        began_ns = ended_ns - took_s * 1e9
        inside = band.holds(took_s)
        if not inside:
            found = seen.stalls.between(None, ended_ns)
            if not stalls.may_enter(band, took_s, found, shortens=True):
                return None
        elif passes(check) and stalls.may_leave(band, took_s, held_up.between(began_ns, ended_ns)):
            found = held_up.between(began_ns, ended_ns)
    return found
