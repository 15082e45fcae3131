"""What a client asked for names over DNS, as its leg shows it: how often anew, and whether an answer is still due.

A resolver that nobody answers sends its question again, with the same identification (glibc, musl) or with a new one
(Go). That is no try of the program, as a SYN that the kernel sends again is none. Nor is what follows at once: the
other type of record, the next domain of the search list, the same over TCP, or once more after a SERVFAIL. Docker's
resolver, by which most programs of the lab ask, passes questions on with their identification.

Sources: RFC 1035, 4.1; RFC 2181, 9; resolv.conf(5).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from images.firewall.inject.names import question
from scenarios.evidence.asked_again import CLOCK_S
from scenarios.evidence.frame import Endpoint, Frame
from scenarios.evidence.service_end import ServiceEnd
from scenarios.lab.valueclass import valueclass

NAMES: Final = 53
# A question that is asked anew so soon, while nobody has answered the one before, is of a program with a clock of its
# own: the clocks of resolvers are longer (5 s in resolv.conf(5) and in Go).
RESOLVER_S: Final = 2.0
_LENGTH_BYTES: Final = 2  # stand before a message over TCP
_TRUNCATED, _RCODE = 0x02, 0x0F  # of the third and of the fourth byte of a message

Key = tuple[str, int]  # the name, and the type of record
Flow = tuple[Endpoint, Endpoint]  # the end of the client, and the other one


@valueclass
class NamesAsked:
    """The questions for names of one call."""

    tries: tuple[int, ...]  # frames: one for each time that a name was asked for, and nothing was sent to the service
    open_s: float | None  # Unix time of the last packet of a question that nobody has answered; None: there is none
    is_all: bool  # names were asked for, and nothing else was sent over TCP or UDP


NOTHING_ASKED: Final = NamesAsked(tries=(), open_s=None, is_all=False)


def names_asked(frames: Iterable[Frame], service: ServiceEnd) -> NamesAsked:
    """Return what the clients asked for in these frames, which are in the order of the capture.

    Where the service is a name server itself, its questions are conversations with it: nothing is returned.
    """
    if service.port == NAMES:
        return NOTHING_ASKED
    found = _Follower(service)
    for each in frames:
        found.follow(each)
    return found.summary()


def gives_nothing(frame: Frame) -> bool:
    """Whether it is an answer of a name server with an error or without a record. False of all that cannot be read."""
    message = _message(frame)
    read = question(message)
    return bool(read and read.is_answered and (message[3] & _RCODE or not any(message[6:8])))  # how many records


def _message(frame: Frame) -> bytes:
    return frame.payload[_LENGTH_BYTES:] if frame.transport == "tcp" else frame.payload


class _Asked:
    """The questions for one name and type."""

    def __init__(self) -> None:
        self.identifications: set[bytes] = set()
        self.last_ns = 0  # of a question or an answer
        self.is_answered = self.is_truncated = False  # the last one
        self.tries: list[int] = []
        self.number: int | None = None  # of the question that would be a try, if nothing is sent to the service


class _Follower:
    def __init__(self, service: ServiceEnd) -> None:
        self._service = service
        self._asked: dict[Key, _Asked] = {}
        self._open: dict[int, tuple[Key, bytes, int]] = {}  # by type, the last question, while it has no answer
        self._streams: dict[Flow, int] = {}  # over TCP, with the name server: since when it owes an answer
        self._connections: set[Flow] = set()  # with the service, as long as the client may wait on them
        self._has_datagrams = self._has_others = False
        self._keeps_identification = False  # of a question that its resolver sends again

    def follow(self, frame: Frame) -> None:
        is_own = frame.sender[0] in self._service.clients
        flow = (frame.sender, frame.receiver) if is_own else (frame.receiver, frame.sender)
        if frame.is_icmp_error and not is_own:
            quoted = frozenset(frame.quoted or ())
            self._connections = {each for each in self._connections if frozenset(each) != quoted}
            if not quoted:  # it is about a datagram: of a question, perhaps
                self._open.clear()
        elif frame.transport not in ("tcp", "udp"):
            return
        elif flow[1][1] == NAMES:
            self._of_names(frame, flow, is_own=is_own)
        elif is_own:
            self._of_others(frame, flow)
        elif "RST" in frame.flags:
            self._connections.discard(flow)

    def _of_others(self, frame: Frame, flow: Flow) -> None:
        """What a client sent to anybody else."""
        self._has_others = True
        if not self._service.is_to(frame):
            return
        if frame.flags & {"FIN", "RST"}:
            self._connections.discard(flow)
        elif frame.transport == "udp" or frame.flags == {"SYN"}:
            self._has_datagrams |= frame.transport == "udp"
            self._connections |= {flow} if frame.transport == "tcp" else set()
            for each in self._asked.values():  # then these were asked for its sake
                each.number = None

    def _of_names(self, frame: Frame, flow: Flow, *, is_own: bool) -> None:
        if frame.transport == "tcp":
            if frame.flags & {"FIN", "RST"} or (not is_own and frame.payload):
                self._streams.pop(flow, None)
            elif is_own and (frame.payload or frame.flags == {"SYN"}):
                self._streams[flow] = frame.time_ns
        message = _message(frame)
        read = question(message)
        if read is None or read.is_answered is is_own:
            return
        key, identification = (read.name, read.type), message[:2]
        if is_own:
            self._ask(frame, key, identification)
        elif (asked := self._asked.get(key)) and identification in asked.identifications:
            asked.last_ns, asked.is_answered = frame.time_ns, True
            asked.is_truncated = bool(message[2] & _TRUNCATED)
            if self._open.get(read.type, ())[:2] == (key, identification):
                del self._open[read.type]

    def _ask(self, frame: Frame, key: Key, identification: bytes) -> None:
        asked = self._asked.setdefault(key, _Asked())
        if identification in asked.identifications:
            self._keeps_identification |= not asked.is_answered
        elif self._is_anew(asked, frame.time_ns) and not self._connections and not self._has_datagrams:
            asked.tries += [] if asked.number is None else [asked.number]
            asked.number = frame.number
        asked.identifications.add(identification)
        asked.last_ns, asked.is_answered, asked.is_truncated = frame.time_ns, False, False
        if frame.transport == "udp":
            self._open[key[1]] = (key, identification, frame.time_ns)

    def _is_anew(self, asked: _Asked, now_ns: int) -> bool:
        """Whether a question with an identification of its own is another try, and no work of the resolver."""
        pause_s = (now_ns - asked.last_ns) / 1e9
        if not asked.identifications:
            return True
        if asked.is_truncated or pause_s < CLOCK_S:
            return False
        return asked.is_answered or self._keeps_identification or pause_s < RESOLVER_S

    def summary(self) -> NamesAsked:
        tries: list[list[int]] = [[]]
        tries += [[*each.tries, *([] if each.number is None else [each.number])] for each in self._asked.values()]
        most = max(tries, key=len)
        open_ns = [*(each[2] for each in self._open.values()), *self._streams.values()]
        return NamesAsked(
            tries=tuple(most),
            open_s=max(open_ns) / 1e9 if open_ns else None,
            is_all=bool(self._asked) and not self._has_others,
        )
