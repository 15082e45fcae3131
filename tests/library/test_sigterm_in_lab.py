"""SIGTERM to pytest in the middle of a call: nothing is left in the lab, and the evidence of the test is kept."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.lab import engine
from scenarios.lab.cleanup import labs_in_use
from scenarios.lab.lab import Lab
from scenarios.lab.waiting import wait_for
from tests.conftest import lab_for_a_while
from tests.library.broken_off import Runs

pytestmark = pytest.mark.engine
BEGINS_WITHIN_S = 120.0
ENDS_WITHIN_S = 60.0
TESTS = """
import os
import pathlib

OWN = dict(image="faultwire/python", port=8000)


def call(lab, number):
    with lab.serve("python3 -u -m http.server --bind {bind} {port}", **OWN), lab.recording():
        with lab.fault(silence="data", from_="client", to="server", may_miss=True):
            pathlib.Path(f"begun-{number}").write_text(f"{os.getpid()} {lab.number}")
            lab.call("python3 -c 'import time; time.sleep(300)'", within_s=300, **OWN)


def test_is_broken_off(lab):
    call(lab, 1)


def test_is_never_begun(lab):
    pathlib.Path("never").touch()


def test_is_broken_off_too(lab):  # of two test processes the second begins with this one
    call(lab, 2)


def test_is_never_begun_either(lab):
    pathlib.Path("never").touch()
"""


UNKNOWN = """
import os
import signal
import time

from scenarios.library import faulting

applied = faulting.applied


def applied_and_interrupted(*words):
    made = applied(*words)
    os.kill(os.getpid(), signal.SIGNAL)
    time.sleep(5)
    return made


def test_is_broken_off(lab, monkeypatch):
    monkeypatch.setattr(faulting, "applied", applied_and_interrupted)
    with lab.fault(silence="data", from_="client", to="server", may_miss=True):
        pass
"""


@pytest.fixture(scope="module")
def own_lab() -> Iterator[Lab]:
    with lab_for_a_while() as found:
        yield found


def programs_of(number: int) -> list[str]:
    """The containers of the users' programs that run in a lab."""
    found = [str(each.name) for each in engine.containers(f"{engine.LAB_LABEL}={number}")]
    return [each for each in found if "-guest-" in each]


def begun(runs: Runs, count: int) -> dict[int, int]:
    """Wait until so many tests are in the middle of their calls; the labs by their test processes."""

    def all_of_them() -> dict[int, int]:
        texts = [path.read_text() for path in runs.place.glob("begun-*")]
        found = {int(pid): int(number) for pid, number in map(str.split, texts)}
        return found if sum(len(programs_of(each)) for each in found.values()) == 2 * count else {}

    return wait_for(all_of_them, "the calls to begin", BEGINS_WITHIN_S, every_s=0.2)


def results(printed: str) -> list[dict[str, str]]:
    """The results that were kept, in the run whose page was told."""
    told = re.search(r"evidence of what failed: (\S+)/index\.html", printed)
    assert told, printed
    return [json.loads(path.read_text("utf-8")) for path in Path(told[1]).rglob("result.json")]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_a_call_leaves_nothing_and_keeps_the_evidence(
    own_lab: Lab, tmp_path: Path, sent: signal.Signals
) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    runs = Runs(own_lab, tmp_path)
    runs.note()
    run = runs.started("test_it.py")
    (pid,) = begun(runs, 1)
    assert pid == run.pid
    run.send_signal(sent)
    printed, _ = run.communicate(timeout=ENDS_WITHIN_S)
    by, status = {signal.SIGTERM: (" by SIGTERM", 143), signal.SIGINT: ("", 2)}[sent]
    assert run.returncode == status, printed
    assert programs_of(own_lab.number) == [], printed
    assert runs.left_over() == [], printed
    (kept,) = results(printed)
    assert (kept["verdict"], kept["sentence"]) == ("unproven", f"broken off{by}, before its end")
    assert not (tmp_path / "never").exists(), printed
    assert not (tmp_path / "begun-2").exists(), printed


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 2)])
def test_a_fault_that_is_in_force_and_not_yet_known_is_undone(
    own_lab: Lab, tmp_path: Path, sent: signal.Signals, status: int
) -> None:
    (tmp_path / "test_it.py").write_text(UNKNOWN.replace("SIGNAL)", f"{sent.name})"))
    runs = Runs(own_lab, tmp_path)
    runs.note()
    run = runs.started("test_it.py")
    printed, _ = run.communicate(timeout=BEGINS_WITHIN_S)
    assert run.returncode == status, printed
    assert runs.left_over() == [], printed


@pytest.mark.long
@pytest.mark.parametrize(("to", "status"), [("controller", 143), ("worker", 2)])
def test_a_signal_to_a_run_of_two_test_processes_leaves_nothing(
    own_lab: Lab, tmp_path: Path, to: str, status: int
) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    runs = Runs(own_lab, tmp_path)
    runs.note()
    run = runs.started("test_it.py", "-n", "2")
    labs = begun(runs, 2)
    (borrowed,) = {*labs.values()} - {own_lab.number}
    if to == "controller":
        run.send_signal(signal.SIGTERM)
    else:
        for pid in labs:
            os.kill(pid, signal.SIGTERM)
    printed, _ = run.communicate(timeout=2 * ENDS_WITHIN_S)
    assert run.returncode == status, printed
    assert programs_of(own_lab.number) == [], printed
    assert borrowed not in labs_in_use(), printed
    left = [each for each in runs.left_over() if "left: pytest-of-" not in each]  # pytest keeps its own folders
    assert left == [], printed
    assert "INTERNALERROR" not in printed
    assert not (tmp_path / "never").exists(), printed
