"""Ctrl-C and SIGTERM: whenever one comes, a run ends in order, and its exit status says which it was."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.lab.topology import ROOT
from scenarios.lab.waiting import wait_for
from tests import processes

STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}
CELLS = 30


def started(*words: str) -> subprocess.Popen[str]:
    return processes.start([sys.executable, *words])


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGTERM]], ids=["one", "both"])
def test_a_run_that_is_ended_by_a_signal_has_what_was_run(tmp_path: Path, signals: list[signal.Signals]) -> None:
    """CI systems send SIGTERM; some send SIGINT first, and SIGTERM while the run is being ended."""
    run = ("run", "lost-syn", "--pair", "le-le", "--repeat", str(CELLS))
    running = started("-m", "tests.run.faking", str(tmp_path), *run)
    assert running.stdout
    first = running.stdout.readline()
    assert re.match(rf" ?1/{CELLS} ✓ lost-syn", first)
    for each in signals:
        running.send_signal(each)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == STATUS[signals[0]], said
    told = re.search(rf"interrupted(.*): (\d+) of {CELLS} were run; all faults are undone; not run: lost", said)
    assert told, said
    assert told[1] == (" by SIGTERM" if signals[0] is signal.SIGTERM else "")
    heard = f"{signals[0].name}: this run is ending; what was begun is undone first\n"
    assert heard in said[: told.start()], said  # at once, and not when all is undone
    assert "Traceback" not in said
    stored = json.loads((tmp_path / "latest" / "summary.json").read_text("utf-8"))
    assert (stored["asked"], stored["run"]) == (CELLS, int(told[2]))
    assert 1 <= int(told[2]) < CELLS
    assert (tmp_path / "latest" / "junit.xml").is_file()
    assert (tmp_path / "latest" / "index.html").is_file()


@pytest.mark.parametrize("words", [(), ("--json",)], ids=["a person's words", "JSON"])
def test_a_run_whose_words_nobody_reads_any_more_ends_in_order(tmp_path: Path, words: tuple[str, ...]) -> None:
    """As of `faultwire run all | head`: what was run is stored, and the status is that of SIGPIPE."""
    run = ("run", "lost-syn", "--pair", "le-le", "--repeat", str(CELLS), *words)
    argv = [sys.executable, "-m", "tests.run.faking", str(tmp_path), *run]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert running.stderr
        assert "lost-syn" in running.stdout.readline()
        running.stdout.close()
        said = running.stderr.read()
        assert running.wait(60) == 128 + signal.SIGPIPE, said
    assert "Traceback" not in said
    assert ("interrupted, for nobody reads what it prints: " in said) is bool(words)
    stored = json.loads((tmp_path / "latest" / "summary.json").read_text("utf-8"))
    assert 1 <= stored["run"] < stored["asked"] == CELLS


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="what a process waits for is read from /proc")
@pytest.mark.parametrize("number", STATUS, ids=lambda each: each.name)
def test_a_signal_while_the_program_is_being_imported_is_no_traceback(number: signal.Signals) -> None:
    running = started("-m", "scenarios", "list")

    def is_ready() -> bool:
        said = Path(f"/proc/{running.pid}/status").read_text("ascii")
        caught = re.search(r"^SigCgt:\s*(\w+)$", said, re.MULTILINE)
        return running.poll() is not None or bool(caught and int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)

    wait_for(is_ready, "the program to have begun", 60, every_s=0.001)
    running.send_signal(number)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == STATUS[number], said
    assert said == "interrupted: nothing was begun\n"


@pytest.mark.parametrize("taken", ["SystemError", "Exception"], ids=["raised", "taken for another error"])
def test_sigterm_ends_the_tests_in_order_too(tmp_path: Path, taken: str) -> None:
    """Fixtures are torn down, which is what takes labs down; the status is 143. No other test begins, whatever the
    one that was interrupted makes of it: asyncio goes on after any Exception of a callback."""
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text("utf-8"), "utf-8")
    (tmp_path / "test_it.py").write_text(
        "import os, signal, pytest\n"
        "@pytest.fixture\ndef lab():\n    yield\n    print('taken down', flush=True)\n"
        "def test_it(lab):\n    try:\n        os.kill(os.getpid(), signal.SIGTERM)\n        signal.pause()\n"
        f"    except {taken}:\n        pass\n"
        "def test_next(lab):\n    print('went on')\n",
        "utf-8",
    )
    words = ("-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path))
    running = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    assert running.returncode == 143, running.stdout + running.stderr
    assert running.stdout.count("taken down") == 1
    assert "went on" not in running.stdout


LAB_IN_A_WORKER = """
import time, pytest
from pathlib import Path
@pytest.fixture(scope="session")
def lab():
    yield
    time.sleep({takes_s})
    Path({folder!r}, "taken-down").touch()
@pytest.mark.parametrize("number", range(2))
def test_it(lab, number):
    Path({folder!r}, f"begun-{{number}}").touch()
    time.sleep(60)
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 2), (signal.SIGTERM, 143)])
def test_a_signal_to_the_tests_alone_has_their_workers_take_down_what_they_brought_up(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    """Not to their workers, as a terminal sends Ctrl-C. xdist itself kills those after EXIT_TIMEOUT, labs or not."""
    impatient = "\nfrom xdist.workermanage import NodeManager\nNodeManager.EXIT_TIMEOUT = 0.1\n"
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text("utf-8") + impatient, "utf-8")
    (tmp_path / "test_it.py").write_text(LAB_IN_A_WORKER.format(takes_s=1.5, folder=str(tmp_path)), "utf-8")
    words = ("-q", "-n", "1", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path))
    argv, env = [sys.executable, "-m", "pytest", *words], {**os.environ, "PYTHONPATH": str(ROOT)}
    with processes.start(argv, cwd=tmp_path, env=env) as running:
        try:
            wait_for(lambda: [*tmp_path.glob("begun-*")], "the first test", 60)
            running.send_signal(number)
            said, _ = running.communicate(timeout=60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == status, said
    assert (tmp_path / "taken-down").exists(), said
