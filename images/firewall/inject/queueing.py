"""A queue in front of a slow link: packets go out one after the other, and what finds no place is lost.

Three disciplines say who is lost: drop-tail, RED (Floyd and Jacobson, 1993, with its recommended constants: a weight of
0.002, a maximum of three times the minimum, a probability of up to 0.1) and CoDel (RFC 8289, target and interval as
said there). Time is passed in: the same packets at the same times come out the same.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from .packet import Packet

NS = 1_000_000_000
FRAME = 1514  # bytes: CoDel lets a queue of no more than one be (RFC 8289)
RATES = (1_000, 1_000_000_000)  # bits a second
LIMITS = (FRAME, 1 << 24)  # bytes
RED_WEIGHT, RED_MOST = 0.002, 0.1
TARGET, INTERVAL = NS // 200, NS // 10  # of CoDel: 5 ms and 100 ms (RFC 8289)
Discipline = Literal["drop-tail", "red", "codel"]


@dataclass(frozen=True, slots=True)
class Queue:
    """The packets go on at so many bits a second, headers of IP and up counted; `limit_bytes` wait at most.

    Beyond that packets are dropped: as they come (`drop-tail`), by chance before it is full (`red`, seeded), or because
    those before them have waited for too long (`codel`).
    """

    bits_per_s: int
    limit_bytes: int
    discipline: Discipline = "drop-tail"

    def __post_init__(self) -> None:
        for key, (least, most) in (("bits_per_s", RATES), ("limit_bytes", LIMITS)):
            if not least <= getattr(self, key) <= most:
                raise ValueError(f"{key} is {least} to {most}, not {getattr(self, key)}")


class Red:
    """The average of the queue, and whether the packet that comes now is to be dropped."""

    def __init__(self, limit_bytes: int) -> None:
        self._least, self._most = limit_bytes / 6, limit_bytes / 2
        self._average = 0.0
        self._since = -1  # packets that passed since the last that was dropped

    def drops(self, backlog: float, idle_packets: float, drawn: float) -> bool:
        """`backlog` in bytes; `idle_packets`: how many could have gone while nothing waited; `drawn`: from 0 to 1."""
        if backlog:
            self._average += RED_WEIGHT * (backlog - self._average)
        else:
            self._average *= (1 - RED_WEIGHT) ** idle_packets
        if self._average < self._least:
            self._since = -1
            return False
        self._since += 1
        if self._average < self._most:
            share = RED_MOST * (self._average - self._least) / (self._most - self._least)
            if drawn >= share / max(1 - self._since * share, share):
                return False
        self._since = 0
        return True


class CoDel:
    """The control law of RFC 8289: whether the packet that would go now is to be dropped."""

    def __init__(self) -> None:
        self._above_until = self._next = 0
        self._is_dropping = False
        self._count = self._last_count = 0

    def _is_too_slow(self, now: int, waited: int, backlog: int) -> bool:
        if waited < TARGET or backlog <= FRAME:
            self._above_until = 0
            return False
        if not self._above_until:
            self._above_until = now + INTERVAL
            return False
        return now >= self._above_until

    def drops(self, now: int, waited: int, backlog: int) -> bool:
        """`backlog` in bytes, this packet's too. To be asked for each packet at the head, until one is not dropped."""
        is_too_slow = self._is_too_slow(now, waited, backlog)
        if self._is_dropping:
            if not is_too_slow:
                self._is_dropping = False
                return False
            if now < self._next:
                return False
            self._count += 1
            self._next += self._pause()
            return True
        if not is_too_slow:
            return False
        self._is_dropping = True
        recently = self._count - self._last_count
        self._count = recently if recently > 1 and now - self._next < 16 * INTERVAL else 1
        self._last_count = self._count
        self._next = now + self._pause()
        return True

    def _pause(self) -> int:
        return int(INTERVAL / self._count**0.5)


class Line:
    """The packets that wait, and when the one at the head will be out."""

    def __init__(self, declared: Queue) -> None:
        self._declared = declared
        self._red = Red(declared.limit_bytes) if declared.discipline == "red" else None
        self._codel = CoDel() if declared.discipline == "codel" else None
        self._waiting: deque[tuple[int, Packet]] = deque()  # when it came
        self._backlog = 0
        self._free_at = 0  # when the last packet was out
        self.due: int | None = None  # when the one at the head will be

    def __len__(self) -> int:
        return len(self._waiting)

    def _time(self, size: int) -> int:
        return size * 8 * NS // self._declared.bits_per_s

    def takes(self, packet: Packet, now: int, drawn: float) -> bool:
        """Whether the packet has a place; then it waits."""
        if self._backlog + packet.end > self._declared.limit_bytes:
            return False
        idle = max(0, now - self._free_at) / self._time(FRAME)
        if self._red and self._red.drops(self._backlog, idle, drawn):
            return False
        self._waiting.append((now, packet))
        self._backlog += packet.end
        if self.due is None:
            self.due = max(now, self._free_at) + self._time(packet.end)
        return True

    def out(self, now: int) -> tuple[list[Packet], list[Packet]]:
        """The packets that are out by now, and those that were dropped at the head."""
        gone: list[Packet] = []
        lost: list[Packet] = []
        while self.due is not None and self.due <= now:
            gone.append(self._shift())
            self._free_at, self.due = self.due, None
            lost += self._heads_lost(self._free_at)
            if self._waiting:
                came, head = self._waiting[0]
                self.due = max(self._free_at, came) + self._time(head.end)
        return gone, lost

    def _heads_lost(self, now: int) -> list[Packet]:
        lost = []
        while self._codel and self._waiting and self._codel.drops(now, now - self._waiting[0][0], self._backlog):
            lost.append(self._shift())
        return lost

    def _shift(self) -> Packet:
        _, packet = self._waiting.popleft()
        self._backlog -= packet.end
        return packet

    def all(self) -> list[Packet]:
        """All that waits, which is forgotten."""
        found = [packet for _, packet in self._waiting]
        self._waiting.clear()
        self._backlog, self.due = 0, None
        return found
