"""Drills on a machine that does not keep up: `python -m tests.drills.held_up --lab 20 --for 600 [WORD…]`, beside a run.

Again and again a random process of a lab is stopped for a moment (SIGSTOP, then SIGCONT). With WORDs, only one whose
command line has one of them: injector, services., resident. A drill whose margins are thin fails then, though its
claim holds. It needs to be root on the machine of the engine, to see the processes of containers.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from scenarios import engine
from scenarios.drill_commands import between
from scenarios.topology import LAB_NUMBERS

MOMENTS_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.6)
BETWEEN_S = (0.02, 0.2)
STOPPED, DEAD = "T", "Z"  # proc(5), /proc/pid/stat: a drill's own pause is left alone


def processes(lab: int, words: Sequence[str]) -> Iterator[int]:
    """The process IDs of the lab's programs that have one of the words, or of all."""
    containers = [str(container.id) for container in engine.containers(f"{engine.LAB_LABEL}={lab}")]
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            groups = (folder / "cgroup").read_text("ascii")
            state = (folder / "stat").read_text("utf-8").rpartition(")")[2].split()[0]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            if (
                state not in (STOPPED, DEAD)
                and any(container in groups for container in containers)
                and any(word in command for word in words or ("",))
            ):
                yield int(folder.name)


def hold_up(lab: int, words: Sequence[str], for_s: float) -> int:
    """Stop one after another for a moment; how many were. Raises PermissionError for the processes of another user."""
    end_s, held_up = time.monotonic() + for_s, 0
    draw = random.Random()  # noqa: S311 (no secret)
    while time.monotonic() < end_s:
        if found := [*processes(lab, words)]:
            process = draw.choice(found)
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.kill(process, signal.SIGSTOP)
                try:
                    time.sleep(draw.choice(MOMENTS_S))
                    held_up += 1
                finally:
                    os.kill(process, signal.SIGCONT)
        time.sleep(draw.uniform(*BETWEEN_S))
    return held_up


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.drills.held_up", description=__doc__)
    parser.add_argument(
        "--lab", type=between(LAB_NUMBERS[0], LAB_NUMBERS[-1]), required=True, metavar="LAB", help="the lab's number"
    )
    parser.add_argument("--for", type=between(1, 3600), required=True, dest="for_s", metavar="SECONDS")
    parser.add_argument("words", nargs="*", metavar="WORD")
    asked = parser.parse_args()
    try:
        held_up = hold_up(asked.lab, asked.words, asked.for_s)
    except (PermissionError, engine.NoEngine) as error:
        sys.exit(f"held_up: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    if not held_up:
        sys.exit(f"held_up: lab {asked.lab} had no such process in {asked.for_s} s")
    print(f"{held_up} moments")


if __name__ == "__main__":
    main()
