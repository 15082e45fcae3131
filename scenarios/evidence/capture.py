"""Capturing the legs of the firewall. The captures are taken by images/firewall/capture, on the firewall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from scenarios.evidence.record import LegCapture
from scenarios.lab.errors import LabProblem
from scenarios.lab.json_lines import Child
from scenarios.lab.lab import Lab
from scenarios.lab.or_undo import OrUndo

PROGRAM = "/usr/local/lib/faultwire/capture"
ANSWER_WITHIN_S = 40  # the firewall has 10 s for its canary, and as much for each leg's count of what was dropped
END_WITHIN_S = 5
# Of one leg, in one capture. Decoded, a frame is some kilobytes, and a cell has four captures in memory at once.
BYTES_LIMIT = 4 << 20
FRAMES_LIMIT = 10_000


class Capture:
    """A capture of every leg, or of these, from the moment that the `with` block begins until `stop`.

    Left without `stop`, by an exception say, it is thrown away. Raises LabProblem when the firewall cannot capture, and
    when more crossed a leg than BYTES_LIMIT or FRAMES_LIMIT.
    """

    def __init__(self, lab: Lab, program: Capturing | None = None, legs: Sequence[str] = ()) -> None:
        self._program = program or Capturing(lab)
        self._is_alone = program is None
        self._legs = tuple(legs or lab.topology.legs)

    def __enter__(self) -> Self:
        with OrUndo(self.__exit__):
            self._program._begin(self._legs)
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_alone:
            self._program.close()

    def stop(self) -> dict[str, LegCapture]:
        """End the capture, after a sentinel has been seen on each leg; the capture of each leg by its name."""
        return self._program._finish()


class Capturing:
    """The program that captures, for the time of the `with` block: it listens all the time, so that a capture begins
    and ends in milliseconds. One capture at a time. Raises LabProblem when the firewall cannot capture.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._legs = tuple(lab.topology.legs)
        self._child = self._start()

    def _start(self) -> Child:
        return Child(self._lab.open("firewall", [PROGRAM, *self._legs]), "the firewall's capture program")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it, and leave nothing on the firewall."""
        self._child.close(END_WITHIN_S)

    def capture(self, legs: Sequence[str] = ()) -> Capture:
        """A capture of every leg, as Capture(lab) is; or of these."""
        return Capture(self._lab, self, legs)

    def _begin(self, legs: tuple[str, ...]) -> None:
        if self._child.over or legs != self._legs:  # over: during an earlier capture, and said why
            self._child.close()
            self._legs = legs
            self._child = self._start()
        limits = {"bytes": BYTES_LIMIT, "frames": FRAMES_LIMIT}
        self._child.ask({"start": limits}, "begin to capture", ANSWER_WITHIN_S)

    def _finish(self) -> dict[str, LegCapture]:
        answer = self._child.ask({"stop": True}, "end the capture", ANSWER_WITHIN_S)
        captures, at, legs = {}, 0, self._legs
        for leg in answer["legs"]:
            name, size, frames, dropped = leg["leg"], int(leg["size"]), int(leg["frames"]), int(leg["dropped"])
            # The firewall dissects what strangers send, and its word would become the name of a file here.
            if name not in legs or name in captures:
                raise LabProblem(
                    f"expected the captures of {', '.join(legs)}, each once; the firewall sent one of {name!r}"
                )
            pcapng = answer.content[at : at + size]
            if len(pcapng) != size:
                raise LabProblem(f"the capture of the {name} broke off after {len(pcapng)} of {size} bytes")
            captures[name] = LegCapture(name, pcapng, frames, dropped)
            at += size
        return captures
