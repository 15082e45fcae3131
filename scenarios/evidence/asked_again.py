"""What a client sent again while no answer came, datagrams or data on a connection, as the client's leg shows it.

Not every datagram is a question. A program acknowledges at once what came, and asks at once for the next block; where
it asks again, a clock of its own went off first. What a kernel sends again is no try: its sequence number is not new.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from scenarios.evidence.frame import Frame
from scenarios.evidence.service_end import ServiceEnd
from scenarios.lab.valueclass import valueclass

# A program's clock that asks again is no shorter; TCP's own is not either (TCP_RTO_MIN). What a busy or an emulated
# machine takes to answer at once is shorter: 0.12 s was seen of a client of QUIC.
CLOCK_S: Final = 0.2
HALF: Final = 2**31  # sequence numbers are compared modulo 2^32 (RFC 9293, 3.4)


@valueclass
class Sent:
    """The datagrams of a client to the service, or the data on one connection.

    `by a clock`: not at once after anything was sent or came.
    """

    sent: int  # all of them
    repeats: int  # of them, with the bytes of an earlier one
    again: int  # repeats by a clock, while nothing had come since the earlier one
    perhaps_again: int  # others by a clock or after an error; repeats at once, but for those that answer a copy
    to_copies: int  # sent at once after something that had come before: an acknowledgement, or a reset
    unanswered: int  # by a clock, while nothing had come since the one before
    repeats_answered: int  # repeats by a clock, where something had come since the earlier one
    last_s: float | None  # Unix time of the last one
    gap_s: float  # between the last two that were not sent at once
    alone: int = 0  # since the first one to which nothing has come
    alone_s: float = 0.0  # from that one to the last
    longest_alone_s: float = 0.0  # of all such spans
    is_greeted: bool = False  # something had come before it sent anything
    first_after_s: float = 0.0  # on a connection: how long all was still before it first sent, where nothing had come

    def retries(self, usual: Sent, *, is_answered: bool) -> int:
        """How often it asked again, beyond what it usually does.

        One that was answered may have sent the same bytes each time as usual, as a heartbeat: these are its next ones.
        What was not sent again for certain counts only as far as more was sent than usual.
        """
        again = max(0, self.again - usual.again)
        if is_answered:
            again = min(again, max(0, self.repeats - usual.repeats))
        more = min(self.perhaps_again - usual.perhaps_again, self.sent - usual.sent - again)
        return again + max(0, more)

    def may_be_retries(self, usual: Sent) -> int:
        """As `retries`, with all beyond the usual that may have asked anew, as at once after a wrong answer."""
        return max(0, self.sent - self.to_copies - usual.sent + usual.to_copies)

    def goes_on(self, usual: Sent, ended_s: float, lately_s: float) -> int:
        """How often it sent anew without an answer, if it still did so when it was ended: 0 where it had fallen silent.

        A clock that doubles its time may go off once more; one that is longer silent is taken for over. Of a quick pace
        no clock tells one from the next: it is told by its length, where nothing came for longer than is usual.
        """
        at_pace = self.alone_s >= usual.longest_alone_s + lately_s
        if at_pace and not self.unanswered and self.last_s is not None and ended_s - self.last_s <= lately_s:
            return self.alone
        repeats = max(0, self.repeats_answered - usual.repeats_answered)
        is_usual = self.unanswered < 2 and self.unanswered <= usual.unanswered and not repeats
        if is_usual or self.last_s is None or ended_s - self.last_s > 2 * self.gap_s + lately_s:
            return 0
        return self.unanswered + repeats

    def spoke_after_s(self, usual: Collection[Sent], ended_s: float, lately_s: float) -> float:
        """How long it waited for a greeting before it spoke without one, if it may still have sent when it was ended.

        A clock of its own went off then. 0 where it did no such thing, or is not usually greeted on each connection.
        """
        is_greeted = bool(usual) and all(each.is_greeted for each in usual)
        is_over = self.last_s is None or ended_s - self.last_s > 2 * self.first_after_s + lately_s
        return 0.0 if is_over or not is_greeted or self.first_after_s < CLOCK_S else self.first_after_s


NOTHING_SENT: Final = Sent(
    sent=0, repeats=0, again=0, perhaps_again=0, to_copies=0, unanswered=0, repeats_answered=0, last_s=None, gap_s=0.0
)


def datagrams_sent(frames: Iterable[Frame], service: ServiceEnd) -> Sent:
    """What the clients sent to the service over UDP; of the fragments of a datagram one alone has its ports."""
    found = _Clock()
    for each in frames:
        if each.is_icmp_error and each.receiver[0] in service.clients:
            found.error_came = True
        elif each.transport == "udp" and service.is_to(each):
            found.send(each.time_ns, (each.receiver, each.payload))
        elif each.transport == "udp" and service.is_from(each):
            found.come(each.time_ns, (each.sender, each.payload))
    return found.sent()


def data_sent(frames: Iterable[Frame], addresses: Collection[str], port: int) -> list[Sent]:
    """What these addresses sent to the service over TCP, connection by connection."""
    flows: dict[frozenset[object], _Clock] = {}
    ends: dict[frozenset[object], int] = {}  # the sequence numbers behind what was sent
    for each in frames:
        if each.transport != "tcp" or port not in (each.source_port, each.destination_port):
            continue
        flow = frozenset({each.sender, each.receiver})
        clock = flows.setdefault(flow, _Clock())
        is_own = each.sender[0] in addresses and each.destination_port == port
        if not (is_own and each.payload and each.seq is not None):
            clock.come(each.time_ns, None if is_own or not each.payload else (each.seq, each.payload))
        elif (each.seq - ends.get(flow, each.seq)) % 2**32 < HALF:
            clock.send(each.time_ns, each.payload)
            ends[flow] = (each.seq + len(each.payload)) % 2**32
    return [each.sent() for each in flows.values()]


class _Clock:
    """Follows what is sent and what comes, in the order of the capture."""

    def __init__(self) -> None:
        self.count = self.repeats = self.again = self.perhaps_again = self.to_copies = 0
        self.unanswered = self.repeats_answered = 0
        self.error_came = False
        self.gap_ns = self.first_after_ns = 0
        self.is_greeted = False
        self.alone = self.longest_alone_ns = 0
        self._alone_from_ns: int | None = None
        self.last_sent_ns: int | None = None
        self._last_ns: int | None = None  # of anything
        self._answers = self._answers_before = 0
        self._came: set[object] = set()
        self._is_copy = False  # of the last answer
        self._sent: dict[object, int] = {}  # the answers that had come when these bytes were sent last

    def come(self, at_ns: int, answer: object | None) -> None:
        """Something came or was sent that asks nothing; `answer` is its content, if it has any."""
        self._last_ns = at_ns
        if answer is not None:
            self._answers += 1
            self._alone_from_ns = None
            self.is_greeted |= self.last_sent_ns is None
            self._is_copy = answer in self._came
            self._came.add(answer)

    def send(self, at_ns: int, content: object) -> None:
        is_first = self.last_sent_ns is None
        by_clock = not is_first and self._last_ns is not None and at_ns - self._last_ns >= CLOCK_S * 1e9
        is_repeat = content in self._sent
        nothing_came = self._sent.get(content) == self._answers
        is_again = is_repeat and nothing_came and by_clock
        self.count += 1
        self.repeats += is_repeat
        self.again += is_again
        to_copy = self._is_copy and self._answers != self._answers_before and not by_clock
        by_error = self.error_came and not is_first and not to_copy
        self.to_copies += to_copy
        self.perhaps_again += not is_again and (by_clock or by_error or (is_repeat and not to_copy))
        self.unanswered += by_clock and self._answers == self._answers_before
        self.repeats_answered += by_clock and is_repeat and self._answers != self._answers_before
        self.alone = 0 if self._alone_from_ns is None else self.alone + 1
        self._alone_from_ns = at_ns if self._alone_from_ns is None else self._alone_from_ns
        self.longest_alone_ns = max(self.longest_alone_ns, at_ns - self._alone_from_ns)
        if is_first and self._last_ns is not None and not self._answers:
            self.first_after_ns = at_ns - self._last_ns
        if by_clock and self.last_sent_ns is not None:
            self.gap_ns = at_ns - self.last_sent_ns
        self.last_sent_ns = self._last_ns = at_ns
        self.error_came, self._answers_before = False, self._answers
        self._sent[content] = self._answers

    def sent(self) -> Sent:
        alone_ns = 0 if self._alone_from_ns is None else (self.last_sent_ns or 0) - self._alone_from_ns
        return Sent(
            sent=self.count,
            repeats=self.repeats,
            again=self.again,
            perhaps_again=self.perhaps_again,
            to_copies=self.to_copies,
            unanswered=self.unanswered,
            repeats_answered=self.repeats_answered,
            last_s=None if self.last_sent_ns is None else self.last_sent_ns / 1e9,
            gap_s=self.gap_ns / 1e9,
            alone=self.alone,
            alone_s=alone_ns / 1e9,
            longest_alone_s=self.longest_alone_ns / 1e9,
            is_greeted=self.is_greeted,
            first_after_s=self.first_after_ns / 1e9,
        )


def closed_at_once(own: Sequence[Frame], closed_s: float) -> bool:
    """Whether the client's FIN of that moment stands behind what it sent: shutdown() of a half, and it may still wait.

    What its kernel sent again does not count: a program's clock may go off just then.
    """
    fin = next((each for each in own if "FIN" in each.flags and each.time_ns / 1e9 == closed_s), None)
    if fin is None:
        return False
    first: dict[int | None, int] = {}
    for each in own:
        if each.sender == fin.sender and each.receiver == fin.receiver and (each.payload or "SYN" in each.flags):
            first.setdefault(each.seq, each.time_ns)
    said_ns = max((at_ns for at_ns in first.values() if at_ns <= fin.time_ns), default=0)
    return fin.time_ns - said_ns < CLOCK_S * 1e9
