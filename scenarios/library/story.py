"""What happened in one test: its events, calls, faults and looks, as they come. It starts nothing and asks nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from scenarios.calls.call import Call
from scenarios.evidence.pauses import Pause
from scenarios.evidence.record import Event, Seen, Socket
from scenarios.evidence.stalls import COUNT_SLACK_S, COURSE_SLACK_S, Stalls
from scenarios.faults.catch import Caught


@dataclass(slots=True)
class Story:
    """One test. `armed`: with its faults; without, it is the control. Times are nanoseconds since the epoch."""

    name: str = ""
    armed: bool = True
    events: list[Event] = field(default_factory=list)
    calls: dict[str, list[Call]] = field(default_factory=dict)
    caught: dict[str, Caught] = field(default_factory=dict)
    looks: dict[str, Sequence[Socket]] = field(default_factory=dict)
    look_times_ns: dict[str, tuple[int, int]] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    pauses: dict[str, Pause] = field(default_factory=dict)  # that the test itself made
    metered: list[Stalls] = field(default_factory=list)
    recorded: list[Seen] = field(default_factory=list)  # of each recording
    ladders: list[Callable[[], str]] = field(default_factory=list)  # the picture of each, made when it is asked for
    began_ns: int = field(default_factory=time.time_ns)
    is_counted: bool = False  # whether packets were counted: a shorter stall may have changed that
    controls: list[Story] = field(default_factory=list)  # of the runs of a body without its faults
    problems: list[str] = field(default_factory=list)  # why it shows nothing, besides what it raised
    _numbers: dict[str, int] = field(default_factory=dict)

    def note(self, what: str) -> None:
        """Log an event."""
        self.events.append(Event(time.time_ns(), what))

    def next_name(self, kind: str) -> str:
        """`call-1`, `call-2`: a name that nothing of this test has."""
        self._numbers[kind] = self._numbers.get(kind, 0) + 1
        return f"{kind}-{self._numbers[kind]}"

    @property
    def is_paused(self) -> bool:
        """Whether a program is paused by the test itself now."""
        return any(each.ended_ns is None for each in self.pauses.values())

    @property
    def stalled(self) -> str:
        """What stood still for long enough to have changed what a test saw; empty where nothing did."""
        slack_s = COUNT_SLACK_S if self.is_counted else COURSE_SLACK_S
        windows = [each.between(None, None) for each in self.metered]
        long = [each.longest for each in windows if each.longest and each.reaches(slack_s)]
        return max(long, key=lambda each: each.length_s).how_long if long else ""
