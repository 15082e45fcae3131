"""The messages of a captured conversation: what one end sent until the other did. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scenarios.evidence.frame import Frame
from scenarios.evidence.tcp_stream import stream_bytes
from scenarios.verdict.guess import By, Message


def messages(frames: Sequence[Frame], client: str, server: str, port: int) -> tuple[Message, ...]:
    """All TCP connections from one address to a port of another, one after another, in the order of their beginnings.

    Of bytes that were sent again the first counts; what came behind a hole in the capture is left out.
    """
    connections: dict[int, list[tuple[By, Frame]]] = {}
    for frame in sorted(frames, key=lambda frame: frame.number):
        if frame.transport != "tcp" or frame.source_port is None or frame.destination_port is None:
            continue
        if (frame.source, frame.destination, frame.destination_port) == (client, server, port):
            connections.setdefault(frame.source_port, []).append(("client", frame))
        elif (frame.source, frame.destination, frame.source_port) == (server, client, port):
            connections.setdefault(frame.destination_port, []).append(("server", frame))
    return tuple(message for found in connections.values() for message in _of_connection(found))


def _of_connection(found: Sequence[tuple[By, Frame]]) -> Iterator[Message]:
    ends: tuple[By, ...] = ("client", "server")
    whole = {by: stream_bytes([frame for of, frame in found if of == by]) for by in ends}
    starts = {by: frame.seq + 1 for by, frame in found if "SYN" in frame.flags and frame.seq is not None}
    sent: dict[By, int] = dict.fromkeys(ends, 0)
    last: By | None = None
    content = b""
    for by, frame in found:
        if not frame.payload or frame.seq is None or by not in starts:
            continue
        end = min((frame.seq - starts[by]) % 2**32 + len(frame.payload), len(whole[by]))
        if end <= sent[by]:
            continue
        if last is not None and last != by:
            yield Message(last, content)
            content = b""
        content += whole[by][sent[by] : end]
        sent[by], last = end, by
    if last is not None:
        yield Message(last, content)
