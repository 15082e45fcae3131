"""Altering a stored capture: a frame of a pcapng file taken out, put in, or changed (draft-ietf-opsawg-pcapng, 4.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

ENHANCED_PACKET = 6


def blocks(pcapng: bytes) -> Iterator[tuple[int, bytes]]:
    """Each block, whole, with its type. Little-endian files only, as tcpdump writes them on the firewall."""
    at = 0
    while at < len(pcapng):
        kind, length = struct.unpack_from("<II", pcapng, at)
        assert length >= 12
        assert at + length <= len(pcapng)
        yield kind, pcapng[at : at + length]
        at += length


def without_frame(pcapng: bytes, number: int) -> bytes:
    """The capture without its frame of this number, counted from 1."""
    found, kept = 0, []
    for kind, block in blocks(pcapng):
        found += kind == ENHANCED_PACKET
        if kind != ENHANCED_PACKET or found != number:
            kept.append(block)
    assert 0 < number <= found, f"there is no frame {number} among {found}"
    return b"".join(kept)


def with_frame(pcapng: bytes, other: bytes, number: int) -> bytes:
    """The capture with the frame of this number of another one, at its end."""
    frames = [block for kind, block in blocks(other) if kind == ENHANCED_PACKET]
    return pcapng + frames[number - 1]


def with_last_byte_altered(pcapng: bytes, number: int, payload: bytes) -> bytes:
    """The capture with the last byte of this payload, which ends the frame of this number, made another."""
    found, made = 0, []
    for kind, block in blocks(pcapng):
        found += kind == ENHANCED_PACKET
        if kind == ENHANCED_PACKET and found == number:
            at = block.rindex(payload) + len(payload) - 1
            block = block[:at] + bytes([block[at] ^ 0x01]) + block[at + 1 :]
        made.append(block)
    assert 0 < number <= found, f"there is no frame {number} among {found}"
    return b"".join(made)
