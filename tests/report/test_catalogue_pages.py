"""The pages of the catalogue are those of the drills, and say what a reader wants to know of one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scenarios.report import ladder_text
from scenarios.report.catalogue_pages import DOCS, DOOR, FOLDER, LADDERS, pages, plain
from scenarios.report.ladder import LadderRow, Picture, Row
from scenarios.spec.sources import sources_of
from scenarios.spec.tutorials import load_pairs
from tests.report.making import catalogue

ROW = LadderRow(1, 1, True, "crossed", "client", "server", "SYN", "seq 0", "", "", (), (), "", 40.0, 1)


def test_the_documents_of_the_drills_are_those_of_the_files() -> None:
    made = pages(catalogue(), ladder_text.stored(LADDERS), load_pairs().pairs)
    stored = {
        path.relative_to(DOCS).as_posix(): path.read_text("utf-8")
        for path in (DOCS / DOOR, *(DOCS / FOLDER).rglob("*.md"))
    }
    wrong = sorted(name for name in made.keys() | stored.keys() if made.get(name) != stored.get(name))
    assert not wrong, f"python -m scenarios.report.catalogue_pages; {len(wrong)} differ: {', '.join(wrong[:5])}"


def test_each_drill_has_a_page_with_its_claim_why_script_and_sources() -> None:
    made = pages(catalogue(), {})
    for name, drill in catalogue().items():
        page = made[f"{FOLDER}/{drill.tags[0]}/{name}.md"]
        assert f"**{plain(drill.claim)}**" in page
        assert plain(drill.why) in page
        assert all(plain(step.says) in page for step in drill.script)
        assert all(plain(each.says) in page for each in sources_of(drill.source))


def test_a_drill_that_a_naive_program_fails_shows_the_least_that_repairs_it() -> None:
    page = pages(catalogue(), {}, load_pairs().pairs)[f"{FOLDER}/talking/any-two-parts.md"]
    assert "One recv() is not one message. As tutorials teach it, [one_recv.py]" in page
    assert "\n-    data = connected.recv(1024)\n" in page
    assert '"""' not in page, "the docstrings differ too, and are no part of the repair"


def test_no_cell_of_a_table_is_too_long_to_read() -> None:
    made = pages(catalogue(), {})
    cells = [
        cell for text in made.values() for line in text.splitlines() if line[:1] == "|" for cell in line.split("|")
    ]
    assert max(map(len, cells)) < 700


def test_a_ladder_of_another_script_is_not_shown() -> None:
    drill = catalogue()["lost-syn"]
    kept = ladder_text.StoredLadder("2026-11-27", drill.service, "be-le", ladder_text.script_of(drill), ["the ladder"])
    place = f"{FOLDER}/reaching/lost-syn.md"
    assert "the ladder" in pages(catalogue(), {"lost-syn": kept})[place]
    assert "the ladder" not in pages(catalogue(), {"lost-syn": replace(kept, script="of before")})[place]


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (ROW, "│── SYN ──────────────────────────▶│─────────────────────────────────▶│"),
        (
            replace(ROW, right=None, fate="lost"),
            "│── SYN ──────────────────────────╳│                                  │",
        ),
        (
            replace(ROW, left=None, source="firewall", flags="RST"),
            "│                                  │── RST ──────────────────────────▶│",
        ),
        (
            replace(ROW, rightwards=False, source="server"),
            "│◀─────────────────────────────────│◀────────────────────────── SYN ──│",
        ),
        (
            replace(ROW, rightwards=False, source="other-server", left=None),
            "│                                  │╳──────────── other-server: SYN ──│",
        ),
    ],
)
def test_a_packet_is_an_arrow_on_each_leg_that_it_was_seen_on(row: LadderRow, line: str) -> None:
    drawn = ladder_text.draw(Picture([Row(0.0, packet=row)], 1, 0, (), {}, ()))
    assert drawn[1] == f"    0.0 ms {line}"


def test_a_long_ladder_is_cut_in_its_middle() -> None:
    drawn = ladder_text.draw(Picture([Row(float(at), packet=ROW) for at in range(100)], 100, 0, (), {}, ()))
    assert len(drawn) == ladder_text.ROWS + 2
    assert drawn[1].startswith("    0.0 ms")
    assert drawn[-1].startswith("   99.0 ms")
    assert "… 56 more lines" in drawn[23]
