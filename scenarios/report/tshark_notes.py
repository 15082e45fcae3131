"""What tshark remarks on a packet, in words for a person."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scenarios.evidence.pairing import OR_ANOTHER
from scenarios.report.packet_fates import Rung

# What tshark's expert says of a segment, in a word; what it says of every segment of its kind is left out.
WORDS = (
    (re.compile(r"\bspurious retransmission", re.I), "spurious retransmission"),
    (re.compile(r"\bfast retransmission", re.I), "fast retransmission"),
    (re.compile(r"\bretransmission", re.I), "retransmission"),
    (re.compile(r"\bduplicate ack", re.I), "duplicate ACK"),
    (re.compile(r"\bout-of-order", re.I), "out of order"),
    (re.compile(r"previous segment\(s\) not captured", re.I), "a segment before it is missing"),
    (re.compile(r"acked segment that wasn't captured", re.I), "acknowledges a missing segment"),
    (re.compile(r"\bzero window probe ack|ack to a tcp zero window probe", re.I), "answers a window probe"),
    (re.compile(r"zero window probe", re.I), "zero window probe"),
    (re.compile(r"zero window segment|tcp zero window", re.I), "zero window"),
    (re.compile(r"window update", re.I), "window update"),
    (re.compile(r"window is completely full|tcp window specified by the receiver", re.I), "fills the window"),
    (re.compile(r"ack to a tcp keep-alive|keep-alive ack", re.I), "answers a keep-alive"),
    (re.compile(r"keep-alive", re.I), "keep-alive"),
    (re.compile(r"bad checksum", re.I), "bad checksum"),
    (re.compile(r"same ports as an earlier session", re.I), "ports used again"),
    (re.compile(r"d-sack", re.I), "D-SACK"),
    (re.compile(r"partial acknowledgement", re.I), "partial ACK"),
)
PLAIN = re.compile(
    r"connection (establish (request|acknowledge)|finish|reset)|this frame (initiates|undergoes) the connection"
    r"|no response seen|time to live|HTTP/1",
    re.I,
)


def marks(rung: Rung) -> Iterator[str]:
    """What tshark finds notable, in a word each, and what the firewall altered."""
    frames = [*rung.packet.frames.values()]
    found: dict[str, None] = {}
    if rung.altered:
        found.setdefault(rung.altered)
    if rung.cut:
        found.setdefault(f"cut into {rung.cut} segments")
    if rung.packet.is_unsure:
        found.setdefault(OR_ANOTHER)
    for note in (note for frame in frames for note in frame.notes):
        word = next((word for pattern, word in WORDS if pattern.search(note)), None)
        if word is None and not PLAIN.search(note):
            word = note
        if word is not None:
            found.setdefault(word)
    if any(not frame.checksum_good for frame in frames):
        found.setdefault("bad checksum")
    if any("RST" in frame.flags for frame in frames):
        found.setdefault("reset")
    yield from found
