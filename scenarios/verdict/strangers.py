"""Checks of programs that are not the lab's own: what cannot be read of such a program is unproven, never a failure.

Such a program may print no errno; its exit status may say one thing and its words another; it may try again where a
claim is of one exchange; and it has a conversation of its own. Each makes a check unproven, with the line that helps.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Collection, Sequence
from typing import Final

from scenarios.calls import error_texts
from scenarios.calls.call import Call
from scenarios.evidence.arrivals import bytes_came
from scenarios.evidence.record import Seen
from scenarios.evidence.shape import Shape, shape
from scenarios.evidence.stalls import Window
from scenarios.evidence.tries import begins_s, is_beside_another, took_s, tries, tries_of_middle
from scenarios.lab.control_sequences import without_controls
from scenarios.spec.drill import Drill
from scenarios.spec.expectations import Duration, Outcomes
from scenarios.spec.outcome import OF_ERRNO, OF_STATUS, Outcome
from scenarios.spec.service_programs import KINDS
from scenarios.spec.steps import Call as CallStep
from scenarios.spec.units import so_many
from scenarios.verdict.behaviour import answer_seen, conflict, retried, signal_of, unborne
from scenarios.verdict.check import Check, Verdict
from scenarios.verdict.weighing import doubted, spans

LAST_LINE_AT_MOST: Final = 200  # characters of what a program printed, in a sentence
# How a call ends where no errno is needed to know it.
PLAIN = frozenset({Outcome.ANSWERED, Outcome.WRONG_ANSWER, Outcome.HUNG, Outcome.CANCELLED, Outcome.UNSUPPORTED})

# Errnos of a socket call that ended otherwise than any outcome with an errno of its own. All others are of files too,
# or of a clock of the program's: what SO_RCVTIMEO ends is EAGAIN, and a connect() EINPROGRESS (socket(7)).
OF_ANOTHER_END: Final = frozenset(
    {"EADDRINUSE", "EADDRNOTAVAIL", "EAFNOSUPPORT", "EMFILE", "EMSGSIZE", "ENETDOWN", "ENFILE", "ENOBUFS", "ENOMEM"}
)

HELD_UP_SHARE: Final = 0.1  # of a call's time: what stood still for so long may be why a program had not ended


def is_right(call: Call, expected: Outcomes) -> bool:
    """Whether a call ended as expected, as far as it was read. One that a signal ended crashed, whatever it printed."""
    has_crashed = Outcome.CRASHED.value in expected.words and call.guest and bool(signal_of(call))
    return (has_crashed or call.outcome.value in expected.words) and expected.errno in (None, call.errno)


def unless_unread(check: Check, expected: Outcomes, calls: Sequence[Call]) -> Check:
    """The check of an outcome; unproven where a program did not tell how its call ended, or told two things."""
    for call in calls:
        ended_by = signal_of(call) if call.guest else ""
        if ended_by not in ("", "SIGABRT") and call.outcome is not Outcome.CRASHED and check.holds is Verdict.PASS:
            return _unproven(check, f"it printed {call.errno}, and {ended_by} ended it")  # SIGABRT: it threw that errno
        if (printed := conflict(call)) is not None:
            other = dataclasses.replace(call, outcome=printed)
            if is_right(call, expected) != is_right(other, expected):
                hint = f"it printed {call.errno}, which `exits` or `says` in service.yaml read as {call.outcome.value}"
                return _unproven(check, hint)
    if not {*expected.words} - {"answered", "hung"}:  # these two need no words
        return check
    wrong = [each for each in calls if not is_right(each, expected)]
    unread = [each for each in wrong if _is_unread(each, expected)]
    if expected.is_counted:
        right = len(calls) - len(wrong)
        is_open = len({expected.holds(right + more) for more in range(len(unread) + 1)}) > 1
    else:
        is_open = len(unread) == len(wrong)
    if unread and is_open:
        status, told = f"exit status {unread[0].status}", unread[0].errno
        what = f"{told} was printed, which does not tell how it ended" if told else "no errno was printed"
        hint = f"{what} ({status}): let it say more (as curl does with -v), or write `says` in service.yaml"
        return _unproven(check, hint)
    if check.holds is Verdict.FAIL and wrong and all(_tells_also(each, expected) for each in wrong):
        return _unproven(check, "it printed an expected end too, of another address or try; the lab reads the last one")
    return check


def _tells_also(call: Call, expected: Outcomes) -> bool:
    """Whether the words from which the end of a call was read tell of an expected end as well."""
    if not call.guest or OF_STATUS.get(call.status or 0) is call.outcome:
        return False
    told = {each.value for each in error_texts.outcomes(call.words)}
    return call.outcome.value in told and bool(told & {*expected.words})


def unless_unborne(check: Check, expected: Outcomes, seen: Seen, step: CallStep) -> Check:
    """The check of an outcome; unproven where a program's words rest on no packet, and the check on these words."""
    if {*expected.words} == {"answered"}:
        return check
    for call in seen.calls.get(expected.call, ()):
        made = tries(seen, call, seen.addresses.get(step.from_, ()))
        if is_right(call, expected) is (check.holds is Verdict.PASS) and unborne(call, made):
            hint = f"it printed {call.errno}, and no packet told it so: write `says` in service.yaml for these words"
            return _unproven(check, hint)
    return check


def unless_answered(check: Check, expected: Outcomes, seen: Seen, step: CallStep) -> Check:
    """The check of an outcome; unproven where a program had printed its answer, and the lab had to end it.

    Its exit status is a part of the right outcome, and nobody knows it: so it was neither answered nor did it hang.
    Where it had stood still for long, that is the reason, and one more try may show its end.
    """
    if not {*expected.words} & {"answered", "hung"}:
        return check
    for call in seen.calls.get(expected.call, ()):
        addresses = seen.addresses.get(step.from_, ())
        is_decisive = is_right(call, expected) is (check.holds is Verdict.PASS)
        if call.printed_in_vain and is_decisive and bytes_came(seen, call, addresses):
            if (held_up := _long_stall(call, seen)) is not None:
                return doubted(check, seen, held_up)
            hint = "what `prints` wants was printed, and it did not end: give it more time (`--patience 60s`)"
            stays = "or an option that ends it, or `timeout 3` before its `run`, with `status: 124`"
            return _unproven(check, f"{hint}, {stays}")
    return check


def _long_stall(call: Call, seen: Seen) -> Window | None:
    """What stood still for a good part of a call; None where it had most of its time."""
    for began_ns, ended_ns, _ in spans([call]):
        window = seen.stalls.between(began_ns, ended_ns)
        if window.total_s * 1e9 >= HELD_UP_SHARE * (ended_ns - began_ns):
            return window if window.longest else None
    return None


def ending_of(call: Call, word: str, seen: Seen, addresses: Collection[str]) -> str:
    """How a call ended, in a word. Where no byte came to its program that is said, and not that an answer was wrong.

    Where that is not known, as of a program that leaves its work to a child and ends, neither is said.
    """
    arrived = answer_seen(seen, call, addresses)
    if arrived == "unknown":
        return f"exit status {call.status} without what `prints` wants (nothing that it sent to the service was seen)"
    if arrived == "some":
        return word
    is_right_end = call.outcome is Outcome.ANSWERED
    return f"{word if is_right_end else f'exit status {call.status}'} (no byte came from the service)"


def unless_unanswered(check: Check, expected: Outcomes, seen: Seen, step: CallStep) -> Check:
    """The check of an outcome; unproven where it rests on a wrong answer, and none is known to have come."""
    if Outcome.WRONG_ANSWER.value not in expected.words or check.holds is not Verdict.PASS:
        return check
    wrong = [each for each in seen.calls.get(expected.call, ()) if each.outcome is Outcome.WRONG_ANSWER]
    arrived = {answer_seen(seen, each, seen.addresses.get(step.from_, ())) for each in wrong}
    if "none" in arrived:
        return _unproven(check, "that is the right status without what `prints` wants, and no answer")
    if "unknown" in arrived:
        return _unproven(check, "so nobody knows whether an answer came")
    return check


def _is_unread(call: Call, expected: Outcomes) -> bool:
    if call.errno in OF_ERRNO or call.errno in OF_ANOTHER_END:
        return False
    if not call.guest or call.outcome in PLAIN or signal_of(call):
        return False
    return expected.errno is not None or OF_STATUS.get(call.status or 0) is not call.outcome


def unless_tried_again(check: Check, drill: Drill, control: Seen, armed: Seen) -> Check:
    """A check of the run with the fault; unproven where a program tried more often there, and the check failed.

    That is for drills that know nothing of the program, and count on one try: of a kind, or for another service with
    the same protocol. What a drill claims of a service that it names is meant as it is written. A program in the middle
    is a client too, of its backend.
    """
    if check.holds is not Verdict.FAIL or _is_of(drill, armed.service):
        return check
    for step in _of_guests(drill, armed):
        before, now = retried(control, armed, step)
        if now > before:
            tried = f"its program tried {so_many(now, 'time')}, and {before} without the failure"
            return _unproven(check, f"{tried}; the claim is of one try{_line_for_one_try(drill, armed)}")
    before, now = (tries_of_middle(seen) for seen in (control, armed))
    may_be_of_it = not check.frames or check.frames.keys() & {"server-leg", "backend-leg"}
    if now > before and may_be_of_it and _of_guests(drill, armed):
        what = f"the program in the middle asked its backend {so_many(now, 'time')}, and {before} without the failure"
        return _unproven(check, f"{what}; the claim is of one try")
    return check


def _is_of(drill: Drill, service: str) -> bool:
    """Whether the drill names the service, and not every one of its kind or every one there is (`*/*`)."""
    named = [drill.service, *(each for each in drill.fits if not each.startswith("*"))]
    return not drill.is_general and any(fnmatch.fnmatchcase(service, each) for each in named)


def _line_for_one_try(drill: Drill, seen: Seen) -> str:
    """The line of service.yaml with which the drill is not for this program any more; empty where none does that."""
    if {*drill.fits} & {*KINDS} != {"connects-once"} or seen.connects_again:
        return ""
    return ": write `connects: again` for its client in service.yaml"


def with_last_words(check: Check, wrong: Sequence[Call]) -> Check:
    """A check of an outcome in the control; where it did not go as it should, the last line that the program printed.

    No failure of the network is the reason there, so the program's own words say most: of its standard error, if any.
    """
    if check.holds not in (Verdict.FAIL, Verdict.UNPROVEN):
        return check
    for call in wrong:
        lines = [line.strip() for text in (call.stdout, call.stderr) for line in without_controls(text).splitlines()]
        if said := [line for line in lines if line]:
            line = said[-1] if len(said[-1]) <= LAST_LINE_AT_MOST else f"{said[-1][:LAST_LINE_AT_MOST]}…"
            return dataclasses.replace(check, seen=f"{check.seen}; its last line: {line!r}")
    return check


def with_shape(check: Check, drill: Drill, control: Seen) -> Check:
    """A check of the control; where it did not go as it should, what a call's conversation was like instead.

    Of a wrong answer the conversation is not the reason; and where two calls ran on one host nobody knows whose it was.
    """
    if check.holds is Verdict.PASS or "request" not in drill.fits:
        return check
    for step in _of_guests(drill, control):
        for call in control.calls[step.name]:
            found = _shape_of(call, step, control)
            if found and found.transport == "tcp" and found.conversation != "request":
                line = f"write `conversation: {found.conversation}` in service.yaml{found.provided}"
                seen = f"{check.seen}; without the failure there is {found.words}: {line}"
                return dataclasses.replace(check, seen=seen)
    return check


def _shape_of(call: Call, step: CallStep, seen: Seen) -> Shape | None:
    """What one call had with the service; None where nothing was said, or it tells nothing of the program's kind."""
    if call.outcome is Outcome.WRONG_ANSWER or is_beside_another(seen, call):
        return None
    addresses = seen.addresses.get(step.from_, ())
    ports = tries(seen, call, addresses).ports
    frames = seen.frames.get("client-leg", ())
    return shape([each for each in frames if {each.sender[1], each.receiver[1]} & ports], addresses, seen.port)


def duration_of(call: Call, step: CallStep, seen: Seen) -> float | None:
    """How long a call took. Of one that starts a program it is from the first packet; None: that is not known."""
    if call.warm:
        return call.duration_s
    return took_s(call, tries(seen, call, seen.addresses.get(step.from_, ())).began_s)


def unless_shared(check: Check, expected: Duration, step: CallStep, seen: Seen) -> Check:
    """The check of a duration; unproven where another call of the host may have sent the packet it is measured from."""
    for call in seen.calls.get(expected.call, ()):
        if not call.warm and is_beside_another(seen, call):
            begins = begins_s(seen, call, seen.addresses.get(step.from_, ()))
            took = [each for at_s in begins if (each := took_s(call, at_s)) is not None]
            if len({expected.is_.holds(each) for each in took}) > 1:
                return _unproven(check, f"another call ran on {call.host} meanwhile, and no packet says whose it is")
    return check


def _of_guests(drill: Drill, seen: Seen) -> list[CallStep]:
    return [step for name, step in drill.calls.items() if any(each.guest for each in seen.calls.get(name, ()))]


def _unproven(check: Check, hint: str) -> Check:
    return dataclasses.replace(check, holds=Verdict.UNPROVEN, seen=f"{check.seen}; {hint}")
