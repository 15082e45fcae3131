"""A drill without a fault: its control is run with another pair or another client, and every mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.lab.errors import UsageError
from scenarios.spec.catalogue import choose, drills, load_drill
from scenarios.spec.cell import Cell, pairs_of, unsupported
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.drill import Drill
from scenarios.spec.explain import explained
from scenarios.spec.may_differ import ByteRange
from scenarios.spec.service import read_service, resolve, services
from scenarios.spec.strict_yaml import load
from tests.mistakes import changed, each_mistake, refusal
from tests.spec.test_service_files import GOOD, service_of

KNOWN = services()
SAME = drills(known=KNOWN)["any-same-bytes"]
RIGHT = """\
drill: mine
claim: As claimed.
why: Because.
source: [RFC 793]
tags: [messages]
service: echo/select
control_with: {pair: le-le}
script:
  - call: {name: ask}
expect:
  - alike: {at: client-leg, from: [client], to: [server], beside: control, may_differ: {request: [0-3, 8], answer: []}}
  - outcome: {call: ask, is: answered}
control:
  - outcome: {call: ask, is: answered}
"""
FAULT = "script:\n  - fault: {name: lose, drop: {first: 1, of: syn, from: client, to: server}}\n"


def read(tmp_path: Path, text: str) -> Drill:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, Drill)


def test_it_is_read(tmp_path: Path) -> None:
    drill = read(tmp_path, RIGHT)
    alike = drill.expect[0].alike
    assert alike is not None
    assert alike.may_differ is not None
    assert alike.may_differ.request == (ByteRange(0, 3), ByteRange(8, 8))
    assert alike.may_differ.answer == ()
    assert [str(each) for each in alike.may_differ.request] == ["0-3", "8"]
    assert "First the same with the pair le-le, the control. Then it must be that" in list(explained(drill))


WRONG = {
    "control_with: {pair: le-le}\n": {
        "": "nothing fails here; expected a `fault`; or `control_with`",
    },
    "script:\n": {
        FAULT: "control_with: use either `control_with` or a `fault`; with both, nobody",
    },
    "pair: le-le": {
        "pair: le-el": "unknown pair 'le-el'; did you mean 'le-le'?",
    },
    "{pair: le-le}": {
        "{pair: le-le, client: hello}": "what differs has exactly one of pair, client",
    },
    "[0-3, 8]": {
        "[3-0]": "the range '3-0' ends before it begins",
        "[-1]": "expected a range of bytes such as 4-7, counted from 0",
    },
    "{request: [0-3, 8], answer: []}": {
        "{}": "expected `request` or `answer`, each a list of byte ranges",
    },
    "beside: control, ": {
        "": "one conversation has nothing to be compared with",
    },
    "from: [client], to: [server], beside: control": {
        "from: [client, bystander], to: [server]": "may_differ: it goes with `beside: control`",
    },
    "control:\n": {
        "control:\n  - alike: {at: client-leg, from: [client], to: [server], beside: control}\n": (
            "control.1.alike.beside: this would compare the control with itself"
        ),
    },
}


@each_mistake(WRONG)
def test_each_mistake_is_told(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert told in str(refusal(read, tmp_path, changed(RIGHT, old, new)))


def test_beside_a_fault_nothing_is_compared_with_the_control(tmp_path: Path) -> None:
    text = RIGHT.replace("control_with: {pair: le-le}\n", "").replace("script:\n", FAULT)
    with pytest.raises(DeclarationError) as error:
        read(tmp_path, text)
    assert "expect.1.alike.beside: a fault changes what is sent" in str(error.value)


def test_the_control_is_run_with_the_other_pair_or_the_other_client(tmp_path: Path) -> None:
    chosen = resolve("search/selectors", "array", KNOWN)
    cell = Cell(SAME, chosen, "be-le")
    assert [each.pair for each in cell.both_runs] == ["le-le", "be-le"]
    other = read(tmp_path, RIGHT.replace("pair: le-le", "client: search").replace("echo/select", "search/selectors"))
    of_client = Cell(other, chosen, "be-le")
    assert [(each.pair, each.chosen.client_name) for each in of_client.both_runs] == [
        ("be-le", "search"),
        ("be-le", "array"),
    ]


def test_the_pair_of_its_control_is_not_run_unless_nothing_else_is_asked_for() -> None:
    chosen = resolve("search/selectors", "array", KNOWN)
    assert pairs_of(SAME, chosen) == ("be-le",)
    assert pairs_of(SAME, chosen, ["le-le", "le-be"]) == ("le-be",)
    assert pairs_of(SAME, chosen, ["le-le"]) == ("le-le",)
    assert unsupported(Cell(SAME, chosen, "le-le")).startswith("its control is run with the pair le-le too")
    assert not unsupported(Cell(SAME, chosen, "be-le"))


def test_a_program_of_one_machine_has_nothing_to_compare_and_one_for_every_cpu_has(tmp_path: Path) -> None:
    known = {**KNOWN, "mine": read_service(service_of(tmp_path, GOOD), KNOWN)}
    _, misfit = choose(SAME, "mine", known)
    assert "runs on no other machine (docs/cpus.md)" in misfit
    (tmp_path / "mine" / "Dockerfile").write_text("FROM faultwire/cross\nARG CPU=native\n", encoding="utf-8")
    known["mine"] = read_service(service_of(tmp_path, GOOD.replace("image: mined\n", "")), KNOWN)
    chosen, misfit = choose(SAME, "mine", known)
    assert not misfit
    assert pairs_of(SAME, chosen) == ("be-le",)


def test_a_client_that_a_service_has_not_is_told(tmp_path: Path) -> None:
    drill = read(tmp_path, RIGHT.replace("pair: le-le", "client: nobody"))
    assert drill.cannot_run_with(resolve("echo/select", None, KNOWN)) == (
        "its control is run with the client nobody, and echo/select has none"
    )
    with pytest.raises(UsageError, match="unknown service"):
        choose(drill, "nothing", KNOWN)


def test_a_drill_that_compares_clients_runs_its_own_with_every_server_that_it_calls(tmp_path: Path) -> None:
    text = RIGHT.replace("pair: le-le", "client: search").replace("echo/select", "search/selectors\nclient: array")
    drill = read(tmp_path, text.replace("control_with", "fits: ['search/*', 'echo/*']\ncontrol_with"))
    chosen, misfit = choose(drill, "search/asyncio", KNOWN)
    assert (chosen.client_name, misfit) == ("array", "")
    assert Cell(drill, chosen, "le-le").of_control.chosen.client_name == "search"
    assert choose(drill, "search/asyncio:search", KNOWN)[0].client_name == "search"
    _, misfit = choose(drill, "echo/select", KNOWN)
    assert misfit == "it compares two clients, and echo/select has no client array"


def test_conversations_over_udp_are_not_compared(tmp_path: Path) -> None:
    """Its packets are no silence, so no verdict may come of it; the file and its line are told."""
    path = tmp_path / "mine.yaml"
    path.write_text(RIGHT.replace("echo/select", "qotd/udp"), encoding="utf-8")
    with pytest.raises(DeclarationError) as raised:
        load_drill(path, KNOWN)
    line = 1 + RIGHT[: RIGHT.index("- alike")].count("\n")
    told = "expect.1.alike: it compares conversations over tcp; qotd/udp speaks udp"
    assert str(raised.value) == f"{path}:{line}: {told}"
    path.write_text(RIGHT.replace("script:", "fits: [qotd/*]\nscript:"), encoding="utf-8")
    assert choose(load_drill(path, KNOWN), "qotd/udp", KNOWN)[1] == told
    assert choose(load_drill(path, KNOWN), "qotd/tcp", KNOWN)[1] == ""
