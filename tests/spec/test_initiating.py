"""A new service begins as a folder that is right, and nothing that exists is touched."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from scenarios.calls.boxes import environment
from scenarios.lab.errors import UsageError
from scenarios.spec.outcome import OF_STATUS, Outcome
from scenarios.spec.scaffold import TEMPLATES, initiate
from scenarios.spec.service import SERVICES, load_service, resolve, services


def test_its_folder_is_a_service_at_once_and_most_of_it_is_ten_lines(tmp_path: Path) -> None:
    made = initiate("mine", root=tmp_path)
    assert sorted(path.name for path in made.folder.iterdir()) == ["Dockerfile", "program", "service.yaml"]
    assert made.image == "faultwire/service-mine"
    assert made.image_of("ask") == made.image
    assert os.access(made.folder / "program", os.X_OK)
    # each key of a server and of a client in a line of its own; a person writes them into braces, in ten
    lines = [
        line for line in (made.folder / "service.yaml").read_text("utf-8").splitlines() if not line.startswith("#")
    ]
    assert len(lines) <= 16


@pytest.mark.parametrize("speaks", [None, "echo"])
def test_what_its_file_shows_in_comments_is_right_when_the_sign_is_taken_away(
    tmp_path: Path, speaks: str | None
) -> None:
    file = initiate("mine", speaks, tmp_path).folder / "service.yaml"
    text = file.read_text("utf-8")
    file.write_text(re.sub(r"^#(?=( {4})?[a-z_]+: )", "", text, flags=re.MULTILINE), encoding="utf-8")
    made = load_service(file.parent)
    server = made.servers["program"]
    assert (server.ports, float(server.starts_within)) == ((4443,), 60)
    assert (len(server.setup), len(server.teardown)) == (1, 1)
    assert (list(made.environment), list(made.credentials)) == (["LEVEL", "WHERE"], ["PASSWORD"])
    assert made.files == {"service.yaml": "/etc/mine/service.yaml"}


def test_one_that_speaks_as_a_service_of_ours_is_called_by_its_clients(tmp_path: Path) -> None:
    initiate("mine", "echo", tmp_path)
    (tmp_path / "echo").symlink_to(SERVICES / "echo")
    chosen = resolve("mine", known=services(tmp_path))
    assert chosen.service.speaks == "echo/selectors"
    assert chosen.client_name == "blocking"
    assert chosen.image is None
    assert "paced" in chosen.service.clients


@pytest.mark.parametrize("name", ["My-program", "9lives", "", "a b", "../mine", "mine.py"])
def test_a_name_that_cannot_be_one_is_told_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"invalid name of a service .*: expected lower-case letters"):
        initiate(name, root=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_exists_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "closing.py").touch()
    for name in ("mine", "closing"):
        with pytest.raises(ValueError, match="exists already, and stays as it is"):
            initiate(name, root=tmp_path)
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_folder_that_cannot_be_made_or_filled_is_told_and_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "services").write_text("a file", "utf-8")
    with pytest.raises(UsageError, match=r"services/mine cannot be made: (Not a directory|File exists)$"):
        initiate("mine", root=tmp_path / "services")

    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UsageError, match=r"mine cannot be filled: No space left on device$"):
        initiate("mine", root=tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["services"]


def test_a_protocol_that_nobody_speaks_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="did you mean 'echo'"):
        initiate("mine", "ecko", tmp_path)
    with pytest.raises(ValueError, match="write `speaks: search` into"):
        initiate("mine", "search", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_half_a_folder_is_never_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scenarios.spec.scaffold.load_service", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        initiate("mine", root=tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert load_service(initiate("mine", root=tmp_path).folder).service == "mine"


PROGRAM = TEMPLATES / "program"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def run_client(port: int, **changes: str) -> subprocess.CompletedProcess[str]:
    told = {**os.environ, **environment("client", "127.0.0.1", port, 2), **changes}
    return subprocess.run([PROGRAM], env=told, capture_output=True, text=True, timeout=20, check=False)


def test_the_program_keeps_the_contract() -> None:
    port = free_port()
    told = {**os.environ, **environment("server", "127.0.0.1", port)}
    with subprocess.Popen([PROGRAM], env=told, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("listening on ")
        try:
            right = run_client(port)
            assert (right.returncode, right.stdout) == (0, "hello\n")
            assert OF_STATUS[run_client(port, FAULTWIRE_ASK="nonsense-1").returncode] is Outcome.UNSUPPORTED
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(5)
    refused = run_client(port)
    assert (OF_STATUS[refused.returncode], refused.stderr) == (Outcome.REFUSED, "refused: ECONNREFUSED\n")


@pytest.mark.parametrize(("sent", "outcome"), [(b"hel", Outcome.BROKEN_OFF), (b"HELLO\n", Outcome.WRONG_ANSWER)])
def test_the_program_tells_a_broken_answer_from_a_wrong_one(sent: bytes, outcome: Outcome) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        told = {**os.environ, **environment("client", "127.0.0.1", listening.getsockname()[1], 5)}
        with subprocess.Popen([PROGRAM], env=told, stderr=subprocess.DEVNULL) as client:
            connection, _ = listening.accept()
            with connection:
                connection.recv(100)
                connection.sendall(sent)
            assert OF_STATUS[client.wait(10)] is outcome


def test_the_program_ends_by_its_own_clock_where_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert OF_STATUS[run_client(listening.getsockname()[1]).returncode] is Outcome.TIMED_OUT
