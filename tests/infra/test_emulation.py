"""docs/emulation.md is what the machines of a lab answer now."""

from __future__ import annotations

import pytest

from scenarios.byteorder.emulation import DOCUMENT, Answers, ask, document
from scenarios.lab.lab import Lab


@pytest.fixture(name="asked", scope="module")
def asked_of_the_machines(lab: Lab) -> list[Answers]:
    return ask(lab)


def test_the_document_is_what_the_machines_answer_now(asked: list[Answers]) -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(asked), "make emulation WRITE=1 writes it anew"


def test_byte_order_and_word_size_are_told_apart_by_three_machines(asked: list[Answers]) -> None:
    assert [each.answer for each in asked] == [
        "little-endian, 64 bits, x86_64",
        "big-endian, 32 bits, ppc",
        "big-endian, 64 bits, s390x",
    ]


def test_every_machine_has_the_names_of_the_errnos_and_the_same_questions(asked: list[Answers]) -> None:
    native, *emulated = asked
    assert native.errnos["ECONNREFUSED"] == 111
    for each in emulated:
        assert set(each.errnos) == set(native.errnos)
        assert {subject: list(of) for subject, of in each.answers.items()} == {
            subject: list(of) for subject, of in native.answers.items()
        }
