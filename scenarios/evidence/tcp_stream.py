"""The bytes of a TCP stream, put together from the frames of a capture."""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.evidence.frame import Frame


def stream_bytes(segments: Sequence[Frame]) -> bytes:
    """The bytes that one direction of one TCP connection carried, put together by sequence number (RFC 9293, 3.4).

    The direction begins at its SYN. Bytes beyond a hole in the capture are left out; what was sent again counts once.
    """
    syn = next((segment for segment in segments if "SYN" in segment.flags), None)
    if syn is None or syn.seq is None:
        return b""
    start = syn.seq + 1
    whole = bytearray()

    def offset_of(segment: Frame) -> int:
        """Where its bytes begin: those of a SYN (RFC 7413) after the SYN itself."""
        return ((segment.seq or 0) + ("SYN" in segment.flags) - start) % 2**32

    for segment in sorted(segments, key=offset_of):
        if segment.payload and segment.seq is not None:
            offset = offset_of(segment)
            if offset > len(whole):
                break
            whole[offset : offset + len(segment.payload)] = segment.payload
    return bytes(whole)
