"""The comparison of conversations says what differs and why, and a byte that differs otherwise is wrong."""

from __future__ import annotations

import pytest

from scenarios.byteorder.compare import (
    DOCUMENT,
    Compared,
    Row,
    Talk,
    _beside,
    brief,
    figures,
    on_a_terminal,
    why,
    with_figures,
)
from scenarios.calls.call import Call
from scenarios.evidence.conversation import Conversation, split_messages
from scenarios.lab.topology import ROOT, topology
from scenarios.spec.outcome import Outcome
from scenarios.spec.service import resolve
from scenarios.verdict.check import Verdict
from tests.evidence.test_conversation import array

HOSTS = topology().hosts
PRINTED = "sum 299, minimum -2, maximum 300; 3 doubled"


def call(outcome: Outcome = Outcome.ANSWERED, printed: str = PRINTED) -> Call:
    return Call(
        host="client", argv=("x",), outcome=outcome, errno=None, status=0, signal=None, stdout=printed, stderr="",
        dropped_bytes=0, started_s=0.0, duration_s=0.1, cpu_s=0.0, warm=True,
    )  # fmt: skip


def talk(client: str, server: str, *, request: bytes = b"", answer: bytes = b"", ended: Call | None = None) -> Talk:
    """A call of the array client; what each end says is right where nothing else is given."""
    ends = HOSTS[client], HOSTS[server]
    by = Conversation(
        split_messages(request or array(ends[0].byteorder)), split_messages(answer or array(ends[1].byteorder)), (4, 6)
    )
    return Talk(resolve("search/selectors", "array"), *ends, ended or call(), by)


FIRST = talk("client", "server")


def compared(*rows: Row) -> Compared:
    trees = {f"{pair}-{way}": ["Content: 00"] for pair in ("be-le", "le-be64") for way in ("request", "answer")}
    return Compared({"client": "little-endian, 64 bits, x86_64"}, rows, trees, ROOT)


def test_what_differs_is_told_for_each_direction_with_the_reason() -> None:
    rows = list(_beside([FIRST, talk("client-be", "server"), talk("client-be64", "server-be64")]))
    assert [row.differs for row in rows] == [
        "nothing",
        "request: header length, byte order, elements",
        "request: header length, byte order, elements; answer: header length, byte order, elements",
    ]
    assert why(rows) == [
        "byte order: the header names the byte order of the machine that sent it",
        "header length: the name of that byte order is longer or shorter",
        "elements: the elements' bytes lie in the order that the header names",
    ]
    assert compared(*rows).verdict is Verdict.PASS


def test_a_byte_that_differs_otherwise_is_wrong_and_is_shown() -> None:
    altered = array("big")[:-1] + b"\x2d"
    (_, row) = _beside([FIRST, talk("client-be", "server", request=altered)])
    assert row.wrong.splitlines()[0] == "- elements+0: 00 00 00 01 ff ff ff fe 00 00 01 2c  ...........,"
    assert compared(row).verdict is Verdict.FAIL


def test_a_machine_that_says_another_byte_order_than_its_own_is_wrong() -> None:
    (_, row) = _beside([FIRST, talk("client-be", "server", request=array("little"))])
    assert row.wrong == "client-be: expected big-endian in its headers, got little-endian"


@pytest.mark.parametrize("ended", [call(Outcome.RESET), call(printed="sum 1, minimum 1, maximum 1; 1 doubled")])
def test_bytes_are_not_enough_where_the_client_came_to_another_answer(ended: Call) -> None:
    (_, row) = _beside([FIRST, talk("client-be", "server", ended=ended)])
    assert row.wrong.startswith("expected the right answer, and the client printed: ")


def test_a_message_is_shown_on_a_line_with_what_tells_its_byte_order_whole() -> None:
    shown = '{} bytes: 00 {} {{… "{}" …}} {}'
    assert brief(split_messages(array("big"))) == shown.format(150, "88", "big", "00000001 fffffffe 0000012c")
    assert brief(split_messages(array("little"))) == shown.format(153, "8b", "little", "01000000 feffffff 2c010000")
    assert brief(split_messages(b"Hello, world")) == "12 bytes: Hello, world"
    assert brief(split_messages(b"\0\1")) == "2 bytes: 00 01"
    assert brief(split_messages(b"a" * 30)) == "30 bytes: " + "a" * 24 + " …"


def test_the_table_has_a_row_for_each_mix() -> None:
    (table,) = on_a_terminal(compared(*_beside([FIRST, talk("client-be", "server")])))
    assert [str(column.header) for column in table.columns] == ["pair", "request", "answer", "differs from le-le in"]
    assert list(table.columns[0].cells) == ["le-le", "be-le"]


def test_a_figure_that_is_not_made_or_not_shown_is_an_error() -> None:
    made = figures(compared(*_beside([FIRST, talk("client-be", "server")])))
    text = "".join(f"<!-- figure: {name} -->\nold\n<!-- end -->\n" for name in made)
    whole = with_figures(text, made)
    assert "old" not in whole
    assert "| be-le | `150 bytes: 00 88" in whole
    assert with_figures(whole, made) == whole
    with pytest.raises(ValueError, match=r"byte-order\.md: unknown figure 'other'; there are: machines"):
        with_figures(text + "<!-- figure: other -->\n<!-- end -->\n", made)
    with pytest.raises(ValueError, match=r"byte-order\.md: expected the figure 'why' in it, too"):
        with_figures(text[: text.index("<!-- figure: why")], made)


def test_the_document_has_its_figures() -> None:
    assert "<!-- figure: search-selectors-array -->\n| pair |" in DOCUMENT.read_text(encoding="utf-8")
