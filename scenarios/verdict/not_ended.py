"""What a program did that the lab had to end: it had its answer, it still tried or sent, or it only waited.

That it was answered is said only where both say so: what it printed, and the bytes that came. Its words alone may be
those with which it begins.

A FIN of the client is its program's own where it came before the lab asked for its end (`Call.killed_s`): the kernel
closes what a program that was ended had open. It is that of close() or of shutdown(): one that waits for its answer
sends the same. Which of them it was, the look at its socket tells, which the lab takes just before it ends a call. A
socket that a program holds has no timer in FIN-WAIT-2. One that was closed has one there: the kernel ends it after
tcp_fin_timeout (tcp(7)). Before its FIN was acknowledged, both look the same.

A connect() that a program gives up leaves nothing on the wire: that it did so, the look alone tells, where it finds
none of its sockets.

A question for a name that nobody has answered is waited for as a connection is, unless the look shows that no resolver
has a socket any more. One that was answered, with an error say, is not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, Literal

from scenarios.calls import error_texts
from scenarios.calls.call import Call
from scenarios.evidence.arrivals import bytes_came
from scenarios.evidence.connection_ends import End
from scenarios.evidence.names_asked import NAMES
from scenarios.evidence.record import Seen, Waiting
from scenarios.evidence.starts import start_s
from scenarios.evidence.tries import LATELY_S, Tries, unanswered
from scenarios.spec.steps import Call as CallStep
from scenarios.spec.units import so_many

BACKOFF: Final = 2.0  # by this a pause before a try is longer than the one before it, mostly
HUNG, NOT_DONE, TRYING, SENDING = "hung", "not done", "still trying", "still sending"
NOT_ENDED: Final = "not ended"  # it was answered
LATE_PART: Final = 1 / 3  # of the time of a call: what is left after such a start says nothing of how long it waits
CROSSING_S: Final = 0.01  # what the client sends so soon after a RST may have been under way
ENDING_S: Final = 0.5  # before the end of a call: a FIN may be the kernel's, of a program that the lab ended
Answer = Literal["came", "perhaps", "none"]
Remains = Literal["open", "unknown", "none"]
Fate = Literal["open", "its FIN", "over"]
# It was closed, or one half of it, and its FIN was not acknowledged: it may wait behind bytes (RFC 9293, 3.3.2).
CLOSING: Final = frozenset({"FIN-WAIT-1", "CLOSING", "LAST-ACK"})


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
        was_open = made.closed_s is None or made.closed_s >= (call.killed_s or math.inf)
        return "none" if was_open or made.asked.connections > 1 else "perhaps"
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
    remains = _remains(armed, call, made, usual, ends, ended_s)
    if remains != "open":  # nothing says whether it would have tried again
        each = "the" if made.asked.connections <= 1 else "each"
        none = "no socket" if made.asked.datagrams.sent else "no connection"
        what = f"{none} was open" if remains == "none" else f"its side of {each} connection was closed"
        return NOT_DONE, f"not done ({what} after {whole}{f', after {again}' if again else ''})"
    then = (f", after {again}" if again else "") + (f"; {waits}" if waits else "")
    return HUNG, f"hung (still waiting after {whole}{then})"


def _is_at_it(armed: Seen, made: Tries, ended_s: float) -> bool:
    """Whether the next try could still come, as the pauses between the tries so far go: a backoff doubles them."""
    tried_s = _tried_s(armed, made)
    longest_s = max((later - earlier for earlier, later in pairwise(tried_s)), default=0.0)
    return bool(tried_s) and ended_s - tried_s[-1] <= max(LATELY_S, BACKOFF * longest_s)


def _tried_s(armed: Seen, made: Tries) -> list[float]:
    return [each.time_ns / 1e9 for each in armed.frames.get("client-leg", ()) if each.number in made.frames]


def waits_for_name(armed: Seen, call: Call, made: Tries) -> bool:
    """Whether a program that the lab had to end had asked for a name, and may still have waited for the answer."""
    if made.names.open_s is None:
        return False
    name = _name_of(armed, call)
    looked = armed.waiting.get(name) if len(armed.calls.get(name, ())) == 1 else None
    ended_s = (call.started_s or 0.0) + (call.duration_s or 0.0)
    if looked is None or ended_s - made.names.open_s <= LATELY_S:  # the look may have come before it
        return True
    return any(_may_be_resolvers(each) for each in looked)


def _may_be_resolvers(waiting: Waiting) -> bool:
    """Whether a name's answer may come on a socket. musl does not connect() it (its peer is `*`), glibc does."""
    peer = waiting.socket.peer.rpartition(":")[2]
    return peer == str(NAMES) or (waiting.socket.transport == "udp" and peer == "*")


def _remains(armed: Seen, call: Call, made: Tries, usual: Tries, ends: Sequence[End], ended_s: float) -> Remains:
    """Whether one of its sockets could still bring an answer. `unknown`: it closed its side of one, or both sides."""
    if waits_for_name(armed, call, made):
        return "open"
    if made.names.is_all:
        return "none"
    looked = _sockets_of(armed, call, made)
    held = {port: each for port, each in (looked or {}).items() if each.timer != "timewait"}
    if made.asked.datagrams.sent:
        # one that it opened after the look is not in it
        is_old = call.killed_s is not None and call.killed_s - max(_tried_s(armed, made), default=0.0) > LATELY_S
        return "none" if is_old and looked is not None and not held else "open"
    until_s = call.killed_s or math.inf  # from then on the end of its program may have closed it
    is_over = [each.over_s is not None and each.over_s < until_s for each in ends]
    unseen = [each.port for each, over in zip(ends, is_over, strict=True) if not over]
    if not ends:
        return "open"
    # A FIN that waits behind bytes which nobody acknowledges is on no wire, nor is the end of a connect() that was
    # given up: the look alone shows them.
    if not all(_is_closed(looked, port) for port in unseen):
        is_old = (call.killed_s or ended_s) - max(_tried_s(armed, made), default=0.0) > LATELY_S
        return "none" if is_old and looked is not None and not held else "open"
    last_s = max(each.over_s or 0.0 for each in ends)
    if call.killed_s is None and ended_s - last_s <= LATELY_S:
        is_closed = looked is not None and looked.keys() == made.ports and not held
        return "none" if is_closed and ended_s - last_s > ENDING_S else "open"
    if looked is not None and not held:
        return "none"
    fates = _fates(armed, made, call.killed_s or ended_s - LATELY_S)
    if any(_is_open(each, fates.get(port, "open")) for port, each in held.items()):
        return "open"
    if looked is None and ("open" in fates.values() or "its FIN" not in fates.values()):
        return "open" if "open" in fates.values() else "none"
    half_closes = None not in (usual.answered_s, usual.closed_s) and (usual.closed_s or 0.0) < (usual.answered_s or 0.0)
    was_open = any(each.socket.state == "ESTABLISHED" for each in held.values())
    told = error_texts.outcomes(f"{call.stdout}\n{call.stderr}")
    return "open" if half_closes and not was_open and not told else "unknown"


def _name_of(armed: Seen, call: Call) -> str:
    return next((name for name, calls in armed.calls.items() if call in calls), "")


def _sockets_of(armed: Seen, call: Call, made: Tries) -> dict[int, Waiting] | None:
    """Its sockets by their ports, just before it was ended; None where nobody looked."""
    name = _name_of(armed, call)
    kinds = ("tcp", "udp") if made.asked.datagrams.sent else ("tcp",)
    of_kind = [each for each in armed.waiting.get(name, ()) if each.socket.transport in kinds]
    found = {int(port): each for each in of_kind if (port := each.socket.local.rpartition(":")[2]).isdecimal()}
    found = {port: each for port, each in found.items() if port in made.ports}
    is_of_it = len(armed.calls.get(name, ())) == 1  # of several of the name, it was of the last
    return found if found or (is_of_it and name in armed.waiting) else None


def _is_closed(looked: Mapping[int, Waiting] | None, port: int | None) -> bool:
    """Whether the look shows that a program had closed its side of a connection, whatever its packets show."""
    held = (looked or {}).get(port) if port is not None else None
    return held is not None and (held.timer == "timewait" or held.socket.state in CLOSING)


def _is_open(held: Waiting, fate: Fate) -> bool:
    """Whether something may still come on a socket that the look shows, however its packets seem to have ended it."""
    if fate == "open":
        return held.socket.state not in CLOSING
    if fate != "its FIN":
        return True
    return held.socket.state == "FIN-WAIT-2" and not held.timer


def _fates(armed: Seen, made: Tries, until_s: float) -> dict[int, Fate]:
    """What ended each connection of the client's ports: its own FIN, before any of the service's, or more than that.
    A FIN after `until_s` counts for none.

    A RST off the window ends none, nor does a source quench: the client goes on with it (RFC 9293, 3.10.7.4; RFC 6633).
    """
    first: dict[int, Fate] = {}
    over_s: dict[int, float] = {}
    for each in armed.frames.get("client-leg", ()):
        is_own = each.destination_port == armed.port
        at_s, port = each.time_ns / 1e9, each.source_port if is_own else each.destination_port
        if each.is_icmp_error:
            over_s |= {quoted: at_s for _, quoted in each.quoted or () if quoted in made.ports}
        if each.transport != "tcp" or port not in made.ports or at_s < (made.began_s or 0.0):
            continue
        if "RST" in each.flags:
            over_s[port] = math.inf if is_own else max(at_s, over_s.get(port, 0.0))
        elif is_own and over_s.get(port, math.inf) < at_s - CROSSING_S:
            del over_s[port]
        if "FIN" in each.flags and at_s < until_s:
            first.setdefault(port, "its FIN" if is_own else "over")
    return {port: "over" if port in over_s else first.get(port, "open") for port in made.ports}
