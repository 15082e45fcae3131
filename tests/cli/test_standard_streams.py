"""What becomes of a command whose words nobody reads, cannot be written, or have no place."""

from __future__ import annotations

import codecs
import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import pytest
from rich.text import Text

import scenarios
from scenarios.cli.grade import SIGNS
from scenarios.cli.main import main
from scenarios.evidence import run_folder
from scenarios.lab import standard_streams
from scenarios.lab.topology import ROOT
from scenarios.report.ladder_text import WIDTH, leg
from scenarios.run.matrix import LEGEND
from scenarios.verdict.check import MARKS
from tests.services.forking import forked

PACKAGE_FOLDER = Path(scenarios.__path__[0])

# Words for a person, lines for a program, and what argparse prints by itself. Python starts the first; the others are
# forked (tests/cli/forked_command.py), which is a second of imports less, and must end alike.
PRINTING = [("list", "lost-syn"), ("list", "--json", "lost-syn"), ("--version",), ("--help",), ("run", "--help")]
CLOSED = [">&-", "<&- >&-"]


def ran(words: tuple[str, ...], stdout: int, **environment: str) -> subprocess.CompletedProcess[str]:
    if words in PRINTING[1:] and not environment:
        return forked_ran(words, stdout)
    return subprocess.run(
        [sys.executable, "-m", "scenarios", *words], cwd=ROOT, env={**os.environ, **environment},
        stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
    )  # fmt: skip


def forked_ran(words: tuple[str, ...], stdout: int, closed: str = "") -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryFile("w+") as stderr:
        process = forked(["-m", "tests.cli.forked_command", closed, *words], stdout, stderr.fileno())
        try:
            status = process.wait(60)
        finally:
            process.kill()
        stderr.seek(0)
        return subprocess.CompletedProcess(process.args, status, None, stderr.read())


@pytest.fixture
def unread() -> Iterator[int]:
    """A pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_what_nobody_reads_ends_the_command_as_sigpipe_does_without_a_word(words: tuple[str, ...], unread: int) -> None:
    ended = ran(words, unread)
    said = "".join(line for line in ended.stderr.splitlines(keepends=True) if not line.startswith("… "))  # under way
    assert (ended.returncode, said.replace("interrupted, for nobody reads what it prints: ", "")) in [
        (141, ""),
        (141, "what this run started has been ended\n"),  # where standard error is for a person, and is there
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the disk that is full is /dev/full, of Linux")
@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_a_full_disk_below_standard_output_is_told(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = ran(words, full.fileno())
    assert ended.stderr == "cannot: what is printed cannot be written: No space left on device\n"
    assert ended.returncode == 74


def ran_closed(words: tuple[str, ...], closed: str) -> subprocess.CompletedProcess[str]:
    if words in PRINTING[1:] and closed in CLOSED:
        return forked_ran(words, 1, closed)
    argv = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "scenarios", *words]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("closed", CLOSED)
@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_a_closed_standard_output_is_told_as_by_coreutils(words: tuple[str, ...], closed: str) -> None:
    ended = ran_closed(words, closed)
    assert ended.stderr == "cannot: what is printed cannot be written: Bad file descriptor\n"
    assert ended.returncode == 74


def test_a_closed_standard_error_drops_its_words() -> None:
    ended = ran_closed(("list", "lost-syn"), "2>&-")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the disk that is full is /dev/full, of Linux")
def test_a_command_that_is_refused_says_why_where_standard_output_is_lost() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = ran(("explain", "lost-sy"), full.fileno())
    first, last = ended.stderr.splitlines()
    assert first.startswith("cannot: unknown drill 'lost-sy'")
    assert last == "cannot: what is printed cannot be written: No space left on device"
    assert ended.returncode == 74


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the disk that is full is /dev/full, of Linux")
def test_where_both_streams_are_lost_the_status_says_so() -> None:
    assert ran_closed(("--version",), ">/dev/full 2>/dev/full").returncode == 74
    assert ran_closed(("explain", "lost-sy"), ">&- 2>&-").returncode == 74


@pytest.mark.parametrize("words", [("call", "echo/select"), ("demo",)], ids=" ".join)
def test_where_no_evidence_can_be_kept_nothing_is_brought_up(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").write_text("a file", "utf-8")
    monkeypatch.setattr(run_folder, "RUNS", tmp_path / "runs")
    assert main(words) == 69
    assert capsys.readouterr().out == f"cannot: a folder for this run cannot be made in {tmp_path}/runs: File exists\n"


def test_a_folder_of_runs_that_takes_nothing_new_is_told_before_a_lab_is_brought_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is there, and another user's: root, who may run these tests, could write there all the same."""

    def denied(*_: object, **__: object) -> NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(run_folder, "RUNS", tmp_path)
    monkeypatch.setattr(tempfile, "mkdtemp", denied)
    assert main(("call", "echo/select")) == 69
    assert capsys.readouterr().out == f"cannot: a folder for this run cannot be made in {tmp_path}: Permission denied\n"


@pytest.fixture
def in_ascii() -> Callable[[str], str]:
    """What a terminal of ASCII is given in place of a text."""
    codecs.register_error(standard_streams.ERRORS, standard_streams.in_ascii)
    return lambda text: text.encode("ascii", standard_streams.ERRORS).decode("ascii")


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
    ids=" ".join,
)
def test_a_sign_that_the_encoding_of_a_terminal_has_not_is_printed_in_ascii(environment: Mapping[str, str]) -> None:
    ended = ran(("list", "lost-syn"), subprocess.PIPE, **environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith("`make explain NAME=...` tells one, `make drill NAME=...` runs it\n")


@pytest.mark.parametrize("marks", [list(MARKS.values()), list(SIGNS.values())], ids=["verdicts", "grades"])
def test_the_marks_are_distinct_in_ascii_and_one_character_wide(
    marks: Sequence[str], in_ascii: Callable[[str], str]
) -> None:
    printed = [in_ascii(mark) for mark in marks]
    assert len(set(printed)) == len(printed)
    assert [len(mark) for mark in printed] == [1] * len(marks)
    assert [mark for mark, sign in zip(marks, printed, strict=True) if sign == "?"] == ["?"]


def test_the_legend_of_the_matrix_is_read_in_ascii(in_ascii: Callable[[str], str]) -> None:
    assert in_ascii(Text.from_markup(LEGEND).plain) == (
        "as promised . x not as promised . ? unproven . - unsupported . . the drill does not fit it . ... not run\n"
        "~ other clients were not served meanwhile, or late . ! the server was not well afterwards "
        "(with x: that is not promised; with ?: not known)"
    )


@pytest.mark.parametrize("label", ["SYN", "SYN" * 20], ids=["whole", "cut"])
@pytest.mark.parametrize("rightwards", [True, False], ids=["rightwards", "leftwards"])
def test_a_leg_of_a_ladder_is_as_wide_in_ascii(label: str, rightwards: bool, in_ascii: Callable[[str], str]) -> None:
    printed = in_ascii(leg(label, rightwards, ends=True))
    assert (len(printed), "?" in printed) == (WIDTH, False)
    assert printed[-1 if rightwards else 0] == "X"


def test_the_columns_of_the_matrix_stay_in_ascii(in_ascii: Callable[[str], str]) -> None:
    rows = in_ascii("…           hung\n✗ hung ⧗✗   hung\n· – ☠?      hung").splitlines()
    assert rows == ["...         hung", "x hung ~x   hung", ". - !?      hung"]


def test_every_sign_that_the_lab_prints_has_its_form_in_ascii() -> None:
    """Those of the pages, which are files in UTF-8, and of the texts that a drill sends are none of a terminal."""
    printing = [PACKAGE_FOLDER / room for room in ("cli", "evidence", "lab", "run", "spec", "teaching", "verdict")]
    texts = [path.read_text("utf-8") for room in printing for path in room.rglob("*.py")]
    texts += [(PACKAGE_FOLDER / "report" / f"{name}.py").read_text("utf-8") for name in ("console", "ladder_text")]
    signs = {sign for text in texts for sign in text if not sign.isascii()} - {"🐰"}  # of the demo's answer
    assert signs <= standard_streams.IN_ASCII.keys()
    assert "?" not in "".join(standard_streams.IN_ASCII.values())


def test_another_character_is_printed_as_python_escapes_it(in_ascii: Callable[[str], str]) -> None:
    assert in_ascii("Zoë 🐰") == "Zo\\xeb \\U0001f430"


def test_without_docstrings_every_command_has_its_help() -> None:
    ended = ran(("--help",), subprocess.PIPE, PYTHONOPTIMIZE="2")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    argv = ["sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", sys.executable, "-m", "scenarios", "list"]
    own = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        argv, cwd=tmp_path / "gone", env=own, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert ended.stderr == "cannot: the folder in which this was typed is not there any more\n"
    assert ended.returncode == 64
