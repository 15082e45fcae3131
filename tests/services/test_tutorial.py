"""The programs of services/tutorial as they come, on loopback: the naive ones too are right where nothing fails."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from scenarios.spec.service import ServiceChoice, load_service
from scenarios.spec.tutorials import PROGRAMS
from tests.services.running import eventually

SERVICE = load_service(PROGRAMS.parent)
ENDS_WITHIN_S = 30


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@contextmanager
def running(server: str) -> Iterator[int]:
    """The port of a server that listens."""
    is_udp = SERVICE.transport_of(server) == "udp"
    port = free_port(socket.SOCK_DGRAM if is_udp else socket.SOCK_STREAM)
    words = (SERVICE.servers[server].run or "").format(bind="127.0.0.1", port=port, cert="").split()[1:]

    def listens() -> bool:
        table = "/proc/net/udp" if is_udp else "/proc/net/tcp"
        with open(table, encoding="ascii") as lines:  # noqa: PTH123 (a file of the kernel's)
            return any(line.split()[1].endswith(f":{port:04X}") for line in lines if ":" in line)

    with subprocess.Popen([sys.executable, *words], cwd=PROGRAMS, start_new_session=True) as program:
        try:
            eventually(listens, f"{server} to listen")
            yield port
        finally:
            os.killpg(program.pid, signal.SIGTERM)  # with the processes of its pool, which would stay


def ran(chosen: ServiceChoice, port: int) -> str:
    words = [each.format(host="127.0.0.1", port=port) for each in chosen.client.run.split(" ", 4)[1:]]
    done = subprocess.run(
        [sys.executable, *(each.strip('"') for each in words)],
        cwd=PROGRAMS,
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("server", [name for name in SERVICE.servers if not name.startswith("handshake")])
def test_each_client_is_answered_where_nothing_fails(server: str) -> None:
    with running(server) as port:
        for client in SERVICE.callers(server):
            said = ran(ServiceChoice(SERVICE, server, client), port)
            assert re.search(SERVICE.clients[client].prints, said, re.MULTILINE), (client, said)
            if client == "multi":
                assert "received b'Message 1 from client.Message 2 from client.'" in said, "two messages, one recv()"


def test_two_ends_of_a_unix_socket_speak_by_a_name_of_the_file_system() -> None:
    said = subprocess.run(
        [sys.executable, "unix_socket.py"], cwd=PROGRAMS, capture_output=True, text=True, timeout=ENDS_WITHIN_S
    )
    assert said.stdout == "connected to echo, a socket: True\nReceived b'Hello, world'\n"
