"""Stalls: the times in which the machine, a program of the lab or the runner stood still, and what they may have made.

Values and arithmetic only: no I/O, no clock. verdict/ asks here whether a stall may have made a check hold, or fail, so
this is the one place that says which expectation is how sensitive:

    duration                   a stall within the call made it longer, by its own length at most; a long one may also
                               have brought the turn of a timer of TCP, and so up to TIMER_S more
    packets, `apart`           as a duration, of each gap; a gap may have become shorter too
    packets, `took`            a packet may have taken so much longer: by a stall of the firewall, or of all
    packets, hits, order       a stall of COUNT_SLACK_S before the last of them may have had a segment sent again, or
                               acknowledged by itself and not in an answer, or let others overtake it
    packets, with a filter     a stall of COURSE_SLACK_S may have moved a packet from one side of that time to the other
      that reads a time
    outcome, log, sockets,     a stall of COURSE_SLACK_S may have brought the turn of a timer of a program or of TCP,
      alike                    and so another course of all that follows

That a check fails is doubted by what a stall may have changed. That it holds is doubted only by what a stall may have
made: time that a band needs, a repetition that is counted, a deadline that is reached. For that it must have held
something up, which then came as soon as it was over: while everybody waits for a timer, a stall that ends before the
timer does makes nothing later, but a stop: select(2) then goes on with what was left of its timeout. And a stall after
the last thing that an expectation looks at changes nothing in it.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from scenarios.evidence.frame import Frame
from scenarios.lab.valueclass import valueclass
from scenarios.spec.units import Band

# images/meter/meter says what each is; "unwatched": the meter, which had begun, did not answer, and nobody knows
Why = Literal["still", "stopped", "held", "frozen", "starved", "unwatched"]
STOPS: tuple[Why, ...] = ("stopped", "held", "frozen")
FIREWALL = "firewall"  # the machine of the lab that all packets cross
MACHINE, RUNNER = "", "runner"  # in the place of a machine of the lab: all of it, and the program that runs the drills

# Below RTO's least (200 ms) Linux sends again only as a probe of the tail of a flight: some 10 ms after it, where the
# round trip is short (RFC 8985, 7.2).
COUNT_SLACK_S = 0.03
COURSE_SLACK_S = 0.1  # the drills leave this much before the next timer of a program, or of TCP (RTO is 200 ms or more)
TIMER_S = 3.0  # what the first two timers of a lost SYN cost (RFC 6298: 1 s, and then 2 s)
MADE_SHARE = 0.25  # of a wait that ended by a timer: if less of it was a stall, it would have ended so all the same
PEERS_TIMER_S = 0.25  # no shorter one of a peer ends a connection: TCP's own are of a second and more
JUST_BEFORE_S = 0.05  # two looks of the meter, and a little: so much later it may say that a stall was over
HELD_UP_S = 0.15  # what was held up comes this soon after the stall: on an emulated host some work lies between
READS_A_TIME = re.compile(r"time_relative|time_delta|frame\.time|\.time\b|ack_rtt|response_in_time")


@valueclass
class Stall:
    """From when to when something stood still: nanoseconds since the epoch, by the captures' clock."""

    machine: str  # of the lab, or MACHINE, or RUNNER
    why: Why
    began_ns: int
    ended_ns: int
    program: str = ""
    pid: int = 0  # in its own namespace; 0: not known

    @property
    def length_s(self) -> float:
        return (self.ended_ns - self.began_ns) / 1e9

    @property
    def is_stop(self) -> bool:
        """Whether it makes the wait longer in which it falls. A short time in the state D is a wait for a disk."""
        return self.why in STOPS and (self.why != "held" or self.length_s >= COURSE_SLACK_S)

    @property
    def who(self) -> str:
        """`the machine`, `the runner`, `server`, `python on server`."""
        if self.machine in (MACHINE, RUNNER):
            return f"the {self.machine or 'machine'}"
        return f"{self.program} on {self.machine}" if self.program else self.machine

    @property
    def how_long(self) -> str:
        """`the machine stood still for 0.70 s`."""
        did = {"starved": "waited for a processor", "unwatched": "was not watched"}.get(self.why, "stood still")
        return f"{self.who} {did} for {self.length_s:.2f} s"

    def says(self, zero_ns: int) -> str:
        """`the machine stood still for 0.70 s at 1.20 s`; the time is counted from `zero_ns`, the first packet."""
        at_s = (self.began_ns - zero_ns) / 1e9
        return f"{self.how_long}, {-at_s:.2f} s before the exchange" if at_s < 0 else f"{self.how_long} at {at_s:.2f} s"


@valueclass
class Window:
    """The stalls between two moments: their time together, counted once where they overlap, and the longest."""

    total_s: float
    longest: Stall | None

    def reaches(self, slack_s: float) -> bool:
        """Whether one of them is as long as this, or longer."""
        return self.longest is not None and self.longest.length_s >= slack_s


@valueclass
class Stalls:
    """All of one run. `unseen` is what could not be measured, and why; empty when all was.

    `in_play` are the machines on which the script rests: what stood still elsewhere changed nothing.
    """

    found: Sequence[Stall] = ()
    stolen_s: float | None = None  # processor time that the machine's host kept from it (`steal`, proc_stat(5))
    unseen: Sequence[str] = ()
    in_play: Collection[str] = ()

    @property
    def of_play(self) -> list[Stall]:
        """Those that may have changed something."""
        return [each for each in self.found if each.machine in (MACHINE, RUNNER) or each.machine in self.in_play]

    def that_held_up(self, moments_ns: Sequence[int], steps_ns: Sequence[int]) -> Stalls:
        """Those after whose end something happened at once: one of these moments; and of the runner, one of its steps.

        Or another stall that held something up: what goes on may have to wait again. Both are in order. And every stop.
        What the machine did within a stall of its own, it did after a part of it: the meter woke later still.
        """
        found: list[Stall] = []
        for stall in sorted(self.found, key=lambda each: -each.ended_ns):
            until_ns = stall.ended_ns + HELD_UP_S * 1e9
            is_of_runner = stall.machine == RUNNER
            happened = steps_ns if is_of_runner else moments_ns
            since_ns = stall.began_ns if stall.machine == MACHINE else stall.ended_ns - JUST_BEFORE_S * 1e9
            first = bisect.bisect_left(happened, since_ns)
            at_once = first < len(happened) and happened[first] <= until_ns
            follows = not is_of_runner and any(later.began_ns <= until_ns for later in found)
            if at_once or follows or stall.is_stop:
                found.append(stall)
        return replace(self, found=tuple(reversed(found)))

    def without(self, machine: str | None) -> Stalls:
        """Those of all but this machine."""
        return replace(self, found=[each for each in self.found if each.machine != machine])

    @property
    def of_all(self) -> Stalls:
        """Those of the whole machine: only these hold up what a kernel does by a timer."""
        return replace(self, found=[each for each in self.found if each.machine == MACHINE])

    @property
    def on_the_way(self) -> Stalls:
        """Those that may have held a packet up between the legs."""
        return replace(self, found=[each for each in self.found if each.machine in (MACHINE, RUNNER, FIREWALL)])

    @property
    def largest_s(self) -> dict[str, float]:
        """The longest of each machine that had one."""
        found: dict[str, float] = {}
        for each in self.found:
            name = each.machine or "machine"
            found[name] = max(found.get(name, 0.0), each.length_s)
        return found

    def between(self, began_ns: float | None, ended_ns: float | None) -> Window:
        """Those that touch this time, each cut to it; None is the beginning, or the end, of the run."""
        touching: list[tuple[float, float, Stall]] = []
        for each in self.of_play:
            begins = each.began_ns if began_ns is None else max(each.began_ns, began_ns)
            ends = each.ended_ns if ended_ns is None else min(each.ended_ns, ended_ns)
            if begins < ends:
                touching.append((begins, ends, each))
        total, covered = 0.0, float("-inf")
        for begins, ends, _ in sorted(touching, key=lambda each: each[:2]):
            total += max(0.0, ends - max(begins, covered))
            covered = max(covered, ends)
        longest = max((each for *_, each in touching), key=lambda each: each.length_s, default=None)
        return Window(total / 1e9, longest)


def joined(found: Iterable[Stall]) -> list[Stall]:
    """The stalls in order of time, those of one machine that overlap made one.

    Where several programs were held at once, as when a container is paused, it is the machine that stood still. Two
    that only touch stay two: something ran between them.
    """
    of_machine: dict[str, list[Stall]] = {}
    for each in sorted(found, key=lambda each: (each.began_ns, each.ended_ns)):
        made = of_machine.setdefault(each.machine, [])
        if made and each.began_ns < made[-1].ended_ns:
            last = made[-1]
            longer = max(last, each, key=lambda stall: stall.length_s)
            same = (last.program, last.pid) == (each.program, each.pid)
            program = longer.program if same or longer.why in ("starved", "stopped") else ""
            made[-1] = replace(
                longer, began_ns=last.began_ns, ended_ns=max(last.ended_ns, each.ended_ns), program=program
            )
        else:
            made.append(each)
    return sorted((each for made in of_machine.values() for each in made), key=lambda each: each.began_ns)


# What a stall may have made of a time


def may_leave(band: Band, value_s: float, window: Window, begun: Window | None = None) -> bool:
    """Whether a time that is in its band may be there by the stalls of its window: without them it was shorter.

    `begun` are the stalls that touch its beginning, which may have come late: without them it was longer.
    """
    late_s = begun.longest.length_s if begun and begun.longest else 0.0
    return max(0.0, value_s - window.total_s) < band.least or value_s + late_s > band.most


def may_enter(band: Band, value_s: float, window: Window, *, shortens: bool = False) -> bool:
    """Whether a time that is outside its band may be there by the stalls of its window alone."""
    reach_s = window.total_s + (TIMER_S if window.reaches(COURSE_SLACK_S) else 0.0)
    if value_s > band.most:
        return value_s - reach_s <= band.most
    return shortens and value_s < band.least and value_s + reach_s >= band.least


def follows_at_once(ends: Sequence[Frame], frames: Sequence[Frame]) -> bool:
    """Whether each of these, which ended something, came at once after what its receiver had sent: no timer sent it.

    `frames` are those of the leg. Where there is no end nothing is known, and it is not said.
    """

    def is_of(end: Frame, before: Frame) -> bool:
        if end.transport == "tcp":
            return {before.sender, before.receiver} == {end.sender, end.receiver}
        return before.sender[0] == end.receiver[0]

    for end in ends:
        before_ns = [each.time_ns for each in frames if each.time_ns < end.time_ns and is_of(end, each)]
        if not before_ns or end.time_ns - max(before_ns) >= COURSE_SLACK_S * 1e9:
            return False
    return bool(ends)


def ended_by_a_stall(began_ns: float, ended_ns: float, stalls: Stalls) -> bool:
    """Whether a wait that ended by a timer may have been in vain because of the stalls in it."""
    window = stalls.between(began_ns, ended_ns)
    share = window.total_s >= MADE_SHARE * (ended_ns - began_ns) / 1e9
    return share and window.reaches(COURSE_SLACK_S)


def overtaken_in_a_stall(
    frames: Sequence[Frame], stalls: Stalls, machines: Mapping[str, str], leg: Sequence[Frame] = ()
) -> Window | None:
    """The stalls by which alone one of these frames, in order, may have come after the one before it; None: by none.

    What one end sends on one connection comes in its order, whatever stands still. The machine that sent the earlier
    one was not too early by standing still. And a program that has sent something since a stall was not held up by it
    any more. But a whole connection that began after the earlier one may have begun late, by all stalls until then.
    `machines` are those of the lab, by their addresses; `leg` are all frames there.
    """
    for earlier, later in itertools.pairwise(frames):
        sender, next_sender = (machines.get(each.sender[0]) for each in (earlier, later))
        others = stalls if sender == next_sender else stalls.without(sender)
        sent_ns = (
            each.time_ns
            for each in leg
            if each.time_ns < later.time_ns
            and (each.sender, each.receiver) == (later.sender, later.receiver)
            and (each.payload or "SYN" in each.flags)
        )
        window = others.between(max(later.time_ns - JUST_BEFORE_S * 1e9, *sent_ns, 0), later.time_ns)
        in_order = later.transport == "tcp" and (later.sender, later.receiver) == (earlier.sender, earlier.receiver)
        if not in_order and window.reaches(max(COUNT_SLACK_S, (later.time_ns - earlier.time_ns) / 1e9)):
            return window
        ends = {later.sender, later.receiver}
        began_ns = min((each.time_ns for each in leg if {each.sender, each.receiver} == ends), default=0)
        until_then, late_s = stalls.between(None, began_ns), (began_ns - earlier.time_ns) / 1e9
        if late_s >= COURSE_SLACK_S and until_then.reaches(COUNT_SLACK_S) and until_then.total_s >= late_s:
            return until_then
    return None


def stall_before_effect(last_ns: float, looked_ns: float, stalls: Stalls, slack_s: float) -> Stall | None:
    """A stall that began before what came last could have its effect, and was not over when one looked.

    One that was over when the last packet came held nothing back any more.
    """
    for each in stalls.of_play:
        began_in_time = each.began_ns <= last_ns + JUST_BEFORE_S * 1e9 and each.ended_ns > last_ns
        # What the firewall still held, and had taken hold of, its programs said themselves before the look
        lasted = each.ended_ns >= looked_ns - (0 if each.machine == FIREWALL else JUST_BEFORE_S * 1e9)
        if each.machine != RUNNER and began_in_time and lasted and each.length_s >= slack_s:
            return each
    return None
