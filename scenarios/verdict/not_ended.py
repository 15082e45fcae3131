"""What a program did that the lab had to end: it had its answer, it still tried or sent, or it only waited.

That it was answered is said only where both say so: what it printed, and the bytes that came. Its words alone may be
those with which it begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Literal

from scenarios.calls.call import Call
from scenarios.evidence.arrivals import bytes_came
from scenarios.evidence.connection_ends import End
from scenarios.evidence.record import Seen
from scenarios.evidence.starts import start_s
from scenarios.evidence.tries import LATELY_S, Tries, unanswered
from scenarios.spec.steps import Call as CallStep
from scenarios.spec.units import so_many

BACKOFF: Final = 2.0  # by this a pause before a try is longer than the one before it, mostly
HUNG, NOT_DONE, TRYING, SENDING = "hung", "not done", "still trying", "still sending"
NOT_ENDED: Final = "not ended"  # it was answered
LATE_PART: Final = 1 / 3  # of the time of a call: what is left after such a start says nothing of how long it waits
Answer = Literal["came", "perhaps", "none"]


def answer(step: CallStep, number: int, call: Call, control: Seen | None, armed: Seen, made: Tries) -> Answer:
    """Whether a call that the lab had to end had its answer: it printed it, and as much came as without the failure.

    Over UDP what comes differs (QUIC sends anew what was lost): there it is enough that it has closed its socket. Over
    TCP one that was given less, on a connection that is open, waits for the rest, whatever it printed.
    """
    addresses = armed.addresses.get(step.from_, ())
    came = bytes_came(armed, call, addresses) if call.printed_in_vain else 0
    if not came:
        return "none"
    before = control.calls.get(step.name, ()) if control else ()
    if control and before:
        usually = bytes_came(control, before[min(number, len(before) - 1)], control.addresses.get(step.from_, ()))
        if came >= usually:
            return "came"
    if made.asked.connections:
        return "none" if made.closed_s is None or made.asked.connections > 1 else "perhaps"
    looked = armed.waiting.get(step.name) if len(armed.calls.get(step.name, ())) == 1 else None
    open_ports = {each.socket.local.rpartition(":")[2] for each in looked or ()}
    is_closed = looked is not None and not open_ports & {str(port) for port in made.ports}
    return "came" if is_closed else "perhaps"


def cut_short(step: CallStep, call: Call, made: Tries, took: float | None) -> tuple[str, str] | None:
    """The word for a call that began so late that its wait was cut short; None where it was not.

    The lab adds what the start takes in the control to the time of a call; on a busy machine it may take longer.
    """
    late_s = start_s(call, made.began_s)
    if took is None or late_s <= LATE_PART * (call.duration_s or 0.0) or took >= (1 - LATE_PART) * float(step.within):
        return None
    return NOT_DONE, f"not done (began after {late_s:.1f} s, had {took:.1f} s)"


def not_ended(
    armed: Seen,
    call: Call,
    made: Tries,
    usual: Tries,
    ends: Sequence[End],
    took: float | None,
    retries: int,
    waits: str,
    answered: Answer,
) -> tuple[str, str]:
    """The kind of what such a call did, and that with its figures."""
    whole_s = took if took is not None else call.duration_s or 0.0
    whole = f"{whole_s:.0f} s"
    again = f"{retries} {'retry' if retries == 1 else 'retries'}" if retries else ""
    ended_s = (call.started_s or 0.0) + (call.duration_s or 0.0)
    if answered == "came":
        return NOT_ENDED, f"answered{f' after {again}' if again else ''}, not ended after {whole}"
    if answered == "perhaps":
        return NOT_DONE, f"not done (printed what it should, not ended after {whole})"
    if again and _is_at_it(armed, made, ended_s):
        return TRYING, f"still trying after {whole}, {again}"
    if made.progress_s is not None and ended_s - made.progress_s < LATELY_S:
        return NOT_DONE, f"not done (something new still came after {whole})"
    datagrams, on_connections, spoke_after_s = unanswered(made, usual, ended_s)
    if datagrams or on_connections:
        what = f"{so_many(datagrams, 'more datagram')} without an answer"
        what = what if datagrams else f"{so_many(on_connections, 'more time')} on the same connection"
        return SENDING, f"still sending after {whole}, {what}"
    if spoke_after_s:
        return SENDING, f"still sending after {whole}, first {spoke_after_s:.1f} s after it had connected"
    over = bool(ends) and all(ended_s - (each.over_s or ended_s) > LATELY_S for each in ends)
    if again and over and not made.asked.datagrams.sent:
        # its last try is over: nothing says whether another would have come
        return NOT_DONE, f"not done (no connection was open after {whole}, after {again})"
    then = (f", after {again}" if again else "") + (f"; {waits}" if waits else "")
    return HUNG, f"hung (still waiting after {whole}{then})"


def _is_at_it(armed: Seen, made: Tries, ended_s: float) -> bool:
    """Whether the next try could still come, as the pauses between the tries so far go: a backoff doubles them."""
    tried_s = [each.time_ns / 1e9 for each in armed.frames.get("client-leg", ()) if each.number in made.frames]
    longest_s = max((later - earlier for earlier, later in pairwise(tried_s)), default=0.0)
    return bool(tried_s) and ended_s - tried_s[-1] <= max(LATELY_S, BACKOFF * longest_s)
