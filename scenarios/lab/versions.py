"""What a result was made on: the kernel, the engine, Python."""

from __future__ import annotations

import contextlib
import functools
import platform

from docker.errors import DockerException

from scenarios.lab import engine
from scenarios.lab.errors import NoEngine


@functools.cache
def _engine_version() -> str:
    """Asked once: at the end of a run the engine may be gone."""
    return str(engine.client().version()["Version"])


def versions() -> dict[str, str]:
    """What the run ran on: kernel, engine, Python. An engine that does not answer is left out."""
    found = {"kernel": f"{platform.system()} {platform.release()}", "python": platform.python_version()}
    with contextlib.suppress(NoEngine, DockerException, OSError):  # OSError: of requests
        found["engine"] = _engine_version()
    return found
