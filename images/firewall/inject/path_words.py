"""The words of a path: how long it takes, what it loses in bursts, how much it carries, how much waits for it.

Sources: Gilbert (Bell System Technical Journal 39, 1960) and Elliott (42, 1963) for the two states; mm-link(1) of
mahimahi for traces.
"""

from __future__ import annotations

from dataclasses import dataclass

SECONDS_LIMIT = 60.0
BITS_PER_S = (1000, 10_000_000_000)
QUEUE_BYTES = (1500, 1 << 26)
TRACE_LIMIT = 32768  # opportunities
TRACE_MS_LIMIT = 3_600_000
OPPORTUNITY_BYTES = 1500


@dataclass(frozen=True, slots=True)
class Path:
    """One direction of a path, as a link with a queue in front of it, loss, and a distance behind it.

    A packet waits for those before it, is sent at `bits_per_s`, or when `trace` has an opportunity, and comes `delay_s`
    later, ± up to `jitter_s` (seeded, uniform), in order. What does not find room in `queue_bytes` is dropped. Loss has
    two states: in the bad one a packet is lost with `loss_bad` percent, in the good one with `loss_good`; before each
    packet the good one becomes bad with `worsens` percent, the bad one good with `recovers`. Bytes are those of IP.

    `trace` is the milliseconds at which 1500 bytes may be sent, ascending, in words; behind the last it begins anew.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    bits_per_s: int = 0
    trace: str = ""
    queue_bytes: int = QUEUE_BYTES[1]
    worsens: float = 0.0
    recovers: float = 100.0
    loss_bad: float = 100.0
    loss_good: float = 0.0

    def __post_init__(self) -> None:
        _check_range("delay_s", self.delay_s, 0, SECONDS_LIMIT)
        _check_range("jitter_s", self.jitter_s, 0, self.delay_s)
        _check_range("queue_bytes", self.queue_bytes, *QUEUE_BYTES)
        for key in ("worsens", "recovers", "loss_bad", "loss_good"):
            _check_range(key, getattr(self, key), 0, 100)
        if bool(self.bits_per_s) == bool(self.trace):
            raise ValueError("a path has either bits_per_s or a trace")
        if self.bits_per_s:
            _check_range("bits_per_s", self.bits_per_s, *BITS_PER_S)
        else:
            opportunities(self.trace)


def opportunities(trace: str) -> list[int]:
    """The milliseconds of a trace in mahimahi's format: a whole number a line, ascending. Raises ValueError."""
    words = trace.split()
    if not 1 <= len(words) <= TRACE_LIMIT:
        raise ValueError(f"trace has 1 to {TRACE_LIMIT} opportunities, not {len(words)}")
    found: list[int] = []
    for number, word in enumerate(words, 1):
        if not (word.isascii() and word.isdigit()) or int(word) > TRACE_MS_LIMIT:
            raise ValueError(f"trace: opportunity {number} is milliseconds, 0 to {TRACE_MS_LIMIT}, not {word[:40]!r}")
        if found and int(word) < found[-1]:
            raise ValueError(f"trace: opportunity {number} is {word} ms, and the one before it {found[-1]} ms")
        found.append(int(word))
    if not found[-1]:
        raise ValueError("trace: its last opportunity is more than 0 ms, or it never ends")
    return found


def _check_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} is {least} to {most}, not {value}")
