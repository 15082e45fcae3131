"""The transition table is the design: the connection does what it says, and the document shows it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from services.wire import Connection, LocalProtocolError, RemoteProtocolError, State
from services.wire.document import render
from services.wire.states import RECEIVING, SENDING, TABLE, On

ROOT = Path(__file__).parents[2]
MESSAGE = Connection().send_message(b"ab", "a/b", "binary")
HEADER_END = len(MESSAGE) - 2
BAD_HEADER = b"\x00\x02[]"

# How a connection is brought into a state, and what makes each thing happen there.
INTO = {
    State.IDLE: b"",
    State.LENGTH: MESSAGE[:1],
    State.HEADER: MESSAGE[:2],
    State.CONTENT: MESSAGE[:HEADER_END],
}
MAKES = {
    (State.IDLE, On.FIRST_BYTE): MESSAGE[:1],
    (State.LENGTH, On.LENGTH_WHOLE): MESSAGE[1:2],
    (State.HEADER, On.HEADER_WHOLE): MESSAGE[2:HEADER_END],
    (State.HEADER, On.MALFORMED): b" " * (HEADER_END - 2),
    (State.CONTENT, On.CONTENT_WHOLE): MESSAGE[HEADER_END:],
}


@pytest.mark.parametrize("row", RECEIVING, ids=lambda row: f"{row.state.name}-{row.on.name}")
def test_each_row_of_the_receiving_half_happens(row: tuple[State, On, State, str]) -> None:
    state, on, to, gives = row
    connection = Connection()
    connection.receive_data(INTO[state])
    connection.next_event()
    assert connection.receiving is state
    if on is On.END_OF_STREAM:
        connection.receive_eof()
    else:
        connection.receive_data(MAKES[state, on])
    if to is State.FAILED:
        with pytest.raises(RemoteProtocolError):
            connection.next_event()
    else:
        assert gives.strip("`") in repr(connection.next_event())
    assert connection.receiving is to


def test_each_state_is_reached_by_a_row_or_is_where_a_half_starts() -> None:
    assert {row.to for row in RECEIVING + SENDING} | {State.IDLE, State.OPEN} == set(State)


def test_no_pair_of_state_and_happening_has_two_rows() -> None:
    assert len(TABLE) == len(RECEIVING + SENDING)


def test_a_failed_connection_says_the_same_error_again_and_keeps_nothing_more() -> None:
    connection = Connection()
    connection.receive_data(BAD_HEADER + b"x" * 1000)
    with pytest.raises(RemoteProtocolError) as first:
        connection.next_event()
    connection.receive_data(b"x" * 1000)
    with pytest.raises(RemoteProtocolError) as second:
        connection.next_event()
    assert first.value is second.value
    assert connection.buffered == 0


def test_what_came_before_the_failure_is_given_out_first_and_can_still_be_answered() -> None:
    connection = Connection()
    connection.receive_data(MESSAGE + BAD_HEADER)
    connection.next_event()
    with pytest.raises(RemoteProtocolError, match=r"^message 2, byte"):
        connection.next_event()
    assert connection.send_message(b"ab", "a/b", "binary") == MESSAGE


def test_receiving_after_the_end_is_my_own_mistake() -> None:
    connection = Connection()
    connection.receive_eof()
    with pytest.raises(LocalProtocolError):
        connection.receive_data(b"x")


def test_sending_after_the_end_is_my_own_mistake() -> None:
    connection = Connection()
    assert connection.send_eof() == b""
    with pytest.raises(LocalProtocolError, match="SEND_MESSAGE is not possible in state CLOSED"):
        connection.send_message(b"", "a/b", "binary")


def test_the_document_is_what_the_code_renders() -> None:
    assert (ROOT / "docs/protocol.md").read_text(encoding="utf-8") == render(), (
        "run: python -m services.wire.document > docs/protocol.md"
    )


def test_wire_imports_no_io_no_clock_and_nothing_of_the_other_services() -> None:
    """Read, not run: dataclasses itself imports much, but what `wire` names is what `wire` may use."""
    named = set()
    for path in (ROOT / "services/wire").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                named |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level <= 1, f"{path.name} reaches out of wire"
                named |= {(node.module or "").partition(".")[0]} if node.level == 0 else set()
    assert named <= {
        "array",
        "collections",
        "dataclasses",
        "enum",
        "functools",
        "json",
        "math",
        "re",
        "struct",
        "sys",
        "types",
        "typing",
    }


def test_importing_wire_loads_no_socket_no_selectors_and_no_asyncio() -> None:
    code = "import sys, services.wire; print({'socket', 'selectors', 'asyncio', 'ssl'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert ran.stdout == "set()\n"
