"""What an emulator could not do for a stranger's program is told from what the program itself did wrong."""

from __future__ import annotations

import pytest

from scenarios.evidence.record import Seen
from scenarios.verdict.emulated import cannot

OPTION = "setsockopt: Protocol not available"


def evidence(*, armed: bool = False, **logs: list[str]) -> Seen:
    return Seen(
        armed=armed, port=7, addresses={}, client_side=frozenset(), calls={}, caught={}, looks={}, logs=logs,
        captures={}, frames={}, events=(),
    )  # fmt: skip


@pytest.mark.parametrize(
    "line",
    ["qemu: unknown syscall 441", "qemu-hppa: Unsupported ancillary data: 1/1", OPTION, "[Errno ENOPROTOOPT] no"],
)
def test_what_the_emulator_cannot_do_is_the_reason(line: str) -> None:
    reason = cannot([evidence(hello=["hello", line])], ["hello"], control_passed=False)
    assert "docs/emulation.md" in reason
    assert repr(line) in reason


@pytest.mark.parametrize("line", ["connection refused", "my qemu: unknown syscall 441", "Illegal instruction"])
def test_what_the_program_itself_says_is_no_reason(line: str) -> None:
    assert cannot([evidence(hello=[line])], ["hello"], control_passed=False) == ""


def test_a_program_that_is_not_emulated_is_not_excused() -> None:
    assert cannot([evidence(hello=[OPTION], server=["hello"])], ["server"], control_passed=False) == ""


def test_an_option_that_it_did_without_in_the_control_is_no_reason() -> None:
    runs = [evidence(hello=[OPTION]), evidence(hello=[OPTION], armed=True)]
    assert cannot(runs, ["hello"], control_passed=True) == ""
    assert cannot(
        [*runs[:1], evidence(hello=[OPTION, "TCP_INFO: ENOPROTOOPT"], armed=True)], ["hello"], control_passed=True
    )
