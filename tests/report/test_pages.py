"""The pages: valid, whole, honest about what is hostile, and the same from the folder alone."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import jsonschema
import pytest
from markdown_it import MarkdownIt

from scenarios.cli.main import main
from scenarios.lab.topology import ROOT
from scenarios.lab.waiting import wait_for
from scenarios.report import html, read_run, write
from scenarios.report.advice import advice
from scenarios.report.changes import since_the_run_before
from scenarios.report.markdown import escaped
from scenarios.run import summary
from scenarios.spec.sources import sources_of
from scenarios.verdict.behaviour import Behaviour
from scenarios.verdict.check import Verdict
from scenarios.verdict.result import Result
from tests.report.making import (
    BACKEND,
    HOSTILE,
    catalogue,
    evidence,
    handshake_with_a_lost_syn,
    result,
    run,
    segment,
    survival,
    through_a_proxy,
)

EARLIER, LATER = "2026-11-20T10-00-00.000Z", "2026-11-21T10-00-00.000Z"
ELSEWHERE = "https://"
VOID = {"id", "for", "aria-labelledby", "aria-controls", "headers"}  # attributes that name an element


def parsed(page: Path) -> Element:
    """The page, read by a parser that forgives nothing. Raises html5lib's ParseError."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    document: Element = parser.parse(page.read_text(encoding="utf-8"))
    return document


def text_of(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def hrefs(page: Path) -> list[str]:
    return [each.get("href", "") for each in parsed(page).iter("a")]


def hostile_run(folder: Path) -> Path:
    """A run with everything on its pages, and something hostile wherever a program or the wire can put it."""
    client_leg, server_leg = handshake_with_a_lost_syn()
    data = segment(9, 2000, payload=b"<b>", protocol="TCP", info=HOSTILE, notes=(HOSTILE,), messages=(HOSTILE,))
    raw = segment(10, 2001, payload=HOSTILE.encode()[:40])
    armed = evidence([*client_leg, data, raw], server_leg, logs={"server": [HOSTILE] * 300, "hello": []})
    control = evidence([], [], armed=False)
    results = [
        result(folder, of={"fault": armed, "control": control}, verdict=Verdict.FAIL, sentence=HOSTILE),
        result(folder, pair="le-le", verdict=Verdict.UNPROVEN, sentence=HOSTILE, of={"control": control}),
        result(folder, pair="le-be", verdict=Verdict.UNSUPPORTED, sentence=HOSTILE, of={}),
        result(folder, pair="be-be", repeat=2),
    ]
    return run(folder, results)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / LATER
    hostile_run(folder)
    return folder


def all_pages(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.html"))


def test_every_page_is_valid_html_and_names_nothing_twice(hostile: Path) -> None:
    found = all_pages(hostile)
    assert len(found) == 5
    for page in found:
        document = parsed(page)
        named = Counter(each.get("id") for each in document.iter() if each.get("id"))
        assert [name for name, count in named.items() if count > 1] == []
        for each in document.iter():
            for attribute in VOID - {"id"}:
                for name in each.get(attribute, "").split():
                    assert name in named, f"{page}: {attribute} names {name!r}, which is not there"


def test_the_parser_would_refuse_a_page_that_is_wrong(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    for wrong in ("<table><p></table>", "</div>", "<p>\x00", "<a href='x' href='y'>"):
        page.write_text(f"<!DOCTYPE html><title>x</title>{wrong}", encoding="utf-8")
        with pytest.raises(html5lib.html5parser.ParseError):
            parsed(page)


def test_what_is_hostile_is_text_on_every_page(hostile: Path) -> None:
    for page in all_pages(hostile):
        document = parsed(page)
        assert [each.get("src") for each in document.iter("script")] == [
            "../" * (len(page.relative_to(hostile).parts) - 1) + "report.js"
        ]
        assert list(document.iter("img")) == []
        assert not any(name.startswith("on") for each in document.iter() for name in each.keys())  # noqa: SIM118
        content = page.read_text(encoding="utf-8")
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", content)
        assert "49" not in content or "{{7*7}}" in content.replace("&#34;", '"')
    cell = text_of(parsed(hostile / "lost-syn/search-selectors/be-le/index.html"))
    assert "<script>window.hit=1</script>" in cell
    assert "␀␛[31m␡\\u202e</pre></td>" in cell


def test_every_link_of_a_page_leads_to_a_file_or_to_a_place_on_a_page(hostile: Path) -> None:
    places = {source.url for drill in catalogue().values() for source in sources_of(drill.source)}
    for page in all_pages(hostile):
        named = {each.get("id") for each in parsed(page).iter()}
        for href in hrefs(page):
            path, _, place = href.partition("#")
            if href.startswith(ELSEWHERE):  # a source
                assert href in places, f"{page}: {href}"
            elif path:
                assert (page.parent / path).is_file(), f"{page}: {href}"
            elif place.partition("=")[0] not in ("verdict", "promise"):
                assert place in named, f"{page}: {href}"


def test_the_first_page_counts_the_verdicts_and_links_every_cell(hostile: Path) -> None:
    page = hostile / "index.html"
    tiles = [text_of(each) for each in parsed(page).iter("li") if "tile" in each.get("class", "").split()]
    assert tiles == ["1 ✓ pass", "1 ✗ fail", "1 ? unproven", "1 – unsupported"]
    cells = {f"{each.parent.relative_to(hostile)}/index.html" for each in hostile.rglob("result.json")}
    assert len(cells) == 4
    assert cells <= set(hrefs(page))


def test_a_cells_page_shows_each_rule_with_what_was_expected_what_was_seen_and_its_frames(hostile: Path) -> None:
    page = hostile / "lost-syn/search-selectors/be-le/index.html"
    (table, *_) = (each for each in parsed(page).iter("table") if "checks" in each.get("class", ""))
    rows = [[text_of(cell) for cell in row if cell.tag in ("th", "td")] for row in table.iter("tr")]
    assert rows[0] == ["rule", "expected", "seen", "frames"]
    assert rows[1] == ["✓pass: hits of the fault lose-one", "exactly 1", "1", ""]
    assert rows[2][0] == "✗fail: packets with SYN on the client-leg"
    assert rows[2][3] == "client-leg 1 2"
    assert {"#fault-c1", "#fault-c2"} <= set(hrefs(page))
    named = {each.get("id"): text_of(each) for each in parsed(page).iter() if each.get("id")}
    assert named["fault-c2"] == "client-leg frame 2"


def test_a_cells_page_has_the_commands_that_repeat_it_and_that_read_its_captures(hostile: Path) -> None:
    page = hostile / "lost-syn/search-selectors/be-le/index.html"
    commands = [text_of(each) for each in parsed(page).iter("code")]
    assert "python -m scenarios run lost-syn --service search/selectors --pair be-le --seed 1" in commands
    path = f"runs/{LATER}/lost-syn/search-selectors/be-le/fault/client-leg.pcapng"
    assert html.tshark(path) in commands
    assert html.tshark(path).endswith(f" < {path}")


def test_of_a_program_that_printed_much_the_first_and_the_last_lines_are_shown_and_the_rest_is_counted(
    hostile: Path,
) -> None:
    printed = list(parsed(hostile / "lost-syn/search-selectors/be-le/index.html").iter("pre"))
    assert "… 100 lines more, in fault/server.txt …" in text_of(printed[0])


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\nb\tc", "a\nb\tc"), ("\x00\x1f\x7f", "␀␟␡"), ("\x85\u2066\ufffe", "\\u0085\\u2066\\ufffe"), ("é🐰", "é🐰")],
)
def test_what_no_page_may_hold_is_shown_by_its_picture_or_its_number(text: str, shown: str) -> None:
    assert html.visible(text) == shown


# The matrix


def matrix_run(folder: Path) -> list[Result]:
    blocked = survival(others="not served: within 3 s")
    late = survival("timed out 7 s", as_promised=False)
    return [
        result(folder, service="echo/select", word=survival()),
        result(folder, service="echo/select", pair="le-le", word=survival()),
        result(folder, service="echo/threads", word=blocked),
        result(folder, service="echo/threads", pair="le-le", word=late, verdict=Verdict.FAIL, sentence="late"),
        result(folder, drill="lost-request", service="echo/select", word=survival()),
    ]


def test_the_matrix_has_rows_of_drills_and_columns_of_architectures_and_marks_what_is_not_promised(
    tmp_path: Path,
) -> None:
    page = run(tmp_path / LATER, matrix_run(tmp_path / LATER))
    (table,) = (each for each in parsed(page).iter("table") if each.get("id") == "matrix")
    rows = [[text_of(cell) for cell in row] for row in table.iter("tr")]
    assert rows[0] == ["", "echo"]
    assert rows[1] == ["drill", "select", "threads"]
    lost_request, lost_syn = rows[2:]
    assert lost_request[0] == "lost-request"
    assert lost_request[2] == "·not run", "it was not asked for"
    assert lost_syn[1].startswith("✓ survived survived: lost-syn · echo/select · le-le")
    assert "✗ timed out 7 s" in lost_syn[2]
    assert "promised: survived" in lost_syn[2]
    assert "✓ survived" in lost_syn[2], "its own client survived, as is promised"
    assert "✗ otherwise than promised: others: not served" in lost_syn[2]
    tiles = [text_of(each) for each in parsed(page).iter("li") if "tile" in each.get("class", "").split()]
    assert tiles[-1] == "2 otherwise than promised"


def test_a_cell_that_there_is_not_says_why(tmp_path: Path) -> None:
    folder = tmp_path / LATER
    why = "lost-request: <b>not</b> for echo/threads"
    results = matrix_run(folder)
    (folder / read_run.BLANKS).write_text(json.dumps({"lost-request": {"echo/threads": why}}), encoding="utf-8")
    page = run(folder, results)
    (blank,) = (each for each in parsed(page).iter("span") if each.get("class") == "blank")
    assert blank.get("title") == why
    assert text_of(blank) == f"·{why}"


@pytest.mark.parametrize("text", ["[]", "{", '{"lost-request": ["x"]}', '{"lost-request": null}'])
def test_blanks_of_another_form_keep_no_page_from_being_made(tmp_path: Path, text: str) -> None:
    folder = tmp_path / LATER
    results = matrix_run(folder)
    (folder / read_run.BLANKS).write_text(text, encoding="utf-8")
    assert "not run" in run(folder, results).read_text("utf-8")


def test_the_page_of_a_cell_has_why_it_is_so_with_the_sentence_of_each_source(tmp_path: Path) -> None:
    page = run(tmp_path / LATER, [result(tmp_path / LATER)]).parent / "lost-syn/search-selectors/be-le/index.html"
    text = text_of(parsed(page))
    drill = catalogue()["lost-syn"]
    assert f"Why. {' '.join(drill.why.split())}" in text
    for source in sources_of(drill.source):
        assert source.says in text
        assert source.url in hrefs(page)


def test_the_page_of_a_server_in_the_middle_is_valid_html(tmp_path: Path) -> None:
    made = result(tmp_path / LATER, of={"fault": through_a_proxy()})
    run(tmp_path / LATER, [made])
    text = text_of(parsed(made.folder / "index.html"))
    assert "The server stands in the middle" in text
    assert BACKEND in text


def test_the_ladder_stands_above_the_table_of_expectations(hostile: Path) -> None:
    content = (hostile / "lost-syn/search-selectors/be-le/index.html").read_text("utf-8")
    order = [content.index(f'id="{name}"') for name in ("fault-heading", "fault-figure", "fault-checks")]
    assert order == sorted(order)


def test_a_program_that_hung_is_told_what_helps_and_one_that_was_answered_is_not() -> None:
    assert "time limit" in advice(behaviour("hung"))
    assert advice(behaviour("failed with a traceback")).startswith("Catch the error")
    assert advice(behaviour("failed with a traceback among other words")).startswith("If nobody catches")
    assert advice(behaviour("answered")) == ""
    assert advice(None) == ""


@pytest.mark.parametrize(
    ("word", "is_told"),
    [
        ("failed (exit status 1, no errno printed), 3.0 s", True),
        ("failed (exit status 7, read as refused; no errno printed)", True),
        ("failed (its words, read as timed out; no errno printed)", False),
        ("failed (EMFILE)", False),
    ],
)
def test_of_a_failure_whose_words_are_not_read_it_is_told_that_says_helps(word: str, is_told: bool) -> None:
    made = dataclasses.replace(behaviour("failed"), word=word)
    assert ("`says`" in advice(made)) is is_told


def behaviour(kind: str) -> Behaviour:
    return Behaviour("hello", kind, kind, 1.0, 0, 1, "", "")


def test_a_run_in_which_each_drill_has_one_service_has_a_column_a_pair(tmp_path: Path) -> None:
    results = [
        result(tmp_path / LATER, drill=drill, pair=pair)
        for drill in ("lost-syn", "altered-segment")
        for pair in ("le-le", "be-le")
    ]
    page = run(tmp_path / LATER, results)
    (table,) = (each for each in parsed(page).iter("table") if each.get("id") == "matrix")
    rows = [[text_of(cell) for cell in row] for row in table.iter("tr")]
    assert rows[0] == ["drill", "le-le", "be-le"]
    assert rows[1][0] == "altered-segment echo/selectors"
    assert rows[1][1].startswith("✓ pass")


# Since the run before


def test_what_changed_since_the_run_before_is_told_with_what_is_new_and_what_is_gone(tmp_path: Path) -> None:
    before = [result(tmp_path / EARLIER), result(tmp_path / EARLIER, pair="le-be")]
    run(tmp_path / EARLIER, before)
    now = [result(tmp_path / LATER, verdict=Verdict.FAIL, sentence="no"), result(tmp_path / LATER, pair="le-le")]
    page = run(tmp_path / LATER, now)
    changes = since_the_run_before(read_run.run(tmp_path / LATER))
    assert changes is not None
    assert [(then.verdict, now.verdict) for then, now in changes.changed] == [(Verdict.PASS, Verdict.FAIL)]
    assert [line.pair for line in changes.new] == ["le-le"]
    assert [line.pair for line in changes.gone] == ["le-be"]
    section = next(each for each in parsed(page).iter("section") if each.get("aria-labelledby") == "h-changes")
    assert "1 changed, 1 new, 1 gone: 1 cell in common" in text_of(section)
    links = {each.get("href") for each in section.iter("a")}
    assert f"../{EARLIER}/lost-syn/search-selectors/be-le/index.html" in links


def test_an_earlier_run_without_a_common_cell_or_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    run(tmp_path / "2026-11-18T10-00-00.000Z", [result(tmp_path / "2026-11-18T10-00-00.000Z")])
    run(tmp_path / "2026-11-19T10-00-00.000Z", [result(tmp_path / "2026-11-19T10-00-00.000Z", pair="le-be")])
    oldest = "2026-11-17T10-00-00.000Z"
    run(tmp_path / oldest, [result(tmp_path / oldest, verdict=Verdict.FAIL, sentence="no")])
    (tmp_path / EARLIER).mkdir()
    (tmp_path / EARLIER / "summary.json").write_text("{", encoding="utf-8")
    run(tmp_path / LATER, [result(tmp_path / LATER)])
    changes = since_the_run_before(read_run.run(tmp_path / LATER))
    assert changes is not None
    assert changes.before.folder.name == "2026-11-18T10-00-00.000Z"
    assert (changes.changed, changes.new, changes.gone) == ([], [], [])


def test_another_word_is_a_change_even_where_the_verdict_is_the_same(tmp_path: Path) -> None:
    run(tmp_path / EARLIER, [result(tmp_path / EARLIER, word=survival("survived"))])
    run(tmp_path / LATER, [result(tmp_path / LATER, word=survival("timed out 7 s"))])
    changes = since_the_run_before(read_run.run(tmp_path / LATER))
    assert changes is not None
    assert len(changes.changed) == 1


# What is written, and when


def test_what_a_program_did_is_the_same_in_both_schemas() -> None:
    summary, of_a_cell = (
        json.loads((ROOT / "docs" / f"{each}.schema.json").read_text("utf-8")) for each in ("summary", "result")
    )
    assert summary["$defs"]["did"] == of_a_cell["$defs"]["did"]


def test_the_summary_is_as_its_schema_says_with_and_without_survival(tmp_path: Path) -> None:
    schema = jsonschema.Draft202012Validator(json.loads((ROOT / "docs/summary.schema.json").read_text("utf-8")))
    run(tmp_path / LATER, [result(tmp_path / LATER), result(tmp_path / LATER, pair="le-le", word=survival())])
    stored = json.loads((tmp_path / LATER / "summary.json").read_text("utf-8"))
    assert list(schema.iter_errors(stored)) == []
    assert [sorted(each.get("survival", {}))[:2] for each in stored["cells"]] == [[], ["after", "after_as_promised"]]
    wrong: tuple[dict[str, Any], ...] = ({"verdicts": {}}, {"cells": [{"drill": "x"}]}, {"surprise": 1})
    for broken in wrong:
        assert list(schema.iter_errors({**stored, **broken})) != []


@pytest.mark.parametrize(
    ("schema", "stored"),
    [("frames", "fault/frames.json"), ("frames", "control/frames.json"), ("result", "result.json")],
)
def test_what_a_cell_leaves_is_as_its_schema_says(tmp_path: Path, schema: str, stored: str) -> None:
    described = json.loads((ROOT / f"docs/{schema}.schema.json").read_text("utf-8"))
    folder = result(tmp_path / LATER, word=survival()).folder
    document: dict[str, Any] = json.loads((folder / stored).read_text("utf-8"))
    validator = jsonschema.Draft202012Validator(described)
    assert list(validator.iter_errors(document)) == []
    assert list(validator.iter_errors({**document, "surprise": 1})) != []


def test_the_report_is_made_again_from_the_folder_alone_and_is_the_same(hostile: Path) -> None:
    before = {page: page.read_bytes() for page in all_pages(hostile)}
    for page in before:
        page.unlink()
    assert main(["report", str(hostile)]) == 0
    assert {page: page.read_bytes() for page in all_pages(hostile)} == before


def test_the_command_says_what_is_no_folder_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 64
    assert "is not the folder of a run" in " ".join(capsys.readouterr().out.split())


def test_what_one_call_left_is_told_from_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As runs/latest is, after `call`: it said `'duration_s' is missing`."""
    place = tmp_path / "call" / "mine" / "le-le"
    place.mkdir(parents=True)
    (place / "result.json").write_text('{"drill": "call", "call": {}, "versions": {}}', "utf-8")
    assert main(["report", str(tmp_path)]) == 64
    said = " ".join(capsys.readouterr().out.split())
    assert said.endswith("call/mine/le-le is what one call left; a run of drills has a report")


def test_the_report_is_opened_where_there_is_a_screen_and_is_named_where_there_is_none(
    hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "told"
    opener = tmp_path / ("open" if sys.platform == "darwin" else "xdg-open")
    opener.write_text(f'#!/bin/sh\nprintf %s "$1" > {told}.new && mv {told}.new {told}\n', encoding="ascii")
    opener.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("scenarios.report.console.console.width", 1000)
    for screen in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(screen, raising=False)
    if sys.platform != "darwin":
        assert main(["report", str(hostile), "--open"]) == 0
        assert capsys.readouterr().out == f"report: {hostile / 'index.html'}\n"
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert main(["report", str(hostile), "--open"]) == 0
    wait_for(told.exists, "the page to be opened", 10)
    assert told.read_text("utf-8") == str(hostile / "index.html")


def test_a_run_that_was_killed_before_its_summary_has_a_report_all_the_same(tmp_path: Path) -> None:
    result(tmp_path / LATER)
    result(tmp_path / LATER, pair="le-le", word=survival())
    page = write.write(tmp_path / LATER)
    assert "2 cells · broken off before its summary was written" in text_of(parsed(page))
    assert "summary.json" not in hrefs(page)


def test_an_interrupted_run_says_how_much_was_not_run(tmp_path: Path) -> None:
    page = run(tmp_path / LATER, [result(tmp_path / LATER)], not_run=3)
    assert "1 of 4 cells in 9.000 s · interrupted: 3 not run" in text_of(parsed(page))


def test_a_page_that_is_there_is_not_made_again_but_one_taken_over_from_another_run_is(tmp_path: Path) -> None:
    old = result(tmp_path / EARLIER)
    run(tmp_path / EARLIER, [old])
    now = result(tmp_path / LATER)
    page, theirs = now.folder / "index.html", old.folder / "index.html"
    os.utime(theirs)  # newer than the result
    os.link(theirs, page)  # as a cell whose inputs have not changed is taken over
    before = theirs.read_bytes()
    run(tmp_path / LATER, [now])
    assert LATER in page.read_text("utf-8")
    assert theirs.read_bytes() == before
    page.write_text("kept", encoding="utf-8")
    write.write(tmp_path / LATER)
    assert page.read_text("utf-8") == "kept"
    write.write(tmp_path / LATER, anew=True)
    assert page.read_text("utf-8") != "kept"


def test_a_cell_whose_page_cannot_be_made_stops_no_other_and_is_told(tmp_path: Path) -> None:
    results = [result(tmp_path / LATER), result(tmp_path / LATER, pair="le-le")]
    (results[0].folder / "fault" / "frames.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="expected JSON") as raised:
        run(tmp_path / LATER, results)
    assert str(results[0].folder) in str(raised.value)
    assert (results[1].folder / "index.html").is_file()
    assert (tmp_path / LATER / "index.html").is_file()


def test_a_cell_of_a_run_before_there_were_frames_still_has_a_page(tmp_path: Path) -> None:
    made = result(tmp_path / LATER)
    (made.folder / "fault" / "frames.json").unlink()
    write.write_cell(made.folder, tmp_path / LATER)
    assert "This run left no decoded packets" in text_of(parsed(made.folder / "index.html"))


def test_a_cell_whose_folder_was_thrown_away_stays_in_the_table_without_a_link(tmp_path: Path) -> None:
    results = [result(tmp_path / LATER), result(tmp_path / LATER, pair="le-le")]
    run(tmp_path / LATER, results)
    shutil.rmtree(results[0].folder)
    page = write.write(tmp_path / LATER)
    cells = [each.get("href") for each in parsed(page).iter("a") if each.get("data-verdict")]
    assert sorted(cells, key=str) == [None, "lost-syn/search-selectors/le-le/index.html"]


# Markdown


def test_the_markdown_summary_counts_names_and_tables_every_cell(tmp_path: Path) -> None:
    run(tmp_path / EARLIER, [result(tmp_path / EARLIER, service="echo/threads", pair="le-le", word=survival())])
    run(tmp_path / LATER, matrix_run(tmp_path / LATER))
    lines = (tmp_path / LATER / "summary.md").read_text("utf-8").splitlines()
    assert lines[0] == "## Faultwire: ✓ 4 pass, ✗ 1 fail"
    assert "| ✗ fail | lost-syn · echo/threads · le-le | late |" in lines
    assert f"1 changed, 4 new, 0 gone; 1 cell in common with {EARLIER}." in lines
    table = [line for line in lines[lines.index("### Every cell") :] if line.startswith("|")]
    assert table[0] == "| drill | echo/select | echo/threads |"
    assert len(table) == 4
    assert {line.count("|") for line in table} == {4}


def test_in_markdown_hostile_text_is_text(hostile: Path) -> None:
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = reader.parse((hostile / "summary.md").read_text("utf-8"))
    cells = [each for each in tokens if each.type == "inline"]
    kinds = {child.type for each in cells for child in each.children or ()}
    assert kinds <= {"text", "text_special"}, "no markup, no HTML, no link"
    texts = ["".join(child.content for child in each.children or ()) for each in cells]
    assert texts.count(html.visible(HOSTILE)) == 3, "one that failed, one unproven, one unsupported"
    assert "html_block" not in {each.type for each in tokens}


@pytest.mark.parametrize("text", ["a | b", "*a* _b_ ~~c~~ `d` [e](f)", "<g> &amp; \\h", "# i @j $k$"])
def test_text_comes_back_from_markdown_as_it_was(text: str) -> None:
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    page = reader.render(f"| a |\n|---|\n| {escaped(text)} |\n")
    (cell,) = html5lib.parse(page, namespaceHTMLElements=False).iter("td")
    assert "".join(cell.itertext()) == text
    assert len(cell) == 0


def test_an_address_in_markdown_is_no_link_to_a_code_host_either() -> None:
    assert escaped("http://x www.y") == "http&#58;//x www&#46;y"


def test_a_ci_job_gets_the_summary_on_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "step"
    told.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(told))
    made = result(tmp_path / LATER)
    summary.write(tmp_path / LATER, [made], 1, 1.0)
    assert told.read_text("utf-8") == "before\n" + (tmp_path / LATER / "summary.md").read_text("utf-8")


def test_the_page_of_a_cell_names_its_machines_also_where_none_has_an_interpreter_of_its_own(tmp_path: Path) -> None:
    made = result(tmp_path)
    stored = json.loads((made.folder / "result.json").read_text("utf-8"))
    client = {"host": "client-be", "said": "big-endian, 32 bits, of the client"}
    server = {"host": "server", "said": "little-endian, of the server", "program": "its interpreter"}
    stored["machines"] = {"client": client, "server": server}
    (made.folder / "result.json").write_text(json.dumps(stored), "utf-8")
    page = write.write_cell(made.folder, tmp_path) or made.folder / "index.html"
    text = page.read_text("utf-8")
    assert '<span class="muted">big-endian, 32 bits, of the client</span>' in text
    assert '<span class="muted">little-endian, of the server; its interpreter</span>' in text
