"""What tutorials say and teach: each sentence is shown by its drill, each naive program stands beside its repair."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import pytest

from scenarios.lab.topology import ROOT
from scenarios.report import tutorial_programs_page, tutorials_page
from scenarios.spec.catalogue import chosen_service
from scenarios.spec.service import resolve
from scenarios.spec.tutorials import PROGRAMS, Pair, Sentence, load_pairs, load_sentences
from tests.report.making import catalogue, offered

TOLD = load_sentences()
SENTENCES = list(chain.from_iterable(TOLD.sentences.values()))
PAIRS = load_pairs().pairs


def test_there_are_forty_sentences_at_least_and_none_twice() -> None:
    assert len(SENTENCES) >= 40
    assert len({each.says for each in SENTENCES}) == len(SENTENCES)
    assert {each.holds for each in SENTENCES} == {"yes", "no", "depends"}


@pytest.mark.parametrize("sentence", SENTENCES, ids=[each.says for each in SENTENCES])
def test_each_sentence_is_shown_by_one_expectation_of_its_drill(sentence: Sentence) -> None:
    assert sentence.evidence(catalogue()[sentence.drill])


def test_a_sentence_that_its_drill_shows_no_more_is_told() -> None:
    first = SENTENCES[0]
    drill = catalogue()[first.drill]
    with pytest.raises(ValueError, match="does not say 'the moon'"):
        replace(first, claim="the moon").evidence(drill)
    with pytest.raises(ValueError, match="expected one expectation with 'the moon', got 0"):
        replace(first, shown_by="the moon").evidence(drill)
    with pytest.raises(ValueError, match="expected one expectation with 'the', got"):
        replace(first, shown_by="the").evidence(drill)
    with pytest.raises(ValueError, match="but: expected what is true"):
        replace(first, but="")


def test_the_page_of_sentences_is_what_they_and_the_drills_make() -> None:
    made = tutorials_page.document(TOLD, catalogue())
    assert made == (ROOT / "docs" / "tutorials.md").read_text("utf-8"), (
        "python -m scenarios.report.tutorials_page > docs/tutorials.md"
    )


def test_the_page_of_programs_is_what_their_files_make() -> None:
    made = tutorial_programs_page.document(load_pairs(), catalogue())
    assert made == (ROOT / "docs" / "tutorial-programs.md").read_text("utf-8"), (
        "python -m scenarios.report.tutorial_programs_page > docs/tutorial-programs.md"
    )


def test_each_program_that_is_repaired_is_in_a_pair_and_on_the_page_by_its_difference() -> None:
    repaired = {path.name for path in PROGRAMS.glob("*_repaired.py")}
    assert {pair.repaired for pair in PAIRS} == repaired
    assert len(repaired) >= 7
    for pair in PAIRS:
        changed = [line for line in tutorial_programs_page.difference(pair)[2:] if line[0] in "+-"]
        assert changed, pair.naive


@pytest.mark.parametrize("pair", PAIRS, ids=[each.naive for each in PAIRS])
def test_both_programs_of_a_pair_are_run_by_their_columns_under_their_drill(pair: Pair) -> None:
    for column, file in zip(pair.columns, (pair.naive, pair.repaired), strict=True):
        chosen = resolve(column, known=offered())
        assert f"python {file} " in f"{chosen.server.run} {chosen.client.run}"
        assert chosen_service(catalogue()[pair.drill], column, offered())


def test_every_program_of_the_folder_is_run_by_something() -> None:
    service = offered()["tutorial"]
    run = " ".join([*(each.run or "" for each in service.servers.values()), *(c.run for c in service.clients.values())])
    assert {path.name for path in PROGRAMS.glob("*.py") if f"python {path.name}" not in run} == {"unix_socket.py"}
