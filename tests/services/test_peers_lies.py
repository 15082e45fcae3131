"""Lies in the search protocol: what our client makes of a server's, and our servers of a client's."""

import re
from pathlib import Path

import pytest

from services.peers import sum_client
from services.peers.lies import LIES, lie
from services.search.answers import answer
from services.wire import Connection, Message
from tests.services.running import answers, asking, run
from tests.services.starting import called, started

FOUND = "Follow the white rabbit. 🐰"
AT = r"message 1, byte \d+: "
# Of each lie: what the client's call ends with, and what it says of why.
TO_A_CLIENT = {
    "none": (0, FOUND),
    "truncated": (14, f"{AT}end of stream inside a message: expected 43 bytes of content, got 22"),
    "garbage-header": (15, f"{AT}header: expected text in utf-8"),
    "header-length-long": (15, f"{AT}header: expected JSON, got 'Extra data'"),
    "header-length-short": (15, f"{AT}header: expected JSON"),
    "content-length-long": (12, r"not done within 0\.5 s, waiting for the answer of "),
    "content-length-short": (15, f"{AT}content: expected JSON"),
    "unknown-encoding": (15, f"{AT}content-encoding: expected one of utf-8, binary, got 'utf-7'"),
    "bad-utf8": (15, f"{AT}content: expected text in utf-8"),
    "byteorder": (0, FOUND),  # text has no byte order
}
# And what a server's journal says of it; whether the client is answered, and with what.
TO_A_SERVER = {
    "none": (0, FOUND, "finished"),
    "truncated": (14, "", f"protocol error: {AT}end of stream inside a message: expected 41 bytes of content"),
    "garbage-header": (14, "", f"protocol error: {AT}header: expected text in utf-8"),
    "header-length-long": (14, "", f"protocol error: {AT}header: expected JSON, got 'Extra data'"),
    "header-length-short": (14, "", f"protocol error: {AT}header: expected JSON"),
    "content-length-long": (14, "", r"message not whole within 0\.5 s"),
    "content-length-short": (0, "Error: invalid request: content: expected JSON", "protocol error: message 2, byte "),
    "unknown-encoding": (14, "", f"protocol error: {AT}content-encoding: expected one of"),
    "bad-utf8": (0, "Error: invalid request: content: expected text in utf-8", "finished"),
    "byteorder": (0, FOUND, "finished"),
}


def test_every_lie_is_told_to_both() -> None:
    assert set(TO_A_CLIENT) == set(TO_A_SERVER) == set(LIES)


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_one_message_that_is_wrong_in_one_place(name: str) -> None:
    right = Connection().send_message(b'{"result": "abc"}', "text/json", "utf-8")
    told = lie(name, right)
    assert (told.raw == right) == (name == "none")
    assert told.ends == (name == "truncated")
    assert abs(len(told.raw) - len(right)) <= (len(right) if name == "truncated" else 3)


@pytest.mark.parametrize("name", LIES)
def test_our_client_has_a_plain_outcome_for_each_lie_of_a_server(name: str, tmp_path: Path) -> None:
    status, said = TO_A_CLIENT[name]
    with started("peers.liar", tmp_path / "journal", "--lie", name) as server:
        ran = run("search.client", server.host, str(server.port), "search", "morpheus", "--timeout", "0.5")
        server.said("did: ")
        told = server.journal
    assert ran.returncode == status
    assert re.search(said, ran.stderr if status else ran.stdout), ran.stderr
    assert (ran.stderr.count("\n"), bool(ran.stdout)) == ((0, True) if status == 0 else (1, False))
    right = answer(request(), Connection())
    assert f"did: {lie(name, right).told}\n" in told


def request() -> Message:
    connection = Connection()
    connection.receive_data(asking("morpheus"))
    event = connection.next_event()
    assert isinstance(event, Message)
    return event


@pytest.mark.parametrize("module", ["server_selectors", "server_asyncio"])
def test_our_servers_survive_each_lie_of_a_client_and_serve_the_next(module: str, tmp_path: Path) -> None:
    with started(f"search.{module}", tmp_path / "journal", "--message-timeout", "0.5") as server:
        for name, (status, printed, journal) in TO_A_SERVER.items():
            before = server.journal
            ran = run("peers.liar_client", server.host, str(server.port), "--lie", name)
            assert (ran.returncode, ran.stderr.count("\n")) == (status, 1 if status else 0), (name, ran.stderr)
            did, _, rest = ran.stdout.partition("\n")
            assert did == f"did: {lie(name, asking('morpheus')).told}"
            assert rest.startswith(printed) if printed else not rest, (name, rest)
            with server.connect() as connected:
                connected.sendall(asking("ring"))
                assert answers(connected, 1) == ["In the caves beneath the Misty Mountains. 💍"], name
            server.said(r"; \d+ bytes in", times=before.count("bytes in") + 2)
            assert re.search(journal, server.journal.removeprefix(before)), (name, server.journal)


@pytest.mark.parametrize(("name", "status"), [("none", 0), ("byteorder", 15)])
def test_numbers_under_the_wrong_byte_order_are_a_wrong_sum_and_no_crash(
    name: str, status: int, tmp_path: Path
) -> None:
    with started("peers.liar", tmp_path / "journal", "--lie", name) as server:
        ended, out, err = called(sum_client.main, server.host, server.port, 1, -2, 300)
        assert ended == status
        if status:
            assert re.match(
                r"wrong answer: expected the sum 299, got -?\d+, reading (big|little)-endian numbers\n", err
            )
            server.said("did: said byteorder (big|little); the numbers are (big|little)-endian\n")
        else:
            assert (out, err) == ("the sum is 299\n", "")


def test_the_sum_of_an_answer_that_is_no_numbers_is_a_wrong_answer(tmp_path: Path) -> None:
    with started("search.server_selectors", tmp_path / "journal") as server:
        status, _, err = called(sum_client.main, server.host, server.port, 1)
    assert (status, err) == (15, "wrong answer: expected binary/array, got 'binary/custom-server-binary-type'\n")


@pytest.mark.parametrize("number", ["2147483648", "-2147483649", "1_0", "+1", "٣", ""])
def test_what_is_no_int32_is_a_usage_error(number: str) -> None:
    assert called(sum_client.main, "127.0.0.1", 1, number)[0] == 64


def test_an_array_that_is_none_ends_its_connection_only(tmp_path: Path) -> None:
    with started("peers.liar", tmp_path / "journal", "--lie", "none") as server:
        with server.connect() as connected:
            connected.sendall(Connection().send_message(b"123", "binary/array", "binary"))
            assert connected.recv(1) == b""
        server.said("no array of int32: ")
        assert called(sum_client.main, server.host, server.port, 2147483647, -2147483648)[0] == 0
