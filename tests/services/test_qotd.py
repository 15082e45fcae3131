"""What a quote is: RFC 865's rules, and our own."""

import pytest

from services.qotd.quotes import DAY_S, LIMIT, LONGEST, QUOTES, fault, quote


@pytest.mark.parametrize("each", QUOTES)
def test_each_quote_of_ours_keeps_the_rules_and_ends_with_its_author(each: bytes) -> None:
    assert fault(each) == ""
    assert len(each) <= LONGEST <= LIMIT
    assert each.endswith(b"\r\n")
    assert each.splitlines()[-1].startswith(b"    -- ")


def test_the_quote_is_the_same_all_day_and_another_the_next_day() -> None:
    midnight = 20_000 * DAY_S
    assert quote(midnight) == quote(midnight + DAY_S - 1)
    assert len({quote(midnight + day * DAY_S) for day in range(len(QUOTES))}) == len(QUOTES)


def test_512_bytes_are_a_quote_and_513_are_not() -> None:
    assert fault(b"x" * 512) == ""
    assert fault(b"x" * 513) == "expected 1 to 512 bytes, got 513"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "expected 1 to 512 bytes, got 0"),
        (b"two\twords", "byte 3: expected printing ASCII, space, CR or LF, got 0x09"),
        ("é".encode(), "byte 0: expected printing ASCII, space, CR or LF, got 0xc3"),
        (b"x\x7f", "byte 1: expected printing ASCII, space, CR or LF, got 0x7f"),
    ],
)
def test_what_is_no_quote_is_told_with_the_place(answer: bytes, says: str) -> None:
    assert fault(answer) == says
