"""A shell that stays open: what a command there gives back, and what becomes of it when something goes wrong."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from scenarios.lab.process import BoundedOutput
from scenarios.lab.shell import Shell, ShellEnded, Shells, _UntilMark

LIMIT = 1 << 20


def open_sh(_: str = "") -> Shell:
    return Shell(subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE))


@pytest.fixture
def shell() -> Iterator[Shell]:
    opened = open_sh()
    yield opened
    opened.close()


def never() -> None:
    pass


def run(shell: Shell, *argv: str, within_s: float = 20) -> tuple[int, str, str]:
    status, out, err = shell.run(argv, within_s, LIMIT, never)
    return status, out.text(), err.text()


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


def test_a_command_gives_its_status_and_what_it_wrote_on_either_stream(shell: Shell) -> None:
    assert run(shell, *python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)")) == (
        7,
        "out\n",
        "err\n",
    )
    assert run(shell, "true") == (0, "", "")
    assert run(shell, "printf", "no end of line") == (0, "no end of line", "")


@pytest.mark.parametrize(
    "word", ["a b", "$HOME", "`id`", "'", '"', "\\", "two\nlines", "é", "*", "", "#", "<", "; exit 3"]
)
def test_a_word_comes_as_it_is(shell: Shell, word: str) -> None:
    assert run(shell, "printf", "%s", word) == (0, word, "")


def test_commands_follow_each_other_and_read_nothing_of_the_next_one(shell: Shell) -> None:
    assert [run(shell, "echo", str(number))[1] for number in range(50)] == [f"{number}\n" for number in range(50)]
    assert run(shell, "cat") == (0, "", "")
    assert run(shell, "echo", "the next one") == (0, "the next one\n", "")


def test_one_that_is_not_there_has_the_status_and_the_words_of_the_shell(shell: Shell) -> None:
    status, out, err = run(shell, "no-such-program")
    assert (status, out) == (127, "")
    assert "not found" in err
    assert run(shell, "true")[0] == 0


def test_bytes_come_as_they_are_however_they_are_cut(shell: Shell) -> None:
    every = bytes(range(256)) * 40
    code = """
import sys, time
for at in range(0, 10_240, 997):
    sys.stdout.buffer.write((bytes(range(256)) * 40)[at : at + 997])
    sys.stdout.flush()
"""
    _, out, _ = shell.run(python(code), 20, LIMIT, never)
    assert out.taken == len(every)
    assert bytes(out._head) == every


def test_a_mark_that_comes_in_two_pieces_is_found() -> None:
    text = b"some output, 0123, 01234567"
    for cut in range(len(text) + 13):
        kept = BoundedOutput()
        stream = _UntilMark(b"0123456789", kept)
        whole = text + b"0123456789" + b"17\n"
        stream.take(whole[:cut])
        assert stream.line is None
        stream.take(whole[cut:])
        assert [stream.line, kept.text()] == [b"17", text.decode()]


def test_what_is_too_much_is_kept_at_both_ends(shell: Shell) -> None:
    code = "print('begin' + 'x' * 3_000_000 + 'end', end='')"
    status, out, _ = shell.run(python(code), 20, 1000, never)
    assert status == 0
    assert out.taken == 3_000_008
    assert out.text().startswith("begin")
    assert out.text().endswith("end")
    assert run(shell, "echo", "well") == (0, "well\n", "")


def test_a_large_command_is_taken(shell: Shell) -> None:
    words = ["y" * 100_000] * 8
    status, out, _ = shell.run(["printf", "%s", *words], 20, LIMIT, never)
    assert (status, out.taken) == (0, 800_000)


def test_one_that_does_not_end_in_time_is_told(shell: Shell) -> None:
    with pytest.raises(TimeoutError):
        run(shell, "sleep", "5", within_s=0.2)


def test_while_it_is_silent_it_is_asked_whether_the_machine_runs(shell: Shell) -> None:
    class MachineGone(Exception):
        pass

    def gone() -> None:
        raise MachineGone

    with pytest.raises(MachineGone):
        shell.run(["sleep", "5"], 20, LIMIT, gone)


def test_a_shell_that_ends_is_told_before_and_during_a_command(shell: Shell) -> None:
    with pytest.raises(ShellEnded):
        run(shell, "sh", "-c", "kill -KILL $PPID; sleep 1")
    with pytest.raises(ShellEnded):
        run(shell, "true")


def test_shells_are_lent_to_one_thread_each_and_only_while_they_may_be_open() -> None:
    opened: list[Shell] = []

    def open_one(machine: str) -> Shell:
        opened.append(open_sh(machine))
        return opened[-1]

    shells = Shells(open_one)
    with shells.borrow("server") as before:
        assert before is None
    with shells.open():
        with shells.borrow("server") as first, shells.borrow("server") as second, shells.borrow("client") as other:
            assert first is not None
            assert other is not None
            assert second is None
        with shells.borrow("server") as again:
            assert again is first
        assert len(opened) == 2
    assert [each.is_open for each in opened] == [False, False]
    with shells.borrow("server") as after:
        assert after is None


def test_one_in_which_something_went_wrong_is_used_no_more() -> None:
    shells = Shells(open_sh)
    with shells.open():
        with pytest.raises(KeyboardInterrupt), shells.borrow("server") as first:
            raise KeyboardInterrupt
        assert first is not None
        assert not first.is_open
        with shells.borrow("server") as second:
            assert second is not first
            assert second is not None
            assert run(second, "echo", "well") == (0, "well\n", "")


def test_one_that_ended_meanwhile_is_opened_anew() -> None:
    shells = Shells(open_sh)
    with shells.open():
        with shells.borrow("server") as first:
            assert first is not None
        first._process.kill()
        first._process.wait()
        with shells.borrow("server") as second:
            assert second is not None
            assert run(second, "echo", "well") == (0, "well\n", "")


def test_many_threads_share_them() -> None:
    shells, wrong = Shells(open_sh), []

    def work(number: int) -> None:
        for turn in range(20):
            with shells.borrow("server") as shell:
                if shell and run(shell, "echo", f"{number} {turn}") != (0, f"{number} {turn}\n", ""):
                    wrong.append((number, turn))
            time.sleep(0.001)

    with shells.open():
        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert not wrong
