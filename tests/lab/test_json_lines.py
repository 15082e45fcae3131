"""The client of children that speak JSON: which answer is whose, what a deadline says, and how a child ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scenarios.lab import json_lines
from scenarios.lab.errors import LabProblem
from scenarios.lab.json_lines import Child
from scenarios.lab.waiting import wait_for

# Each child is a loop over its input; `say` answers.
HEAD = """
import json, os, signal, sys, time
def say(content=b"", **said):
    sys.stdout.buffer.write(json.dumps(said).encode() + b"\\n" + content)
    sys.stdout.buffer.flush()
"""
ECHO = """
for line in sys.stdin:
    asked = json.loads(line)
    say(id=asked["id"], echo=asked.get("word"))
"""
START = Callable[..., Child]


@pytest.fixture
def start() -> Iterator[START]:
    """Start a child; it is closed after the test."""
    children = []

    def started(code: str, **options: object) -> Child:
        process = subprocess.Popen(
            [sys.executable, "-c", HEAD + code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        children.append(Child(process, "the child", **options))  # type: ignore[arg-type] # the tests' own
        return children[-1]

    yield started
    for child in children:
        child.close(0.1)


def test_each_question_gets_its_own_answer(start: START) -> None:
    child = start(ECHO)
    with ThreadPoolExecutor(8) as pool:
        asked = {word: pool.submit(child.ask, {"word": word}, "echo", 10) for word in map(str, range(200))}
        assert {word: answer.result()["echo"] for word, answer in asked.items()} == {word: word for word in asked}


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one(start: START) -> None:
    child = start("""
late = json.loads(sys.stdin.readline())
now = json.loads(sys.stdin.readline())
say(id=late["id"], of="the first")
say(id=now["id"], of="the second")
sys.stdin.read()
""")
    with pytest.raises(LabProblem, match=r"^the child did not hear the first within 0\.05 s$"):
        child.ask({}, "hear the first", 0.05)
    assert child.ask({}, "hear the second", 10)["of"] == "the second"


def test_one_that_missed_a_deadline_is_not_waited_for_in_full_again_until_it_says_something(
    start: START, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "LATE_WITHIN_S", 0.1)
    child = start("""
first, second = sys.stdin.readline(), sys.stdin.readline()
time.sleep(0.5)
say(awake=1)
for line in sys.stdin:
    time.sleep(0.5)
    say(id=json.loads(line)["id"])
""")
    with pytest.raises(LabProblem, match=r"did not hear the first within 0\.05 s"):
        child.ask({}, "hear the first", 0.05)
    with pytest.raises(LabProblem, match=r"did not hear the second within 0\.1 s"):
        child.ask({}, "hear the second", 600)
    assert child.next(10) == {"awake": 1}
    child.ask({}, "hear the third", 600)


def test_contents_follow_questions_and_answers_to_the_byte(start: START) -> None:
    child = start("""
while line := sys.stdin.buffer.readline():
    asked = json.loads(line)
    content = sys.stdin.buffer.read(asked.get("size", 0))
    say(content[::-1], id=asked["id"], size=len(content))
""")
    for content in (b"", b"\n{}\n", os.urandom(3 << 20)):  # more than a pipe holds
        assert child.ask({}, "turn it", 20, content).content == content[::-1]


def test_an_error_is_raised_with_what_was_asked(start: START) -> None:
    child = start("""
for line in sys.stdin:
    say(id=json.loads(line)["id"], error="there is no fault 'x'")
""")
    with pytest.raises(LabProblem, match=r"^the child could not heal x: there is no fault 'x'$"):
        child.ask({}, "heal x", 10)


def test_the_end_of_the_child_is_told_at_once_to_all_who_wait_with_what_it_printed(start: START) -> None:
    child = start("""
print("OCI runtime exec failed: no such file", flush=True)
sys.stderr.write("x" * 100_000 + "Traceback: out of memory")
sys.exit(3)
""", advice={"no such file": "`make images` helps"})  # fmt: skip
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(child.ask, {}, "answer", 600) for _ in range(3)]
        problems = [str(each.exception(10)) for each in waiting]
    for problem in problems:
        assert problem.startswith("the child ended with status 3: ")
        assert "out of memory" in problem
        assert len(problem) < json_lines.WORDS_LIMIT + 200
    with pytest.raises(LabProblem, match="ended with status 3"):
        child.ask({}, "answer", 600)
    with pytest.raises(LabProblem, match="ended with status 3"):
        child.next(600)


def test_advice_is_given_where_the_words_ask_for_it(start: START) -> None:
    child = start("print('OCI: no such file'); sys.exit(127)", advice={"no such file": "`make images` helps"})
    with pytest.raises(LabProblem, match=r"^the child ended with status 127: OCI: no such file; `make images` helps$"):
        child.next(10)


def test_a_child_that_does_not_read_is_ended_at_the_deadline(start: START) -> None:
    child = start("time.sleep(600)")
    with pytest.raises(LabProblem, match=r'^the child did not read `\{"id": 1, "size": 1000000\}` within 0\.2 s$'):
        child.ask({}, "decode a capture", 0.2, bytes(1_000_000))
    assert child.process.wait(5) == -9


def test_two_who_write_to_a_child_that_does_not_read_both_have_a_deadline(start: START) -> None:
    child = start("time.sleep(600)")
    with ThreadPoolExecutor() as pool:
        first = pool.submit(child.ask, {}, "decode", 1, bytes(1_000_000))
        wait_for(child._writing.locked, "the first to write", 5)
        with pytest.raises(LabProblem, match=r"was not free to be told `\{.*\}` within 0\.1 s"):
            child.ask({}, "decode", 0.1)
        assert isinstance(first.exception(5), LabProblem)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("sys.stdout.write('x' * 100_000_000)", "printed a line of 1 MiB or more"),
        ("say(id=1, size=2 << 20)", "announced a content of 2097152 bytes; at most 1 MiB are read"),
        ("say(id=1, size=-1)", "announced a content of -1 bytes"),
        ("say(id=1, size='4')", "announced a content of '4' bytes"),
        ("say(b'abc', id=1, size=10)", "broke off after 3 of 10 bytes of a content"),
        ("say(id=[1])", "could not be understood: TypeError"),
    ],
)
def test_what_has_no_bound_or_no_sense_ends_it(
    start: START, monkeypatch: pytest.MonkeyPatch, code: str, why: str
) -> None:
    monkeypatch.setattr(json_lines, "LINE_LIMIT", 1 << 20)
    monkeypatch.setattr(json_lines, "CONTENT_LIMIT", 1 << 20)
    child = start(code)
    with pytest.raises(LabProblem) as raised:
        child.ask({}, "answer", 20)
    assert f"the child {why}" in str(raised.value)
    assert child.process.wait(5) is not None


def test_the_longest_line_and_content_are_taken_and_one_byte_more_is_not(
    start: START, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "LINE_LIMIT", 100)
    monkeypatch.setattr(json_lines, "CONTENT_LIMIT", 10)
    answering = "json.loads(sys.stdin.readline()); line = json.dumps({'id': 1, 'size': SIZE}); "
    printing = "sys.stdout.write(line.ljust(LENGTH - 1) + '\\n' + 'c' * SIZE); sys.stdout.flush(); sys.stdin.read()"

    def ask(length: int, size: int) -> bytes:
        code = (answering + printing).replace("LENGTH", str(length)).replace("SIZE", str(size))
        return start(code).ask({}, "answer", 20).content

    assert ask(99, 10) == b"c" * 10
    with pytest.raises(LabProblem, match="a line of"):
        ask(100, 10)
    with pytest.raises(LabProblem, match="a content of 11 bytes"):
        ask(99, 11)


def test_events_come_in_order_or_go_to_whoever_hears_them(start: START) -> None:
    said = "say(a=1); say(b=2); print('no message', flush=True); say(c=3); sys.stdin.read()"
    child = start(said)
    assert [child.next(10) for _ in range(3)] == [{"a": 1}, {"b": 2}, {"c": 3}]
    assert child.next(0.01) is None
    with pytest.raises(LabProblem, match=r"^the child did not begin within 0\.01 s; it said: no message$"):
        child.next(0.01, "begin")
    heard: list[object] = []
    over = threading.Event()
    start(said, hear=heard.append, ended=lambda _: over.set()).close()
    assert over.wait(5)
    assert heard == [{"a": 1}, {"b": 2}, {"c": 3}]


def test_events_that_nobody_takes_are_bounded_and_the_end_is_told_after_them(
    start: START, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "EVENTS_LIMIT", 5)
    child = start("for number in range(5): say(number=number)")
    wait_for(lambda: child.over, "the end", 10)
    assert [child.next(1) for _ in range(5)] == [{"number": number} for number in range(5)]
    with pytest.raises(LabProblem, match="ended with status 0"):
        child.next(None)
    flooding = start("while True: say(x='x' * 1000)")
    wait_for(flooding._events.full, "five", 10)
    flooding.next(1)
    assert flooding.close(0.1) < 0
    assert flooding._events.qsize() <= 5


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("sys.stdin.read(); sys.exit(4)", 4),
        ("time.sleep(600)", -15),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN); say(ready=1); time.sleep(600)", -9),
        ("os.kill(os.getpid(), signal.SIGSTOP)", -9),
    ],
    ids=["the end of its input", "SIGTERM", "SIGKILL", "SIGKILL of one that is stopped"],
)
def test_a_close_ends_it_as_gently_as_it_can_be_ended(
    start: START, monkeypatch: pytest.MonkeyPatch, code: str, status: int
) -> None:
    monkeypatch.setattr(json_lines, "ENDS_WITHIN_S", 0.3)
    child = start(code)
    if "ready" in code:
        child.next(10, "be ready")
    elif "SIGSTOP" in code:
        stat = Path(f"/proc/{child.process.pid}/stat")
        wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "the child to be stopped", 10)
    assert child.close(10 if status == 4 else 0.2) == status
    assert child.close() == status
    assert not any(reader.is_alive() for reader in child._readers)
    assert child.process.stdout is not None
    assert child.process.stdout.closed


def test_a_grandchild_that_holds_the_output_holds_up_nothing(start: START, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "ENDS_WITHIN_S", 0.3)
    child = start("""
if os.fork() == 0:
    os.close(0)
    os.setpgid(0, 0)
    time.sleep(20)
    os._exit(0)
sys.stdin.read()
""")
    assert child.close(5) == 0
