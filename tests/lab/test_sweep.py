"""What ends the programs that a killed run left."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.lab.sweep import sweeping

MEMORY = 400 << 20  # bytes: the kernel takes some hundredths of a second to give them back when the program is killed
HOLDS_MEMORY = f"""
held = bytearray({MEMORY})
for page in range(0, len(held), 4096):
    held[page] = 1
print("holds it", flush=True)
input()
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="it reads /proc, of Linux")
def test_what_a_sweep_has_killed_has_ended_when_it_returns() -> None:
    """SIGKILL that was sent is no end: in a run of all tests a program was still seen a moment after the sweep."""
    name, value = "FAULTWIRE_TEST_OF_SWEEP", secrets.token_hex(4)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_MEMORY],
        env={**os.environ, name: value},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as program:
        try:
            assert program.stdout
            program.stdout.readline()
            swept = subprocess.run(sweeping(f"{name}={value}"), capture_output=True, text=True, timeout=30, check=True)
            (state,) = [
                line.split()[1]
                for line in Path(f"/proc/{program.pid}/status").read_text("ascii").splitlines()
                if line.startswith("State:")
            ]
        finally:
            program.kill()
    assert swept.stdout.split() == [str(program.pid)]
    assert state == "Z", "it has ended, and is waited for by nobody yet"
