"""The gallery: its plan can be run, its page says what the stored cells say, and no more than they show."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from scenarios.report import gallery_cells, gallery_html
from scenarios.report.gallery_cells import Seen
from scenarios.report.gallery_page import page
from scenarios.run import gallery
from scenarios.run.patience import patient
from scenarios.spec.catalogue import load_drill
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.gallery import GALLERY, Gallery, Shown, load_gallery
from scenarios.spec.service import resolve, services
from scenarios.spec.units import Seconds
from scenarios.verdict.check import Verdict
from tests.mistakes import changed, each_mistake
from tests.report.making import catalogue, offered

PLAN = load_gallery()
CURL, CURED = "gallery/nginx:curl", "gallery/nginx:curl-timeout"
NEVER = "the kernel alone would never end it"
SMALL = Gallery(
    patience=Seconds(20),
    failures={"any-paused": "the server's program stands still", "any-refused": "nobody listens on the port"},
    clients=(Shown("curl", CURL, "Give both.", "curl(1)", "nothing", CURED, "--max-time 10"),),
)


def cell(drill: str = "any-paused", program: str = CURL, word: str = "answered", **changes: object) -> Seen:
    kinds = ("answered", "hung", "still trying", "timed out", "refused", "wrong answer")
    kind = next(each for each in kinds if word.startswith(each))
    found = Seen(drill, program, Verdict.PASS, "", word, kind, 1.0, "", "2026-11-27T03-00-00.000Z", "a/b/le-le", 9, 8)
    return replace(found, **changes)  # type: ignore[arg-type]


def render(*cells: Seen, misfits: Mapping[tuple[str, str], str] | None = None) -> str:
    programs = {each: resolve(each, known=offered()) for each in SMALL.programs}
    return page(SMALL, programs, {each.key: each for each in cells}, misfits or {})


def test_every_failure_is_a_drill_and_every_cell_of_the_plan_can_be_made() -> None:
    cells, misfits = gallery.cells(PLAN, services())
    assert {cell.drill.drill for cell in cells} == PLAN.failures.keys()
    assert {cell.chosen.label for cell in cells} == {*PLAN.programs}
    assert len(cells) + len(misfits) == len(PLAN.failures) * len([*PLAN.programs])


def test_twelve_clients_and_ten_servers_are_there_and_none_is_forgotten() -> None:
    service = services()["gallery"]
    assert len(PLAN.clients) >= 12
    assert len(service.servers) >= 10
    assert {each.partition(":")[2] for each in PLAN.programs} == set(service.clients)
    assert {each.partition(":")[0] for each in PLAN.programs} == {f"gallery/{name}" for name in service.servers}


def test_the_page_is_what_the_stored_cells_make() -> None:
    _, misfits = gallery.cells(PLAN, services())
    programs = {each: resolve(each, known=services()) for each in PLAN.programs}
    made = page(PLAN, programs, gallery_cells.stored(), misfits)
    assert made == (GALLERY.parents[2] / "docs" / "gallery.md").read_text("utf-8"), "`make gallery` writes it"
    made = gallery_html.page(PLAN, programs, gallery_cells.stored(), misfits)
    assert made == (GALLERY.parents[2] / "docs" / "gallery.html").read_text("utf-8"), "`make gallery` writes it"


def made_html(*cells: Seen) -> str:
    programs = {each: resolve(each, known=offered()) for each in SMALL.programs}
    return gallery_html.page(SMALL, programs, {each.key: each for each in cells}, {})


def test_each_word_of_the_html_page_leads_to_its_evidence() -> None:
    text = made_html(
        cell(word=f"hung (still waiting after 20 s; {NEVER})", kernel_end=NEVER), cell("any-refused", CURED)
    )
    anchors = set(re.findall(r'<tr id="([^"]+)"', text))
    assert anchors == {"any-paused--gallery-nginx--curl", "any-refused--gallery-nginx--curl-timeout"}
    assert set(re.findall(r'<div class="entry [a-z]+"><a href="#([^"]+)"', text)) == anchors
    assert '<div class="entry fail"><a href="#any-paused--gallery-nginx--curl">hung (still waiting after 20 s)<' in text
    assert '<div class="entry absent">not run</div>' in text
    assert "make drill NAME=any-refused SERVICE=gallery/nginx:curl-timeout PAIR=le-le" in text
    assert f"it hangs where the server&#39;s program stands still ({NEVER})." in text


def test_what_a_program_printed_cannot_break_the_html_page() -> None:
    text = made_html(cell(word="refused (<script>alert(1)</script>)"))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_what_a_program_may_have_set_of_the_kernels_clock_is_said_once() -> None:
    end = "the kernel alone would end it after about 929 s"
    each = cell(kernel_end=f"{end}, unless the program set TCP_USER_TIMEOUT", word="hung (still waiting after 20 s)")
    for text in (render(each), made_html(each)):
        assert f"program stands still ({end})." in " ".join(text.split())
        assert text.count("TCP_USER_TIMEOUT") == 1


def test_a_call_that_hung_is_told_with_what_the_kernel_would_do() -> None:
    text = render(cell(word=f"hung (still waiting after 20 s; {NEVER})", kernel_end=NEVER))
    assert "| The server's program stands still | **hung (still waiting after 20 s)** | not run |" in text
    assert f"As it comes, of 1 failure: it **hangs** where the server's program stands still ({NEVER})." in text


def test_a_call_that_still_tried_again_is_no_call_that_only_waited() -> None:
    text = render(cell(word="still trying after 19 s, 1 retry"))
    assert "| The server's program stands still | still trying after 19 s, 1 retry |" in text
    assert "it had not given up, and tried again and again, where the server's program" in " ".join(text.split())
    assert "**hangs**" not in text


def test_a_column_that_never_hung_says_so_and_names_what_ended_each_call() -> None:
    text = render(
        cell(program=CURED, word="timed out 10.0 s (ETIMEDOUT)"), cell("any-refused", CURED, "refused (ECONNREFUSED)")
    )
    text = " ".join(text.split())
    assert "With `--max-time 10`, of 2 failures: it hangs under none of them; its own clock ends it where the" in text
    assert "10.0 s (ETIMEDOUT)" not in text
    assert "it reports an error where nobody listens on the port (refused, ECONNREFUSED)." in text


@pytest.mark.parametrize(
    "unknown",
    [
        cell(verdict=Verdict.UNPROVEN, sentence="the machine stood still"),
        cell(word=f"hung (still waiting after 4 s; {NEVER})"),
    ],
    ids=["unproven", "began late"],
)
def test_what_a_cell_does_not_show_is_not_said(unknown: Seen) -> None:
    text = render(unknown)
    assert "| The server's program stands still | ? |" in text
    assert "As it comes: no cell of it was run." in text


def test_a_claim_that_failed_and_a_drill_that_does_not_fit_are_told() -> None:
    text = render(
        cell(verdict=Verdict.FAIL, sentence="hits of the fault"), misfits={("any-refused", CURL): "not for it"}
    )
    assert "answered, but the drill's claim failed" in text
    assert "| any-paused | gallery/nginx:curl | fail | hits of the fault |" in text
    assert "1 of 3 cells were run: 1 fail." in text
    assert "| Nobody listens on the port |" not in text  # no cell of this row was run
    text = render(cell("any-refused", CURED), misfits={("any-refused", CURL): "not for it"})
    assert "| Nobody listens on the port | · | answered |" in text


def test_what_proved_nothing_does_not_take_the_place_of_what_did() -> None:
    old, new = cell(), cell(verdict=Verdict.UNPROVEN, run="later")
    assert gallery_cells.merge_cells({old.key: old}, [new]) == {old.key: old}
    assert gallery_cells.merge_cells({new.key: new}, [old]) == {old.key: old}
    later = cell(run="later")
    assert gallery_cells.merge_cells({old.key: old}, [later]) == {old.key: later}


def test_cells_are_read_from_a_run_and_kept_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "2026-11-27T03-00-00.000Z"
    cell = folder / "any-paused" / "gallery-nginx+curl" / "le-le"
    cell.mkdir(parents=True)
    captures = {"client-leg": {"frames": 12, "dropped": 0}, "server-leg": {"frames": 11, "dropped": 0}}
    did = {"word": f"hung (still waiting after 20 s; {NEVER})", "kind": "hung", "took_s": 19.8, "kernel_end": NEVER}
    stored = {"drill": "any-paused", "service": "gallery/nginx:curl", "client": "curl", "verdict": "pass"}
    stored |= {"sentence": "the claim", "did": did, "runs": {"fault": {"captures": captures}}}  # type: ignore[dict-item]
    (cell / "result.json").write_text(json.dumps(stored), encoding="utf-8")
    found = gallery_cells.of_run(folder)
    assert [(each.program, each.sentence, each.client_frames, each.server_frames) for each in found] == [
        (CURL, "", 12, 11)
    ]
    assert found[0].cell == "any-paused/gallery-nginx+curl/le-le"
    kept = tmp_path / "gallery.json"
    kept.write_text(gallery_cells.text({each.key: each for each in found}), encoding="utf-8")
    assert gallery_cells.stored(kept) == {each.key: each for each in found}


def test_a_drill_is_given_the_gallerys_patience_and_nothing_else() -> None:
    drill = catalogue()["any-paused"]
    longer = patient(drill, Seconds(20))
    assert {float(each.within) for each in longer.calls.values()} == {20.0}
    assert max(float(each.within) for each in drill.calls.values()) < 20
    assert (longer.claim, longer.expect, longer.text, longer.path) == (
        drill.claim,
        drill.expect,
        drill.text,
        drill.path,
    )
    assert load_drill(longer.path, offered()) == drill
    assert patient(drill, Seconds(0)) is drill


def test_a_drill_that_claims_how_a_call_ends_waits_no_longer_than_it_says() -> None:
    drill = catalogue()["silent-drop"]
    assert patient(drill, Seconds(20)) is drill


WRONG = {
    "patience: 20s": {
        "patience: 0s": "patience: expected more than 0s",
    },
    "  - name: GNU Wget": {
        "  - name: curl": "the name 'curl' is there twice",
    },
    "as_it_comes: gallery/nginx:wget\n": {
        "as_it_comes: gallery/nginx:curl\n": "'gallery/nginx:curl' is there",
    },
    "    option: --tries=1 --timeout=5\n": {
        "": "option: expected beside `cured`",
    },
    "    looked_up: nothing\n": {
        "    looked_up: ''\n": "looked_up: expected a string",
        "": "looked_up",
    },
}


@each_mistake(WRONG)
def test_a_wrong_plan_is_told(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = tmp_path / "gallery.yaml"
    path.write_text(changed(GALLERY.read_text("utf-8"), old, new), encoding="utf-8")
    with pytest.raises(DeclarationError, match=told):
        load_gallery(path)
