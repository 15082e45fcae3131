"""Capturing both legs of the firewall. The captures are taken by images/firewall/capture, on the firewall."""

from __future__ import annotations

import contextlib
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

    def __init__(self, lab: Lab, program: Capturing | None = None) -> None:
        self._program = program or Capturing(lab)
        self._is_alone = program is None

    def __enter__(self) -> Self:
        try:
            self._program._begin()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
        self._stream = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return self._lab.open("firewall", [PROGRAM, *self._lab.topology.legs])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it, and leave nothing on the firewall."""
        try:
            self._stream.communicate(timeout=END_WITHIN_S)  # closes its input, which ends it
        except (subprocess.TimeoutExpired, ValueError):  # ValueError: it was ended before
            self._stream.kill()
            self._stream.wait()

    def capture(self) -> Capture:
        """A capture of every leg, as Capture(lab) is."""
        return Capture(self._lab, self)

    def _begin(self) -> None:
        if self._stream.poll() is not None:  # an earlier capture failed, and said why
            self._stream = self._start()
        self._say("start")
        self._answer("capturing")

    def _say(self, word: str) -> None:
        assert self._stream.stdin is not None  # noqa: S101 (for mypy: it was opened as a pipe)
        with contextlib.suppress(BrokenPipeError):  # it ended: what it said is read in _answer
            self._stream.stdin.write(f"{word}\n".encode())
            self._stream.stdin.flush()

    def _answer(self, key: str) -> list[dict[str, int | str]]:
        assert self._stream.stdout is not None and self._stream.stderr is not None  # noqa: S101, PT018 (for mypy)
        line = self._stream.stdout.readline()
        if line.startswith(b"{"):
            answer: list[dict[str, int | str]] = json.loads(line)[key]
            return answer
        said = line + self._stream.stdout.read() + self._stream.stderr.read()  # docker's own words come on stdout
        self._stream.wait(END_WITHIN_S)
        words = said.decode("utf-8", "replace").strip()
        raise LabProblem(f"the firewall could not capture: {words or 'it said nothing'}")

    def _finish(self) -> dict[str, LegCapture]:
        self._say("stop")
        assert self._stream.stdout is not None  # noqa: S101 (for mypy: it was opened as a pipe)
        captures = {}
        for leg in self._answer("legs"):
            name, size = str(leg["leg"]), int(leg["size"])
            pcapng = self._stream.stdout.read(size)
            if len(pcapng) != size:
                raise LabProblem(f"the capture of {name} broke off after {len(pcapng)} of {size} bytes")
            captures[name] = LegCapture(name, pcapng, int(leg["frames"]), int(leg["dropped"]))
        return captures
