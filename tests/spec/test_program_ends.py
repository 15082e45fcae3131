"""On which machines a stranger's programs run: which pairs it has, and what is said of one that it has not."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.calls import boxes, on_cpus
from scenarios.lab.cpus import CPUS
from scenarios.lab.errors import UsageError
from scenarios.lab.topology import topology
from scenarios.spec import program_ends
from scenarios.spec.catalogue import drills
from scenarios.spec.cell import Cell
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.pairs import CPU_OF_END, ENDS, PAIRS
from scenarios.spec.service import ServiceChoice, read_service, resolve

SERVICE = """
service: mine
about: A program of one's own.
port: 4000
{more}
servers:
  program: {{run: "my-server {{bind}} {{port}}", about: "one"}}
clients:
  ask: {{run: "my-client {{host}} {{port}}", about: "asks"}}
"""
CROSS = "FROM faultwire/cross\nARG CPU=native\n"


def mine(folder: Path, more: str = "", dockerfile: str = "") -> ServiceChoice:
    place = folder / "mine"
    (place / "program").mkdir(parents=True)
    (place / "service.yaml").write_text(SERVICE.format(more=more))
    if dockerfile:
        (place / "Dockerfile").write_text(dockerfile)
    return ServiceChoice(read_service(place, {}), "program", "ask")


def test_a_program_that_is_built_for_each_cpu_has_all_of_them_at_either_end(tmp_path: Path) -> None:
    chosen = mine(tmp_path, dockerfile=CROSS)
    of_cpus = {pair for cpu in CPUS.values() for pair in (f"{cpu.end}-le", f"le-{cpu.end}")}
    assert set(program_ends.asked_pairs(["all"], chosen)) == {*PAIRS, *of_cpus}
    assert program_ends.asked_pairs(["sparc64-mips", "le-le"], chosen) == ("le-le", "sparc64-mips")
    assert not any(program_ends.without_machine(chosen, f"{one}-{other}") for one in ENDS for other in ENDS)
    assert program_ends.default_pairs(chosen) == ("le-le",)


@pytest.mark.parametrize(
    "dockerfile",
    ["FROM faultwire/base\nARG CPU=native\n", "FROM faultwire/cross\n", "# FROM faultwire/cross\nFROM x\nARG CPU\n"],
)
def test_a_dockerfile_that_takes_no_cpu_is_for_this_machine_alone(tmp_path: Path, dockerfile: str) -> None:
    chosen = mine(tmp_path, dockerfile=dockerfile)
    assert program_ends.ends_of(chosen, "client") == program_ends.ends_of(chosen, "server") == ("le",)


def test_a_program_in_go_comes_to_the_cpus_that_go_has(tmp_path: Path) -> None:
    chosen = mine(tmp_path, dockerfile="FROM faultwire/cross-go AS build\nARG CPU\nFROM faultwire/cross-go\nARG CPU\n")
    assert program_ends.ends_of(chosen, "client") == ("le", "be64", "ppc64", "mips")
    assert "m68k is not one of them" in program_ends.without_machine(chosen, "le-m68k")


@pytest.mark.parametrize("more", ["python: program", "image: python:3-slim\npython: /app"])
def test_a_program_in_python_has_the_pairs_of_the_labs_pythons(tmp_path: Path, more: str) -> None:
    chosen = mine(tmp_path, more)
    usual = (*PAIRS, "be64-le", "le-be64")
    assert program_ends.asked_pairs(["all"], chosen) == usual
    assert program_ends.without_machine(chosen, "m68k-le") == ""
    assert "mips is not one of them" in program_ends.without_machine(chosen, "mips-le")


def test_the_folder_of_a_program_in_python_is_mounted_and_it_begins_there(tmp_path: Path) -> None:
    chosen = mine(tmp_path, "python: program")
    box = boxes.of_client(chosen.service, "ask", "198.18.1.1", 4000, 5)
    assert box is not None
    assert (box.image, box.folder) == ("faultwire/python", "/program")
    assert box.files == {(tmp_path / "mine" / "program").resolve(): "/program"}
    on_m68k, argv = on_cpus.placed(chosen, "client", "m68k", box, ["python", "client.py"])
    assert (on_m68k.image, argv) == ("faultwire/python-m68k", ["python", "client.py"])


def test_a_folder_of_an_image_is_put_on_a_python_of_each_cpu(tmp_path: Path) -> None:
    chosen = mine(tmp_path, "image: python:3-slim\npython: /app")
    box = boxes.of_client(chosen.service, "ask", "198.18.1.1", 4000, 5)
    assert box is not None
    assert (box.image, box.folder, box.files) == ("faultwire/python-of-python-3-slim-app", "/app", {})
    assert on_cpus.image_on(chosen, "server", "ppc") == "faultwire/python-of-python-3-slim-app-on-ppc"


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ("python: porgram", "python: no file or folder 'porgram' stands beside this one"),
        ("python: service.yaml", "python: expected a folder"),
        ("python: /app", "python: /app is a folder of an image, and no `image` is named"),
        ("python: program\nimage: x", "python: 'program' is a folder beside this file, which needs no image"),
        ("python: /", "python: nothing can be put at /"),
    ],
)
def test_a_folder_of_python_that_cannot_be_is_told(tmp_path: Path, more: str, wrong: str) -> None:
    with pytest.raises(DeclarationError) as told:
        mine(tmp_path, more)
    assert wrong in "\n".join(str(each) for each in told.value.all)


def test_a_program_of_another_cpu_is_started_by_its_emulator_in_the_image_of_that_cpu(tmp_path: Path) -> None:
    chosen = mine(tmp_path, dockerfile=CROSS)
    box = boxes.of_client(chosen.service, "ask", "198.18.1.1", 4000, 5)
    assert box is not None
    there, argv = on_cpus.placed(chosen, "client", "be64", box, ["my-client", "x"])
    assert (there.image, argv) == ("faultwire/service-mine-on-s390x", ["on-cpu", "s390x", "my-client", "x"])
    assert on_cpus.placed(chosen, "client", "le", box, ["my-client", "x"]) == (box, ["my-client", "x"])


def test_it_stands_beside_hosts_that_every_lab_has_and_programs_of_ours_run_on_their_own(tmp_path: Path) -> None:
    drill = drills()["lost-syn"]
    assert Cell(drill, mine(tmp_path, dockerfile=CROSS), "sparc64-mips").host_pair == "be-be"
    assert Cell(drill, resolve("echo"), "be64-m68k").host_pair == "be64-m68k"
    assert set(program_ends.HOST_ENDS) == {host.end for host in topology().hosts.values()} <= set(ENDS)
    assert set(CPU_OF_END.values()) == set(CPUS)


def test_a_pair_that_none_of_what_is_asked_for_can_run_is_an_error_that_names_what_it_can_run(tmp_path: Path) -> None:
    own = mine(tmp_path, dockerfile=CROSS)
    with pytest.raises(UsageError, match=r"pair mips-le cannot be run with echo/\w+: .*It can run clients on le, be,"):
        program_ends.check_can_run(["le-le", "mips-le"], [resolve("echo")])
    program_ends.check_can_run(["le-le", "mips-le"], [resolve("echo"), own])
    program_ends.check_can_run(["all"], [resolve("redis")])
