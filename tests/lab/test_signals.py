"""Signals that come within a block which holds them back: they are handled after it, by whoever handles them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from scenarios.lab import signals
from scenarios.lab.places import ROOT

IN_ORDER = """
import os, signal
from scenarios.lab import signals
signals.end_in_order()
try:
    with signals.held_back():
        with signals.held_back():
            os.kill(os.getpid(), signal.SIGTERM)
        print("the inner block was whole", flush=True)
        os.kill(os.getpid(), signal.SIGINT)
        print("the outer block was whole", flush=True)
    print("not reached")
except KeyboardInterrupt:
    print("then it was interrupted", signals.status())
"""


def test_a_signal_waits_for_the_outermost_block_and_a_second_is_told_at_once() -> None:
    argv = [sys.executable, "-c", IN_ORDER]
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    told = "the inner block was whole\nthe outer block was whole\nthen it was interrupted 143\n"
    assert ran.stdout == told, ran.stderr
    assert ran.stderr.startswith("SIGINT: this run is ending already")


def test_in_a_process_of_somebody_elses_a_signal_waits_too() -> None:
    ours = signal.getsignal(signal.SIGINT)
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 (what comes after the signal is what is tested)
        with signals.held_back():
            with signals.held_back():
                os.kill(os.getpid(), signal.SIGINT)
                done.append("inner")
            done.append("outer")
        done.append("not reached")
    assert done == ["inner", "outer"]
    assert signal.getsignal(signal.SIGINT) is ours


def test_a_signal_is_not_lost_where_the_block_fails() -> None:
    with pytest.raises(KeyboardInterrupt) as raised, signals.held_back():  # noqa: PT012
        os.kill(os.getpid(), signal.SIGINT)
        raise ValueError("of the block")
    assert isinstance(raised.value.__context__, ValueError)


def test_somebody_elses_handler_is_called_after_the_block() -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        with signals.held_back():
            os.kill(os.getpid(), signal.SIGTERM)
            assert not came
        assert came == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_is_ignored_stays_ignored_and_another_thread_holds_nothing_back() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with signals.held_back():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    seen = []

    def look() -> None:
        with signals.held_back():
            seen.append(signal.getsignal(signal.SIGINT) is before)

    other = threading.Thread(target=look)
    other.start()
    other.join()
    assert seen == [True]
