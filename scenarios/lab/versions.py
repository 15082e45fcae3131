"""What a result was made on: kernel, engine, Python, processor; and its machine by name, where it has one."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
from pathlib import Path
from typing import Final

from docker.errors import DockerException

from scenarios.lab import engine
from scenarios.lab.errors import NoEngine

NAME: Final = "FAULTWIRE_MACHINE"  # in the environment: what this machine is called, where a run has several
CPUINFO: Final = Path("/proc/cpuinfo")


@functools.cache
def cpu() -> str:
    """The processor as the kernel names it, or else its architecture."""
    with contextlib.suppress(OSError):
        for line in CPUINFO.read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


@functools.cache
def _engine_version() -> str:
    """Asked once: at the end of a run the engine may be gone."""
    return str(engine.client().version()["Version"])


def versions() -> dict[str, str]:
    """What the run ran on: kernel, engine, Python, cpu, and machine. An engine that does not answer is left out."""
    found = {
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "cpu": cpu(),
    }
    if name := os.environ.get(NAME):
        found["machine"] = name
    with contextlib.suppress(NoEngine, DockerException, OSError):  # OSError: of requests
        found["engine"] = _engine_version()
    return found
