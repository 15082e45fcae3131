"""What a program prints is kept as far as its limits, and what is missing is said."""

from __future__ import annotations

import io
import resource
import subprocess
import sys

import pytest

from scenarios.lab import process
from scenarios.lab.errors import LabProblem
from scenarios.lab.process import BoundedOutput, Printed, Running, was_cut
from scenarios.lab.waiting import wait_for


def printed(*texts: str) -> list[str]:
    made = Printed()
    for text in texts:
        made.take(text)
    made.end()
    return made.lines


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_lines_are_the_same_however_they_come(size: int) -> None:
    text = "one\n\ntwo\nthe last has no end"
    assert printed(*(text[at : at + size] for at in range(0, len(text), size))) == text.split("\n")


def test_characters_are_kept_up_to_the_limit_and_one_more_is_said_to_be_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PRINTED_LIMIT", 2048)
    text = "x" * 1000 + "\n" + "y" * 1047
    for pieces in ([text], [*text], [text[:1000], text[1000:]]):
        assert printed(*pieces) == ["x" * 1000, "y" * 1047]
        assert printed(*pieces, "z") == ["x" * 1000, "y" * 1047, "[its output was cut after 2 KiB]"]
        assert printed(*pieces, "z" * 9999, "\n" * 9999)[2:] == ["[its output was cut after 2 KiB]"]
    assert not was_cut(printed(text))
    assert was_cut(printed(text, "z"))


def test_lines_are_kept_up_to_the_limit_and_one_more_is_said_to_be_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LINES_LIMIT", 3)
    cut = "[its output was cut after 3 lines]"
    assert printed("a\nb\nc\n") == printed("a\nb", "\nc\n") == ["a", "b", "c"]
    assert printed("a\nb\nc\nd") == printed(*"a\nb\nc\nd\ne\n") == ["a", "b", "c", cut]


def test_of_a_program_that_ended_the_beginning_and_the_end_are_kept() -> None:
    for size in (1, 3, 1000):
        exact, more = BoundedOutput(10), BoundedOutput(10)
        for kept, text in ((exact, b"0123456789"), (more, b"0123456789" * 100 + b"!")):
            for at in range(0, len(text), size):
                kept.take(text[at : at + size])
        assert (exact.text(), exact.dropped) == ("0123456789", 0)
        assert more.dropped == 991
        assert more.text() == "01234\n[its output was cut after 5 bytes: 991 bytes are missing here]\n6789!"
        assert was_cut(more.text().splitlines())


def running(code: str) -> Running:
    stream = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return Running(stream, "the program", lambda signal: stream.kill() if signal == "KILL" else stream.terminate())


@pytest.mark.parametrize(
    ("code", "cut"),
    [
        ("import os\nwhile True: os.write(1, b'y\\n' * 4096)", "[its output was cut after 50,000 lines]"),
        ("import os\nwhile True: os.write(1, b'y' * 8192)", "[its output was cut after 4 MiB]"),
    ],
    ids=["yes", "a line without end"],
)
def test_a_program_that_prints_for_ever_is_read_on_and_takes_no_memory(code: str, cut: str) -> None:
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    program = running("print('listening', flush=True)\n" + code)
    program.wait_for_line("listening", 10)
    wait_for(lambda: was_cut(program.lines), "the limit", 20)
    lines = len(program.lines)
    with pytest.raises(LabProblem, match=r"a line with 'never'.*it printed: "):
        program.wait_for_line("never", 0.5)
    assert (len(program.lines), program.lines[-1]) == (lines, cut)
    assert len(program.printed) <= process.TOLD_CHARACTERS
    assert program.stop() < 0
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    assert grown_kib < 60_000, "4 MiB, some times over; what came in this time is hundreds of megabytes"


def test_what_a_program_prints_has_the_line_ends_of_a_text(capfd: pytest.CaptureFixture[str]) -> None:
    program = running("import os; os.write(1, b'a\\r\\nb\\rc\\xff\\xe2\\x82'); os.write(1, b'\\xac')")
    program.wait_for_line("c", 10)
    assert program.stop() == 0
    assert program.lines == ["a", "b", r"c\xff€"]
    assert capfd.readouterr() == ("", "")


def test_what_a_program_says_in_colours_is_found_by_its_words_and_kept_as_it_came() -> None:
    program = running(r"print('\x1b[32mINFO\x1b[0m:     \x1b[1mready\x1b[0m at 80', flush=True)")
    assert program.wait_for_line(r"^INFO: +ready at (\d+)$", 10)[1] == "80"
    program.stop()
    assert program.lines == ["\x1b[32mINFO\x1b[0m:     \x1b[1mready\x1b[0m at 80"]


def test_a_server_that_ended_well_before_it_listened_may_have_gone_into_the_background() -> None:
    program = running("import os\nif os.fork(): os._exit(0)\n")
    hint = r"\(status 0; a server that goes into the background is not seen; keep it in the foreground\) before it"
    with pytest.raises(LabProblem, match=rf"^the program ended {hint} printed 'listening': \(nothing\)$"):
        program.wait_for_line("listening", 10)
    program = running("raise SystemExit(1)")
    with pytest.raises(
        LabProblem, match=r"^the program ended \(status 1\) before it printed 'listening': \(nothing\)$"
    ):
        program.wait_for_line("listening", 10)


@pytest.mark.filterwarnings("error")
def test_no_pipe_of_a_program_that_ended_stays_open() -> None:
    """Under `pytest -W error` a pipe that nobody closed is an error of whichever test runs when it is found."""
    program = running("print('ready', flush=True)")
    program.wait_for_line("ready", 10)
    program.stop()
    kept = BoundedOutput(), BoundedOutput()
    with process.attached([sys.executable, "-c", "print(1)"], *kept) as stream:
        stream.wait(10)
    assert kept[0].text() == "1\n"
    for each in (program._stream.stdout, stream.stdout, stream.stderr):
        assert each
        assert each.closed


def test_a_program_that_cannot_be_ended_is_told_of_and_no_longer_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STOP_WITHIN_S", 0.1)
    program = running("import time; time.sleep(60)")
    program.signal = lambda _: None
    with pytest.raises(LabProblem, match=r"the program could not be ended within 0\.2 s"):
        program.stop()
    assert program.ended

    def gone(signal: str) -> None:
        raise LabProblem(f"the machine is paused: {signal}")

    program = running("import time; time.sleep(60)")
    program.signal = gone
    with pytest.raises(LabProblem, match="the machine is paused: TERM"):
        program.stop()
    assert program.ended


def test_a_stream_is_kept_to_its_end() -> None:
    kept = BoundedOutput(100)
    kept.read(io.BufferedReader(io.BytesIO(b"x" * 1_000_000)))
    assert kept.taken == 1_000_000
