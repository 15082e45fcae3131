"""A traceback out of a pool of processes: that of the worker stands before it, as real programs printed both."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.spec.outcome import Outcome
from scenarios.verdict.uncaught import Traceback, traceback_in
from tests.verdict.test_behaviour import behaviour, call
from tests.verdict.test_uncaught import BEFORE, program, ran

# Each is the body of main(): `ask` and `ask_by_another` are done in a worker, which the kernel refuses for certain.
POOLS = """
import concurrent.futures, logging, multiprocessing, socket, sys, threading, traceback

class Lost(Exception):
    def __init__(self, what, where):  # such a one cannot be sent to the process that asked for it
        super().__init__(what)

def ask(number=0):
    with socket.socket() as held:  # its port is bound, and nobody listens there
        held.bind(("127.0.0.1", 0))
        socket.create_connection(held.getsockname(), 5)

def ask_by_another(number):
    try: ask()
    except OSError as error: raise LookupError('it') from error

def ask_by_a_pool(number):
    of_future(ask)

def ask_with_words(number):
    print('no answer', file=sys.stderr, flush=True)
    ask()

def lose(number): raise Lost('it', 'there')

def quoted(number):
    try: raise Lost('it\\n\"\"\"\\n\\nthere', '')
    except Lost: raise LookupError('it')

def pool(): return concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context('fork'))

def of_future(what):
    with pool() as found: return found.submit(what, 1).result()

def of_map(what):
    with pool() as found: return list(found.map(what, [1]))

def of_pool(what):
    with multiprocessing.get_context('fork').Pool(1) as found: return found.map(what, [1])

def several():
    with pool() as found: raise ExceptionGroup('all failed', [found.submit(ask, each).exception() for each in (1, 2)])

"""
OUT_OF_A_POOL = {
    "of a future": ("of_future(ask)", "ConnectionRefusedError"),
    "of a map": ("of_map(ask)", "ConnectionRefusedError"),
    "of multiprocessing": ("of_pool(ask)", "ConnectionRefusedError"),
    "chained in the worker": ("of_future(ask_by_another)", "LookupError"),
    "chained by from": (
        "try: of_pool(ask)\nexcept OSError as error: raise LookupError('it') from error",
        "LookupError",
    ),
    "chained by handling": ("try: of_future(ask)\nexcept OSError: raise LookupError('it')", "LookupError"),
    "of a pool in a pool": ("of_future(ask_by_a_pool)", "ConnectionRefusedError"),
    "one that cannot be sent": ("of_future(lose)", "BrokenProcessPool"),
    "with such quotes in its message": ("of_pool(quoted)", "LookupError"),
    "in a group": ("several()", "ExceptionGroup"),
}
OUT_OF_A_POOL_AMONG_WORDS = {
    "a log line before it": "logging.warning('it may fail')\nof_future(ask)",
    "a word of the worker": "of_pool(ask_with_words)",
    "a word on standard output": "print('no answer', flush=True)\nof_pool(ask)",
    "a note": "try: of_pool(ask)\nexcept OSError as error:\n    error.add_note('while it asked')\n    raise",
    "printed by main() at first": "try: of_pool(ask)\nexcept OSError: traceback.print_exc()\nof_future(ask)",
}
CAUGHT_OUT_OF_A_POOL = {
    "printed": "try: of_future(ask)\nexcept OSError:\n    traceback.print_exc()\n    sys.exit(1)",
    "logged": "try: of_pool(ask)\nexcept OSError:\n    logging.exception('no answer')\n    sys.exit(1)",
    "a group": "try: several()\nexcept ExceptionGroup:\n    traceback.print_exc()\n    sys.exit(1)",
    "in a word": "try: of_future(ask)\nexcept OSError as error: sys.exit(repr(error))",
    "of a thread": "one = threading.Thread(target=of_future, args=[ask])\none.start()\none.join()\nsys.exit(1)",
}


def of_pools(body: str) -> str:
    return program(body).replace(BEFORE, POOLS)


@pytest.mark.parametrize("form", OUT_OF_A_POOL)
def test_the_traceback_of_a_worker_is_a_part_of_the_one_to_which_it_is_chained(tmp_path: Path, form: str) -> None:
    body, name = OUT_OF_A_POOL[form]
    status, stdout, stderr = ran(tmp_path, of_pools(body))
    assert "RemoteTraceback: \n" in stderr
    found = traceback_in(status, stdout, stderr)
    assert found, stderr
    assert (found.name.endswith(name), found.is_alone) == (True, True), (found, stderr)
    made = call(Outcome.REFUSED, errno="ECONNREFUSED", status=status, stdout=stdout, stderr=stderr)
    assert behaviour(made).word == f"failed with a traceback ({found.name}, ECONNREFUSED)"
    logged = traceback_in(status, stdout, f"ERROR:root:no answer\n{stderr}")
    assert logged == Traceback(found.name, is_alone=False)


@pytest.mark.parametrize("form", OUT_OF_A_POOL_AMONG_WORDS)
def test_beside_other_words_the_traceback_of_a_worker_is_one_among_them(tmp_path: Path, form: str) -> None:
    status, stdout, stderr = ran(tmp_path, of_pools(OUT_OF_A_POOL_AMONG_WORDS[form]))
    assert traceback_in(status, stdout, stderr) == Traceback("ConnectionRefusedError", is_alone=False), stderr


@pytest.mark.parametrize("form", CAUGHT_OUT_OF_A_POOL)
def test_of_the_traceback_of_a_worker_that_was_caught_nothing_is_said(tmp_path: Path, form: str) -> None:
    status, stdout, stderr = ran(tmp_path, of_pools(CAUGHT_OUT_OF_A_POOL[form]))
    assert status == 1, stderr
    assert traceback_in(status, stdout, stderr) is None, stderr


def test_a_worker_s_traceback_that_is_cut_or_has_no_other_behind_it_is_no_part_of_one(tmp_path: Path) -> None:
    status, stdout, stderr = ran(tmp_path, of_pools("of_pool(ask)"))
    closed = stderr.replace('\n"""\n\nThe above', "\n\nThe above")
    assert traceback_in(status, stdout, closed) == Traceback("ConnectionRefusedError", is_alone=False)
    its_own = stderr[: stderr.index("The above")]
    assert traceback_in(status, stdout, its_own) is None
    earlier = ran(tmp_path, program("handled()"))[2]
    assert traceback_in(status, stdout, earlier + stderr) is None, "two that reached the outermost code"
    named = stderr.replace(
        "multiprocessing.pool.RemoteTraceback", "joblib.externals.loky.process_executor._RemoteTraceback"
    )
    assert traceback_in(status, stdout, named) == Traceback("ConnectionRefusedError", is_alone=True)
