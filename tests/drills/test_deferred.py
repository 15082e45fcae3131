"""A server that sets TCP_DEFER_ACCEPT, as pgbouncer does: its kernel repeats the SYN-ACK to whoever is silent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from scenarios.run.cell import run
from scenarios.run.session import Stage
from scenarios.spec.catalogue import chosen_service, drills
from scenarios.spec.cell import Cell
from scenarios.spec.service import load_service, services
from scenarios.verdict.check import Verdict
from tests.conftest import lab_for_a_while

SERVICE: Final = """\
service: deferred
about: A server that wants no connection before its data.
port: 7071
python: program
conversation: request
servers:
  it: {run: "python server.py {port}", about: "one after another, with TCP_DEFER_ACCEPT", ready: ^listening}
clients:
  it: {run: "python client.py {host} {port}", about: "one question", prints: ^hello}
"""
SERVER: Final = """\
import socket, sys

listener = socket.create_server(("", int(sys.argv[1])))
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
print("listening", flush=True)
while True:
    connection = listener.accept()[0]
    with connection:
        connection.sendall(connection.recv(99))
"""
CLIENT: Final = """\
import socket, sys, time

time.sleep(1.5)  # as a program that is slow to start: the SYN-ACK to the silent one is repeated after 1 s
with socket.create_connection(sys.argv[1:3], 5) as connection:
    connection.sendall(b"hello")
    print(connection.recv(99).decode())
"""


@pytest.fixture
def stage() -> Iterator[Stage]:
    with lab_for_a_while() as lab, Stage(lab) as found:
        yield found


def test_a_syn_ack_that_is_repeated_to_a_silent_client_refutes_nothing(stage: Stage, tmp_path: Path) -> None:
    program = tmp_path / "deferred" / "program"
    program.mkdir(parents=True)
    (program / "server.py").write_text(SERVER, encoding="utf-8")
    (program / "client.py").write_text(CLIENT, encoding="utf-8")
    (program.parent / "service.yaml").write_text(SERVICE, encoding="utf-8")
    known = {**services(), "deferred": load_service(program.parent)}
    drill = drills()["any-silent-neighbour"]
    (tmp_path / "cell").mkdir()
    result = run(stage, Cell(drill, chosen_service(drill, "deferred", known), "le-le"), tmp_path / "cell")
    assert result.verdict is Verdict.PASS, result.sentence
    (repeated,) = [each for each in result.checks if "to a bystander" in each.rule and "at least" in each.expected]
    assert int(repeated.seen) > 1
