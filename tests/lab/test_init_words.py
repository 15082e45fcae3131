"""What the init of a container says at its end, and what a program may print that looks like it."""

from __future__ import annotations

import pytest

from scenarios.lab.init_words import without_words_of_init

SPAWNED = "[INFO  tini (1)] Spawned child process 'sh' with pid '7'\n"  # tini 0.19, as Docker brings it
OF_SIGNAL = f"{SPAWNED}[INFO  tini (1)] Main child exited with signal (with signal 'Broken pipe')\n"


def exited(status: int) -> str:
    return f"{SPAWNED}[INFO  tini (1)] Main child exited normally (with status '{status}')\n"


@pytest.mark.parametrize("printed", ["", "world 1\n", "no end of its line", f"{OF_SIGNAL}it says so too\n"])
@pytest.mark.parametrize(("words", "status", "is_own"), [
    (OF_SIGNAL, 141, False),
    (exited(141), 141, True),
    (exited(143), 143, True),
    (exited(255), 255, True),
    (exited(0), 0, True),
    (exited(139), 139, False),  # a shell passes on the end of what it ran
    ("", 141, False),  # an engine with another init, or the lab killed them both
])  # fmt: skip
def test_a_status_is_a_programs_own_where_init_says_that_no_signal_ended_it(
    printed: str, words: str, status: int, is_own: bool
) -> None:
    assert without_words_of_init(f"{printed}{words}", status) == (printed, is_own)
