"""Messages of DNS over UDP: whom a question asks for, and an answer made another one.

What is not such a message is None; nothing here raises on bytes from the network.

Sources: RFC 1035, 4.1 (messages); RFC 2181, 9 (TC); RFC 2308 (no data); RFC 3597 (compressed names in
the data of a record).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from .name_words import RECORD_TYPES, NameAnswer, RecordType
from .packet import UDP, Packet, with_payload

PORT = 53
LABELS_LIMIT = 128  # a name has at most 255 bytes (RFC 1035, 2.3.4), and so at most 127 labels and the root
RECORDS_LIMIT = 256  # of an answer that is made another one
_HEADER = struct.Struct("!HHHHHH")  # identification, flags, and how many of each section
_RECORD = struct.Struct("!HHIH")  # behind a record's name: type, class, TTL, length of the data
_IS_ANSWER, _TRUNCATED, _RCODE = 0x8000, 0x0200, 0x000F
_CODES = {"servfail": 2, "unknown": 3, "refused": 5}
_QUESTION_NAME = b"\xc0\x0c"  # a pointer to the name of the question, which stands behind the header
_OPT = 41  # of EDNS: what stands for a TTL there is none (RFC 6891)


class Question(NamedTuple):
    """The first question of a message."""

    name: str  # in lower case, without the last dot
    type: int
    end: int  # in the message
    is_answered: bool


def _labels(message: bytes, at: int) -> Iterator[bytes]:
    for _ in range(LABELS_LIMIT):
        size = message[at] if at < len(message) else 0xC0
        if size > 63 or at + 1 + size > len(message):  # a question has no compressed name: nothing is before it
            return
        yield message[at + 1 : at + 1 + size]
        if not size:
            return
        at += 1 + size


def question(message: bytes) -> Question | None:
    """What a message asks, or says that it was asked."""
    if len(message) < 17 or not int.from_bytes(message[4:6], "big"):
        return None
    labels = list(_labels(message, 12))
    if not labels or labels[-1]:
        return None
    end = 12 + sum(1 + len(label) for label in labels)
    if end + 4 > len(message):
        return None
    name = b".".join(labels[:-1]).decode("ascii", "backslashreplace").lower()
    return Question(name, int.from_bytes(message[end : end + 2], "big"), end + 4, bool(message[2] & 0x80))


def is_about(packet: Packet, *, answer: bool, name: str, of_type: RecordType | None) -> bool:
    """Whether it is a question (or an answer) of DNS over UDP for this name and type; empty, None: for any."""
    if packet.protocol != UDP:
        return False
    asked = question(packet.data[packet.payload : packet.end])
    return (
        asked is not None
        and asked.is_answered is answer
        and name in ("", asked.name)
        and (of_type is None or asked.type == RECORD_TYPES[of_type])
    )


def _behind_name(message: bytes, at: int) -> int | None:
    """Where a name ends that may be compressed."""
    for _ in range(LABELS_LIMIT):
        if at >= len(message):
            return None
        size = message[at]
        if size >= 0xC0:
            return at + 2
        at += 1 + size
        if not size:
            return at
    return None


def _records(message: bytes, at: int, count: int) -> list[tuple[int, int]] | None:
    """Where each record begins, and where its type stands; None where they are not sound."""
    found = []
    for _ in range(count):
        typed = _behind_name(message, at)
        if typed is None or typed + _RECORD.size > len(message):
            return None
        found.append((at, typed))
        at = typed + _RECORD.size + _RECORD.unpack_from(message, typed)[3]
        if at > len(message):
            return None
    return found


def answered_otherwise(packet: Packet, declared: NameAnswer) -> Packet | None:
    """The answer as it is declared; None where it is no answer that could be made so, or is so already."""
    if not packet.is_whole or packet.protocol != UDP:
        return None
    message = packet.data[packet.payload : packet.end]
    asked = question(message)
    if asked is None or not asked.is_answered:
        return None
    made: bytes | None
    if declared.ttl is not None:
        made = _with_ttl(message, asked, declared.ttl)
    elif declared.cname is not None:
        made = _by_another_name(message, asked, declared.cname)
    else:
        made = _without_records(message, asked, str(declared.becomes))
    if made is None or made == message:
        return None
    return with_payload(packet, made, packet.original)


def _without_records(message: bytes, asked: Question, becomes: str) -> bytes | None:
    identification, flags = (int.from_bytes(message[at : at + 2], "big") for at in (0, 2))
    if becomes == "wrong-id":
        return ((identification + 1) & 0xFFFF).to_bytes(2, "big") + message[2:]
    if becomes == "wrong-question":
        if not asked.name:
            return None  # of the root there is no letter
        return message[:13] + (b"x" if message[13:14] != b"x" else b"y") + message[14:]
    flags = flags & ~_RCODE | _CODES.get(becomes, 0) | (_TRUNCATED if becomes == "truncated" else 0)
    return _HEADER.pack(identification, flags, 1, 0, 0, 0) + message[12 : asked.end]


def _with_ttl(message: bytes, asked: Question, ttl: int) -> bytes | None:
    records = _records(message, asked.end, min(RECORDS_LIMIT, sum(_HEADER.unpack_from(message)[3:])))
    if not records:
        return None
    made = bytearray(message)
    for _, typed in records:
        if int.from_bytes(message[typed : typed + 2], "big") != _OPT:
            made[typed + 4 : typed + 8] = ttl.to_bytes(4, "big")
    return bytes(made)


def _by_another_name(message: bytes, asked: Question, cname: str) -> bytes | None:
    """A CNAME, and behind it what answers there are, as those of its target. Answers of A and of AAAA only: their data
    has no name in it that could be compressed."""
    identification, flags, _, answers, *_ = _HEADER.unpack_from(message)
    records = _records(message, asked.end, min(RECORDS_LIMIT, answers))
    if records is None:
        return None
    target = b"".join(bytes([len(label)]) + label.encode() for label in cname.rstrip(".").split(".")) + b"\0"
    at = asked.end + len(_QUESTION_NAME) + _RECORD.size
    made = _QUESTION_NAME + _RECORD.pack(RECORD_TYPES["CNAME"], 1, 5, len(target)) + target
    count = 1
    for _, typed in records:
        kind, _, _, size = _RECORD.unpack_from(message, typed)
        if kind in (RECORD_TYPES["A"], RECORD_TYPES["AAAA"]):
            made += (0xC000 | at).to_bytes(2, "big") + message[typed : typed + _RECORD.size + size]
            count += 1
    return _HEADER.pack(identification, flags, 1, count, 0, 0) + message[12 : asked.end] + made
