"""What a call says of the conversation that its packets show, and which line of service.yaml it advises."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from scenarios.evidence.shape import Shape
from scenarios.run import demo
from scenarios.verdict.check import Verdict

ASKS = Shape("tcp", 1, server_first=False, crossed=False, exchanges=1, segments=1, closed_by="client")
GREETS = Shape("tcp", 1, server_first=True, crossed=False, exchanges=1, segments=1, closed_by="client")
GOES_ON = Shape("tcp", 1, server_first=False, crossed=False, exchanges=7, segments=2, closed_by="client")
CROSSED = Shape("tcp", 1, server_first=True, crossed=True, exchanges=1, segments=1, closed_by="client")


def told(found: Shape, said: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(demo, "shape", lambda *_: found)
    service = SimpleNamespace(conversation=said)
    chosen: Any = SimpleNamespace(client=SimpleNamespace(conversation=None), service=service, image="his")
    client = SimpleNamespace(address=lambda _: "198.18.1.10")
    made: Any = SimpleNamespace(frames={}, client=client, family="ipv4", port=7)
    return list(demo._told_by_packets(chosen, made))[1:]


def test_the_line_that_the_packets_show_is_advised_and_none_where_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "write `conversation: request` into service.yaml; without that line, `other` holds"
    assert told(ASKS, "other", monkeypatch) == [line]
    assert told(ASKS, "request", monkeypatch) == told(ASKS, "stays", monkeypatch) == []


def test_that_a_client_waits_for_the_server_s_words_no_packet_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP/2's ends speak at once, and the server may be first by chance."""
    (line,) = told(GREETS, "other", monkeypatch)
    assert "`conversation: greeting` into service.yaml, if the client waits for the server's first words;" in line
    assert told(CROSSED, "other", monkeypatch) == []


def test_that_a_server_waits_for_the_client_s_words_no_packet_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """SSH's ends speak at once too; its server may be a millisecond later, with the client's words acknowledged."""
    (line,) = told(GOES_ON, "greeting", monkeypatch)
    assert "`conversation: exchanges` into service.yaml, if the server waits for the client's first words;" in line


def exchange(*packets: tuple[str, int, bytes], port: int = 514) -> Any:
    """Packets by who sent them, the port that they are for, and their bytes."""
    hosts = {name: SimpleNamespace(name=name, address=lambda _, name=name: name) for name in ("client", "server")}
    frames = [
        SimpleNamespace(source=who, destination_port=to, payload=what, transport="udp") for who, to, what in packets
    ]
    return SimpleNamespace(**hosts, family="ipv4", port=port, frames={"client-leg": frames}, rungs=frames)


def test_nobody_was_answered_where_no_byte_came_from_the_server() -> None:
    """A datagram for syslog has no answer, and the program that sends it ends well."""
    asked = ("client", 514, b"rabbit")
    assert demo._is_silent(exchange(asked))
    assert not demo._is_silent(exchange(asked, ("server", 40000, b"well")))
    assert not demo._is_silent(exchange()), "nothing was captured"


def test_a_client_that_asks_another_port_proves_nothing_of_this_service() -> None:
    assert demo._asked_checks(exchange(("client", 514, b"rabbit"), ("client", 9, b"?"))) == []
    (other,) = demo._asked_checks(exchange(("client", 9, b"rabbit")))
    assert other.holds is Verdict.UNPROVEN
    assert "it sent to port 9: `port` in service.yaml" in other.seen
