"""Every place of an RFC that a drill, the code or a document names is in scenarios/spec/sources.yaml, and was read."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

import pytest

from scenarios.lab.topology import ROOT
from scenarios.spec.sources import MAN_PAGE, Source, sources_of, table
from tests.report.making import catalogue as drills

PLACE = r"(?:section |appendix )?(?:[1-9]\d*(?:\.\d+)*|[A-Z](?:\.\d+)*)(?![\w-])"
# "RFC 9112, 6.1 and 6.3", "RFC 9293 section 3.6.1"; of "RFC 862, 865, 867" all are RFCs: no section is numbered so.
NAMED = re.compile(rf"\bRFC ([1-9]\d*)((?:(?:, and |, | and | or | ){PLACE})*)")
RULE_OR_CHAPTER = re.compile(r"[1-9]\d*(?:\.\d+)*|[A-Z](?:\.\d+)*")
READ = [
    *(ROOT / "scenarios").rglob("*.py"),
    *(ROOT / "scenarios" / "drills").glob("*.yaml"),
    *(ROOT / "services").rglob("*.py"),
    *(path for path in (ROOT / "images").rglob("*") if path.is_file() and path.suffix in ("", ".py", ".lua")),
    *(ROOT / "docs").glob("*.md"),
    ROOT / "README.md",
]


@functools.cache
def everywhere() -> frozenset[tuple[str, Source]]:
    """Each place that anything names, with the file that does."""
    return frozenset(
        (str(path.relative_to(ROOT)), each) for path in READ for each in places(path.read_text("utf-8", "replace"))
    )


def places(text: str) -> Iterator[Source]:
    """The RFCs of a text, and each section that is named behind one."""
    for number, behind in NAMED.findall(re.sub(r"\s+(?:# )?", " ", text)):
        document = f"RFC {number}"
        yield Source(document)
        for word in RULE_OR_CHAPTER.findall(re.sub(r"section|appendix|and|or", "", behind)):
            if word.isdigit() and int(word) > 99:
                document = f"RFC {word}"
                yield Source(document)
            elif word.isdigit() and re.search(rf"\d\.\d+, {word}$", behind):
                continue  # "6.3, 5": the fifth rule of that section
            else:
                yield Source(document, word)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("RFC 9112, 6.1 and 6.3)", ["RFC 9112", "RFC 9112 section 6.1", "RFC 9112 section 6.3"]),
        ("RFC 862, 865, 9112)", ["RFC 862", "RFC 865", "RFC 9112"]),
        ("RFC 8446\n    # appendix A.1.", ["RFC 8446", "RFC 8446 appendix A.1"]),
        ("RFC 9112, 6.3, 5)", ["RFC 9112", "RFC 9112 section 6.3"]),
        ("RFC 2018 (SACK) and RFC 1700 is", ["RFC 2018", "RFC 1700"]),
    ],
)
def test_places_are_found_as_they_are_written(text: str, found: list[str]) -> None:
    assert [str(each) for each in places(text)] == found


def test_each_rfc_and_section_that_is_named_anywhere_is_in_the_table() -> None:
    assert len({each for _, each in everywhere()}) > 150
    missing = sorted(f"{path}: {each}" for path, each in everywhere() if not each.is_known)
    assert not missing, "\n".join(missing)


def test_each_source_of_a_drill_was_read_and_its_sentence_is_quoted() -> None:
    bare = [
        f"{drill.drill}: {source}"
        for drill in drills().values()
        for source in sources_of(drill.source)
        if not (source.says or source.not_looked_up)
        and not ((source.document in table() or (ROOT / source.document).is_file()) and not source.place)
    ]
    assert not bare, "\n".join(bare)


def test_the_table_has_nothing_that_nobody_names() -> None:
    named = {(each.document, each.place) for _, each in everywhere()}
    named |= {(each.document, each.place) for drill in drills().values() for each in sources_of(drill.source)}
    documents = {document for document, _ in named}
    unused = [
        f"{document} {place}".strip()
        for document, entry in table().items()
        for place in ("", *entry.get("places", {}))
        if (document, place) not in named and (place or document not in documents)
    ]
    assert not unused, unused


def test_a_quoted_sentence_is_short() -> None:
    quoted = {
        Source(document, place): Source(document, place).says
        for document, entry in table().items()
        for place in ("", *entry.get("places", {}))
    }
    assert not [str(each) for each, says in quoted.items() if len(says) > 300]
    assert sum(bool(says) for says in quoted.values()) > 120


def test_a_place_has_an_address() -> None:
    assert Source.parse("RFC 9293 section 3.6.1").url == "https://www.rfc-editor.org/rfc/rfc9293#section-3.6.1"
    assert Source.parse("RFC 791 appendix B").url == "https://www.rfc-editor.org/rfc/rfc791#appendix-B"
    assert Source.parse("RFC 6298 section 2.1").url.endswith("rfc6298#section-2"), "a rule, not a section"
    assert Source.parse("tcp(7) tcp_retries2").url == "https://man7.org/linux/man-pages/man7/tcp.7.html"
    assert Source.parse("docs/protocol.md").url == ""
    assert all(MAN_PAGE.fullmatch(each) or each.startswith(("RFC ", "Linux ")) for each in table())


@pytest.mark.parametrize("text", ["RFC 9293 3.6.1", "RFC 1700 “Data Notations”", "RFC", "RFC 9293 section"])
def test_a_place_that_is_written_otherwise_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected `RFC 9293`, `RFC 9293 section"):
        Source.parse(text)
