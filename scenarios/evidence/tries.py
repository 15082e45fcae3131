"""How often a program tried, as the packets of the client's leg tell: its connections, its datagrams over UDP, the
names that it asked for in vain, and whether anything new still came.

A segment that the kernel sends again is no try of the program: its sequence number is the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from scenarios.calls.call import Call
from scenarios.evidence.asked_again import CLOCK_S, NOTHING_SENT, Sent, closed_at_once, data_sent, datagrams_sent
from scenarios.evidence.frame import Frame
from scenarios.evidence.names_asked import NamesAsked, names_asked
from scenarios.evidence.nothing_new import nothing_new
from scenarios.evidence.record import Seen
from scenarios.evidence.service_end import ServiceEnd
from scenarios.lab.valueclass import valueclass

BEFORE_S: Final = 0.01  # a call's time and a capture's are of one clock, and are noted by two programs
BEFORE_GUEST_S: Final = 0.3  # the engine notes the beginning of a guest after it
LATELY_S: Final = 2.0


@valueclass
class Asked:
    """How often a client spoke to the service's port, or asked for a name and then did not speak to it."""

    connections: int  # SYNs, each sequence number once
    datagrams: Sent
    names: int = 0  # tries that came to no packet for the service

    @property
    def count(self) -> int:
        return self.connections + self.datagrams.sent + self.names

    @property
    def tries(self) -> int:
        """Its connections, the names, and its first datagram with each that was sent again for certain."""
        return self.connections + self.names + min(1, self.datagrams.sent) + self.datagrams.again

    def retries(self, usual: Asked, *, is_answered: bool) -> int:
        """How often it tried again, beyond what it usually does."""
        return self._more(usual) + self.datagrams.retries(usual.datagrams, is_answered=is_answered)

    def may_be_retries(self, usual: Asked) -> int:
        """The same, with the datagrams that may have asked anew."""
        return self._more(usual) + self.datagrams.may_be_retries(usual.datagrams)

    def _more(self, usual: Asked) -> int:
        """How many more connections and names. Where nothing was sent to the service, the first name is no retry."""
        is_first = self.names > 0 and not self.connections and not self.datagrams.sent
        return max(0, self.connections - usual.connections) + max(0, self.names - usual.names - is_first)


@valueclass
class Tries:
    """What the client's host sent in the time of one call, and until when."""

    asked: Asked
    data: Sequence[Sent]  # on its connections, one each
    ports: frozenset[int]  # of the client, that spoke to the service
    began_s: float | None  # Unix time of the first packet; None: there was none
    progress_s: float | None  # Unix time of the last packet from the service that brought something new
    answered_s: float | None  # the same, but of new bytes or of the service's own FIN: then the answer was there
    closed_s: float | None  # when the last connection was closed by the client or reset; None: one was left open
    closed_at_once: bool  # that was its FIN, so soon behind what it sent that no clock of a program had gone off
    error_came: bool  # a RST or an ICMP error reached the client, which could still tell its program so
    fin_came: bool  # the service closed a connection before the client did
    frames: tuple[int, ...]  # numbers, on the client's leg, of the SYNs or datagrams, and of the names asked in vain
    names: NamesAsked


def tries(seen: Seen, call: Call, addresses: Collection[str]) -> Tries:
    """Return what a call from these addresses made of its time. Connections that began before are not its own."""
    sent = _begun_meanwhile(list(_meanwhile(seen, call, addresses)), addresses)
    own = [each for each in sent if each.sender[0] in addresses and each.transport in ("tcp", "udp")]
    service = ServiceEnd.shown_by(sent, addresses, seen.port)
    to_service = _to_service(sent, service)
    old = nothing_new(sent, seen.frames.get("server-leg", ()), addresses, seen.port)
    telling = [each for each in sent if each.number not in old]
    names = names_asked(sent, service)
    tried = [*_syns(to_service).values(), *(each.number for each in _datagrams(to_service)), *names.tries]
    return Tries(
        asked=_count_asked(sent, service),
        data=data_sent(sent, addresses, seen.port),
        ports=frozenset(each.source_port for each in to_service if each.source_port is not None),
        began_s=min((each.time_ns for each in own), default=0) / 1e9 or None,
        progress_s=_progress_s(telling, service),
        answered_s=_answered_s(telling, service),
        closed_s=(closed_s := _closed_s(sent, own, seen.port)),
        closed_at_once=closed_s is not None and closed_at_once(own, closed_s),
        error_came=_error_came(sent, addresses),
        fin_came=_fin_came(sent, service),
        frames=tuple(sorted(tried)),
        names=names,
    )


def _to_service(frames: Iterable[Frame], service: ServiceEnd) -> list[Frame]:
    return [each for each in frames if each.transport in ("tcp", "udp") and service.is_to(each)]


def _syns(frames: Sequence[Frame]) -> dict[tuple[object, ...], int]:
    """The numbers of the SYNs, each sequence number once."""
    return {
        (each.sender, each.receiver, each.seq): each.number
        for each in reversed(frames)
        if each.transport == "tcp" and each.flags == {"SYN"}
    }


def _datagrams(frames: Iterable[Frame]) -> list[Frame]:
    return [each for each in frames if each.transport == "udp"]  # of its fragments one alone has its ports


def _count_asked(sent: Sequence[Frame], service: ServiceEnd) -> Asked:
    return Asked(
        connections=len(_syns(_to_service(sent, service))),
        datagrams=datagrams_sent(sent, service),
        names=len(names_asked(sent, service).tries),
    )


def asked_in_all(seen: Seen, addresses: Collection[str]) -> Asked:
    """How often the programs of these addresses spoke to the service in the whole run, whatever call each is of."""
    frames = seen.frames.get("client-leg", ())
    return _count_asked(frames, ServiceEnd.shown_by(frames, addresses, seen.port))


def tries_of_middle(seen: Seen) -> int:
    """How often a server in the middle tried its backend, whatever the port; 0 where there is no backend."""
    servers = seen.addresses.get("server", ())
    asked = [
        each
        for each in seen.frames.get("server-leg", ())
        if each.sender[0] in servers and each.receiver[0] in seen.backend_side
    ]
    return len(_syns(asked)) + len(_datagrams(asked))


def is_beside_another(seen: Seen, call: Call) -> bool:
    """Whether another call ran on the same host meanwhile: no packet says of which of them it is."""
    mine = _time_of(call)
    others = _times_of_others(seen, call)
    return mine is not None and any(each[0] < mine[1] and mine[0] < each[1] for each in others)


def begins_s(seen: Seen, call: Call, addresses: Collection[str]) -> set[float]:
    """When each connection and each source port of UDP of these addresses began in the time of a call (Unix time)."""
    first_ns: dict[object, int] = {}
    for each in _begun_meanwhile(list(_meanwhile(seen, call, addresses)), addresses):
        if each.sender[0] in addresses and each.transport in ("tcp", "udp"):
            first_ns.setdefault((each.transport, each.sender, each.receiver), each.time_ns)
    return {each / 1e9 for each in first_ns.values()}


def _time_of(call: Call) -> tuple[float, float] | None:
    if call.started_s is None or call.duration_s is None:
        return None
    return call.started_s, call.started_s + call.duration_s


def _times_of_others(seen: Seen, call: Call) -> list[tuple[float, float]]:
    """When the other calls of its host began and ended."""
    calls = (each for made in seen.calls.values() for each in made if each is not call and each.host == call.host)
    return [span for each in calls if (span := _time_of(each))]


def _begun_meanwhile(frames: Sequence[Frame], addresses: Collection[str]) -> list[Frame]:
    """The frames without those of connections that had begun before: a kernel goes on with one for longer than its
    program. All, where none began.
    """
    begun = {_flow(each) for each in frames if each.flags == {"SYN"} and each.sender[0] in addresses}
    return [each for each in frames if each.transport != "tcp" or not begun or _flow(each) in begun]


def _flow(frame: Frame) -> frozenset[object]:
    return frozenset({frame.sender, frame.receiver})


def _fin_came(sent: Iterable[Frame], service: ServiceEnd) -> bool:
    """Whether a FIN of the service was acknowledged. One behind a gap waits for what lacks (RFC 9293, 3.10.7.4)."""
    closed: set[frozenset[object]] = set()  # by the client
    behind: set[tuple[frozenset[object], int]] = set()  # the sequence numbers behind such FINs
    for each in sent:
        is_own = each.sender[0] in service.clients
        if is_own and (_flow(each), each.ack) in behind:
            return True
        if is_own and each.flags & {"FIN", "RST"}:
            closed.add(_flow(each))
        elif "FIN" in each.flags and service.is_from(each) and _flow(each) not in closed:
            behind.add((_flow(each), _behind_fin(each)))
    return False


def _error_came(sent: Iterable[Frame], addresses: Collection[str]) -> bool:
    """Whether an ICMP error came to a client, or a RST that its kernel could still tell its program of.

    Once the client has acknowledged the service's FIN, recv() returns 0 whatever comes then, and after its own FIN
    nothing can be sent: the RST that meets that FIN tells nobody. One that comes to a client which has closed one half
    alone, and waits for the answer, is told; close() and shutdown() send the same FIN.
    """
    closed: set[frozenset[object]] = set()  # by the client
    behind: set[tuple[frozenset[object], int]] = set()  # the sequence numbers behind the service's FINs
    acknowledged: set[frozenset[object]] = set()
    for each in sent:
        flow = _flow(each)
        if each.sender[0] in addresses:
            if each.flags == {"SYN"}:  # of a new connection from the same port
                closed.discard(flow)
                acknowledged.discard(flow)
            closed |= {flow} if "FIN" in each.flags else set()
            acknowledged |= {flow} if (flow, each.ack) in behind else set()
        elif each.receiver[0] in addresses:
            is_over = flow in closed and flow in acknowledged
            if each.is_icmp_error or ("RST" in each.flags and not is_over):
                return True
            if "FIN" in each.flags:
                behind.add((flow, _behind_fin(each)))
    return False


def _behind_fin(frame: Frame) -> int:
    """The sequence number that acknowledges a FIN and all before it."""
    return ((frame.seq or 0) + len(frame.payload) + 1) % 2**32


def _progress_s(frames: Iterable[Frame], service: ServiceEnd) -> float | None:
    """When the service last said something new, or acknowledged something new on a connection that is no newcomer.

    An acknowledgement is progress while the client has more to send: bytes under way, or some that follow at once. That
    of a whole message says nothing of its answer. What comes on a connection after the client's FIN or RST is no
    progress either: the client had been ended, or had ended it.
    """
    known: set[tuple[object, ...]] = set()
    begun_ns: dict[object, int] = {}
    closed: set[object] = set()
    sent_until: dict[object, int] = {}  # the sequence numbers behind what the client sent
    acknowledged_ns: dict[object, int] = {}  # when all of it was
    found_ns = 0
    for each in frames:
        if not service.is_from(each):
            flow = (each.receiver, each.sender)
            closed |= {flow} if each.flags & {"FIN", "RST"} else set()
            if each.payload and flow in acknowledged_ns and each.seq == sent_until.get(flow):
                all_ns = acknowledged_ns.pop(flow)
                found_ns = max(found_ns, all_ns if each.time_ns - all_ns < CLOCK_S * 1e9 else 0)
            if each.payload and each.seq is not None:
                sent_until[flow] = (each.seq + len(each.payload)) % 2**32
            continue
        flow = (each.sender, each.receiver)
        old = each.time_ns - begun_ns.setdefault(flow, each.time_ns) > LATELY_S * 1e9
        content = (flow, _place(each) if each.payload else None, each.payload or each.ack)
        if content not in known and (each.payload or old) and flow not in closed:
            if each.payload or each.ack != sent_until.get(flow):
                found_ns = each.time_ns
            else:
                acknowledged_ns[flow] = each.time_ns
        known.add(content)
    return found_ns / 1e9 or None


def _answered_s(frames: Iterable[Frame], service: ServiceEnd) -> float | None:
    """When the last bytes of the service came that had not come before, or its FIN; what answers a FIN is none.

    What comes after the client's RST does not count, and what comes after its FIN does: it may have closed one half.
    """
    known: set[tuple[object, ...]] = set()
    ended: dict[object, frozenset[str]] = {}
    found = None
    for each in frames:
        if not service.is_from(each):
            flow = (each.receiver, each.sender)
            ended[flow] = ended.get(flow, frozenset()) | each.flags & {"FIN", "RST"}
            continue
        flow = (each.sender, each.receiver)
        closed = ended.get(flow, frozenset())
        is_end = "FIN" in each.flags and not closed
        content = (flow, _place(each), each.payload, is_end)
        if content not in known and (each.payload or is_end) and "RST" not in closed:
            found = each.time_ns / 1e9
        known.add(content)
    return found


def _place(frame: Frame) -> object:
    """What tells it from another frame with the same bytes; a datagram is one of its own."""
    return ("datagram", frame.number) if frame.transport == "udp" else frame.seq


def _closed_s(frames: Iterable[Frame], own: Iterable[Frame], port: int) -> float | None:
    """When the client had closed each of its connections, or they were reset; None where it did something later."""
    closed_ns: dict[tuple[object, ...], int | None] = {}
    for each in frames:
        if each.transport != "tcp" or port not in (each.source_port, each.destination_port):
            continue
        is_own = each.destination_port == port
        flow = (each.sender, each.receiver) if is_own else (each.receiver, each.sender)
        ends = each.flags & ({"FIN", "RST"} if is_own else {"RST"})
        closed_ns[flow] = closed_ns.get(flow) or (each.time_ns if ends else None)
    last_ns = max((at_ns or 0 for at_ns in closed_ns.values()), default=0)
    if not last_ns or None in closed_ns.values():
        return None
    goes_on = any(each.time_ns > last_ns for each in own if each.transport == "udp" or each.flags == {"SYN"})
    return None if goes_on else last_ns / 1e9


def unanswered(made: Tries, usual: Tries, ended_s: float) -> tuple[int, int, float]:
    """How often the client still sent anew without an answer when it was ended: datagrams, and on a connection; and
    how long it had waited on one for the greeting that usually comes, before it spoke without it (0: it did not).
    """
    on_one = max(usual.data, key=lambda each: each.unanswered + each.repeats_answered, default=NOTHING_SENT)
    on_connections = sum(each.goes_on(on_one, ended_s, LATELY_S) for each in made.data)
    spoke_after_s = max((each.spoke_after_s(usual.data, ended_s, LATELY_S) for each in made.data), default=0.0)
    return made.asked.datagrams.goes_on(usual.asked.datagrams, ended_s, LATELY_S), on_connections, spoke_after_s


def took_s(call: Call, began_s: float | None) -> float | None:
    """From the first packet to the end of the call: without the start of its program. None where either is unknown."""
    if call.started_s is None or call.duration_s is None or began_s is None:
        return None
    return max(0.0, call.started_s + call.duration_s - began_s)


def _meanwhile(seen: Seen, call: Call, addresses: Collection[str]) -> Iterator[Frame]:
    if call.started_s is None or call.duration_s is None:
        return
    from_s = call.started_s - (BEFORE_GUEST_S if call.guest and not call.is_start_exact else BEFORE_S)
    # what was sent before the end of an earlier call is of that one: calls may follow each other as soon
    from_s = max([from_s, *(end_s for _, end_s in _times_of_others(seen, call) if end_s <= call.started_s)])
    until_s = call.started_s + call.duration_s + BEFORE_S
    for each in seen.frames.get("client-leg", ()):
        if from_s <= each.time_ns / 1e9 <= until_s and {each.sender[0], each.receiver[0]} & set(addresses):
            yield each
