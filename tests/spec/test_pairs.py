"""Pairs: which machines they are of, who stands beside them, and what a result says of byte order and word size."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import pytest

from scenarios.cli.arguments import pairs as _pairs
from scenarios.lab.images import EVERY_LAB, recipes_of
from scenarios.lab.lab import Lab
from scenarios.lab.topology import Machine, topology
from scenarios.run import cell as running
from scenarios.run.cell import run
from scenarios.spec import cell as spec_cell
from scenarios.spec.cast import Cast
from scenarios.spec.catalogue import DRILLS, chosen_service, drills, load_drill
from scenarios.spec.cell import Cell
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.pairs import DEFAULT_PAIRS, EVERY_PAIR, PAIRS, USUAL_PAIRS, Pair, profiles
from scenarios.spec.program_ends import asked_pairs
from scenarios.spec.service import resolve
from scenarios.verdict.check import Check, Verdict, check_architecture
from scenarios.verdict.result import Result

# client, bystander, server, other server
CASTS: dict[Pair, tuple[str, str, str, str]] = {
    "le-le": ("client", "client-be", "server", "server-be"),
    "be-le": ("client-be", "client", "server", "server-be"),
    "le-be": ("client", "client-be", "server-be", "server"),
    "be-be": ("client-be", "client", "server-be", "server"),
    "be64-le": ("client-be64", "client", "server", "server-be"),
    "le-be64": ("client", "client-be", "server-be64", "server"),
    "be-be64": ("client-be", "client", "server-be64", "server"),
    "m68k-le": ("client-m68k", "client", "server", "server-be"),
    "le-m68k": ("client", "client-be", "server-m68k", "server"),
    "be-m68k": ("client-be", "client", "server-m68k", "server"),
}


@pytest.mark.parametrize(("pair", "names"), CASTS.items())
def test_a_pair_is_of_the_machines_that_it_names_and_the_others_have_the_other_byte_order(
    pair: Pair, names: tuple[str, str, str, str]
) -> None:
    cast = Cast(Lab(7).topology, pair, "ipv4")
    found = (cast.client, cast.bystander, cast.server, cast.other_server)
    assert tuple(host.name for host in found) == names
    assert cast.client.byteorder != cast.bystander.byteorder
    assert cast.server.byteorder != cast.other_server.byteorder
    assert cast.byteorders == {
        role: host.byteorder
        for role, host in zip(("client", "bystander", "server", "other-server"), found, strict=True)
    }


def test_every_pair_has_its_cast_here_and_only_those_of_other_machines_want_a_profile() -> None:
    assert set(CASTS) == set(EVERY_PAIR)
    assert set(DEFAULT_PAIRS) <= set(PAIRS) < set(USUAL_PAIRS) < set(EVERY_PAIR)
    assert profiles(PAIRS) == ()
    assert {profiles([pair]) for pair in USUAL_PAIRS if pair not in PAIRS} == {("be64",)}
    assert {profiles([pair]) for pair in EVERY_PAIR if pair not in USUAL_PAIRS} == {("m68k",)}


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("all", PAIRS),
        ("every", USUAL_PAIRS),
        ("m68k-le,le-le", ("le-le", "m68k-le")),
        ("be64-le", ("be64-le",)),
        ("be-be64,le-le", ("le-le", "be-be64")),
        ("all,be64-le", (*PAIRS, "be64-le")),
    ],
)
def test_all_are_the_ordinary_pairs_and_every_are_those_of_the_64_bit_machine_too(
    text: str, pairs: tuple[Pair, ...]
) -> None:
    assert asked_pairs(_pairs(text), resolve("echo")) == pairs


@pytest.mark.parametrize("wrong", ["be64", "be64-be46", "le-le,", "be-64"])
def test_a_pair_that_there_is_not_is_told_with_the_nearest(wrong: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"unknown pair.*be64-le"):
        _pairs(wrong)


def test_a_drill_that_cannot_be_run_on_a_pair_that_there_is_not_is_an_error(tmp_path: Path) -> None:
    """A misspelt pair would leave the drill running where it cannot be run."""
    text = (DRILLS / "lost-syn.yaml").read_text(encoding="utf-8")
    path = tmp_path / "lost-syn.yaml"
    path.write_text(f'{text}unsupported_on: {{be64-le: "docs/emulation.md: no TCP_CONGESTION"}}\n', encoding="utf-8")
    drill = load_drill(path)
    cells = [Cell(drill, chosen_service(drill, None), pair) for pair in ("be-le", "be64-le")]
    assert [spec_cell.unsupported(cell) for cell in cells] == ["", "docs/emulation.md: no TCP_CONGESTION"]
    path.write_text(f"{text}unsupported_on: {{be46-le: why}}\n", encoding="utf-8")
    with pytest.raises(
        DeclarationError, match=r"unsupported_on\.be46-le: unknown pair 'be46-le'; did you mean 'be64-le'\?"
    ):
        load_drill(path)


def test_byte_order_word_size_and_alignment_are_told_apart_by_four_kinds_of_machine() -> None:
    promised = {host.end: host.promised for host in topology().hosts.values()}
    assert promised == {
        "le": Machine("little", 64, "x86_64"),
        "be": Machine("big", 32, "ppc"),
        "be64": Machine("big", 64, "s390x"),
        "m68k": Machine("big", 32, "m68k"),
    }
    assert str(promised["be64"]) == "big-endian, 64 bits, s390x"


@pytest.mark.parametrize(
    "said", ["little-endian, 64 bits, s390x", "big-endian, 32 bits, s390x", "big-endian, 64 bits, ppc"]
)
def test_a_machine_that_is_another_than_its_image_promises_proves_nothing(said: str) -> None:
    found = check_architecture(topology().hosts["client-be64"], said)
    assert (found.holds, found.expected, found.seen) == (Verdict.UNPROVEN, "big-endian, 64 bits, s390x", said)


class OfAnother:
    """A stage whose machines say that they are another's."""

    def __init__(self) -> None:
        self.lab = Lab(7)

    def machine(self, _: object) -> str:
        return "little-endian, 64 bits, x86_64"

    def remember_links(self, _: object) -> None:
        """There are none."""


def test_a_result_of_another_machine_does_not_count_and_says_who_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that the script comes to is right here, so that nothing but the machines' word can decide."""
    right = [Check("all that was seen", "right", "right", Verdict.PASS)]
    monkeypatch.setattr(running, "perform", lambda *_, **__: object())
    monkeypatch.setattr(running, "judged", lambda *_: (right, right))
    drill = drills()["lost-syn"]
    cell = Cell(drill, chosen_service(drill, None), "be64-le")
    found: list[Result] = []
    monkeypatch.setattr(running, "_store", found.append)
    result = run(OfAnother(), cell, tmp_path)  # type: ignore[arg-type]
    assert result.verdict is Verdict.UNPROVEN
    assert result.sentence == (
        "byte order, word size and CPU of client-be64: expected big-endian, 64 bits, s390x, "
        "saw little-endian, 64 bits, x86_64"
    )
    assert result.machines["client"] == {"host": "client-be64", "said": "little-endian, 64 bits, x86_64"}
    assert found == [result]


def test_a_lab_wants_the_machines_of_a_profile_only_where_it_is_asked_for() -> None:
    plain, whole = Lab(7), Lab(7, "be64")
    assert set(whole.required_machines) - set(plain.required_machines) == {"client-be64", "server-be64"}
    assert set(topology(7).machines) - set(whole.required_machines) == {"client-m68k", "server-m68k"}
    with pytest.raises(ValueError, match=r"no profile 'be46'; there are: be64, m68k"):
        Lab(7, "be46")


def test_a_lab_without_the_profile_needs_no_image_of_it() -> None:
    def images(lab: Lab) -> set[str]:
        return set(recipes_of({lab.topology.machines[name] for name in lab.required_machines}))

    assert images(Lab(7, "be64")) - images(Lab(7)) == {"python-s390x", "host-s390x"}
    assert images(Lab(7, "be64")) == set(EVERY_LAB), "and these are what `make images` builds"
    assert images(Lab(7, "m68k")) - images(Lab(7)) == {"python-m68k", "host-m68k"}
    assert "base" in images(Lab(7)), "they stand on it"


def test_a_host_of_a_profile_is_ordinary_in_all_else() -> None:
    hosts = topology(7).hosts
    for name in ("client", "server"):
        one, other = hosts[f"{name}-be"], hosts[f"{name}-be64"]
        assert one.network == other.network
        assert dataclasses.asdict(one).keys() == dataclasses.asdict(other).keys()
        assert (one.profile, other.profile) == ("", "be64")
