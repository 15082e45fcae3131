"""Have the search service add numbers up and double them, hold its answer against our own, and print the sums.

    python -m services.search.client_array HOST PORT ELEMENT [NUMBER ...]       (-- before a number such as -1e5)

ELEMENT: int8 to int64, uint8 to uint64, float32, float64. --count N in place of numbers: N of them, made by a rule. The
numbers travel in the byte order of the machine that sends them, each way. Exit status as of services.search.client; 15,
wrong answer, when the sum, the minimum, the maximum or any one double is not what it must be. Integers without a double
in their element are answered with an error, which is then right, and is printed.
"""

import re
from collections.abc import Iterable
from functools import reduce
from operator import add
from typing import Final

from services import calling, command
from services.calling import Call
from services.outcome import CallError, Outcome
from services.wire import (
    ARRAY,
    CONTENT_LIMIT,
    ELEMENTS,
    Connection,
    Element,
    LocalProtocolError,
    Message,
    Numbers,
    RemoteProtocolError,
    array_of,
    array_pieces,
    element_of,
    send_array,
)

from .client import ask, printable_answer
from .reckoning import NoDouble, Reckoning, number_text

RULE_LENGTH: Final = 4093  # numbers of --count, then they come again; a prime, so that no two pieces are alike
RULE_FACTOR: Final = 0x9E3779B97F4A7C15  # odd, and its bits well mixed (Knuth, The Art of Computer Programming, 6.4)
FLOAT_BITS: Final = {4: 24, 8: 53}  # of an integer that a float of so many bytes holds exactly


def numbers_by_rule(element: Element, count: int) -> Numbers:
    """`count` numbers by the rule: of each bit of an integer or fraction some are 0 and some 1. All have doubles."""
    bits = FLOAT_BITS[element.size] if element.is_float else element.size * 8 - 1
    least = 0 if element.least == 0 else -(1 << (bits - 1))
    numbers = [(number * RULE_FACTOR >> 7) % (1 << bits) + least for number in range(1, RULE_LENGTH + 1)]
    block = array_of(element.name, [n / 256 for n in numbers] if element.is_float else numbers)
    return (block * (count // RULE_LENGTH + 1))[:count]


def parsed(element: Element, words: list[str]) -> Numbers:
    """The numbers that these words say. Raises ValueError and LocalProtocolError."""
    form = "-?[0-9]{1,20}" if not element.is_float else r"-?([0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?|inf|nan)"
    for word in words:
        if not re.fullmatch(form, word):
            raise ValueError(f"expected {element.name}, got {word!r}")
    return array_of(element.name, map(float if element.is_float else int, words))


def checked(asked: Numbers, element: Element, reply: Message) -> str:
    """What is printed of the right answer. Raises CallError when it is another one."""
    ours = Reckoning(element)
    try:
        if reply.header.content_type == ARRAY:
            expect("element", element.name, element_of(reply).name)
            expect("count", len(asked), reply.header.further["count"])
            compare(asked, ours, reply)
            for name, number in ours.results.items():
                expect(name, number, plain(reply.header.further.get(name), element))
            said = ", ".join(f"{name} {number or 'none'}" for name, number in ours.results.items())
            return f"{said}; {len(asked)} doubled"
        for at in range(0, len(asked), RULE_LENGTH):
            ours.doubled(asked[at : at + RULE_LENGTH])
    except RemoteProtocolError as error:
        raise CallError(Outcome.WRONG_ANSWER, str(error)) from error
    except NoDouble as error:
        expect("answer", f"Error: overflow: {error}.", printable_answer("search", reply))
        return f"Error: overflow: {error}."
    raise CallError(
        Outcome.WRONG_ANSWER, f"expected {ARRAY}, got {reply.header.content_type}: {printable_answer('search', reply)}"
    )


def compare(asked: Numbers, ours: Reckoning, reply: Message) -> None:
    """Hold each number of the answer against the double of ours. Raises CallError, NoDouble, RemoteProtocolError."""
    wrong = ""
    for piece in array_pieces(reply):
        at = ours.count
        doubled = ours.doubled(asked[at : at + len(piece)])
        if not wrong and (doubled != piece or ours.element.is_float):  # as numbers; 0.0 == -0.0, NaN != NaN
            wrong = difference(at, doubled, piece)
    if wrong:
        doubles = (number + number for number in asked)
        sums = f"the sum {total(doubles)}, got {total(n for piece in array_pieces(reply) for n in piece)}"
        read = f"reading {reply.header.byteorder}-endian {ours.element.name}"
        raise CallError(Outcome.WRONG_ANSWER, f"expected of the doubles {sums}, {read}; {wrong}")


def total(numbers: Iterable[float]) -> str:
    return number_text(reduce(add, numbers, 0))


def difference(start: int, expected: Numbers, got: Numbers) -> str:
    """The first number that is another one, or "": any NaN is as good as any other, but 0.0 is not -0.0."""
    if expected.tobytes() == got.tobytes():
        return ""
    for at, (ours, theirs) in enumerate(zip(expected, got, strict=True), start):
        if number_text(ours) != number_text(theirs):
            return f"element {at}: expected {number_text(ours)}, got {number_text(theirs)}"
    return ""


def plain(said: object, element: Element) -> object:
    """A float in our own digits: there are many right ways to write one."""
    try:
        return number_text(float(said)) if element.is_float and isinstance(said, str) else said
    except ValueError:
        return said


def expect(what: str, expected: object, got: object) -> None:
    if got != expected:
        raise CallError(Outcome.WRONG_ANSWER, f"{what}: expected {expected!r}, got {got!r}")


def main() -> None:
    parser = calling.parser("services.search.client_array", __doc__)
    parser.add_argument("element", metavar="ELEMENT", choices=list(ELEMENTS))
    parser.add_argument("numbers", metavar="NUMBER", nargs="*")
    parser.add_argument("--count", metavar="N", type=command.size, help="so many numbers, made by a rule")
    parser.add_argument("--content-limit", metavar="BYTES", type=command.size, default=CONTENT_LIMIT)
    asked = calling.parse(parser)
    element = ELEMENTS[asked.element]
    if asked.numbers and asked.count is not None:
        parser.error("NUMBER and --count: one of them")
    count = len(asked.numbers) if asked.count is None else asked.count
    if count * element.size > asked.content_limit:
        parser.error(f"{count} elements of {element.size} bytes are over the content limit of {asked.content_limit}")
    try:
        numbers = parsed(element, asked.numbers) if asked.count is None else numbers_by_rule(element, asked.count)
    except (ValueError, LocalProtocolError) as error:
        parser.error(f"NUMBER: {error}")
    connection = Connection(content_limit=asked.content_limit)
    with calling.reporting_errors():
        call = Call(asked.host, asked.port, asked.timeout)
        print(checked(numbers, element, ask(call, send_array(connection, numbers), connection)))


if __name__ == "__main__":
    main()
