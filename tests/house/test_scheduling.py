"""Which tests need the Docker Engine, go together, and begin first; and which cells of the catalogue are run."""

from __future__ import annotations

import subprocess
from collections import Counter

import pytest

from scenarios.lab import engine
from scenarios.lab.errors import NoEngine
from scenarios.lab.topology import ROOT
from scenarios.spec.catalogue import drills
from scenarios.spec.pairs import DEFAULT_PAIRS
from scenarios.spec.service import services
from tests.drills.cells import cells_of
from tests.scheduling import FIRST, PARTS, part, rank

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
    assert [each for each in (*FIRST, *PARTS) if not (ROOT / each).exists()] == []


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
    assert sorted(files, key=rank) == files[::-1]


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
