"""What the forking of programs (forking.py) is held against: the same program, started by Python itself."""

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.forking import ROOT, forked, ran
from tests.services.running import PATIENCE_S, eventually


def _is_program(path: Path) -> bool:
    """Whether it ends as all programs do: `if __name__ == "__main__":`."""
    source = path.read_bytes()
    if b"__name__" not in source:  # no tree is made of it: each test process collects this file
        return False
    ends = [node.test for node in ast.parse(source).body if isinstance(node, ast.If)]
    return any("__name__" in ast.unparse(test) for test in ends)


PROGRAMS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "services").rglob("*.py")
    if _is_program(path)
)


def python(words: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=os.environ,  # not all that C has: readline(3), which pytest imports, puts LINES and COLUMNS there
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_S * 2,
    )


@pytest.mark.parametrize("module", PROGRAMS)
def test_a_program_that_python_starts_says_what_the_forked_one_says(module: str) -> None:
    """Of a wrong command line: all that it imports is there without what was imported before the fork."""
    words = ["-m", module, "--no-such-flag"]
    started, here = python(words), ran(words, PATIENCE_S * 2)
    assert (here.returncode, here.stdout) == (started.returncode, started.stdout)
    assert here.stderr.splitlines()[-1:] == started.stderr.splitlines()[-1:]  # above it may be a traceback


FINDS = """
import json, os, resource, signal, sys, threading
print(json.dumps({
    "argv": sys.argv[1:],
    "name": __name__,
    "environment": dict(os.environ),
    "folder": os.getcwd(),
    "descriptors": sorted(os.listdir("/proc/self/fd")),
    "open files": resource.getrlimit(resource.RLIMIT_NOFILE),
    "signals": {number: str(signal.getsignal(number)) for number in signal.valid_signals()},
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    "group": os.getpgrp(),
    "umask": os.umask(0),
    "threads": threading.active_count(),
    "encodings": [sys.stdout.encoding, sys.stderr.encoding, sys.getfilesystemencoding()],
}, default=str))
"""


def test_a_forked_program_finds_everything_as_if_python_had_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ran(["-m", "services.web.get"], PATIENCE_S)  # others went before
    monkeypatch.setenv("A_NEW_VARIABLE", "here")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    words = ["-c", FINDS, "services.web.get", "a b", "é"]
    started, here = python(words), ran(words, PATIENCE_S)
    assert json.loads(here.stdout) == json.loads(started.stdout)
    assert json.loads(here.stdout)["environment"]["A_NEW_VARIABLE"] == "here"


def test_a_forked_program_may_have_as_many_descriptors_as_it_is_given(tmp_path: Path) -> None:
    with (tmp_path / "found").open("wb") as found:
        assert forked(["-c", FINDS, "services.web.get"], stdout=found.fileno(), files=20).wait(PATIENCE_S) == 0
    assert json.loads((tmp_path / "found").read_text(encoding="utf-8"))["open files"] == [20, 20]


@pytest.mark.parametrize(
    "ends",
    ["pass", "sys.exit(7)", "sys.exit('words')", "raise ValueError", "os.kill(os.getpid(), signal.SIGKILL)"],
)
def test_a_forked_program_ends_as_if_python_had_started_it(ends: str) -> None:
    ends = f"import atexit, os, signal, sys; atexit.register(print, 'exit'); sys.stdout.write('end '); {ends}"
    words = ["-c", ends, "services.web.get"]
    started, here = python(words), ran(words, PATIENCE_S)
    assert (here.returncode, here.stdout) == (started.returncode, started.stdout)
    assert here.stderr.splitlines()[-1:] == started.stderr.splitlines()[-1:]


def test_a_forked_program_is_waited_for_and_signalled_as_a_popen() -> None:
    process = forked(["-c", "import time; time.sleep(60)", "services.web.get"])
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == -signal.SIGTERM
    assert process.poll() == -signal.SIGTERM
    process.kill()  # it has ended: nobody else is hit


def test_a_program_whose_test_is_gone_is_ended() -> None:
    process = forked(["-c", "import time; time.sleep(60)", "services.web.get"])
    status = Path(f"/proc/{process.pid}/status")
    assert status.exists()
    del process
    eventually(lambda: not status.exists() or "zombie" in status.read_text(encoding="ascii"), "it is ended")


def test_the_number_of_a_program_that_has_ended_is_its_own_until_its_end_is_known() -> None:
    process = forked(["-c", "pass", "services.web.get"])
    status = Path(f"/proc/{process.pid}/status")
    eventually(lambda: "zombie" in status.read_text(encoding="ascii"), "it has ended")
    assert process.wait(PATIENCE_S) == 0
    eventually(lambda: not status.exists(), "its number is let go")
