"""One suite for every client (`contract`): peers that do each thing wrong, and one outcome, status and line for each.

Here the clients' own `main` is called in this process, so that a peer can close at every byte of an answer; that each
runs as a program too is shown once a client. tests/infra/test_contract_in_lab.py has the same tests between the hosts
of a lab.
"""

import io
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol
from unittest.mock import patch

import pytest

from tests.services.contract import Client, clients
from tests.services.running import PATIENCE_S, exactly, reset, run

Script = Callable[[socket.socket], object]


@dataclass(frozen=True, slots=True)
class Ran:
    status: int
    stdout: str
    stderr: str


class ClientsPlace(Protocol):
    """Where clients run, and where the peer is that they call."""

    byteorder: str  # of the machine of the clients, as sys.byteorder
    host: str  # the peer's address

    def main(self, client: Client, *words: str) -> Ran:
        """The client's `main`, as the command line would have called it."""
        ...

    def program(self, client: Client, *words: str) -> Ran:
        """The client as a program."""
        ...

    def peers(self) -> AbstractContextManager[None]:
        """The sockets that this thread makes in the `with` block are the peer's."""
        ...


class Here:
    byteorder: str = sys.byteorder
    host = "127.0.0.1"

    def main(self, client: Client, *words: str) -> Ran:
        out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
        status = 0
        with patch.object(sys, "argv", ["x", *words]), redirect_stdout(out), redirect_stderr(err):
            try:
                import_module(f"services.{client.module}").main()
            except SystemExit as ended:
                status = int(ended.code or 0)
        out.seek(0)
        return Ran(status, out.read(), err.getvalue())

    def program(self, client: Client, *words: str) -> Ran:
        ran = run(client.module, *words)
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def peers(self) -> AbstractContextManager[None]:
        return nullcontext()


@pytest.fixture(scope="module")
def clients_place() -> ClientsPlace:
    return Here()


@pytest.fixture
def client(request: pytest.FixtureRequest, clients_place: ClientsPlace) -> Client:
    """The client under test, as it is in its place."""
    found: Client = request.param
    return found.on(clients_place.byteorder)


def call(place: ClientsPlace, client: Client, port: int, *flags: str) -> Ran:
    return place.main(client, place.host, str(port), *client.words, *flags)


@contextmanager
def peer(place: ClientsPlace, client: Client, script: Script) -> Iterator[int]:
    """A port on which one connection is accepted and handed to `script`, all that the client asks having been read."""

    def accept_one() -> None:
        connected, _ = listening.accept()
        with connected:
            connected.settimeout(PATIENCE_S)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            assert exactly(connected, len(client.asks)) == client.asks
            script(connected)

    with place.peers():
        listening = socket.create_server((place.host, 0))
    with listening:
        listening.settimeout(PATIENCE_S)
        serving = threading.Thread(target=accept_one, daemon=True)
        serving.start()
        yield listening.getsockname()[1]
        serving.join(PATIENCE_S)
        assert not serving.is_alive(), "the client did not end its connection"


def until_closed(connected: socket.socket) -> None:
    with suppress(ConnectionResetError):  # of an answer that the client did not read to its end
        while connected.recv(65536):
            pass


def script_that_replies(reply: bytes) -> Script:
    """Say this, and wait until the client has ended the connection."""

    def script(connected: socket.socket) -> None:
        with suppress(OSError):  # a client that is right to have gone already, after a wrong byte
            connected.sendall(reply)
            connected.shutdown(socket.SHUT_WR)
        until_closed(connected)

    return script


def assert_one_line(ran: Ran, status: int, begins: str) -> None:
    assert (ran.status, ran.stderr.count("\n")) == (status, 1), ran
    assert ran.stderr.startswith(begins), ran


@clients()
def test_the_right_answer_is_printed_and_the_status_is_0(clients_place: ClientsPlace, client: Client) -> None:
    with peer(clients_place, client, script_that_replies(client.reply)) as port:
        ran = clients_place.program(client, clients_place.host, str(port), *client.words)
    assert (ran.status, ran.stderr) == (0, "")
    assert client.prints in ran.stdout


@clients()
def test_an_answer_that_comes_byte_by_byte_is_the_same_answer(clients_place: ClientsPlace, client: Client) -> None:
    def byte_by_byte(connected: socket.socket) -> None:
        for byte in client.reply:
            connected.sendall(bytes([byte]))
        connected.shutdown(socket.SHUT_WR)
        until_closed(connected)

    with peer(clients_place, client, byte_by_byte) as port:
        ran = call(clients_place, client, port)
    assert (ran.status, ran.stderr) == (0, "")
    assert client.prints in ran.stdout


@clients()
def test_a_peer_that_closes_at_any_byte_of_its_answer_has_broken_off_and_the_status_is_14(
    clients_place: ClientsPlace, client: Client
) -> None:
    """But an answer that is delimited by its end looks whole wherever it ends: it is wrong, then."""
    for cut in range(len(client.reply)):
        with peer(clients_place, client, script_that_replies(client.reply[:cut])) as port:
            ran = call(clients_place, client, port)
        assert_one_line(ran, client.cut_status, "broken off: " if client.cut_status == 14 else "wrong answer: ")


@clients()
def test_a_peer_that_resets_at_any_byte_of_its_answer_is_status_11_and_names_econnreset(
    clients_place: ClientsPlace, client: Client
) -> None:
    for cut in (0, 1, len(client.reply) - 1):

        def say_some_and_reset(connected: socket.socket, cut: int = cut) -> None:
            connected.sendall(client.reply[:cut])
            reset(connected)

        with peer(clients_place, client, say_some_and_reset) as port:
            ran = call(clients_place, client, port)
        assert_one_line(ran, 11, f"reset: ECONNRESET waiting for the answer of {clients_place.host} port ")


@clients()
def test_no_answer_within_the_time_is_status_12(clients_place: ClientsPlace, client: Client) -> None:
    over = threading.Event()
    with peer(clients_place, client, lambda _: over.wait(PATIENCE_S)) as port:
        began_s = time.monotonic()
        ran = call(clients_place, client, port, "--timeout", "0.2")
        assert 0.2 <= time.monotonic() - began_s < 2
        over.set()
    assert_one_line(ran, 12, "timed out: not done within 0.2 s, waiting for ")


@clients()
def test_the_deadline_is_over_the_whole_answer_and_not_over_each_byte(
    clients_place: ClientsPlace, client: Client
) -> None:
    """A byte each 50 ms, of 9 or more: a timeout that began again with each would never come."""

    def drip(connected: socket.socket) -> None:
        with suppress(ConnectionError):
            for byte in client.reply:
                connected.sendall(bytes([byte]))
                over.wait(0.05)

    over = threading.Event()
    with peer(clients_place, client, drip) as port:
        ran = call(clients_place, client, port, "--timeout", "0.2")
        over.set()
    assert_one_line(ran, 12, "timed out: not done within 0.2 s, waiting for ")


@clients()
def test_what_is_no_right_answer_is_a_wrong_answer_and_status_15(clients_place: ClientsPlace, client: Client) -> None:
    for reply in (client.wrong, client.reply + client.more) if client.more else (client.wrong,):
        with peer(clients_place, client, script_that_replies(reply)) as port:
            ran = call(clients_place, client, port)
        assert_one_line(ran, 15, "wrong answer: ")


@clients(lambda client: client.name == "echo/blocking" or client.module == "framing.client")
def test_what_comes_after_the_right_answer_and_the_half_close_is_a_wrong_answer_too(
    clients_place: ClientsPlace, client: Client
) -> None:
    def say_more_at_the_end(connected: socket.socket) -> None:
        connected.sendall(client.reply)
        assert connected.recv(1) == b"", "the client finishes"
        script_that_replies(client.more)(connected)

    with peer(clients_place, client, say_more_at_the_end) as port:
        ran = call(clients_place, client, port)
    assert_one_line(ran, 15, "wrong answer: ")


@clients()
def test_refused_is_status_10_and_names_econnrefused(clients_place: ClientsPlace, client: Client) -> None:
    with clients_place.peers():
        bound = socket.socket()
    with bound:  # and not listening: nobody else can take the port meanwhile
        bound.bind((clients_place.host, 0))
        port = bound.getsockname()[1]
        ran = call(clients_place, client, port)
    assert_one_line(ran, 10, f"refused: ECONNREFUSED connecting to {clients_place.host} port {port}\n")


@clients()
def test_a_wrong_command_line_is_status_64_and_one_line(clients_place: ClientsPlace, client: Client) -> None:
    for words in ("127.0.0.1", "1", *client.wrong_words), ("", "1", *client.words), ("127.0.0.1", "x"):
        ran = clients_place.main(client, *words)
        assert (ran.status, ran.stdout, ran.stderr.count("\n")) == (64, "", 1), words
