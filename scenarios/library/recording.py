"""Recording both legs for the time of a block."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import get_args

from scenarios.evidence.frame import Frame
from scenarios.evidence.nat_frames import behind_translations
from scenarios.evidence.record import LegCapture, Seen
from scenarios.evidence.tshark import by_leg
from scenarios.evidence.tshark_fields import KEPT
from scenarios.lab.earlier_connections import Connection
from scenarios.lab.errors import UsageError
from scenarios.library.packets import Packets, Recorded
from scenarios.library.session import Session
from scenarios.run.settling import wait_until_closed
from scenarios.spec.roles import Role


@contextlib.contextmanager
def recording(session: Session) -> Iterator[Packets]:
    """Record both legs. The packets can be asked when the block has ended; when an exception ended it, too."""
    if session.is_recording:
        raise UsageError(
            "lab.recording: a recording goes on already; use that one, which has all that crosses the firewall"
        )
    recorded = Recorded(session)
    session.is_recording = True
    try:
        with contextlib.ExitStack() as metering:
            metering.enter_context(session.metered())
            recorded.began_ns = time.time_ns()
            with session.stage.capturing.capture() as capture:
                try:
                    yield Packets(recorded)
                finally:
                    _settle(session)
                    until_ns = time.time_ns()
                    captures = capture.stop()
                    with metering:
                        recorded.base = _collect_evidence(session, captures, until_ns)
                    session.story.recorded.append(recorded.base)
                    session.story.ladders.append(recorded.ladder)
    finally:
        session.is_recording = False


def _settle(session: Session) -> None:
    """Wait a little for the servers to close what their clients have closed: their FIN belongs into the recording."""
    lab = session.stage.lab
    for server in list(session.servers.values()):
        if not server.ended and server.host.name in lab.topology.hosts and not session.story.is_paused:
            wait_until_closed(lab, server.host.name, server.port)


def _collect_evidence(session: Session, captures: dict[str, LegCapture], until_ns: int) -> Seen:
    dissector, story, cast = session.stage.dissector, session.story, session.cast
    frames = behind_translations(
        by_leg(captures, lambda pcapng: dissector.frames(pcapng, KEPT, ())),
        cast.translations("client") if session.nat else (),
        cast.addresses("nobody") if session.vip else (),
    )
    old = {ends for each in session.earlier for ends in _both_ways(each)}
    frames = {leg: [each for each in of_leg if _ends(each) not in old] for leg, of_leg in frames.items()}
    roles: tuple[Role, ...] = get_args(Role)
    hosts = session.stage.lab.topology.places.values()
    names = {address: each.name for each in hosts for address in (each.ipv4, each.ipv6)}
    if session.here:
        names |= dict.fromkeys((session.here.ipv4, session.here.ipv6), session.here.name)
    server = session.servers.get("server")
    return Seen(
        armed=story.armed,
        port=server.port if server else 0,
        addresses={role: cast.addresses(role) for role in roles},
        client_side=session.client_side,
        calls=story.calls,
        caught=story.caught,
        looks=story.looks,
        logs=story.logs,
        captures=captures,
        frames=frames,
        events=story.events,
        byteorders=cast.byteorders,
        machines=names,
        look_times_ns=story.look_times_ns,
        captured_until_ns=until_ns,
    )


def _both_ways(connection: Connection) -> Iterator[tuple[object, object]]:
    yield from connection.ways()


def _ends(frame: Frame) -> tuple[object, object]:
    return (frame.source, frame.source_port), (frame.destination, frame.destination_port)
