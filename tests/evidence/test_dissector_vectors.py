"""The dissector reads the test vectors as the codec does: arrays, text in every encoding, and what must be refused.

Neither it nor the vectors were made with the codec, so these are two opinions beside the one of tests/wire.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from tests.evidence.dissecting import Shown, Tshark
from tests.evidence.packets import Capture
from tests.vectors import make

TREE_NUMBERS = 64  # shown of an array


def vectors(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((make.FOLDER / f"{name}.json").read_text(encoding="ascii"))
    return found


def decode(tshark: Tshark, streams: list[bytes]) -> list[list[Shown]]:
    """What is shown of each stream, each being a connection of its own that ends."""
    capture = Capture()
    frames = [capture.conversation().stream(stream) for stream in streams]
    found: list[list[Shown]] = [[] for _ in streams]
    for one in tshark.decode(capture):
        found[next(at for at, last in enumerate(frames) if one.frame <= last)].append(one)
    return found


def as_tshark_writes(element: str, value: str) -> float | int | str:
    if "float" not in element:
        return int(value)
    return "nan" if value == "nan" else float.fromhex(value)


def read(element: str, text: str) -> float | int | str:
    if "float" not in element:
        return int(text)
    if "nan" in text.lower():
        return "nan"
    return float(text)


def test_the_elements_of_every_array_are_shown_in_the_order_of_their_header(tshark: Tshark) -> None:
    cases = vectors("arrays")
    for case, messages in zip(cases, decode(tshark, [bytes.fromhex(case["bytes"]) for case in cases]), strict=True):
        (one,) = messages
        assert (one.good, one.wrong_content) == (True, False), case["name"]
        assert (one.element, one.count) == (case["element"], len(case["values"])), case["name"]
        assert one.byteorder == case["machine"]
        assert len(one.numbers) == len(case["values"])
        for text, value in zip(one.numbers, case["values"], strict=True):
            expected, got = as_tshark_writes(case["element"], value), read(case["element"], text)
            if isinstance(expected, float):
                expected = float(f"{expected:.15g}")  # Wireshark writes no more digits; the summary has all
                assert got == pytest.approx(expected, rel=1e-5), case["name"]
                assert str(got)[0] == str(expected)[0] or abs(expected) > 1, case["name"]  # the sign of zero too
            else:
                assert got == expected, case["name"]


def test_the_summary_of_an_array_has_its_first_numbers_to_the_last_digit(tshark: Tshark) -> None:
    def array(order: str, code: str, element: str, *numbers: float) -> bytes:
        content = struct.pack(f"{order}{len(numbers)}{code}", *numbers)
        named = {"element": element, "count": len(numbers)}
        return make.message("big" if order == ">" else "little", "binary/array", "binary", content, named)

    streams = [
        array(">", "i", "int32", 1, -2, 300),
        array("<", "i", "int32", 1, -2, 300),
        array("<", "q", "int64", -(2**63), 2**63 - 1),
        array(">", "Q", "uint64", 2**64 - 1),
        array("<", "d", "float64", 0.1, -0.0, float("inf"), float("nan")),
        array(">", "f", "float32", 0.5, float("-inf")),
        array("<", "b", "int8", *range(9)),
        array("<", "B", "uint8"),
        array("<", "H", "uint16", *range(70)),
    ]
    messages = [one for (one,) in decode(tshark, streams)]
    begins = ["big binary/array binary 12 bytes", "little binary/array binary 12 bytes"]
    assert [one.summary for one in messages] == [
        f"{begins[0]} int32 × 3: 1, -2, 300",
        f"{begins[1]} int32 × 3: 1, -2, 300",
        f"little binary/array binary 16 bytes int64 × 2: {-(2**63)}, {2**63 - 1}",
        f"big binary/array binary 8 bytes uint64 × 1: {2**64 - 1}",
        "little binary/array binary 32 bytes float64 × 4: 0.10000000000000001, -0, inf, nan",
        "big binary/array binary 8 bytes float32 × 2: 0.5, -inf",
        "little binary/array binary 9 bytes int8 × 9: 0, 1, 2, 3, 4, 5, 6, 7, …",
        "little binary/array binary 0 bytes uint8 × 0: ",
        "little binary/array binary 140 bytes uint16 × 70: 0, 1, 2, 3, 4, 5, 6, 7, …",
    ]
    assert messages[8].numbers == tuple(map(str, range(TREE_NUMBERS)))


def test_the_same_bytes_under_the_other_byte_order_are_shown_as_other_numbers(tshark: Tshark) -> None:
    right = make.message("little", "binary/array", "binary", b"\2\0\0\0", {"element": "int32", "count": 1})
    lie = right[2:].replace(b'"little"', b'"big"')
    [[true], [false]] = decode(tshark, [right, (len(lie) - 4).to_bytes(2, "big") + lie])
    assert (true.numbers, false.numbers) == (("2",), ("33554432",))
    assert true.content == false.content
    assert false.good and not false.wrong_content  # noqa: PT018 - nothing can be found wrong with it


@pytest.mark.parametrize("name", ["messages", "text"])
def test_every_right_vector_is_right_to_the_dissector(tshark: Tshark, name: str) -> None:
    cases = [case for case in vectors(name) if "content-limit" not in case]
    for case, messages in zip(cases, decode(tshark, [bytes.fromhex(case["bytes"]) for case in cases]), strict=True):
        (one,) = messages
        assert (one.good, one.byteorder) == (True, case["machine"]), case["name"]
        assert one.content_encoding == case["content-encoding"]
        if "content" in case:
            assert one.content.hex() == case["content"], case["name"]


def test_every_refused_vector_is_refused_by_the_dissector_too(tshark: Tshark) -> None:
    cases = [case for case in vectors("refused") if case["refused"]["reads"] != "text" and "content-limit" not in case]
    assert len(cases) > 80
    for case, messages in zip(cases, decode(tshark, [bytes.fromhex(case["bytes"]) for case in cases]), strict=True):
        last = [one for one in messages if not one.untrusted][-1]
        framing = case["refused"]["reads"] == "framing"
        assert (last.malformed is not None, last.wrong_content) == (framing, not framing), case["name"]
        assert last.numbers == (), case["name"]


SAID = '{"action": "search", "value": "é🐰 \\u2028"}'
LATIN = '{"action": "search", "value": "é"}'


def test_text_in_every_encoding_is_shown_as_the_same_text(tshark: Tshark) -> None:
    contents = {
        "utf-8": b"\xef\xbb\xbf" + SAID.encode(),
        "utf-16": b"\xff\xfe" + SAID.encode("utf-16-le"),
        "utf-16-le": SAID.encode("utf-16-le"),
        "utf-16-be": SAID.encode("utf-16-be"),
        "utf-32": b"\0\0\xfe\xff" + SAID.encode("utf-32-be"),
        "latin-1": LATIN.encode("latin-1"),
    }
    streams = [make.message("big", "text/json", encoding, content) for encoding, content in contents.items()]
    streams.append(make.message("big", "text/json", "utf-16", b"\xfe\xff" + SAID.encode("utf-16-be")))
    streams.append(make.message("big", "text/json", "utf-32", b"\xff\xfe\0\0" + SAID.encode("utf-32-le")))
    messages = [one for (one,) in decode(tshark, streams)]
    assert [one.text for one in messages] == [SAID] * 5 + [LATIN] + [SAID] * 2
    assert not any(one.wrong_content for one in messages)
    assert [(one.summary or "").partition("bytes ")[2] for one in messages] == [one.text for one in messages]


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("utf-8", b'"\xc0\xaf"'),
        ("utf-16", '"a"'.encode("utf-16-be")),
        ("utf-16", b"\xfe\xff" + '"a"'.encode("utf-16-be") + b"\0"),
        ("utf-16-le", '"\ud83d"'.encode("utf-16-le", "surrogatepass")),
        ("utf-16-be", '"\udc30\ud83d"'.encode("utf-16-be", "surrogatepass")),
        ("utf-16-be", b"\xfe\xff" + '"a"'.encode("utf-16-be")),
        ("utf-32", '"a"'.encode("utf-32-be")),
        ("utf-32", b"\0\0\xfe\xff" + '"\ud83d"'.encode("utf-32-be", "surrogatepass")),
        ("utf-32", b"\0\0\xfe\xff\0\0\0\x22\0\x11\0\0\0\0\0\x22"),
        ("latin-1", b'"\x1f"'),
    ],
)
def test_a_content_that_is_no_text_in_its_encoding_is_wrong_and_not_malformed(
    tshark: Tshark, encoding: str, content: bytes
) -> None:
    wrong = make.message("big", "text/json", encoding, content)
    [[first, second]] = decode(tshark, [wrong + make.message("big", "text/json", "utf-8", b"{}")])
    assert (first.wrong_content, first.good) == (True, True)
    assert (second.wrong_content, second.text) == (False, "{}")
