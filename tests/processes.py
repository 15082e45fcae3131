"""Commands as processes of the tests' own: both of their outputs are one text, as on a terminal, and they read nothing.

Each that goes on has a session of its own: Ctrl-C in the terminal of the tests is not for it, and `os.killpg` sends it
and all that it started a signal.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from scenarios.lab.topology import ROOT


def run(
    argv: Sequence[str | Path], *, within_s: float, cwd: Path | None = ROOT, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whichever its exit status is; what it printed is in `stdout`."""
    return subprocess.run(
        argv, cwd=cwd, env=env, timeout=within_s, check=False, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def start(
    argv: Sequence[str], *, cwd: Path = ROOT, env: Mapping[str, str] | None = None, stderr: int = subprocess.STDOUT
) -> subprocess.Popen[str]:
    """Start a command; what it prints comes through a pipe."""
    return subprocess.Popen(
        argv, cwd=cwd, env=env, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
    )  # fmt: skip


def start_with_log(
    argv: Sequence[str], log: Path, *, cwd: Path = ROOT, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a command; what it prints is in the file `log`."""
    with log.open("wb") as out:
        return subprocess.Popen(
            argv, cwd=cwd, env=env, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
