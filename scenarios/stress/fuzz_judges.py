"""Whether a server may give an answer, whatever bytes it was sent, by the document of its protocol."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from scenarios.lab.valueclass import valueclass

FIXED_BYTES: Final = 16  # of services/framing, without flags
FRAMING_LIMIT: Final = 64 * 1024  # likewise
QUOTE_BYTES: Final = 512  # RFC 865
HTTP_STATUSES: Final = {100, 200, 400, 413, 414, 431, 501, 505}  # docs/services.md
TLS_TYPES: Final = range(20, 24)  # RFC 8446, 5.1
TLS_RECORD_BYTES: Final = (1 << 14) + 256
FINISHED, RESET, LATE = "end", "reset", "late"  # how a connection ended (fuzz_caller.py)


@valueclass
class Case:
    """A message, and the pieces in which it is sent. `promised`: how many answers the protocol promises, if known."""

    sent: bytes
    pieces: tuple[bytes, ...]
    what: str
    promised: int | None = None


@valueclass
class Reply:
    """What came back, and how the connection ended."""

    got: bytes
    end: str


# What is wrong with a reply; empty if nothing is.
Judge = Callable[[Case, Reply], str]


def exactly(expected: bytes, reply: Reply, *, whole: bool = True) -> str:
    """`whole`: nothing in the message broke the protocol. Else the server may close with bytes unread, which resets."""
    if reply.end == LATE:
        return "the connection did not end"
    if reply.got == expected and (reply.end == FINISHED or not whole):
        return ""
    if not whole and reply.end == RESET and expected.startswith(reply.got):
        return ""
    return f"expected {_excerpt(expected)} and the end, got {_excerpt(reply.got)} and {reply.end}"


def _excerpt(content: bytes) -> str:
    return repr(content) if len(content) <= 80 else f"{content[:60]!r}… ({len(content)} bytes)"


def echo(case: Case, reply: Reply) -> str:
    return exactly(case.sent, reply)


def fixed(case: Case, reply: Reply) -> str:
    sent = case.sent
    whole = len(sent) // FIXED_BYTES * FIXED_BYTES
    messages = [sent[at : at + FIXED_BYTES] for at in range(0, whole, FIXED_BYTES)]
    return exactly(b"".join(each[::-1] for each in messages), reply)


def delimited(case: Case, reply: Reply) -> str:
    *messages, rest = case.sent.split(b"\r\n")
    answers: list[bytes] = []
    whole = len(rest) <= FRAMING_LIMIT + 1
    for each in messages:
        if len(each) > FRAMING_LIMIT:
            whole = False
            break
        reverse = each[::-1]
        if b"\r\n" in reverse + b"\r\n" and (reverse + b"\r\n").find(b"\r\n") != len(reverse):
            return _any_prefix(answers, reply)  # its reverse has no form in this framing
        answers.append(reverse + b"\r\n")
    return exactly(b"".join(answers), reply, whole=whole)


def _any_prefix(answers: Sequence[bytes], reply: Reply) -> str:
    if reply.end == LATE:
        return "the connection did not end"
    expected = b"".join(answers)
    return "" if reply.got.startswith(expected) or expected.startswith(reply.got) else exactly(expected, reply)


def length_prefixed(case: Case, reply: Reply) -> str:
    sent, at, answers, whole = case.sent, 0, [], True
    while len(sent) - at >= 4:
        length = int.from_bytes(sent[at : at + 4], "big")
        if length > FRAMING_LIMIT:
            whole = False
            break
        if len(sent) - at - 4 < length:
            break
        answers.append(sent[at : at + 4] + sent[at + 4 : at + 4 + length][::-1])
        at += 4 + length
    return exactly(b"".join(answers), reply, whole=whole)


def shutdown(case: Case, reply: Reply) -> str:
    if len(case.sent) > FRAMING_LIMIT:
        return exactly(b"", reply, whole=False)
    return exactly(case.sent[::-1], reply)


def quote(case: Case, reply: Reply) -> str:  # noqa: ARG001 (whatever is sent, a quote comes)
    if reply.end == RESET and not reply.got:
        return ""
    if reply.end == FINISHED and 0 < len(reply.got) <= QUOTE_BYTES and reply.got.endswith(b"\r\n"):
        return ""
    return f"expected a quote of at most {QUOTE_BYTES} bytes and the end, got {_excerpt(reply.got)} and {reply.end}"


def time_of_day(case: Case, reply: Reply) -> str:  # noqa: ARG001 (whatever is sent, the time comes)
    if reply.end == RESET and not reply.got:
        return ""
    if reply.end == FINISHED and re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\r\n", reply.got):
        return ""
    return f"expected the time of day and the end, got {_excerpt(reply.got)} and {reply.end}"


def nothing(case: Case, reply: Reply) -> str:  # noqa: ARG001 (whatever is sent, nothing comes)
    return f"expected nothing, got {_excerpt(reply.got)}" if reply.got else ""


def tls(case: Case, reply: Reply) -> str:  # noqa: ARG001 (no key is known here: only the records can be judged)
    if reply.end == LATE:
        return "the connection did not end"
    at = 0
    while at < len(reply.got):
        head = reply.got[at : at + 5]
        length = int.from_bytes(head[3:5], "big")
        if len(head) < 5 or head[0] not in TLS_TYPES or head[1] != 3 or length > TLS_RECORD_BYTES:
            return f"expected TLS records, got {_excerpt(reply.got[at:])} at byte {at}"
        at += 5 + length
    if at > len(reply.got) and reply.end != RESET:
        return f"the last TLS record ends {at - len(reply.got)} bytes early"
    return ""


def http(case: Case, reply: Reply) -> str:
    """Responses, each whole, one after another; only after a reset may the last be cut off (RFC 9112)."""
    if reply.end == LATE:
        return "the connection did not end"
    left, number = reply.got, 0
    while left:
        number += 1
        head, blank, rest = left.partition(b"\r\n\r\n")
        started = re.match(rb"HTTP/1\.1 (\d{3}) [^\r\n]*(?:\r\n|\Z)", head)
        if not blank and reply.end == RESET:
            return ""
        if not blank or not started:
            return f"response {number}: expected a status line and fields, got {_excerpt(left)}"
        status = int(started[1])
        if status not in HTTP_STATUSES:
            return f"response {number}: expected one of {sorted(HTTP_STATUSES)}, got {status}"
        lengths = re.findall(rb"(?im)^Content-Length: (\d+)\r?$", head)
        if status == 100:
            left = rest
            continue
        if len(lengths) != 1:
            return f"response {number}: expected one Content-Length, got {len(lengths)}"
        length = int(lengths[0])
        if b"HEAD" in case.sent and (not rest or rest.startswith(b"HTTP/1.1 ")):
            length = 0
        if len(rest) < length and reply.end != RESET:
            return f"response {number}: {len(rest)} of {length} bytes"
        left = rest[length:]
    if case.promised is not None and number != case.promised and reply.end != RESET:
        return f"expected {case.promised} responses, got {number}"
    return ""


def messages(stream: bytes) -> Iterator[tuple[Mapping[str, Any], bytes]]:
    """Yield header and content of each whole message, up to the first that is none. Takes more than is right."""
    at = 0
    while len(stream) - at >= 2:
        begin = at + 2 + int.from_bytes(stream[at : at + 2], "big")
        try:
            header = json.loads(stream[at + 2 : begin])
            length = header["content-length"]
            if begin > len(stream) or not isinstance(length, int) or not 0 <= length <= len(stream) - begin:
                return
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        yield header, stream[begin : begin + length]
        at = begin + length


def judge_search(case: Case, reply: Reply) -> str:
    if reply.end == LATE:
        return "the connection did not end"
    asked = len([*messages(case.sent)])
    answers = [*messages(reply.got)]
    for number, (header, content) in enumerate(answers, 1):
        if wrong := _wrong_answer(header, content):
            return f"answer {number}: {wrong}"
    taken = sum(2 + _header_length(reply.got, answers, at) + len(content) for at, (_, content) in enumerate(answers))
    if taken != len(reply.got) and reply.end != RESET:
        return f"{len(reply.got) - taken} bytes after answer {len(answers)} are not an answer"
    if len(answers) > asked:
        return f"expected at most {asked} answers, one for each whole request, got {len(answers)}"
    if case.promised is not None and (len(answers), reply.end) != (case.promised, FINISHED):
        return f"expected {case.promised} answers and the end, got {len(answers)} and {reply.end}"
    return ""


def _header_length(stream: bytes, answers: Sequence[tuple[Mapping[str, Any], bytes]], number: int) -> int:
    at = 0
    for _, content in answers[:number]:
        at += 2 + int.from_bytes(stream[at : at + 2], "big") + len(content)
    return int.from_bytes(stream[at : at + 2], "big")


def _wrong_answer(header: Mapping[str, Any], content: bytes) -> str:
    """What is wrong with an answer of the search service: it is a result, a defined error, an echo or an array."""
    if header.get("byteorder") not in ("little", "big"):
        return f"byteorder: expected little or big, got {header.get('byteorder')!r}"
    kind = header.get("content-type"), header.get("content-encoding")
    if kind == ("text/json", "utf-8"):
        try:
            result = json.loads(content)["result"]
        except (ValueError, KeyError, TypeError) as error:
            return f"expected JSON with a result, got {_excerpt(content)}: {error}"
        return "" if isinstance(result, str) else f"result: expected a string, got {_excerpt(content)}"
    if kind == ("binary/custom-server-binary-type", "binary"):
        is_one = content.startswith(b"First 10 bytes of request: ") and len(content) <= 27 + 10
        return "" if is_one else f"expected an echo of ten bytes, got {_excerpt(content)}"
    if kind == ("binary/array", "binary"):
        return (
            ""
            if {"element", "count", "sum", "minimum", "maximum"} <= {*header}
            else f"array: expected element, count, sum, minimum and maximum, got {header}"
        )
    return f"unknown kind of content: {kind}"
