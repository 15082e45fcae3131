"""A client inside a container of a composition: its deadline, whatever timeout(1) its image has."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.lab.in_container import InContainer

# `docker exec --env MARK CONTAINER …`, in no container; and a timeout(1) that is in the place of its program, as
# busybox has it.
DOCKER = """#!/bin/sh
shift 4
"$@"
exit $?
"""
BUSYBOX = """#!/bin/sh
signal=TERM
while :; do
    case $1 in
        -k) shift 2 ;;
        -s) signal=$2; shift 2 ;;
        *) break ;;
    esac
done
after=$1
shift
(sleep "$after"; kill -s "$signal" $$) >/dev/null 2>&1 &
exec "$@"
"""
TAKES_SIGTERM = ("sh", "-c", "trap 'echo well; exit 0' TERM; while :; do sleep 0.05; done")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "docker"
    made.write_text(DOCKER)
    made.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


@pytest.mark.parametrize("busybox", [False, True])
def test_one_that_takes_sigterm_and_ends_well_hung_all_the_same(path: Path, busybox: bool) -> None:
    if busybox:
        made = path / "timeout"
        made.write_text(BUSYBOX)
        made.chmod(0o755)
    ran = InContainer("theirs", TAKES_SIGTERM, 0.4).run()
    assert (ran.hung, ran.status) == (True, 124)
    assert ran.started_s is not None
    assert ran.killed_s == ran.started_s + 0.4, "not before that"


def test_a_status_of_its_own_before_the_deadline_is_its_own(path: Path) -> None:  # noqa: ARG001
    ran = InContainer("theirs", ("sh", "-c", "exit 124"), 5).run()
    assert (ran.hung, ran.status, ran.is_start_exact, ran.killed_s) == (False, 124, True, None)
