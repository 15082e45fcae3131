"""What a program prints on a machine comes whole, however the engine's answer is cut."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import docker
import pytest
from docker.errors import APIError

from scenarios.engine import run_exec

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"


def frame(kind: int, data: bytes) -> bytes:
    return struct.pack(">BxxxL", kind, len(data)) + data


@pytest.fixture
def engine_that_says(tmp_path: Path) -> Callable[..., docker.APIClient]:
    """An engine that answers its next question with these pieces, and closes."""

    def made(*pieces: bytes) -> docker.APIClient:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(tmp_path / "engine"))
        listening.listen()

        def answer() -> None:
            with listening, listening.accept()[0] as asked:
                question = b""
                while not question.endswith(b"}"):  # its body, JSON, may come by itself
                    question += asked.recv(65536)
                for piece in pieces:
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
    assert run_exec(api, "4711") == (b"one\ntwo\n", b"wrong\n")


def test_an_engine_that_refuses_is_told_of(engine_that_says: Callable[..., docker.APIClient]) -> None:
    said = b'{"message": "Container 4711 is not running"}'
    api = engine_that_says(b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))
    with pytest.raises(APIError, match="Container 4711 is not running") as raised:
        run_exec(api, "4711")
    assert raised.value.status_code == 409
