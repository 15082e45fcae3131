"""Lies in the search protocol: what our client makes of a server's, and our servers of a client's."""

import re
import sys
from pathlib import Path

import pytest

from services.peers.lies import LIES, lie
from services.search import client_array
from services.search.answers import answer
from services.wire import Connection, Message
from tests.services.running import answers, run, search_request
from tests.services.starting import run_main, started

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
    "unknown-encoding": (15, f"{AT}content-encoding: expected one of utf-8, utf-16, .*, binary, got 'utf-7'"),
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
        server.wait_for_journal("did: ")
        told = server.journal
    assert ran.returncode == status
    assert re.search(said, ran.stderr if status else ran.stdout), ran.stderr
    assert (ran.stderr.count("\n"), bool(ran.stdout)) == ((0, True) if status == 0 else (1, False))
    right = answer(request(), Connection())
    assert f"did: {lie(name, right).report}\n" in told


def request() -> Message:
    connection = Connection()
    connection.receive_data(search_request("morpheus"))
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
            assert did == f"did: {lie(name, search_request('morpheus')).report}"
            assert rest.startswith(printed) if printed else not rest, (name, rest)
            with server.connect() as connected:
                connected.sendall(search_request("ring"))
                assert answers(connected, 1) == ["In the caves beneath the Misty Mountains. 💍"], name
            server.wait_for_journal(r"; \d+ bytes in", times=before.count("bytes in") + 2)
            assert re.search(journal, server.journal.removeprefix(before)), (name, server.journal)


@pytest.mark.parametrize(("name", "status"), [("none", 0), ("byteorder", 15)])
def test_numbers_under_the_wrong_byte_order_are_a_wrong_sum_and_no_crash(
    name: str, status: int, tmp_path: Path
) -> None:
    with started("peers.liar", tmp_path / "journal", "--lie", name) as server:
        ended, out, err = run_main(client_array.main, server.host, server.port, "int32", 1, -2, 300)
        assert ended == status
        if status:
            other = {"big": "little", "little": "big"}[sys.byteorder]
            wrong = f"expected of the doubles the sum 598, got 1459748863, reading {other}-endian int32; element 0: "
            assert err == f"wrong answer: {wrong}expected 2, got 33554432\n"
            server.wait_for_journal("did: said byteorder (big|little); the numbers are (big|little)-endian\n")
        else:
            assert (out, err) == ("sum 299, minimum -2, maximum 300; 3 doubled\n", "")
