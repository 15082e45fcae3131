"""The conversations between every mix of machines are alike in a lab, and docs/byte-order.md shows them as they are."""

from __future__ import annotations

import pytest

from scenarios.byteorder.compare import DOCUMENT, Compared, compare, figures, with_figures
from scenarios.evidence import run_folder
from scenarios.lab.lab import Lab
from scenarios.verdict.check import Verdict

MIXES = {f"{client}-{server}" for client in ("le", "be", "be64") for server in ("le", "be", "be64")}


@pytest.fixture(name="compared", scope="module")
def conversations_of_a_lab(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_folder, "RUNS", tmp_path_factory.mktemp("runs"))
        return compare(lab, lambda _: None)


def test_every_mix_of_three_machines_says_the_same_but_for_the_byte_order(compared: Compared) -> None:
    assert compared.verdict is Verdict.PASS, [row.wrong for row in compared.rows if row.wrong]
    assert {row.talk.pair for row in compared.rows} == MIXES
    for asked in {row.talk.call_name for row in compared.rows}:
        assert sum(row.talk.call_name == asked for row in compared.rows) == len(MIXES)


def test_what_differs_follows_the_byte_order_and_not_the_word_size(compared: Compared) -> None:
    of_array = {row.talk.pair: row for row in compared.rows if row.talk.call_name == "search/selectors array"}
    for pair, row in of_array.items():
        client, server = pair.split("-")
        swapped = ("header length", "byte order", "elements")
        assert row.request == (() if client == "le" else swapped)
        assert row.answer == (() if server == "le" else swapped)
    said = {pair: row.talk.conversation.request.raw for pair, row in of_array.items()}
    assert said["be-le"] == said["be64-le"] != said["le-le"]


def test_the_bytes_are_those_of_the_captures_and_of_the_specification(compared: Compared) -> None:
    """1, -2 and 300 as int32, two's complement, in either order: written here by hand."""
    request, answer = (
        [line.strip() for line in compared.trees[f"be-le-{way}"][2:]] for way in ("request", "answer")
    )  # the content, as tshark decodes it
    assert request == ["Content: 00000001fffffffe0000012c", "Integer: 1", "Integer: -2", "Integer: 300"]
    assert answer == ["Content: 02000000fcffffff58020000", "Integer: 2", "Integer: -4", "Integer: 600"]
    row = next(
        row for row in compared.rows if row.talk.call_name == "search/selectors array" and row.talk.pair == "be-le"
    )
    assert row.talk.conversation.request.raw.endswith(bytes.fromhex("00000001fffffffe0000012c"))
    captures = sorted(compared.folder.rglob("client-leg.pcapng"))
    assert [path.parent.parent.name for path in captures] == [
        "echo-selectors", "framing-length-prefixed", "search-selectors",
    ]  # fmt: skip


def test_the_document_shows_the_conversations_as_they_are_now(compared: Compared) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert with_figures(text, figures(compared)) == text, "make endian WRITE=1 makes its figures anew"
