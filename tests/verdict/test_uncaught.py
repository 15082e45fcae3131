"""What nobody caught is told from what a program caught and printed, by texts that real programs printed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.spec.outcome import Outcome
from scenarios.verdict.uncaught import Traceback, traceback_in, uncaught
from tests.verdict.test_behaviour import behaviour, call

# Of Python: each is the body of main(), and `handled` does what nobody answers.
BEFORE = """
import asyncio, logging, socket, sys, threading, traceback, warnings

class Lost(Exception):
    pass

def handled():
    raise ConnectionRefusedError(111, "Connection refused")

"""
UNCAUGHT = {
    "plain": ("handled()", "ConnectionRefusedError"),
    "a message of several lines": (r"raise Lost('it failed\n\tIs the server running?')", "Lost"),
    "a line behind its name": (
        r"raise Lost('it failed\n\n[SQL: SELECT 1]\n(Background on this error at: https://sqlalche.me/e/20/e3q8)')",
        "Lost",
    ),
    "as gRPC's": (r"raise Lost('<of RPC that terminated with:\n\tstatus = StatusCode.UNAVAILABLE\n>')", "Lost"),
    "longer than 8 KiB": ("raise Lost('x\\n\\t' * 9000)", "Lost"),
    "recursion": ("def again(n):\n    again(n + 1)\nagain(0)", "RecursionError"),
    "an exception group": (
        "def several(): raise ExceptionGroup('all failed', [OSError(111, 'refused'), Lost('b\\nc')])\nseveral()",
        "ExceptionGroup",
    ),
    "chained by handling": ("try: handled()\nexcept OSError: raise Lost('it')", "Lost"),
    "chained by from": ("try: handled()\nexcept OSError as error: raise Lost('it') from error", "Lost"),
    "a group chained to one": (
        "try: handled()\nexcept OSError as error: raise ExceptionGroup('it', [Lost('a')]) from error",
        "ExceptionGroup",
    ),
    "one chained to a group": (
        "try: raise ExceptionGroup('it', [Lost('a')])\nexcept* Lost as error: raise Lost('b') from error",
        "Lost",
    ),
    "of a task": ("async def ask(): handled()\nasyncio.run(ask())", "ConnectionRefusedError"),
    "of a class within": ("class Own(Exception): pass\nraise Own('it')", "<locals>.Own"),
    "without a message": ("raise Lost", "Lost"),
    "a warning before it": ("warnings.warn('old', DeprecationWarning, 1)\nhandled()", "ConnectionRefusedError"),
    "a clock": ("raise TimeoutError('timed out')", "TimeoutError"),
}
AMONG_WORDS = {
    "a log line before it": ("logging.warning('it may fail')\nhandled()", "ConnectionRefusedError"),
    "a word on standard output": ("print('I ask')\nhandled()", "ConnectionRefusedError"),
    "a note": (
        "try: handled()\nexcept OSError as error:\n    error.add_note('while it asked')\n    raise",
        "ConnectionRefusedError",
    ),
    "a thread's before it": (
        "one = threading.Thread(target=handled)\none.start()\none.join()\nraise Lost('it')",
        "Lost",
    ),
    "a thread's behind it": (
        "import time\nthreading.Thread(target=lambda: (time.sleep(0.3), handled())).start()\nraise Lost('it')",
        "Lost",
    ),
    "one that is ignored, behind it": (
        "class Bad:\n    def __del__(self): handled()\nglobals()['kept'] = Bad()\nraise Lost('it')",
        "Lost",
    ),
    "caught by main() at first": (
        "try: handled()\nexcept OSError: traceback.print_exc()\nraise Lost('it')",
        "Lost",
    ),
}
CAUGHT = {
    "printed": "try: handled()\nexcept OSError:\n    traceback.print_exc()\n    print('no answer')\n    sys.exit(1)",
    "logged": "try: handled()\nexcept OSError:\n    logging.exception('no answer')\n    sys.exit(1)",
    "printed with what it is chained to": (
        "try:\n    try: handled()\n    except OSError: raise Lost('it')\n"
        "except Lost:\n    traceback.print_exc()\n    sys.exit(1)"
    ),
    "a group": (
        "try: raise ExceptionGroup('it', [Lost('a')])\nexcept ExceptionGroup:\n"
        "    traceback.print_exc()\n    sys.exit(1)"
    ),
    "of a thread": "one = threading.Thread(target=handled)\none.start()\none.join()\nsys.exit(1)",
    "ignored": "class Bad:\n    def __del__(self): handled()\nBad()\nsys.exit(1)",
    "of a task that nobody awaits": (
        "async def ask():\n    task = asyncio.create_task(it())\n    await asyncio.sleep(0.01)\n    del task\n"
        "async def it(): handled()\nasyncio.run(ask())\nsys.exit(1)"
    ),
    "in a word": "try: handled()\nexcept OSError as error: sys.exit(repr(error))",
    "with another status": "try: handled()\nexcept OSError:\n    traceback.print_exc()\n    sys.exit(3)",
}


def ran(folder: Path, text: str, *, as_module: bool = False) -> tuple[int, str, str]:
    file = folder / "asks.py"
    file.write_text(text, "utf-8")
    words = ["-m", "asks"] if as_module else [str(file)]
    made = subprocess.run(
        [sys.executable, "-W", "default", *words],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False, env={"PYTHONPATH": str(folder)},
    )  # fmt: skip
    return made.returncode, made.stdout, made.stderr


def program(body: str) -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"{BEFORE}def main():\n{lines}\n\nmain()\n"


@pytest.mark.parametrize("as_module", [False, True])
@pytest.mark.parametrize("form", UNCAUGHT)
def test_an_exception_of_python_that_nobody_caught_is_a_traceback(
    tmp_path: Path, form: str, *, as_module: bool
) -> None:
    body, name = UNCAUGHT[form]
    status, stdout, stderr = ran(tmp_path, program(body), as_module=as_module)
    found = traceback_in(status, stdout, stderr)
    assert found, stderr
    assert (found.name.endswith(name), found.is_alone) == (True, True), (found, stderr)
    made = call(Outcome.REFUSED, errno="ECONNREFUSED", status=status, stdout=stdout, stderr=stderr)
    assert behaviour(made).word == f"failed with a traceback ({found.name}, ECONNREFUSED)"


@pytest.mark.parametrize("form", AMONG_WORDS)
def test_beside_words_that_may_be_its_own_it_is_one_among_them(tmp_path: Path, form: str) -> None:
    body, name = AMONG_WORDS[form]
    status, stdout, stderr = ran(tmp_path, program(body))
    assert traceback_in(status, stdout, stderr) == Traceback(name, is_alone=False), stderr
    made = call(Outcome.FAILED, status=status, stdout=stdout, stderr=stderr)
    assert behaviour(made).kind == "failed with a traceback among other words"


@pytest.mark.parametrize("form", CAUGHT)
def test_of_one_that_was_caught_on_its_way_and_printed_nothing_is_said(tmp_path: Path, form: str) -> None:
    status, stdout, stderr = ran(tmp_path, program(CAUGHT[form]))
    assert status in (1, 3), stderr
    assert traceback_in(status, stdout, stderr) is None, stderr
    made = call(Outcome.REFUSED, errno="ECONNREFUSED", status=status, stdout=stdout, stderr=stderr)
    assert behaviour(made).word == "refused (ECONNREFUSED)"


def test_what_the_outermost_code_caught_and_printed_looks_the_same_and_is_not_called_uncaught(tmp_path: Path) -> None:
    texts = [ran(tmp_path, f"{BEFORE}try: handled()\nexcept OSError: {then}\n")[2] for then in (
        "traceback.print_exc(); sys.exit(1)", "raise",
    )]  # fmt: skip
    assert texts[0] == texts[1]
    made = call(Outcome.REFUSED, errno="ECONNREFUSED", status=1, stderr=texts[0])
    assert behaviour(made).word == "failed with a traceback (ConnectionRefusedError, ECONNREFUSED)"
    logged = ran(
        tmp_path, f"{BEFORE}try: handled()\nexcept OSError:\n  logging.exception('no answer')\n  sys.exit(1)\n"
    )
    found = traceback_in(*logged)
    assert found == Traceback("ConnectionRefusedError", is_alone=False)


@pytest.mark.parametrize(
    "then",
    [
        "for _ in range(3):\n  try: handled()\n  except OSError: traceback.print_exc()\nsys.exit(1)",
        "try: handled()\nexcept OSError: traceback.print_exc()\n"
        "def last():\n  try: handled()\n  except OSError: traceback.print_exc()\nlast()\nsys.exit(1)",
    ],
)
def test_a_program_that_went_on_after_it_caught_it(tmp_path: Path, then: str) -> None:
    status, stdout, stderr = ran(tmp_path, BEFORE + then)
    assert status == 1
    assert traceback_in(status, stdout, stderr) is None, stderr


def test_what_a_program_prints_also_when_all_goes_well_tells_of_no_failure(tmp_path: Path) -> None:
    status, stdout, stderr = ran(tmp_path, program("logging.warning('I ask')\nprint('I ask')\nhandled()"))
    usual = ("WARNING:root:I ask", "I ask", "42")
    assert traceback_in(status, stdout, stderr, usual) == Traceback("ConnectionRefusedError", is_alone=True)


@pytest.mark.parametrize(
    "stderr",
    [
        "",
        "Traceback (most recent call last):",
        'Traceback (most recent call last):\n  File "x", line 1, in <module>',
        'Traceback (most recent call last):\n  File "x", line 1, in <module>\n!?',
    ],
)
def test_a_text_that_was_cut_tells_nothing(stderr: str) -> None:
    assert traceback_in(1, "", stderr) is None


GO = """2026/11/29 it asks
panic: dial tcp 198.18.1.138:7: connect: connection refused
and more

goroutine 1 [running]:
main.main()
\t/x.go:9 +0x1d
exit status 2
"""
GO_CAUGHT = """panic: dial tcp 198.18.1.138:7: connect: connection refused
goroutine 1 [running]:
runtime/debug.Stack()
\t/usr/local/go/src/runtime/debug/stack.go:26 +0x5e
runtime/debug.PrintStack()
"""
# Java 17, Node.js 20 and Rust 1.95
JAVA = """INFO: connecting
Exception in thread "main" java.lang.RuntimeException: two
lines
\tat A.main(A.java:1)
Caused by: java.net.ConnectException: Connection refused
\tat java.base/sun.nio.ch.Net.connect0(Native Method)
\tat A.main(A.java:1)
bye
"""
JAVA_CAUGHT = """java.net.ConnectException: Connection refused
\tat java.base/sun.nio.ch.Net.connect0(Native Method)
\tat B.main(B.java:1)
"""
JAVA_OF_A_THREAD = """Exception in thread "worker" java.lang.RuntimeException: w
\tat C.lambda$main$0(C.java:1)
\tat java.base/java.lang.Thread.run(Thread.java:840)
no answer
"""
NODE = """Error: retrying
node:events:502
      throw er; // Unhandled 'error' event
      ^

Error: connect ECONNREFUSED 127.0.0.1:1
    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1611:16)
Emitted 'error' event on Socket instance at:
    at process.processTicksAndRejections (node:internal/process/task_queues:82:21) {
  errno: -111,
  code: 'ECONNREFUSED'
}

Node.js v20.20.2
"""
NODE_OF_A_CLASS = """/b.js:1
class Mine extends Error{}; async function f(){ throw new Mine("x\\nsecond line"); } f();
                                                      ^

Mine [Error]: x
second line
    at f (/b.js:1:55)

Node.js v20.20.2
"""
NODE_OF_A_STRING = """
/c.js:1
throw "oh";
^
oh
(Use `node --trace-uncaught ...` to show where the exception was thrown)

Node.js v20.20.2
"""
NODE_WITHOUT_CALLS = """node:internal/modules/run_main:123
    triggerUncaughtException(
    ^

[DriverFault: m]

Node.js v20.20.2
"""
NODE_CAUGHT = """TypeError: Cannot read properties of null (reading 'x')
    at Object.<anonymous> (/f.js:1:12)
    at node:internal/main/run_main_module:28:49
"""
RUST = """INFO x

thread 'main' (32499) panicked at r.rs:1:201:
called `Result::unwrap()` on an `Err` value: Os { code: 111, kind: ConnectionRefused, message: "Connection refused" }
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
"""
PERL = "Cannot connect: Connection refused at /x.pl line 4.\n"


@pytest.mark.parametrize(
    ("status", "stderr", "name"),
    [
        (2, GO, "panic"),
        (2, f"INFO x\n{GO.replace('panic', 'fatal error')}", "fatal error"),
        (2, GO_CAUGHT, ""),
        (2, "http: panic serving 198.18.1.1:9: oh\ngoroutine 34 [running]:\nnet/http.(*conn).serve.func1()\n", ""),
        (1, JAVA, "java.lang.RuntimeException"),
        (1, JAVA_CAUGHT, ""),
        (1, JAVA_OF_A_THREAD, ""),
        (1, NODE, "Error"),
        (1, NODE_OF_A_CLASS, "Mine"),
        (1, NODE_OF_A_STRING, "exception"),
        (1, NODE_WITHOUT_CALLS, "DriverFault"),
        (1, NODE_CAUGHT, ""),
        (101, RUST, "panic"),
        (101, RUST.replace("main", "<unnamed>"), ""),  # it said 101 itself, after a thread's panic
        (1, RUST, ""),  # catch_unwind(), and an end of its own
        (111, PERL, ""),
    ],
)
def test_of_other_languages_the_words_of_the_runtime_tell_what_nobody_caught(
    status: int, stderr: str, name: str
) -> None:
    assert uncaught(status, stderr) == name
    assert traceback_in(status, "", stderr) is None


def test_a_long_text_of_no_end_is_read_in_no_long_time() -> None:
    for line in (
        "panic: x",
        "    ^",
        'Exception in thread "x"',
        "Traceback (most recent call last):",
        "goroutine 1 [x",
    ):
        text = f"{line}\n" * 40_000
        assert [uncaught(status, text) for status in (1, 2, 101)] == ["", "", ""]
        assert traceback_in(1, text, text) is None
