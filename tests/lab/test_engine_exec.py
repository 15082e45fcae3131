"""What a program prints on a machine comes whole, however the engine's answer is cut."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from types import EllipsisType

import docker
import pytest
from docker.errors import APIError

from scenarios.lab import engine
from scenarios.lab.engine import run_exec

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"


def frame(kind: int, data: bytes) -> bytes:
    return struct.pack(">BxxxL", kind, len(data)) + data


@pytest.fixture
def engine_that_says(tmp_path: Path) -> Callable[..., docker.APIClient]:
    """An engine that answers its next question so, and closes. None: it stands still; ...: it goes on for ever."""

    def made(*pieces: bytes | EllipsisType | None) -> docker.APIClient:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(tmp_path / "engine"))
        listening.listen()

        def answer() -> None:
            with listening, listening.accept()[0] as asked:
                question = b""
                while not question.endswith(b"}"):  # its body, JSON, may come by itself
                    question += asked.recv(65536)
                with contextlib.suppress(OSError):  # whoever asked is gone
                    for piece in pieces:
                        match piece:
                            case None:  # it stands still
                                asked.recv(1)
                            case EllipsisType():  # it never ends
                                while True:
                                    asked.sendall(frame(1, b"y"))
                            case bytes():
                                asked.sendall(piece)

        threading.Thread(target=answer, daemon=True).start()
        return docker.APIClient(f"unix://{tmp_path}/engine", version="1.41")

    return made


FRAMES = frame(1, b"one\n") + frame(2, b"wrong\n") + frame(1, b"") + frame(1, b"two\n")


@pytest.mark.parametrize("at", [0, 1, 8, 9, 20, len(FRAMES)])
def test_what_comes_with_the_head_of_the_answer_and_what_comes_later_are_both_read(
    engine_that_says: Callable[..., docker.APIClient], at: int
) -> None:
    api = engine_that_says(HEAD + FRAMES[:at], FRAMES[at:])
    out, err = run_exec(api, "4711", 10)
    assert (out.text(), err.text()) == ("one\ntwo\n", "wrong\n")


def test_what_a_program_prints_is_bounded_and_the_end_is_kept_too(
    engine_that_says: Callable[..., docker.APIClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "EXEC_LIMIT", 20)
    api = engine_that_says(HEAD, *[frame(1, b"y\n")] * 10_000, frame(1, b"at the end"), frame(2, b"x" * 20))
    out, err = run_exec(api, "4711", 10)
    assert (
        out.text() == "y\ny\ny\ny\ny\n\n[its output was cut after 10 bytes: 19,990 bytes are missing here]\nat the end"
    )
    assert err.text() == "x" * 20


@pytest.mark.parametrize("said", [(HEAD, frame(1, b"one\n"), None), (None,)], ids=["after some output", "at once"])
def test_a_program_that_does_not_end_is_waited_for_no_longer_than_it_was_given(
    engine_that_says: Callable[..., docker.APIClient], said: tuple[bytes | None, ...]
) -> None:
    with pytest.raises(TimeoutError, match=r"not within 0\.2 s"):
        run_exec(engine_that_says(*said), "4711", 0.2)


def test_a_program_that_goes_on_printing_is_not_waited_for_either(
    engine_that_says: Callable[..., docker.APIClient],
) -> None:
    with pytest.raises(TimeoutError):
        run_exec(engine_that_says(HEAD, *[frame(1, b"y\n")] * 10, ...), "4711", 0.2)


def test_an_engine_that_refuses_is_told_of(engine_that_says: Callable[..., docker.APIClient]) -> None:
    said = b'{"message": "Container 4711 is not running"}'
    api = engine_that_says(b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))
    with pytest.raises(APIError, match="Container 4711 is not running") as raised:
        run_exec(api, "4711", 10)
    assert raised.value.status_code == 409
