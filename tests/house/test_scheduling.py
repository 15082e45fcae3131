"""Which tests need the Docker Engine, go together, and begin first; and which cells of the catalogue are run."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from scenarios.lab import engine
from scenarios.lab.errors import NoEngine
from scenarios.lab.topology import ROOT
from scenarios.spec.catalogue import drills
from scenarios.spec.pairs import DEFAULT_PAIRS
from scenarios.spec.service import services
from tests.drills.cells import cells_of
from tests.scheduling import PARTS, WITH_LABS, WITHOUT_LABS, WORKS_FROM_THE_END, ByPart, part, rank

CONTRACT = "tests/infra/test_contract_in_lab.py"


def test_a_test_that_does_not_ask_for_the_engine_reaches_none() -> None:
    with pytest.raises(NoEngine, match="neither the fixture `docker_engine` nor the mark `engine`"):
        engine.client()
    asked = subprocess.run(["docker", "version"], capture_output=True, text=True, timeout=60, check=False)
    assert asked.returncode != 0
    assert "reaches-docker.sock" in asked.stderr


@pytest.mark.engine
def test_a_test_with_the_mark_reaches_the_engine() -> None:
    assert engine.client().ping()


@pytest.mark.usefixtures("docker_engine")
def test_a_test_with_the_fixture_reaches_the_engine_and_has_the_mark(request: pytest.FixtureRequest) -> None:
    assert engine.client().ping()
    assert request.node.get_closest_marker("engine")


def test_the_files_and_folders_that_are_named_are_there() -> None:
    assert [each for each in (*WITH_LABS, *WITHOUT_LABS, *PARTS) if not (ROOT / each).exists()] == []


@pytest.mark.parametrize(
    ("nodeid", "goes_with"),
    [
        ("tests/lab/test_clean.py::test_a[x-be]", "tests/lab/test_clean.py"),
        (f"{CONTRACT}::test_a[server-be-echo/once]", f"{CONTRACT} server-be"),
        (f"{CONTRACT}::test_a[server-echo/once]", f"{CONTRACT} server"),
        (f"{CONTRACT}::test_a[server]", f"{CONTRACT} server"),
        (f"{CONTRACT}::test_a[client-be-search]", f"{CONTRACT} client-be"),
        ("tests/wire/test_every_cpu.py::test_a[text: a-b::c, [1]-ppc]", "tests/wire/test_every_cpu.py ppc"),
        ("tests/wire/test_every_cpu.py::test_a_file_of_vectors_is_what_is_made[text]", "tests/wire/test_every_cpu.py"),
    ],
)  # fmt: skip
def test_the_tests_of_one_file_and_of_one_machine_go_together(nodeid: str, goes_with: str) -> None:
    assert part(nodeid) == goes_with


def test_the_catalogue_begins_first_and_the_tests_without_a_lab_last() -> None:
    files = ["tests/lab/test_clean.py", "tests/infra/test_tls.py", "tests/drills/test_demo.py"]
    files.append("tests/drills/test_catalogue.py")
    assert sorted(files, key=lambda file: rank(file, WITH_LABS)) == files[::-1]


def test_without_labs_what_waits_begins_first_and_what_works_last() -> None:
    files = ["tests/house/test_wheel.py", "tests/house/test_names.py", "tests/run/test_shards.py"]
    files += ["tests/wire/test_arrays.py", "tests/services/test_tls.py", "tests/run/test_ending.py"]
    files.append("tests/services/test_peers.py")
    assert sorted(files, key=lambda file: rank(file, WITHOUT_LABS)) == files[::-1]


class Process:
    """A test process that is given tests, and runs none."""

    shutting_down = False
    gateway = SimpleNamespace(id="gw")

    def send_runtest_some(self, tests: Sequence[int]) -> None:
        """It is told which."""


@pytest.mark.parametrize(("chosen", "begin_with"), [("not engine", "afb"), ("", "abc")])
def test_without_labs_one_process_of_three_takes_the_last_part_first(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, chosen: str, begin_with: str
) -> None:
    monkeypatch.setattr(request.config.option, "markexpr", chosen)
    monkeypatch.setattr(request.config.option, "tx", ["popen"] * WORKS_FROM_THE_END)
    parts = ByPart(request.config, None)
    for _ in range(WORKS_FROM_THE_END):
        process = Process()
        parts.add_node(process)
        parts.add_node_collection(process, [f"{file}::test_{number}" for file in "abcdef" for number in range(9)])
    parts.schedule()
    assert "".join(file for assigned in parts.assigned_work.values() for file in assigned) == begin_with


def test_every_drill_is_run_and_a_repetition_for_any_program_with_long_alone() -> None:
    known = services()
    every = drills(known=known)
    usual, long = (
        Counter(each.drill.drill for each in cells_of(every, known, repeated=both)) for both in (False, True)
    )
    assert usual.keys() == every.keys()
    assert usual == {name: 1 if drill.is_general else len(DEFAULT_PAIRS) for name, drill in every.items()}
    assert long == dict.fromkeys(every, len(DEFAULT_PAIRS))


def test_drills_for_any_program_are_run_on_either_pair() -> None:
    """A third at least: which of the two a drill has is told by its name."""
    known = services()
    general = {name: drill for name, drill in drills(known=known).items() if drill.is_general}
    by_pair = Counter(each.pair for each in cells_of(general, known, repeated=False))
    assert by_pair.keys() == set(DEFAULT_PAIRS)
    assert min(by_pair.values()) >= len(general) / 3, by_pair
