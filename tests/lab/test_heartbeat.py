"""No command is silent for ten seconds: what is under way is said, or drawn, with its time."""

from __future__ import annotations

import argparse
import errno
import io
import os
import pty
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scenarios.cli import main as command_line
from scenarios.lab import heartbeat as module
from scenarios.lab.heartbeat import LONGEST_PART, SHOWN_AFTER_S, SILENT_FOR_S, Heartbeat, Voice, minutes
from scenarios.lab.topology import ROOT
from scenarios.lab.waiting import wait_for

LONG_S = 60


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    def goes_on(self, seconds: float) -> None:
        self.now_s += seconds


class Place:
    """A command that is watched: its heartbeat, its clock, and what it has printed."""

    def __init__(self, *, terminal: bool = False, width: int = 60) -> None:
        self.clock, self._out = Clock(), io.StringIO()
        self.voice = Voice(
            self.clock, file=self._out, force_terminal=terminal, width=width, _environ={"TERM": "xterm"}
        )  # fmt: skip
        self.heart = Heartbeat(self.voice, self.clock)

    @property
    def lines(self) -> list[str]:
        return self._out.getvalue().splitlines()


@pytest.fixture
def pipe() -> Iterator[Place]:
    """A command that prints into a pipe, at its very beginning. Only the test makes it beat: its clock stands still."""
    place = Place()
    with place.heart.beating("demo"):
        yield place


def test_what_is_under_way_is_said_after_eight_seconds_of_silence_and_not_before(pipe: Place) -> None:
    with pipe.heart.under_way("lab 1 comes up"):
        pipe.clock.goes_on(SILENT_FOR_S - 0.1)
        assert pipe.heart.beat() == pytest.approx(0.1)
        assert pipe.lines == []
        pipe.clock.goes_on(0.1)
        assert pipe.heart.beat() == pytest.approx(SILENT_FOR_S)
        assert pipe.lines == ["… lab 1 comes up (8 s)"]
        pipe.clock.goes_on(SILENT_FOR_S)
        pipe.heart.beat()
    assert pipe.lines == ["… lab 1 comes up (8 s)", "… lab 1 comes up (16 s)"]


def test_whoever_prints_anything_breaks_the_silence(pipe: Place) -> None:
    with pipe.heart.under_way("lab 1 comes up"):
        pipe.clock.goes_on(7)
        pipe.voice.print("images: built faultwire/host")
        pipe.clock.goes_on(7)
        pipe.heart.beat()
        assert pipe.lines == ["images: built faultwire/host"]
        pipe.clock.goes_on(1)
        pipe.heart.beat()
    assert pipe.lines[1:] == ["… lab 1 comes up (15 s)"]


def test_where_nothing_more_is_known_the_command_itself_is_said(pipe: Place) -> None:
    with pipe.heart.under_way("lab 1 comes up"):
        pass
    pipe.clock.goes_on(83)
    pipe.heart.beat()
    assert pipe.lines == ["… demo (1 min 23 s)"]


def test_of_several_things_at_once_each_is_said_with_the_part_that_runs(pipe: Place) -> None:
    with pipe.heart.under_way("building faultwire/host") as one:
        pipe.clock.goes_on(20)
        with pipe.heart.under_way("soak", lambda: "3 run"):
            one.is_at("[2/3] RUN " + "make " * 100)
            pipe.clock.goes_on(10)
            pipe.heart.beat()
    host, soak = pipe.lines
    assert host.startswith("… building faultwire/host (30 s): [2/3] RUN make make")
    assert len(host) == len("… building faultwire/host (30 s): ") + LONGEST_PART
    assert soak == "… soak (10 s): 3 run"


def test_words_that_look_like_markup_are_said_as_they_are(pipe: Place) -> None:
    with pipe.heart.under_way("building [red]x[/red]") as task:
        task.is_at("[zlib 2/3] RUN [ -e x ]")
        pipe.clock.goes_on(9)
        pipe.heart.beat()
    assert pipe.lines == ["… building [red]x[/red] (9 s): [zlib 2/3] RUN [ -e x ]"]


def test_while_a_person_has_a_shell_nothing_is_said(pipe: Place) -> None:
    with pipe.heart.handed_over():
        pipe.clock.goes_on(600)
        pipe.heart.beat()
        assert pipe.lines == []
    pipe.heart.beat()
    assert pipe.lines == ["… demo (10 min 00 s)"]


def test_where_standard_output_is_for_data_it_is_said_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    voice = Voice(clock, width=100, stderr=True)
    heart = Heartbeat(voice, clock)
    with heart.beating("run"):
        clock.goes_on(9)
        heart.beat()
    said = capsys.readouterr()
    assert said.err.rstrip() == "… run (9 s)"
    assert said.out == ""


def test_by_itself_it_says_so_again_and_again_until_the_command_ends() -> None:
    out = io.StringIO()
    heart = Heartbeat(Voice(file=out, width=100), silent_for_s=0.01)
    threads = threading.active_count()
    with heart.beating("demo"):
        wait_for(lambda: out.getvalue().count("… demo (0 s)\n") >= 2, "two lines", LONG_S)
    assert threading.active_count() == threads


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_word_that_cannot_be_written_ends_the_beats_without_a_traceback() -> None:
    """As where the disk is full: the main thread meets it with its next word, and says so."""
    tried = threading.Event()

    class Full(io.StringIO):
        def write(self, _: str) -> int:
            tried.set()
            raise OSError(errno.ENOSPC, "No space left on device")

    heart = Heartbeat(Voice(file=Full(), width=100), silent_for_s=0.01)
    with heart.beating("run"):
        assert tried.wait(LONG_S)


def test_on_a_terminal_each_thing_under_way_has_a_line_with_its_time_and_its_part_cut_to_the_width() -> None:
    place = Place(terminal=True, width=60)
    with place.heart.under_way("building faultwire/host") as task:
        place.clock.goes_on(83)
        task.is_at("[2/3] RUN " + "make " * 100)
        with place.heart.under_way("building faultwire/firewall"):
            place.voice.print(place.heart.picture())
    host, firewall = (re.sub(r"\x1b\[[0-9;]*m", "", line) for line in place.lines)
    assert host.startswith("⠹ building faultwire/host  1 min 23 s  [2/3] RUN make")
    assert host.endswith("…")
    assert len(host) == 60
    assert firewall.rstrip() == "⠋ building faultwire/firewall  0 s"


def test_on_a_terminal_it_is_drawn_after_a_second_and_gone_at_the_end() -> None:
    place = Place(terminal=True)
    with place.heart.beating("demo"), place.heart.under_way("lab 1 comes up"):
        place.clock.goes_on(SHOWN_AFTER_S - 0.1)
        place.heart.beat()
        assert place.lines == []
        place.clock.goes_on(0.1)
        place.heart.beat()
        assert "lab 1 comes up" in place.lines[0]
    assert place.lines[-1].endswith("\x1b[2K")  # the line is erased
    place.clock.goes_on(100)
    place.heart.beat()


def test_what_draws_itself_is_drawn_at_once_and_told_in_lines_elsewhere(pipe: Place) -> None:
    class Activity:
        def lines(self) -> list[str]:
            return ["3 of 9 done", "lab 1: lost-syn"]

        def picture(self) -> str:
            return "3 of 9"

    with pipe.heart.display(Activity(), at_once=True):
        assert not pipe.heart.draws
        pipe.clock.goes_on(8)
        pipe.heart.beat()
    assert pipe.lines == ["… 3 of 9 done", "… lab 1: lost-syn"]
    terminal = Place(terminal=True)
    with terminal.heart.beating("drills"), terminal.heart.display(Activity(), at_once=True):
        assert terminal.heart.draws
        assert "3 of 9" in terminal.lines[0]


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (3723, "62 min 03 s")])
def test_a_time_is_told_in_minutes_and_seconds(seconds: float, text: str) -> None:
    assert minutes(seconds) == text


def test_every_command_of_the_program_says_that_it_is_at_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each in turn, with a function in its place that takes its time and prints nothing."""
    (commands,) = (each for each in command_line.parser()._actions if isinstance(each, argparse._SubParsersAction))
    words = {
        "call": ["echo"],
        "explain": ["x"],
        "run": ["x"],
        "init": ["x"],
        "shell": ["client"],
        "bundle": ["lab.tar"],
        "load": ["lab.tar"],
        "merge": ["a", "--out", "b"],
        "worker": ["tcp://127.0.0.1:8786"],
        "cluster": ["keys"],
        "grade": ["x"],
    }
    assert {"demo", "images", "soak", "bench-services"} < set(commands.choices)
    monkeypatch.setattr(module.pulse, "silent_for_s", 0.01)
    said = ""

    def takes_its_time(_: argparse.Namespace) -> int:
        nonlocal said

        def is_said() -> bool:
            nonlocal said
            said += capsys.readouterr().out
            return "…" in said

        wait_for(is_said, "a word", LONG_S)
        return 0

    parsed = command_line.Parser.parse_args
    for name in commands.choices:

        def with_another_function(self: argparse.ArgumentParser, argv: list[str]) -> argparse.Namespace:
            options = parsed(self, argv)
            options.function = takes_its_time
            return options

        monkeypatch.setattr(command_line.Parser, "parse_args", with_another_function)
        capsys.readouterr()
        said = ""
        assert command_line.main([name, *words.get(name, [])]) == 0
        assert said.startswith(f"… {name} (0 s)"), name


# How a line of the Makefile begins that cannot be silent: the program's own commands (the test above), programs of
# others with somebody beside them who speaks (below), set-up (test_setup_speaks.py) and the tests (test_telling.py).
SPEAKS = (
    ("$(SCENARIOS)",),
    ("$(ALOUD)",),
    ("scenarios/setup.sh",),
    ("$(PYTHON)", "-m", "pytest"),
    ("PYTHONDONTWRITEBYTECODE=", "$(PYTHON)", "-m", "pytest"),
    ("printf",),  # which ends at once
    ("$(MAKE)",),  # whose targets stand here too
    ("$(PYTHON)", "-m", "tests.report.screenshots"),
)
AT_ONCE = {"help": "prints the Makefile's own lines"}


def test_every_verb_of_the_makefile_goes_through_what_speaks() -> None:
    text = re.sub(r"\\\n", " ", (ROOT / "Makefile").read_text("utf-8"))
    recipes = re.findall(r"^([.a-z-]+):(?!=).*\n((?:\t.*\n)+)", text + "\n", re.MULTILINE)
    assert [name for name, _ in recipes if name != ".tests"] == re.findall(
        r"^([a-z-]+):.*## ", text, re.MULTILINE
    )  # none is left out
    silent = [
        f"{name}: {' '.join(command)}"
        for name, recipe in recipes
        if name not in AT_ONCE
        for line in recipe.splitlines()
        for command in commands_of(line)
        if not any(command[: len(words)] == list(words) for words in SPEAKS)
    ]
    assert silent == []


def commands_of(line: str) -> Iterator[list[str]]:
    """The commands of a line of a recipe, without the shell's own words."""
    reader = shlex.shlex(line.strip().lstrip("@"), posix=True, punctuation_chars=";&|")
    reader.whitespace_split, reader.commenters = True, ""
    command: list[str] = []
    for word in [*reader, ";"]:
        if not set(word) <= set(";&|"):
            command.append(word)
            continue
        while command and command[0] in ("if", "then", "else", "do", "for", "fi", "done", "exit", "[", "!"):
            command = [] if command[0] in ("for", "fi", "done", "exit", "[") else command[1:]
        if command:
            yield command
        command = []


def test_a_command_of_the_makefile_that_would_be_silent_is_found() -> None:
    line = "\t@if [ -x x ]; then $(SCENARIOS) doctor; else uv pip; fi && for x in a b; do mypy $$x || exit 1; done"
    assert list(commands_of(line)) == [["$(SCENARIOS)", "doctor"], ["uv", "pip"], ["mypy", "$$x"]]


def aloud(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scenarios.lab.aloud", *words],
        cwd=ROOT, capture_output=True, text=True, timeout=LONG_S, check=False,
    )  # fmt: skip


def test_a_program_of_somebody_elses_is_passed_on_with_its_status() -> None:
    said = aloud("a thing", "sh", "-c", "echo '[red]one'; echo two >&2; exit 3")
    assert (said.returncode, said.stdout) == (3, "[red]one\ntwo\n")


def test_a_program_that_is_not_there_and_words_that_are_missing_are_told() -> None:
    assert aloud("a thing", "no-such-program").returncode == 127
    assert "'no-such-program'" in aloud("a thing", "no-such-program").stderr
    assert aloud("a thing").returncode == 64


def test_a_program_of_somebody_elses_is_ended_with_what_runs_it(tmp_path: Path) -> None:
    argv = [
        sys.executable,
        "-m",
        "scenarios.lab.aloud",
        "a thing",
        "sh",
        "-c",
        f"echo $$ >{tmp_path}/pid; sleep 300 & wait",
    ]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        wait_for(lambda: pid_in(tmp_path / "pid"), "the program to run", LONG_S)
        process.terminate()
    assert process.returncode == 143
    wait_for(lambda: is_over(pid_in(tmp_path / "pid")), "the program to be over", LONG_S)


def test_a_signal_that_comes_while_the_program_is_started_ends_it_too(tmp_path: Path) -> None:
    script = f"""
import os, pathlib, signal, subprocess, sys, time
from scenarios.lab import aloud
start = subprocess.Popen.__init__
def start_and_be_told_to_end(self, *args, **kwargs):
    start(self, *args, **kwargs)
    while not pathlib.Path({str(tmp_path / "pid")!r}).exists():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
subprocess.Popen.__init__ = start_and_be_told_to_end
program = "echo $$ >whole; mv whole pid; exec sleep 300"
sys.exit(aloud.main(["a thing", "sh", "-c", f"cd {tmp_path}; {{program}}"]))
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 143
    wait_for(lambda: is_over(pid_in(tmp_path / "pid")), "the program to be over", LONG_S)


def is_over(pid: str) -> bool:
    """Whether a process has ended; whoever inherits it may not have asked how (state Z)."""
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text("ascii", "replace").rpartition(") ")[2].startswith("Z")
    except OSError:
        return True


def pid_in(path: Path) -> str:
    return path.read_text("ascii").strip() if path.exists() else ""


def on_a_terminal(argv: list[str], until: Callable[[str], bool]) -> str:
    """What a command draws on a terminal until it is enough; it is interrupted then, as by Ctrl-C, and waited for."""
    ours, its = pty.openpty()
    drawn = b""
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(argv, cwd=ROOT, stdin=its, stdout=its, stderr=its, env=environment) as process:
        os.close(its)
        try:
            while not until(drawn.decode("utf-8", "ignore")):
                drawn += os.read(ours, 1 << 16)
        finally:
            process.send_signal(2)
            while process.poll() is None:
                try:
                    drawn += os.read(ours, 1 << 16)
                except OSError:  # EIO: it has ended
                    break
            os.close(ours)
    assert process.returncode == 130
    return drawn.decode("utf-8", "ignore")


def test_on_a_real_terminal_a_silent_program_has_a_line_whose_time_goes_on(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "scenarios.lab.aloud", "the thing", "sh", "-c", f"echo $$ >{tmp_path}/pid; sleep 300"]
    drawn = on_a_terminal(argv, lambda text: "the thing  2 s" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text))
    assert drawn.rstrip().endswith("\x1b[2K")  # the line is gone in the end
    assert "\x1b[?25h" in drawn  # and the cursor is back
    assert not Path(f"/proc/{pid_in(tmp_path / 'pid')}").exists()  # Ctrl-C has ended the program
