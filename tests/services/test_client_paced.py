"""`client_paced`: one connection, a message every so often, and at which message what went wrong."""

import re
import socket
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import pytest

from services import calling
from services.echo import client_paced
from tests.services.running import PATIENCE_S, exactly, reset
from tests.services.starting import peer, run_main, started

SIZE = 64
QUICK = ("--every", "0.1", "--messages", "3")


def call(serve: Callable[[socket.socket], object], *words: object) -> tuple[int, str, str]:
    """Against a peer that is played by `serve`."""
    with peer(socket.SOCK_STREAM, serve) as port:
        return run_main(client_paced.main, "127.0.0.1", port, *words)


def echo_one(connected: socket.socket) -> bytes:
    message = exactly(connected, SIZE)
    connected.sendall(message)
    return message


def test_each_message_comes_back_on_the_one_connection_and_has_a_line_with_its_time(tmp_path: Path) -> None:
    with started("echo.server_selectors", tmp_path / "journal") as server:
        words = ("--messages", "3", "--every", "0.05", "--size", "5000", "--nodelay")
        options = ("--keepalive", "1,1,2", "--user-timeout", "1.5")
        status, out, err = run_main(client_paced.main, "127.0.0.1", server.port, *words, *options)
        assert (status, err) == (0, "")
        lines = [rf"message {number} of 3: 5000 bytes back in [\d.]+ ms\n" for number in (1, 2, 3)]
        assert re.fullmatch("".join(lines) + "3 messages came back\n", out), out
        server.wait_for_journal("finished; 15000 bytes in, 15000 bytes out")


def test_messages_are_sent_one_every_so_often_and_no_two_are_the_same() -> None:
    came: list[tuple[float, bytes]] = []

    def serve(connected: socket.socket) -> None:
        for _ in range(3):
            message = echo_one(connected)
            came.append((time.monotonic(), message))
        assert connected.recv(1) == b""

    status, _, err = call(serve, "--every", "0.2", "--messages", "3")
    assert (status, err) == (0, "")
    assert all(later[0] - earlier[0] > 0.15 for earlier, later in pairwise(came))
    assert len({message for _, message in came}) == 3


def wait_for_end(connected: socket.socket) -> None:
    while connected.recv(4096):
        pass


def swallow_the_second(connected: socket.socket) -> None:
    echo_one(connected)
    wait_for_end(connected)


def finish_in_the_pause(connected: socket.socket) -> None:
    echo_one(connected)


def reset_in_the_pause(connected: socket.socket) -> None:
    echo_one(connected)
    reset(connected)


def finish_over_the_second(connected: socket.socket) -> None:
    echo_one(connected)
    connected.sendall(exactly(connected, SIZE)[:9])


def reset_over_the_second(connected: socket.socket) -> None:
    echo_one(connected)
    exactly(connected, SIZE)
    reset(connected)


def alter_the_second(connected: socket.socket) -> None:
    echo_one(connected)
    message = exactly(connected, SIZE)
    connected.sendall(message[:20] + b"\x00" + message[21:])
    wait_for_end(connected)


def give_the_first_again(connected: socket.socket) -> None:
    first = echo_one(connected)
    exactly(connected, SIZE)
    connected.sendall(first)
    wait_for_end(connected)


def talk_unasked(connected: socket.socket) -> None:
    connected.sendall(echo_one(connected)[:1])
    wait_for_end(connected)


AT_2 = r"message 2 of 3: .*"


@pytest.mark.parametrize(
    ("serve", "status", "said"),
    [
        (swallow_the_second, 12, rf"timed out: {AT_2}not done within 0\.3 s, waiting for the answer of "),
        (finish_in_the_pause, 14, rf"broken off: {AT_2} finished, 0\.\d+ s into a pause"),
        (reset_in_the_pause, 11, rf"reset: {AT_2}ECONNRESET waiting for the answer of "),
        (finish_over_the_second, 14, rf"broken off: {AT_2} finished after 9 of 64 bytes"),
        (reset_over_the_second, 11, rf"reset: {AT_2}ECONNRESET waiting for the answer of "),
        (alter_the_second, 15, rf"wrong answer: {AT_2}byte 20: expected .*, got b'\\x00"),
        (give_the_first_again, 15, rf"wrong answer: {AT_2}byte 8: expected b'2 of 3. me', got b'1 of 3. me'"),
        (talk_unasked, 15, rf"wrong answer: {AT_2} sent b'm', and nobody had asked|wrong answer: .*nothing more"),
    ],
)
def test_the_one_line_says_at_which_message_it_broke_and_why(
    serve: Callable[[socket.socket], None], status: int, said: str
) -> None:
    got, out, err = call(serve, *QUICK, "--deadline", "0.3")
    assert (got, err.count("\n")) == (status, 1), err
    assert re.match(said, err), err
    assert "message 2" not in out
    assert "came back" not in out


def test_bytes_after_the_last_message_are_a_wrong_answer() -> None:
    def serve(connected: socket.socket) -> None:
        echo_one(connected)
        wait_for_end(connected)
        connected.sendall(b"more")

    status, _, err = call(serve, "--messages", "1")
    assert status == 15
    assert err.endswith("expected the end, got b'more'\n")


def test_the_deadline_over_the_whole_is_also_over_the_pauses() -> None:
    began_s = time.monotonic()
    status, _, err = call(swallow_the_second, "--every", "30", "--timeout", "0.4")
    assert (status, time.monotonic() - began_s < 5) == (12, True)
    assert err.startswith("timed out: message 2 of 5: not done within 0.4 s, in a pause, waiting for ")


def test_after_message_k_it_only_waits_and_hears_the_end() -> None:
    def serve(connected: socket.socket) -> None:
        echo_one(connected)
        echo_one(connected)
        connected.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connected.recv(1)

    status, out, err = call(serve, "--every", "0.05", "--silent-after", "2")
    assert status == 14
    # Longer than a pause between two messages; the client begins to count after the server, which ends at 0.3 s.
    assert re.search(r"finished, 0\.[1-9]\d+ s into a pause\n$", err), err
    assert out.endswith("silent from here on\n")


def test_a_silence_that_nobody_ends_is_ended_by_the_clients_own_deadline() -> None:
    status, _, err = call(swallow_the_second, "--silent-after", "1", "--timeout", "0.4")
    assert status == 12
    assert err.startswith("timed out: not done within 0.4 s, in a pause, waiting for ")


def test_the_socket_options_are_set_before_the_first_message() -> None:
    options: dict[str, int] = {}

    def note(connected: socket.socket, level: int, name: str, value: int) -> None:
        options[name] = value
        have(connected, level, name, value)
        assert connected.getsockopt(level, getattr(socket, name)) == value

    have = calling.set_option
    with patch.object(calling, "set_option", note):
        status, _, err = call(
            swallow_the_second,
            *("--messages", "1", "--keepalive", "60,10,3", "--user-timeout", "1.5", "--nodelay"),
        )
    assert (status, err) == (0, "")
    assert options == {
        "SO_KEEPALIVE": 1,
        "TCP_KEEPIDLE": 60,
        "TCP_KEEPINTVL": 10,
        "TCP_KEEPCNT": 3,
        "TCP_USER_TIMEOUT": 1500,
        "TCP_NODELAY": 1,
    }


@pytest.mark.parametrize("lacking", ["the kernel refuses it", "nothing comes of it", "Python does not know it"])
def test_a_machine_without_an_option_is_unsupported_and_not_a_failure_of_the_network(
    lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lacking == "Python does not know it":
        monkeypatch.delattr(socket, "TCP_USER_TIMEOUT")
    elif lacking == "nothing comes of it":
        monkeypatch.setattr(socket.socket, "setsockopt", lambda *_: None)
    else:
        monkeypatch.setattr(socket.socket, "setsockopt", refuse)
    status, out, err = call(wait_for_end, "--user-timeout", "1")
    assert (status, out) == (77, "")
    assert re.fullmatch("unsupported: TCP_USER_TIMEOUT: .+\n", err), err


def refuse(*_: object) -> None:
    raise OSError(92, "ENOPROTOOPT")


def test_a_closed_port_is_refused() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        status, out, err = run_main(client_paced.main, "127.0.0.1", port)
    assert (status, out, err) == (10, "", f"refused: ECONNREFUSED connecting to 127.0.0.1 port {port}\n")


@pytest.mark.parametrize(
    "words",
    [
        ("--messages", "0"),
        ("--every", "0"),
        ("--size", "65537"),
        ("--deadline", "nan"),
        ("--silent-after", "-1"),
        ("--keepalive", "1,2"),
        ("--keepalive", "1,2,0"),
        ("--keepalive", "1,2,128"),
        ("--keepalive", "32768,1,1"),
        ("--user-timeout", "-1"),
        ("surplus",),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_64(words: tuple[str, ...]) -> None:
    status, out, err = run_main(client_paced.main, "127.0.0.1", "1", *words)
    assert (status, out, err.count("\n")) == (64, "", 1)


def test_the_largest_message_comes_back(tmp_path: Path) -> None:
    with started("echo.server_blocking", tmp_path / "journal") as server:
        words = ("--messages", "1", "--size", client_paced.SIZE_LIMIT, "--timeout", PATIENCE_S)
        status, out, _ = run_main(client_paced.main, "127.0.0.1", server.port, *words)
    assert status == 0
    assert "65536 bytes back" in out
