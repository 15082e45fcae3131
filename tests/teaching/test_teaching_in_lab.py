"""In a lab: a lesson at a pseudo-terminal, played by keys, and a small class graded."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
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
from tests.teaching.handing_in import class_in

pytestmark = pytest.mark.engine
ENDS_WITHIN_S = 240.0  # of a busy machine


@pytest.fixture(scope="module")
def own_lab() -> Iterator[Lab]:
    """A lab that no other test holds."""
    with lab_for_a_while() as lab:
        yield lab


def run_and_type(keys: list[str], *words: str) -> tuple[int, str]:
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
    # Then on: it is run, the ladder without the fault, the one with it, the answers.
    keys = ["", "? RST", "b", "a", ".", "1", *4 * [""], "q"]
    status, text = run_and_type(keys, str(tmp_path), "learn", "1", "--lab", str(own_lab.number))
    assert status == 0, text
    assert "\x1b" not in text
    assert "2 of 4 right." in text, text
    assert "you said refused; it was refused" in text
    assert "you said no errno; it was ECONNREFUSED" in text
    assert "you said nothing; it was" in text
    assert "RST: A flag of a segment" in text
    before, _, after = text.partition("Press Enter to run it")
    assert "refused-closed-port" not in before
    without, _, with_fault = after.partition("Press Enter to see it with the fault")
    assert "── SYN ACK ──│" in without
    assert "── RST ACK, TTL 64 ──│" in with_fault
    (kept,) = json.loads((tmp_path / "learnt.json").read_text("utf-8"))["done"].values()
    assert [each["was"] for each in kept["predictions"]] == ["refused", "ECONNREFUSED", "at once", "1"]
    (summary,) = tmp_path.glob("*Z/summary.json")
    assert json.loads(summary.read_text("utf-8"))["verdicts"]["pass"] == 1


def test_a_class_is_graded_by_what_its_programs_did(own_lab: Lab, tmp_path: Path) -> None:
    words = ["grade", str(class_in(tmp_path)), "--drills", "any-silent-answer,any-lost-answer", "--patience", "6s"]
    argv = [sys.executable, "-m", "tests.teaching.playing", str(tmp_path / "runs"), *words]
    argv += ["--lab", str(own_lab.number), "--jobs", "1"]
    (tmp_path / "runs").mkdir()
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=False)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    (run,) = (tmp_path / "runs").glob("*Z")
    rows = {each["submission"]: each for each in csv.DictReader((run / "grades.csv").open(encoding="utf-8"))}
    right, naive = rows["anna"], rows["Ben & Co"]
    # Where no answer ever comes, one ends by its own clock and says so, and the other waits for as long as it may.
    assert (right["any-silent-answer"], naive["any-silent-answer"]) == ("good", "bad"), ran.stdout
    assert re.match(r"timed out [34]\.\d s", right["any-silent-answer: seen"]), ran.stdout
    # Of its six seconds, those before its first packet are not counted: a busy machine starts it late.
    assert re.match(r"hung \(still waiting after [3-6] s", naive["any-silent-answer: seen"]), ran.stdout
    # An answer that is lost once is sent again by the server's kernel: both are answered.
    assert (right["any-lost-answer"], naive["any-lost-answer"]) == ("good", "good"), ran.stdout
    assert "unknown key 'prot'" in rows["carl"]["why it was not run"]
    assert rows["dora"]["why it was not run"] == "there is no service.yaml in it"
    assert (run / right["any-silent-answer: evidence"]).is_file()
    assert right["any-silent-answer: evidence"] in (run / "grades.html").read_text("utf-8")
