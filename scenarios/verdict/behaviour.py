"""What a program did under a failure, in a word with its time: apart from the claim, and true whatever the program is.

It is read from how the call ended, from the packets (from the first one on: the network has no part in the start of a
program) and, if the program still waited, from the socket on which it waited. Nothing here is a verdict.
docs/your-own-program.md has a table of the words.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from scenarios.calls.call import Call
from scenarios.evidence.arrivals import Arrival, arrival
from scenarios.evidence.connection_ends import End, connection_ends
from scenarios.evidence.kernel_end import kernel_end
from scenarios.evidence.record import Seen
from scenarios.evidence.tries import Tries, asked_in_all, is_beside_another, took_s, tries
from scenarios.lab.control_sequences import without_sequences
from scenarios.lab.valueclass import valueclass
from scenarios.spec.drill import Drill
from scenarios.spec.expectations import Outcomes
from scenarios.spec.outcome import OF_ERRNO, OF_STATUS, Outcome
from scenarios.spec.service import ServiceChoice
from scenarios.spec.steps import Call as CallStep
from scenarios.verdict import not_ended
from scenarios.verdict.doubts import LATER_S, OF_ONE_ERRNO, doubt_of, is_in_words, timed_out_in_silence
from scenarios.verdict.not_ended import HUNG, NOT_DONE
from scenarios.verdict.uncaught import Traceback, traceback_in, uncaught

TOLD_S: Final = 1.0  # an end other than an answer has its time from here on
# The kernel's own clocks end no call sooner, but those that the program set (TCP_USER_TIMEOUT, keepalive; tcp(7)). Many
# programs print the words of ETIMEDOUT when it is their own clock that went off.
KERNEL_S: Final = 60.0
AGAIN, UNCLEAR = "answered after retries", "unclear"
TRACEBACK, AMONG_WORDS = "failed with a traceback", "failed with a traceback among other words"
DONE, NO_ANSWER = "done", "no answer"  # a right end, and another with the status of one, and no byte had come
UNSEEN: Final = "unseen"  # ended with the status of a right end and without its words, and none of its packets was seen
# What ends a program though it has printed an errno: abort() of an uncaught exception in C++ and .NET, and worse.
OF_A_CRASH: Final = frozenset({"SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGKILL", "SIGPIPE", "SIGSEGV", "SIGSYS"})


@valueclass
class Behaviour:
    """What the program of one call did. `kind` is the word without its figures."""

    call: str
    word: str
    kind: str
    took_s: float | None  # from its first packet to the end of its program; None: it sent none, or did not begin
    retries: int  # connections and vain names more than in the control; datagrams sent again for want of an answer
    tried: int  # connections, datagrams, and names that were asked for in vain, in all
    kernel_end: str  # of a program that still waited: what the kernel alone would make of its socket
    conflict: str  # where its exit status and what it printed say two things
    settled_s: float | None = (
        None  # from its first packet until, by its packets, it was over; None: they do not show it
    )


def behaviour_of(
    drill: Drill, control: Seen | None, armed: Seen, chosen: ServiceChoice | None = None
) -> Behaviour | None:
    """What the drill's ordinary call did: of several under the failure, the first that was not answered, or the
    last.

    None where no call was made. `chosen` is the service under drill: its clients have their words.
    """
    found = [
        _behaviour_of_call(drill.calls[name], number, call, control, armed, chosen)
        for name in _calls_in_question(drill)
        for number, call in enumerate(armed.calls.get(name, ()))
    ]
    return next((each for each in found if not each.kind.startswith("answered")), found[-1] if found else None)


def retried(control: Seen, armed: Seen, step: CallStep) -> tuple[int, int]:
    """How often the program of a call tried in the control and with the fault: the most of any one call of the name.

    Over UDP the first datagram is a try, and each that was sent again or may have asked anew: a claim of one try says
    nothing then. Others acknowledge what came, as usual or because it came twice.
    """
    before, now = (
        [(each, tries(seen, each, seen.addresses[step.from_]).asked) for each in seen.calls.get(step.name, ())]
        for seen in (control, armed)
    )
    usual = max((made for _, made in before), key=lambda each: each.tries, default=None)
    if usual is None:
        return 0, max((made.tries for _, made in now), default=0)
    more = [made.retries(usual, is_answered=call.outcome is Outcome.ANSWERED) for call, made in now]
    more += [made.may_be_retries(usual) for _, made in now]
    return usual.tries, usual.tries + max(more, default=0)


def conflict(call: Call) -> Outcome | None:
    """The outcome that a program printed, where its exit status or `says` was read as another one."""
    printed = OF_ERRNO.get(call.errno or "")
    if not call.guest or printed is None or printed is call.outcome:
        return None
    return printed if call.outcome in OF_ONE_ERRNO else None


def unborne(call: Call, made: Tries) -> bool:
    """Whether a program printed the errno of a refusal or a reset, and its packets show an orderly end and neither.

    Node calls it ECONNRESET when the server closes before it has answered (`socket hang up`), and a program in the
    middle may send its client the words of its own failure with its backend.
    """
    outcome = OF_ERRNO.get(call.errno or "")
    told = call.guest and outcome is call.outcome and outcome in (Outcome.REFUSED, Outcome.RESET)
    return told and made.answered_s is not None and not made.error_came


def answer_seen(seen: Seen, call: Call, addresses: Collection[str]) -> Arrival:
    """Whether a byte came to a program that ended as one that was answered, rightly or wrongly; `some` of any other.

    It may want no answer (syslog, statsd), print its words in any case, or take silence for its end. What is not known
    matters where its words are not the right ones: it may not have been answered at all. One that says itself that the
    answer was wrong is believed then.
    """
    is_of_answer = call.outcome in (Outcome.ANSWERED, Outcome.WRONG_ANSWER)
    found = arrival(seen, call, addresses) if call.guest and is_of_answer else "some"
    says_wrong = OF_STATUS.get(call.status or 0) is Outcome.WRONG_ANSWER
    return "some" if found == "unknown" and (call.outcome is Outcome.ANSWERED or says_wrong) else found


def claimed_outcomes(drill: Drill) -> Sequence[Outcomes]:
    """What a drill claims of the calls of its service's client; where it claims nothing of these, of any program's."""
    claimed = [each.outcome for each in drill.expect if each.outcome]
    calls = {name for name, each in drill.calls.items() if each.run is None and each.from_ == "client"}
    return [each for each in claimed if each.call in calls] or claimed


def _calls_in_question(drill: Drill) -> Sequence[str]:
    """The calls of the claim; or, where it claims nothing of a program, those that its faults meet."""
    claimed = list(dict.fromkeys(each.call for each in claimed_outcomes(drill)))
    met = {name for fault in drill.faults for name in drill.calls_under(fault.name)}
    plain = [name for name, each in drill.calls.items() if each.run is None and each.from_ == "client"]
    return claimed or [name for name in plain if name in met] or plain or list(drill.calls)


def _behaviour_of_call(
    step: CallStep, number: int, call: Call, control: Seen | None, armed: Seen, chosen: ServiceChoice | None
) -> Behaviour:
    made = tries(armed, call, armed.addresses.get(step.from_, ()))
    took = took_s(call, made.began_s)
    before = control.calls.get(step.name, ()) if control else ()
    usual, usual_call = made, before[min(number, len(before) - 1)] if before else None
    if control and usual_call:  # another host may have called there
        usual = tries(control, usual_call, control.addresses.get(step.from_, ()))
    usual_s = took_s(usual_call, usual.began_s) if usual_call else None
    settled = _settled_s(call, made, usual)
    usually = _settled_s(usual_call, usual, usual) if usual_call else None
    answer = not_ended.answer(step, number, call, control, armed, made)
    is_answered = call.outcome is Outcome.ANSWERED or answer == "came"
    retries = made.asked.retries(usual.asked, is_answered=is_answered)
    if control and retries and is_beside_another(armed, call):  # then some may be of the other call
        before_all, in_all = (asked_in_all(seen, seen.addresses.get(step.from_, ())) for seen in (control, armed))
        retries = min(retries, in_all.retries(before_all, is_answered=is_answered))
    of_name = call.outcome is Outcome.HUNG and not_ended.waits_for_name(armed, call, made)
    waits = _end_by_kernel(armed, step, made) if call.outcome is Outcome.HUNG and not of_name else ""
    ends = connection_ends(armed, call, made, armed.addresses.get(step.from_, ()))
    usual_end_s = 0.0 if usual_s is None or usually is None else usual_s - usually  # that of its interpreter, say
    if settled is not None and took is not None and _may_go_on(call, made, ends, took - settled - usual_end_s):
        settled = None
    if timed_out_in_silence(armed, call, made, armed.addresses.get(step.from_, ()), usual_end_s):
        call = replace(call, outcome=Outcome.TIMED_OUT)
    doubt = doubt_of(call, made, ends, usual_end_s, is_in_words=is_in_words(step, call, chosen))
    if call.outcome is Outcome.HUNG:
        kind, word = not_ended.not_ended(armed, call, made, usual, ends, took, retries, waits, answer)
        if kind == HUNG:
            kind, word = not_ended.cut_short(step, call, made, took) or (kind, word)
    elif settled is None or took is None:
        kind, word = _word(call, usual_call, took, usual_s, retries, doubt)
    else:
        kind, word = _word(call, usual_call, settled, usual_s if usually is None else usually, retries, doubt)
        later_s = took - settled
        if min(later_s - usual_end_s, took - (usual_s or 0.0)) >= LATER_S:
            word += f", ended {_seconds(later_s)} later"
    if call.outcome is Outcome.HUNG and not made.asked.count and not any(each.hits for each in armed.caught.values()):
        # it may be slow to start: where no fault met it, nothing says that it waits for the network
        kind, word = NOT_DONE, f"not done (had sent nothing after {call.duration_s or 0.0:.0f} s)"
    arrived = answer_seen(armed, call, armed.addresses.get(step.from_, ()))
    if arrived == "none":
        kind, word = _unanswered(call, took, retries)
    elif arrived == "unknown":
        kind, word = UNSEEN, f"exit status {call.status}, nothing sent to the service was seen"
    told, clash = conflict(call), call.conflict
    if unborne(call, made):
        kind, clash = UNCLEAR, f"it printed {call.errno}, and no packet told it so"
        word = f"not {call.outcome.value}, though it printed {call.errno}: no packet told it so"
    if told is not None:
        kind = UNCLEAR
        word = f"{told.value} or {call.outcome.value}: it printed {call.errno}, and ended with status {call.status}"
    return Behaviour(
        call=step.name,
        word=word,
        kind=kind,
        took_s=None if took is None else round(took, 3),
        settled_s=None if settled is None or took is None else round(settled, 3),
        retries=retries,
        tried=made.asked.count,
        kernel_end=waits if kind == HUNG else "",
        conflict=f"it printed {call.errno}, which is {told.value}; read as {call.outcome.value}" if told else clash,
    )


def _settled_s(call: Call, made: Tries, usual: Tries) -> float | None:
    """From the first packet until it was over for the program, as its packets show: the start and the end of an
    interpreter are not in it.

    An answered call is over with the last of its answer; another that ended by itself, where it closed or lost its
    last connection. A program that closes one half of its connection before it is answered does not show the latter,
    and none whose FIN came with its request may be taken for one that closed both.
    """
    if made.began_s is None or call.outcome is Outcome.HUNG:
        return None
    over_s = made.answered_s if call.outcome is Outcome.ANSWERED else made.closed_s
    if call.outcome is not Outcome.ANSWERED:
        closes_at_its_end = None not in (usual.answered_s, usual.closed_s)
        if not closes_at_its_end or (usual.closed_s or 0.0) < (usual.answered_s or 0.0) or made.closed_at_once:
            return None
    return None if over_s is None else max(0.0, over_s - made.began_s)


def _may_go_on(call: Call, made: Tries, ends: Sequence[End], later_s: float) -> bool:
    """Whether a program may not have given up with the end of its last connection: the service or the network made
    that end, and it had tried more than once, or ended so much later. It waits before its next try, say.
    """
    last = max(ends, key=lambda each: each.over_s or 0.0, default=None)
    told = call.outcome is not Outcome.ANSWERED and last is not None and last.told_s is not None
    return told and (made.asked.count > 1 or later_s >= LATER_S)


def _end_by_kernel(seen: Seen, step: CallStep, made: Tries) -> str:
    ports = {str(port) for port in made.ports}
    found = [each for each in seen.waiting.get(step.name, ()) if each.socket.local.rpartition(":")[2] in ports]
    return kernel_end(found, seen.made_under.get("client", {})) if step.from_ == "client" else ""


def _word(
    call: Call, usual: Call | None, took: float | None, usual_s: float | None, retries: int, doubt: str
) -> tuple[str, str]:
    """The kind of what a call did that ended by itself, and that with its figures. `usual`: the call of the control."""
    again = f" after {retries} {'retry' if retries == 1 else 'retries'}" if retries else ""
    whole_s = took if took is not None else call.duration_s or 0.0
    if call.outcome is Outcome.ANSWERED:
        late = took is not None and took - (usual_s or 0.0) >= LATER_S
        figure = _seconds(whole_s) if late else ""
        word = f"answered{again}{', ' if again and figure else ' after ' if figure else ''}{figure}"
        return (AGAIN if retries else "answered"), word
    of_errno = f", {call.errno}" if call.errno else ""
    if crash := _crash(call):
        return "crashed", f"crashed ({crash}{of_errno}){again}"
    if found := _traceback(call, usual):
        kind = TRACEBACK if found.is_alone else AMONG_WORDS
        return kind, f"{kind} ({found.name}{of_errno}){again}"
    figure = f", {_seconds(whole_s)}" if whole_s >= TOLD_S and took is not None else ""
    if doubt:
        return "failed", f"failed ({doubt}){again}{figure}"
    if call.outcome is Outcome.TIMED_OUT:
        errno = f" ({call.errno})" if call.errno in OF_ERRNO and (whole_s >= KERNEL_S or not call.guest) else ""
        return call.outcome.value, f"timed out {_seconds(whole_s)}{errno}{again}"
    if call.outcome in (Outcome.FAILED, Outcome.CRASHED):  # a status above 128 that is no signal's is a failure
        of_signal = _signal_of_status(call) if call.is_own_status else ""
        after = f", as after {of_signal};" if of_signal else ","
        why = call.errno or f"exit status {call.status}{after} no errno printed"
        return "failed", f"failed ({why}){again}{figure}"
    errno = f" ({call.errno})" if call.errno else ""
    return call.outcome.value, f"{call.outcome.value}{errno}{again}{figure}"


def _unanswered(call: Call, took: float | None, retries: int) -> tuple[str, str]:
    """Of a call that ended well though no byte had come: what a right answer is, only its words say."""
    again = f" after {retries} {'retry' if retries == 1 else 'retries'}" if retries else ""
    figure = f", {_seconds(took)}" if took is not None and took >= TOLD_S else ""
    if call.outcome is Outcome.ANSWERED:
        return DONE, f"done (no byte came from the service){again}{figure}"
    return NO_ANSWER, f"no answer (exit status {call.status}){again}{figure}"


def signal_of(call: Call) -> str:
    """The signal that ended a program, by name; empty where none did."""
    if call.signal:
        return call.signal
    name = "" if call.is_own_status else _signal_of_status(call)
    told = call.guest and call.errno is not None and call.outcome in OF_ONE_ERRNO
    return name if call.outcome is Outcome.CRASHED or (told and name in OF_A_CRASH) else ""


def _signal_of_status(call: Call) -> str:
    """The signal that an exit status stands for, as a shell and the engine tell it."""
    with contextlib.suppress(ValueError):
        return signal.Signals((call.status or 0) - 128).name
    return ""


def _crash(call: Call) -> str:
    """What ended a program that did not end by itself; empty where it did."""
    if call.outcome is Outcome.WRONG_ANSWER or call.outcome is Outcome.UNSUPPORTED:
        return ""
    if name := signal_of(call):
        return name
    name = uncaught(call.status or 0, without_sequences(call.stderr))
    return f"uncaught {name}" if name else ""


def _traceback(call: Call, usual: Call | None) -> Traceback | None:
    if call.outcome is Outcome.WRONG_ANSWER or call.outcome is Outcome.UNSUPPORTED:
        return None
    printed = usual.words.splitlines() if usual else []
    out, err = without_sequences(call.stdout), without_sequences(call.stderr)
    return traceback_in(call.status or 0, out, err, frozenset(printed))


def _seconds(seconds: float) -> str:
    """`5.0 s`, `0.51 s`, `127 s`."""
    return f"{seconds:.0f} s" if seconds >= 100 else f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2g} s"
