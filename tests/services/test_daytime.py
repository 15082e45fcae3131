"""What the line is, and that no date of this century is wrong, on either machine."""

import pytest

from scenarios.lab.lab import Lab
from services.daytime.line import LIMIT, fault, line

LAST_OF_32_BITS = 2**31 - 1
SHOW = f"from services.daytime.line import line; print(line({LAST_OF_32_BITS + 1}), line(2**32))"


@pytest.mark.parametrize(
    ("now_s", "text"),
    [
        (0, b"1970-01-01T00:00:00Z\r\n"),
        (1_700_000_000.999, b"2023-11-14T22:13:20Z\r\n"),
        (LAST_OF_32_BITS, b"2038-01-19T03:14:07Z\r\n"),
        (LAST_OF_32_BITS + 1, b"2038-01-19T03:14:08Z\r\n"),
    ],
)
def test_the_line_is_iso_8601_in_utc_with_its_end(now_s: float, text: bytes) -> None:
    assert line(now_s) == text
    assert fault(text) == ""


@pytest.mark.parametrize("host", ["client", "client-be"])
def test_the_line_is_right_after_2038_on_both_machines(lab: Lab, host: str) -> None:
    said = lab.run(host, ["python", "-c", SHOW], timeout_s=10)
    assert said.stdout == "b'2038-01-19T03:14:08Z\\r\\n' b'2106-02-07T06:28:16Z\\r\\n'\n", said.stderr


def test_128_bytes_are_a_line_and_129_are_not() -> None:
    assert fault(b"x" * (LIMIT - 2) + b"\r\n") == ""
    assert fault(b"x" * (LIMIT - 1) + b"\r\n") == "expected at most 128 bytes, got 129"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "expected a line, got none"),
        (b"\r\n", "expected a line, got none"),
        (b"Saturday\r\n12:00\r\n", "byte 8: expected printing ASCII in one line, got 0x0d"),
        (b"Saturday\n12:00\n", "byte 8: expected printing ASCII in one line, got 0x0a"),
        (b"\x00\r\n", "byte 0: expected printing ASCII in one line, got 0x00"),
    ],
)
def test_what_is_not_one_line_is_told_with_the_place(answer: bytes, says: str) -> None:
    assert fault(answer) == says


def test_a_line_of_another_servers_syntax_is_a_line() -> None:
    """RFC 867 gives two examples, of which this is one, and LF alone ends a line too."""
    assert fault(b"Tuesday, February 22, 1982 17:37:43-PST\n") == ""
