"""A program that reads another time of day than its machine's: libfaketime, preloaded into this one program (ld.so(8)).

A time namespace would not do: it has no time of day of its own (time_namespaces(7)). The library notes each time that
it told, in a file, which proves that the program asked, and was told wrong: one that is linked statically never does.
"""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.faults import Unsupported
from scenarios.faults.catch import Caught
from scenarios.faults.kernel_fault import WITHIN_S
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.topology import ARCHITECTURES, NATIVE_IMAGE, Host

LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"  # the one for programs with threads
NATIVE = ARCHITECTURES[NATIVE_IMAGE][0]
ENTRY_BYTES = 16  # of the file: seconds and nanoseconds, each of 64 bits


class Clock:
    """The programs that begin as `argv_of` says have this clock. Hits are the times that they were told."""

    def __init__(self, lab: Lab, name: str, host: Host, told: str) -> None:
        if host.end != NATIVE:
            raise Unsupported(
                f"the clock of a program on {host.name} cannot be changed: the library that changes it is for the "
                "machine's own CPU, and a program on an emulated CPU does not load it"
            )
        self._lab, self._host, self._told = lab, host, told
        self._seen = f"/tmp/faultwire-clock-{name}"  # noqa: S108 (the host's own, for the lab's user alone)
        self._caught: Caught | None = None
        self._run("rm", "-f", self._seen)

    def argv_of(self, argv: Sequence[str]) -> list[str]:
        """The command line by which a program begins with this clock."""
        settings = {
            "LD_PRELOAD": LIBRARY,
            "FAKETIME": self._told,
            "FAKETIME_SAVE_FILE": self._seen,
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        return ["env", *(f"{name}={value}" for name, value in settings.items()), *argv]

    def read_hits(self) -> Caught:
        return self._caught or Caught(int(self._run("sh", "-c", f"wc -c <{self._seen} || echo 0")) // ENTRY_BYTES)

    def end(self, known: Caught | None = None) -> Caught:
        if self._caught is None:
            self._caught = known or self.read_hits()
            self._run("rm", "-f", self._seen)
        return self._caught

    def count_held(self) -> int:
        return 0

    def _run(self, *argv: str) -> str:
        said = self._lab.run(self._host.name, argv, timeout_s=WITHIN_S)
        if said.status != 0:
            raise LabProblem(
                f"the file of clock readings on {self._host.name} cannot be read or removed: {said.printed}"
            )
        return said.stdout
