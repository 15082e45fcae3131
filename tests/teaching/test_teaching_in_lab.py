"""A lesson at a pseudo-terminal, played by keys, in a lab."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.lab.lab import Lab
from scenarios.lab.topology import ROOT
from tests.conftest import lab_for_a_while

pytestmark = pytest.mark.engine
ENDS_WITHIN_S = 240.0  # of a busy machine


@pytest.fixture(scope="module")
def own_lab() -> Iterator[Lab]:
    """A lab that no other test holds."""
    with lab_for_a_while() as lab:
        yield lab


def played(keys: list[str], *words: str) -> tuple[int, str]:
    """Run the command line at a pseudo-terminal without colours, and type a line at each prompt; status and output."""
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "100"}
    argv = [sys.executable, "-m", "tests.teaching.playing", *words]
    program = subprocess.Popen(argv, cwd=ROOT, stdin=child, stdout=child, stderr=child, env=environment)
    os.close(child)
    printed, prompts, ends_s = b"", 0, time.monotonic() + ENDS_WITHIN_S
    try:
        while time.monotonic() < ends_s:
            ready, _, _ = select.select([parent], [], [], 1.0)
            try:
                came = os.read(parent, 65536) if ready else b""
            except OSError:  # EIO: the program has ended, and nothing is left to be read
                break
            printed += came
            while printed.count(b"\n> ") > prompts and keys:
                prompts += 1
                os.write(parent, f"{keys.pop(0)}\n".encode())
        return program.wait(timeout=10), printed.decode().replace("\r\n", "\n")
    finally:
        program.kill()
        program.wait()
        os.close(parent)


def test_an_exercise_of_lesson_one_is_played_by_keys_and_answered_by_its_packets(own_lab: Lab, tmp_path: Path) -> None:
    # How it ends (b: refused), which errno (a: none, which is wrong), how long (. is: I do not know), how many SYNs.
    keys = ["", "? RST", "b", "a", ".", "1", "", "q"]
    status, text = played(keys, str(tmp_path), "learn", "1", "--lab", str(own_lab.number))
    assert status == 0, text
    assert "\x1b" not in text
    assert "2 of 4 right." in text, text
    assert "you said refused; it was refused" in text
    assert "you said no errno; it was ECONNREFUSED" in text
    assert "you said nothing; it was" in text
    assert "RST: A flag of a segment" in text
    before, _, after = text.partition("runs it now")
    assert "refused-closed-port" not in before
    assert "firewall" in after.partition("The ladder of what happened")[2]
    (kept,) = json.loads((tmp_path / "learnt.json").read_text("utf-8"))["done"].values()
    assert [each["was"] for each in kept["predictions"]] == ["refused", "ECONNREFUSED", "at once", "1"]
    (summary,) = tmp_path.glob("*Z/summary.json")
    assert json.loads(summary.read_text("utf-8"))["verdicts"]["pass"] == 1
