"""Which tests need the Docker Engine, go together, and begin first; and which cells of the catalogue are run."""

from __future__ import annotations

import subprocess
from collections import Counter
from copy import copy
from types import SimpleNamespace

import pytest

from scenarios.lab import engine
from scenarios.lab.errors import NoEngine
from scenarios.lab.topology import ROOT
from scenarios.spec.catalogue import drills
from scenarios.spec.pairs import DEFAULT_PAIRS
from scenarios.spec.service import services
from tests.drills.cells import cells_of
from tests.scheduling import FIRST, PARTS, WITH_ENGINE, ByPart, needs_engine, part, rank

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
    assert [each for each in (*FIRST, *PARTS, *WITH_ENGINE) if not (ROOT / each).exists()] == []


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


@pytest.mark.engine
def test_a_part_with_a_test_that_needs_the_engine_is_known_before_the_tests_are_collected(
    request: pytest.FixtureRequest,
) -> None:
    with_engine = [each.nodeid for each in request.session.items if each.get_closest_marker("engine")]
    assert request.node.nodeid in with_engine
    assert [each for each in with_engine if not needs_engine(part(each))] == []


class Process:
    """One to which tests are handed out, as xdist sees it."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.config = None
        self.got: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, tests: list[int]) -> None:
        self.got += tests

    def shutdown(self) -> None:
        self.shutting_down = True


def handed_out(pytestconfig: pytest.Config, tests: list[str], takes_room: str) -> dict[str, list[str]]:
    """Which tests each of two processes is given, if both take as long for each."""
    options = copy(pytestconfig.option)
    options.tx, options.numprocesses = ["2*popen"], 2
    config = SimpleNamespace(option=options, getvalue=lambda name: getattr(options, name))
    scheduler = ByPart(config, None, takes_room)  # type: ignore[arg-type]
    processes = [Process("gw0"), Process("gw1")]
    for each in processes:
        scheduler.add_node(each)
        scheduler.add_node_collection(each, tests)
    scheduler.schedule()
    done = dict.fromkeys(processes, 0)
    while scheduler.has_pending:
        for each in processes:
            if done[each] < len(each.got):
                scheduler.mark_test_complete(each, each.got[done[each]])
                done[each] += 1
    assert all(each.shutting_down for each in processes)
    return {each.gateway.id: [tests[at] for at in each.got] for each in processes}


def test_one_process_takes_the_tests_that_need_no_engine_from_the_end(pytestconfig: pytest.Config) -> None:
    of_labs = [f"tests/infra/test_{name}.py::test_a" for name in "abcd"]
    without = [f"tests/spec/test_{name}.py::test_a" for name in "efgh"]
    both = handed_out(pytestconfig, [*of_labs, *without], takes_room="gw1")
    assert both == {"gw0": of_labs, "gw1": without[::-1]}


def test_then_it_takes_those_that_are_left_as_any_other(pytestconfig: pytest.Config) -> None:
    of_labs = [f"tests/infra/test_{name}.py::test_a" for name in "abcdefgh"]
    both = handed_out(pytestconfig, [*of_labs, "tests/spec/test_i.py::test_a"], takes_room="gw1")
    assert both["gw0"][0] == of_labs[0]
    assert both["gw1"][0] == "tests/spec/test_i.py::test_a"
    assert sorted([*both["gw0"], *both["gw1"][1:]]) == of_labs
    assert len(both["gw1"]) > 2


def test_tests_that_need_no_engine_are_left_to_the_others_too_and_each_is_run_once(pytestconfig: pytest.Config) -> None:
    tests = ["tests/infra/test_a.py::test_a", *(f"tests/spec/test_{name}.py::test_a" for name in "bcdefgh")]
    both = handed_out(pytestconfig, tests, takes_room="gw1")
    assert both["gw0"][0] == tests[0]
    assert len(both["gw0"]) > 1
    assert sorted([*both["gw0"], *both["gw1"]]) == tests


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
