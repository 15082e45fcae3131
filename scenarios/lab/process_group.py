"""Ending a program that was started on this machine: alone, or with all of a session of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import Final

ENDS_WITHIN_S: Final = 10.0  # after SIGTERM


def wait_or_kill(process: subprocess.Popen[bytes], within_s: float) -> None:
    """Wait for its end, which was asked for; one that does not come in time is made."""
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End it, where it still runs, and all below it: politely first. It must be the leader of a session."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(ENDS_WITHIN_S)
    with contextlib.suppress(ProcessLookupError):  # nothing of it is left
        os.killpg(process.pid, signal.SIGKILL)
