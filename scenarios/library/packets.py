"""The packets of a recording, as a value that can be asked: on which leg, kept by which display filter, how many.

Whatever fails to hold is shown with the ladder of the exchange, and with the files of the captures.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, get_args

from rich.console import Console

from scenarios.evidence import pairing
from scenarios.evidence.frame import Frame
from scenarios.evidence.record import Seen
from scenarios.evidence.stalls import COUNT_SLACK_S, RUNNER, TIMER_S, Stall, Stalls
from scenarios.evidence.tshark_fields import KEPT
from scenarios.lab.errors import UsageError
from scenarios.lab.valueclass import valueclass
from scenarios.library.evidence import kept_folder
from scenarios.library.session import Session
from scenarios.library.unproven import Unproven
from scenarios.library.words import is_whole
from scenarios.spec import packet_expectations
from scenarios.spec.declaration_error import advice, quoted
from scenarios.spec.given_values import read
from scenarios.spec.roles import LegName
from scenarios.verdict.check import Verdict
from scenarios.verdict.crossings import crossing_times
from scenarios.verdict.packets import check_packets
from scenarios.verdict.weighing import made_by_a_stall

LEGS: tuple[LegName, ...] = get_args(LegName)
COLUMNS = 100  # of a ladder


class Recorded:
    """What a recording holds: nothing until its block has ended. All `Packets` of one recording share it."""

    def __init__(self, session: Session) -> None:
        self.session, self.story = session, session.story
        self.base: Seen | None = None
        self.began_ns = 0
        self._marked: dict[tuple[str, str], frozenset[int]] = {}
        self._folder: Path | None = None  # where the captures are kept, once somebody wants to know

    def evidence(self, at: str = "", where: str = "") -> Seen:
        """All of it, as the verdicts' checks take it; the frames of `at` that the filter `where` keeps are marked."""
        if self.base is None:
            raise UsageError(
                "lab.recording: its packets cannot be read before its block has ended; ask after the `with`"
            )
        if at and at not in self.base.frames:
            legs = ", ".join(self.base.frames)
            raise UsageError(f"packets: the {at} was not recorded: this lab has no such leg; expected one of: {legs}")
        seen = dataclasses.replace(self.base, stalls=self._stalls_of(self.base), calls=self.story.calls)
        if not where:
            return seen
        numbers = self.marked(at, where)
        frames = [
            dataclasses.replace(each, marks=frozenset({where})) if each.number in numbers else each
            for each in seen.frames[at]
        ]
        return dataclasses.replace(seen, frames={**seen.frames, at: frames})

    def _stalls_of(self, base: Seen) -> Stalls:
        """Those that may have changed its packets: of the runner in its time, of others from a timer before it on."""

        def counts(each: Stall) -> bool:
            before_s = 0.0 if each.machine == RUNNER else TIMER_S
            is_over = base.captured_until_ns and each.began_ns >= base.captured_until_ns
            return each.ended_ns > self.began_ns - before_s * 1e9 and not is_over

        stalls = self.session.stalls
        return dataclasses.replace(stalls, found=[each for each in stalls.found if counts(each)])

    def marked(self, at: str, where: str) -> frozenset[int]:
        """The numbers of the frames of a leg that a display filter keeps: Wireshark's own word."""
        if (at, where) not in self._marked:
            assert self.base is not None  # noqa: S101 (seen asks)
            self.session.check_up()  # Wireshark runs in it
            pcapng = self.base.captures[at].pcapng
            frames = self.session.stage.dissector.frames(pcapng, KEPT, (where,))
            self._marked[at, where] = frozenset(each.number for each in frames if where in each.marks)
        return self._marked[at, where]

    @property
    def files(self) -> list[str]:
        """Where the captures are: they are written there when this is first asked for."""
        if self._folder is None and self.base is not None:
            self._folder = kept_folder(self.session, self.story, self.story.recorded.index(self.base) + 1)
            for leg, capture in self.base.captures.items():
                (self._folder / f"{leg}.pcapng").write_bytes(capture.pcapng)
        legs = self.base.captures if self.base else ()
        return [str(self._folder / f"{leg}.pcapng") for leg in legs] if self._folder else []

    def _stalls(self, rungs: Sequence[pairing.Rung]) -> list[Stall]:
        """What stood still while the packets crossed, for long enough to matter."""
        first, last = rungs[0].frame.time_ns, rungs[-1].frame.time_ns
        return [
            each
            for each in self.session.stalls.of_play
            if each.length_s >= COUNT_SLACK_S and each.ended_ns > first and each.began_ns < last
        ]

    def ladder(self) -> str:
        """The picture of the exchange: all legs, in order of time."""
        seen = self.evidence()
        topology = self.session.stage.lab.topology
        ours = {address for host in topology.places.values() for address in (host.ipv4, host.ipv6)}
        ours |= {address for both in topology.here.values() for address in both}
        rungs = pairing.rungs_of(seen, {leg: pairing.of_hosts(frames, ours) for leg, frames in seen.frames.items()})
        if not rungs:
            return "(no packet was recorded)"
        names = seen.machines
        client, server = (self.session.cast.client, self.session.cast.server)
        ends = [(names.get(each.address(self.session.family), each.name), "") for each in (client, server)]
        console = Console(width=COLUMNS, no_color=True, force_terminal=False, highlight=False)
        with console.capture() as captured:
            for line in pairing.draw(rungs, ends[0], ends[1], stalls=self._stalls(rungs)):
                console.print(line)
        return captured.get().rstrip()


@valueclass
class Packets:
    """Packets of a recording: all of both legs, or those that were chosen. Each method gives a new value.

    Their `count` is a number to assert on. It raises Unproven where a stall of the machine may have made one of them.
    """

    _recorded: Recorded
    leg: LegName | None = None
    _chosen: tuple[str, ...] = ()  # in words, for a person
    _keep: tuple[Callable[[Frame], bool], ...] = field(default=(), repr=False)

    def on(self, leg: LegName) -> Packets:
        """Those that crossed a leg of the firewall: `client-leg` or `server-leg`; behind a program in the middle also
        `backend-leg`.
        """
        if leg not in LEGS:
            raise UsageError(f"packets.on: unknown leg {quoted(str(leg))}{advice(str(leg), LEGS)}")
        return dataclasses.replace(self, leg=leg)

    def where(self, display_filter: str) -> Packets:
        """Those that a Wireshark display filter keeps. Raises ValueError, with Wireshark's words, for a wrong one."""
        at = self._at("where")
        if not isinstance(display_filter, str) or not display_filter.strip():
            raise UsageError(f"packets.where: display_filter: expected a display filter, got {display_filter!r}")
        self._recorded.evidence(at)
        numbers = self._recorded.marked(at, display_filter)
        return self._with(f"where {display_filter}", lambda frame: frame.number in numbers)

    def from_(self, role: str) -> Packets:
        """Those that a role sent."""
        addresses = self._addresses(role, "from_")
        return self._with(f"from {role}", lambda frame: frame.sender[0] in addresses)

    def to(self, role: str) -> Packets:
        """Those that are for a role."""
        addresses = self._addresses(role, "to")
        return self._with(f"to {role}", lambda frame: frame.receiver[0] in addresses)

    @property
    def alone(self) -> Packets:
        """Those that are on this leg and not on the other: they ended at the firewall, or began there."""
        at = self._at("alone")
        crossed = crossing_times(self._recorded.evidence(at), at)
        return self._with("on this leg alone", lambda frame: crossed[frame.number] is None)

    def _with(self, words: str, keep: Callable[[Frame], bool]) -> Packets:
        return dataclasses.replace(self, _chosen=(*self._chosen, words), _keep=(*self._keep, keep))

    def _at(self, key: str) -> LegName:
        if self.leg is None:
            raise UsageError(
                f"packets.{key}: no leg was chosen; use packets.on('client-leg') or packets.on('server-leg')"
            )
        return self.leg

    def _addresses(self, role: str, key: str) -> frozenset[str]:
        known = self._recorded.evidence().addresses
        if role not in [*known]:
            raise UsageError(f"packets.{key}: unknown role {quoted(str(role))}{advice(str(role), known)}")
        return frozenset(known[role])

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The packets themselves, in the order of the capture, each as Wireshark decodes it."""
        at = self._at("frames")
        return tuple(each for each in self._recorded.evidence(at).frames[at] if all(keep(each) for keep in self._keep))

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.frames)

    @property
    def count(self) -> int:
        """How many they are."""
        frames, at = self.frames, self._at("count")
        seen = self._recorded.evidence()
        self._recorded.story.is_counted = True
        made = made_by_a_stall(seen, at)
        if doubtful := [each.number for each in frames if each.number in made]:
            told = ", ".join(map(str, doubtful))
            raise Unproven(f"{self.words}: frames {told} may have been sent only because {self._stalled(seen)}")
        return len(frames)

    def _stalled(self, seen: Seen) -> str:
        longest = seen.stalls.between(None, None).longest
        return longest.says(seen.zero_ns) if longest else "something stood still"

    @property
    def gaps_s(self) -> tuple[float, ...]:
        """The seconds between each and the next."""
        times = sorted(each.time_ns for each in self.frames)
        return tuple((later - earlier) / 1e9 for earlier, later in itertools.pairwise(times))

    def expect(self, **words: Any) -> None:
        """Hold an expectation of a drill against the recording: `at`, `where`, `exactly`, `at_least`, `at_most`,
        `apart` ("0.9s to 1.5s"), `in_any`, `from_`, `to`, `alone`, `took`, `family` (docs/writing-a-drill.md).

        Raises AssertionError, with the ladder, where it does not hold; Unproven where a stall may have made that.
        """
        expected = read({"at": self.leg, **words} if self.leg else words, packet_expectations.Packets, "packets.expect")
        if expected.during:
            raise UsageError(
                "packets.expect: during: unknown word for a recording; use a `with lab.recording()` of that time"
            )
        check = check_packets(expected, self._recorded.evidence(expected.at, expected.where))
        if check.holds is Verdict.UNPROVEN:
            raise Unproven(f"{check.stalled}: {check.sentence}\n{self.shown}")
        if check.holds is not Verdict.PASS:
            raise AssertionError(f"{check.sentence}\n{self.shown}")

    def assert_count(self, expected: int) -> None:
        """Assert how many they are; the failure shows the ladder and names the files."""
        if not is_whole(expected) or expected < 0:
            raise UsageError(f"packets.assert_count: expected: expected a whole number, 0 or more, got {expected!r}")
        if (count := self.count) != expected:
            raise AssertionError(f"{self.words}: expected {expected}, saw {count}\n{self.shown}")

    @property
    def words(self) -> str:
        """What was chosen, for a person."""
        return " ".join(["packets", *([f"on the {self.leg}"] if self.leg else []), *self._chosen])

    @property
    def shown(self) -> str:
        """The ladder of the recording, with the files of its captures."""
        return "\n".join([self._recorded.ladder(), *(f"capture: {each}" for each in self._recorded.files)])

    def __repr__(self) -> str:
        if self._recorded.base is None:
            return "<packets: still being recorded>"
        return f"<{self.words}>\n{self.shown}"
