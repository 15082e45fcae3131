"""Capturing both legs of the firewall. The captures are taken by images/firewall/capture, on the firewall."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from scenarios.lab import Lab
from scenarios.programs import LabProblem

PROGRAM = "/usr/local/lib/faultwire/capture"
END_WITHIN_S = 60


@dataclass(frozen=True, slots=True)
class LegCapture:
    """What crossed one leg: the pcapng file, how many frames it holds, how many the kernel dropped before the file."""

    leg: str
    pcapng: bytes
    frames: int
    dropped: int


class Capture:
    """A capture of every leg, from the moment that the `with` block begins until `stop`.

    Left without `stop`, by an exception say, it is thrown away. Raises LabProblem when the firewall cannot capture.
    """

    def __init__(self, lab: Lab) -> None:
        self._legs = list(lab.topology.legs)
        self._stream = lab.open("firewall", [PROGRAM, *self._legs])

    def __enter__(self) -> Self:
        self._answer("capturing")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream.poll() is None:
            try:
                self._stream.communicate(timeout=END_WITHIN_S)  # closes its input, which ends it
            except subprocess.TimeoutExpired:
                self._stream.kill()
                self._stream.wait()

    def _answer(self, key: str) -> list[dict[str, int | str]]:
        assert self._stream.stdout is not None and self._stream.stderr is not None  # noqa: S101, PT018 (for mypy)
        line = self._stream.stdout.readline()
        if not line:
            said = self._stream.stderr.read().decode("utf-8", "replace").strip()
            raise LabProblem(f"the firewall could not capture: {said or 'it said nothing'}")
        answer: list[dict[str, int | str]] = json.loads(line)[key]
        return answer

    def stop(self) -> dict[str, LegCapture]:
        """End the capture, after a sentinel has been seen on each leg; the capture of each leg by its name."""
        assert self._stream.stdin is not None and self._stream.stdout is not None  # noqa: S101, PT018 (for mypy)
        self._stream.stdin.write(b"stop\n")
        self._stream.stdin.flush()
        captures = {}
        for leg in self._answer("legs"):
            name, size = str(leg["leg"]), int(leg["size"])
            pcapng = self._stream.stdout.read(size)
            if len(pcapng) != size:
                raise LabProblem(f"the capture of {name} broke off after {len(pcapng)} of {size} bytes")
            captures[name] = LegCapture(name, pcapng, int(leg["frames"]), int(leg["dropped"]))
        return captures
