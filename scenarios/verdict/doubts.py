"""What stands against the outcome that was read of a program, and what its packets make of an errno that tells little.

EAGAIN and EINPROGRESS end no call by themselves. A blocking socket has them when the time of SO_RCVTIMEO or SO_SNDTIMEO
is over (socket(7)), one that does not wait has them at once, and errno may still hold that of an earlier call. The text
is the same; the packets show whether the program waited.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Collection, Sequence
from typing import Final

from scenarios.calls import error_texts
from scenarios.calls.call import Call
from scenarios.evidence.connection_ends import End
from scenarios.evidence.record import Seen
from scenarios.evidence.silence import silence_s
from scenarios.evidence.tries import Tries
from scenarios.lab.control_sequences import without_sequences
from scenarios.spec.outcome import OF_STATUS, Outcome
from scenarios.spec.service import ServiceChoice
from scenarios.spec.steps import Call as CallStep

LATER_S: Final = 0.9  # than in the control: then an answer has its time; below 1 s, the first wait of a lost SYN
# Outcomes of which a program has only one: an exit status that says another than the errno it printed is in conflict.
OF_ONE_ERRNO: Final = frozenset({Outcome.REFUSED, Outcome.RESET, Outcome.TIMED_OUT, Outcome.UNREACHABLE})
OF_A_WAIT: Final = frozenset({"EAGAIN", "EINPROGRESS"})


def timed_out_in_silence(seen: Seen, call: Call, made: Tries, addresses: Collection[str], usual_end_s: float) -> bool:
    """Whether a program that said at last that a call would have to wait had waited: its own time was over."""
    told = call.guest and call.errno in OF_A_WAIT and _is_failure(call)
    if not told or made.error_came or made.fin_came:
        return False
    last = without_sequences(call.stderr.strip() or call.stdout.strip()).rpartition("\n")[2]
    silent_s = silence_s(seen, call, made, addresses)
    return error_texts.errnos(last)[-1:] == [call.errno] and (silent_s or 0.0) - usual_end_s >= LATER_S


def _is_failure(call: Call) -> bool:
    """Whether it ended by itself: a status above 128 that is no signal's is its own, as that of exit(-1)."""
    is_own_status = not call.signal and (call.status or 0) - 128 not in signal.valid_signals()
    return call.outcome is Outcome.FAILED or (call.outcome is Outcome.CRASHED and is_own_status)


def is_untold(call: Call) -> bool:
    """Whether the outcome of a program stands in its service.yaml alone: it told no errno, and keeps no contract.

    What it printed may say it without one: Python's `TimeoutError: timed out`.
    """
    untold = call.guest and call.errno is None and call.outcome in OF_ONE_ERRNO
    in_words = untold and call.outcome in error_texts.outcomes(call.words)
    return untold and not in_words and OF_STATUS.get(call.status or 0) is not call.outcome


def is_in_words(step: CallStep, call: Call, chosen: ServiceChoice | None) -> bool:
    """Whether `says` of its client is why a call was read as it was."""
    name = step.client or (chosen.client_name if chosen else None)
    client = chosen.service.clients.get(name) if chosen and name and step.run is None else None
    pattern = client.says.get(call.outcome.value) if client else None
    printed = (call.words, f"{call.stdout}\n{call.stderr}")
    return bool(pattern and any(re.search(pattern, each, re.MULTILINE) for each in printed))


def doubt_of(call: Call, made: Tries, ends: Sequence[End], usual_end_s: float, *, is_in_words: bool) -> str:
    """What stands against the outcome that was read; empty where nothing does.

    One status, or sentence, of a program may stand for several ends: curl's 7 is every failure to connect. Its own
    clock is believed of words of `says`, if it ended well after the last of what came from outside.
    """
    if _is_failure(call) and call.errno == "EINPROGRESS" and made.answered_s is not None:
        return f"exit status {call.status}, no errno of its end printed"  # connect() had ended long before
    if not is_untold(call) or (call.outcome is Outcome.TIMED_OUT and not (made.error_came or made.fin_came)):
        return ""
    ended_s = (call.started_s or 0.0) + (call.duration_s or 0.0)
    told_s = max((each.told_s for each in ends if each.told_s is not None), default=0.0)
    if call.outcome is Outcome.TIMED_OUT and is_in_words and ended_s - told_s - usual_end_s >= LATER_S:
        return ""
    read_from = "its words" if is_in_words else f"exit status {call.status}"
    return f"{read_from}, read as {call.outcome.value}; no errno printed"
