"""The CPUs on which the protocol is tried: this machine's Python, and that of every image on which hosts of a lab run.

Each runs on_cpu.py in one process; an image's in a container that has no network, and the working tree to read.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final

import pytest

from scenarios.lab.topology import ARCHITECTURES, OPTIONAL_IMAGES, ROOT, Machine, topology

PROGRAM: Final = "tests/wire/on_cpu.py"
STARTED_WITHIN_S: Final = 60
DONE_WITHIN_S: Final = 300
BITS: Final = 64 if sys.maxsize > 2**32 else 32


def is_there(image: str) -> bool:
    """Whether the engine has an image; an optional one is tried where it is, and is no skipped test where it is not."""
    asked = subprocess.run(["docker", "image", "inspect", image], capture_output=True, timeout=60, check=False)
    return asked.returncode == 0


@dataclass(frozen=True, slots=True)
class Cpu:
    """`image`: None for the Python that runs the tests. `machine`: what it must say that it is."""

    name: str
    image: str | None
    machine: Machine

    def missing(self) -> str:
        """Why nothing can run here; "": it can."""
        if self.image is None:
            return ""
        return "" if is_there(self.image) else f"no image {self.image}: make images"

    def command(self, name: str, *words: str) -> list[str]:
        """What starts PROGRAM here, in a container of this name."""
        if self.image is None:
            return [sys.executable, str(ROOT / PROGRAM), *words]
        mounts = [f"--volume={ROOT / folder}:/tree/{folder}:ro" for folder in ("services", "tests")]
        options = ["--rm", "--init", "--interactive", "--network=none", "--label=faultwire=test", f"--name={name}"]
        within = ["--env=PYTHONPATH=/tree", "--workdir=/tree", self.image, "python", PROGRAM]
        return ["docker", "run", *options, *mounts, *within, *words]

    @contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """PROGRAM, speaking through pipes; it and its container end with the `with` block. Skips if it cannot run."""
        if why := self.missing():
            pytest.skip(why)
        name = f"faultwire-test-{uuid.uuid4().hex[:12]}"
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            self.command(name, *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        try:
            yield process
        finally:
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()
            if self.image is not None and process.poll() is None:
                subprocess.run(["docker", "rm", "--force", name], capture_output=True, timeout=60, check=False)
            process.kill()
            process.wait(STARTED_WITHIN_S)


CPUS: Final = (
    Cpu("native", None, Machine(sys.byteorder, BITS, os.uname().machine)),
    *(
        Cpu(machine.cpu, image, machine)
        for image, (_, machine, _) in ARCHITECTURES.items()
        if image in topology().machines.values() and (image not in OPTIONAL_IMAGES or is_there(image))
    ),
)


def next_line(stdout: IO[str]) -> dict[str, Any]:
    """The next line that the program prints."""
    line = stdout.readline()
    assert line, "the program ended without saying so: its own words are on stderr"
    told: dict[str, Any] = json.loads(line)
    return told
