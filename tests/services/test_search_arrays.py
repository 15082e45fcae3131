"""The array action of the search service: what it answers, what its client makes of wrong answers, and how much memory.

The sums of the vectors (tests/vectors/arrays.json) are answered on every CPU in tests/wire.
"""

import array
import math
import re
import socket
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.search import client_array
from services.search.answers import answer
from services.search.reckoning import Reckoning, number_text
from services.wire import (
    ARRAY,
    ELEMENTS,
    Connection,
    Header,
    Message,
    array_of,
    content_array,
    content_json,
    send_array,
)
from tests.services.running import ROOT, running
from tests.services.starting import peer, run_main

MIB = 2**20
SERVERS = ["server_selectors", "server_asyncio"]


def array_message(element: str, *numbers: float, byteorder: str = sys.byteorder) -> Message:
    return received(send_array(Connection(byteorder=byteorder), array_of(element, numbers)))


def received(raw: bytes) -> Message:
    connection = Connection(content_limit=128 * MIB)
    connection.receive_data(raw)
    event = connection.next_event()
    assert isinstance(event, Message)
    return event


def wrong(content: bytes, encoding: str = "binary", **further: object) -> str:
    """What the service says of a binary/array that is wrong."""
    request = Message(Header("big", ARRAY, encoding, len(content), further), content, number=1, offset=0)
    said = content_json(received(answer(request, Connection())))
    assert isinstance(said, dict)
    return str(said["result"])


# What is answered


@pytest.mark.parametrize("byteorder", ["big", "little"])
@pytest.mark.parametrize("own", ["big", "little"])
def test_the_answer_is_in_the_order_of_the_machine_that_answers_and_the_same_numbers(byteorder: str, own: str) -> None:
    raw = answer(array_message("int32", 1, -2, 300, byteorder=byteorder), Connection(byteorder=own))
    prefix = {"big": ">", "little": "<"}[own]
    header = (
        f'{{"byteorder": "{own}", "content-type": "binary/array", "content-encoding": "binary", "content-length": 12, '
        '"element": "int32", "count": 3, "sum": "299", "minimum": "-2", "maximum": "300"}'
    )
    assert raw == len(header).to_bytes(2, "big") + header.encode() + struct.pack(f"{prefix}3i", 2, -4, 600)


@pytest.mark.parametrize(
    ("content", "encoding", "further", "says"),
    [
        (bytes(13), "binary", {"element": "int32", "count": 3}, "count: expected the count of 13 bytes of content"),
        (bytes(4), "binary", {"count": 1}, "element: expected a string, got no such name"),
        (bytes(4), "binary", {"element": "int32"}, "count: expected an integer, got no such name"),
        (bytes(4), "binary", {"element": "int24", "count": 1}, "element: expected one of int8, "),
        (bytes(4), "utf-8", {"element": "int32", "count": 1}, "content-encoding: expected one of binary, got 'utf-8'"),
    ],
)
def test_an_array_that_is_wrong_is_answered_with_what_was_expected_and_what_came(
    content: bytes, encoding: str, further: dict[str, object], says: str
) -> None:
    assert wrong(content, encoding, **further).startswith(f"Error: invalid request: {says}")


def test_an_overflow_names_the_first_element_without_a_double_wherever_it_stands() -> None:
    place = 100_001  # beyond the first piece
    numbers = array.array("i", [2**30 - 1]) * place + array.array("i", [2**30, 2**31 - 1])
    said = content_json(received(answer(received(send_array(Connection(), numbers)), Connection())))
    bounds = "-2147483648 to 2147483647"
    assert said == {"result": f"Error: overflow: element {place}: 2 × 1073741824 is not in int32, {bounds}."}


def test_a_large_array_is_reckoned_over_the_ends_of_its_pieces() -> None:
    numbers = array.array("q", range(-50_000, 70_000))
    reply = received(answer(received(send_array(Connection(), numbers)), Connection()))
    assert list(content_array(reply)) == [2 * number for number in numbers]
    assert reply.header.further["sum"] == str(sum(range(-50_000, 70_000)))
    assert (reply.header.further["minimum"], reply.header.further["maximum"]) == ("-50000", "69999")


@given(st.lists(st.integers(-(2**62), 2**62 - 1), min_size=1), st.integers(1, 5))
def test_integers_are_summed_exactly_however_they_come_in_pieces(numbers: list[int], size: int) -> None:
    reckoning = Reckoning(ELEMENTS["int64"])
    doubled: list[int] = []
    for at in range(0, len(numbers), size):
        doubled += reckoning.doubled(array_of("int64", numbers[at : at + size]))
    assert doubled == [2 * number for number in numbers]
    exact = {"sum": str(sum(numbers)), "minimum": str(min(numbers)), "maximum": str(max(numbers))}
    assert reckoning.results == exact


def rounded_sum(numbers: list[float]) -> float:
    """Each sum rounded once to binary64, ties to even: by fractions, and not by the processor."""
    total = 0.0
    for number in numbers:
        exact = Fraction(total) + Fraction(number)
        try:
            total = (
                math.copysign(0.0, math.copysign(1, total) + math.copysign(1, number)) if exact == 0 else float(exact)
            )
        except OverflowError:
            return math.inf if exact > 0 else -math.inf
    return total


finite = st.floats(allow_nan=False, allow_infinity=False, max_value=1e300, min_value=-1e300)


@given(st.lists(finite, min_size=1, max_size=20), st.integers(1, 5))
def test_floats_are_summed_in_their_order_each_sum_rounded_once(numbers: list[float], size: int) -> None:
    reckoning = Reckoning(ELEMENTS["float64"])
    for at in range(0, len(numbers), size):
        reckoning.doubled(array_of("float64", numbers[at : at + size]))
    assert float(reckoning.results["sum"] or "") == rounded_sum(numbers)


@given(st.lists(st.floats(), min_size=1, max_size=20), st.integers(1, 5))
def test_the_least_and_the_greatest_float_do_not_depend_on_the_order(numbers: list[float], size: int) -> None:
    found = []
    for listed in (numbers, numbers[::-1], sorted(numbers, key=repr)):
        reckoning = Reckoning(ELEMENTS["float64"])
        for at in range(0, len(listed), size):
            reckoning.doubled(array_of("float64", listed[at : at + size]))
        found.append((reckoning.results["minimum"], reckoning.results["maximum"]))
    assert found == [found[0]] * 3
    if any(map(math.isnan, numbers)):
        assert found[0] == ("NaN", "NaN")
    else:
        by_sign = sorted(numbers, key=lambda number: (number, math.copysign(1, number)))
        assert found[0] == (number_text(by_sign[0]), number_text(by_sign[-1]))


# The client


@pytest.mark.parametrize("module", SERVERS)
@pytest.mark.parametrize(
    ("words", "prints"),
    [
        (("int32", "1", "-2", "300"), "sum 299, minimum -2, maximum 300; 3 doubled\n"),
        (("int8",), "sum 0, minimum none, maximum none; 0 doubled\n"),
        (("float64", "--", "-inf", "1e300"), "sum -Infinity, minimum -Infinity, maximum 1e+300; 2 doubled\n"),
        (("float32", "nan", "0.5"), "sum NaN, minimum NaN, maximum NaN; 2 doubled\n"),
        (("int8", "64"), "Error: overflow: element 0: 2 × 64 is not in int8, -128 to 127.\n"),
        (("uint16", "--count", "300000"), "; 300000 doubled\n"),
    ],
)
def test_the_client_prints_what_it_found_right(
    module: str, words: tuple[str, ...], prints: str, tmp_path: Path
) -> None:
    with running(f"search.{module}", tmp_path / "journal") as server:
        status, out, err = run_main(client_array.main, server.host, server.port, *words)
    assert (status, err) == (0, "")
    assert out.endswith(prints)


ONE_AND_TWO = {"sum": "3", "minimum": "1", "maximum": "2"}
WRONG = {
    "another number": (("int32", [2, 5], ONE_AND_TWO), "the sum 6, got 7, .*; element 1: expected 4, got 5"),
    "two numbers changed places": (
        ("int32", [4, 2], ONE_AND_TWO),
        "the sum 6, got 6, .*; element 0: expected 2, got 4",
    ),
    "one too few": (("int32", [2], ONE_AND_TWO), "count: expected 2, got 1"),
    "another element": (("uint32", [2, 4], ONE_AND_TWO), "element: expected 'int32', got 'uint32'"),
    "another sum": (("int32", [2, 4], ONE_AND_TWO | {"sum": "4"}), "sum: expected '3', got '4'"),
    "a sum that is a number": (("int32", [2, 4], ONE_AND_TWO | {"sum": 3}), "sum: expected '3', got 3"),
    "no minimum": (("int32", [2, 4], {"sum": "3", "maximum": "2"}), "minimum: expected '1', got None"),
    "another maximum": (("int32", [2, 4], ONE_AND_TWO | {"maximum": "1"}), "maximum: expected '2', got '1'"),
}


def server_that_replies(reply: bytes) -> Callable[[socket.socket], None]:
    def serve(connected: socket.socket) -> None:
        connected.recv(65536)
        connected.sendall(reply)
        connected.recv(1)

    return serve


@pytest.mark.parametrize(("reply", "says"), WRONG.values(), ids=WRONG)
def test_what_is_not_right_in_an_answer_is_a_wrong_answer_that_says_what(
    reply: tuple[str, list[int], dict[str, object]], says: str
) -> None:
    element, numbers, further = reply
    raw = send_array(Connection(), array_of(element, numbers), further)
    with peer(socket.SOCK_STREAM, server_that_replies(raw)) as port:
        status, out, err = run_main(client_array.main, "127.0.0.1", port, "int32", 1, 2)
    assert (status, out, err.count("\n")) == (15, "", 1), err
    assert re.search(f"^wrong answer: .*{says}", err), err


@pytest.mark.parametrize(
    ("numbers", "doubled", "status"),
    [
        (["0.0"], [0.0], 0),
        (["0.0"], [-0.0], 15),
        (["-0.0"], [0.0], 15),
        (["nan"], [math.nan], 0),
        (["nan"], [1.0], 15),
        (["1.0"], [math.nan], 15),
        (["0.1"], [0.2], 0),
        (["0.1"], [math.nextafter(0.2, 1)], 15),
    ],
)
def test_the_client_tells_0_from_negative_0_and_one_last_bit_but_no_nan_from_another(
    numbers: list[str], doubled: list[float], status: int
) -> None:
    own = Reckoning(ELEMENTS["float64"])
    own.doubled(array_of("float64", map(float, numbers)))
    nans = array.array("Q", [0x7FF8_0000_0000_BEEF]).tobytes()
    raw = send_array(Connection(), array_of("float64", doubled), own.results)
    if math.isnan(doubled[0]):
        raw = raw[:-8] + nans
    with peer(socket.SOCK_STREAM, server_that_replies(raw)) as port:
        ended, _, err = run_main(client_array.main, "127.0.0.1", port, "float64", "--", *numbers)
    assert ended == status, err


def test_a_float_in_the_answer_may_be_written_in_any_way_that_reads_back_as_it() -> None:
    further = {"sum": "15E-1", "minimum": "1.50", "maximum": "1.5000000000000000001"}
    raw = send_array(Connection(), array_of("float64", [3.0]), further)
    with peer(socket.SOCK_STREAM, server_that_replies(raw)) as port:
        assert run_main(client_array.main, "127.0.0.1", port, "float64", "1.5")[0] == 0


@pytest.mark.parametrize(
    ("words", "reply", "says"),
    [
        (("int8", "1"), b'{"result": "Error: no."}', "expected binary/array, got text/json: Error: no."),
        (("int8", "127"), b'{"result": "Error: no."}', "answer: expected 'Error: overflow: element 0: 2 × 127 is not"),
        (("int8", "1"), b"[", "content: expected JSON"),
    ],
)
def test_an_error_that_is_not_the_right_one_is_a_wrong_answer(words: tuple[str, ...], reply: bytes, says: str) -> None:
    with peer(socket.SOCK_STREAM, server_that_replies(Connection().send_message(reply, "text/json", "utf-8"))) as port:
        status, out, err = run_main(client_array.main, "127.0.0.1", port, *words)
    assert (status, out) == (15, "")
    assert says in err


def test_an_answer_without_the_overflow_that_there_must_be_is_a_wrong_answer() -> None:
    raw = send_array(Connection(), array_of("int8", [-2]), {"sum": "127", "minimum": "127", "maximum": "127"})
    with peer(socket.SOCK_STREAM, server_that_replies(raw)) as port:
        status, _, err = run_main(client_array.main, "127.0.0.1", port, "int8", "127")
    assert status == 15
    assert err.startswith("wrong answer: expected text/json, got 'binary/array'")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("int9", "1"), "argument ELEMENT: invalid choice: 'int9'"),
        (("int8", "128"), "NUMBER: element 0: expected -128 to 127 for int8, got 128"),
        (("uint8", "--", "-1"), "NUMBER: element 0: expected 0 to 255 for uint8, got -1"),
        (("int8", "1_0"), "NUMBER: expected int8, got '1_0'"),
        (("int8", "٣"), "expected int8, got"),
        (("float64", "infinity"), "NUMBER: expected float64, got 'infinity'"),
        (("float32", "1e39"), "NUMBER: element 0: 1e+39 is beyond the greatest float32"),
        (("int8", "1", "--count", "2"), "NUMBER and --count: one of them"),
        (
            ("int32", "--count", "11", "--content-limit", "40"),
            "11 elements of 4 bytes are over the content limit of 40",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_64(words: tuple[str, ...], says: str) -> None:
    status, out, err = run_main(client_array.main, "127.0.0.1", 1, *words)
    assert (status, out, err.count("\n")) == (64, "", 1)
    assert says in err


@pytest.mark.parametrize("name", ELEMENTS)
def test_the_numbers_of_the_rule_use_every_bit_and_each_has_a_double(name: str) -> None:
    element = ELEMENTS[name]
    numbers = client_array.numbers_by_rule(element, 10_000)
    assert len(numbers) == 10_000
    Reckoning(element).doubled(numbers)
    bits = [int.from_bytes(struct.pack(f">{element.code}", number), "big") for number in numbers]
    always, ever = bits[0], 0
    for each in bits:
        always, ever = always & each, ever | each
    constant = bin(~(always ^ ever) & (1 << element.size * 8) - 1).count("1")
    assert constant <= (element.size * 8 // 4 if element.is_float else (element.least == 0))  # of exponents; a top bit


# Memory


def test_an_array_is_answered_in_twice_its_memory_whatever_order_it_comes_in() -> None:
    numbers = array_of("uint16", range(100)) * (8 * MIB // 100)  # small numbers are no new objects, which tracing slows
    size = len(numbers) * numbers.itemsize
    for byteorder in ("big", "little"):
        request = received(send_array(Connection(byteorder=byteorder), numbers))
        tracemalloc.start()
        try:
            raw = answer(request, Connection())
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert len(raw) > size
        assert peak < 2.3 * size, f"{peak / size:.2f} times the array, beside the request"  # as it grows, and a piece


# Not ru_maxrss: on Linux it begins with that of the process which started this one (getrusage(2), execve(2)).
CLIENT_WITH_PEAK = """
import atexit, re, runpy
from pathlib import Path
atexit.register(lambda: print(re.search("VmHWM:.* kB", Path("/proc/self/status").read_text())[0]))
runpy.run_module("services.search.client_array", run_name="__main__", alter_sys=True)
"""


def peak_mib(status: str) -> float:
    """Of memory in use, as proc_pid_status(5) has it."""
    (kib,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(kib) / 1024


@pytest.mark.parametrize("module", SERVERS)
def test_64_mib_of_int32_go_there_and_come_back_in_three_times_their_memory(module: str, tmp_path: Path) -> None:
    """Both processes as the kernel counts them, with an eighth by which blocks grow, and 30 MiB for Python itself.

    The server is forked from a process that has run other tests, so it is what it was before and not 30 MiB. It has
    answered then: what the kernel took from that process while it slept is back in memory.
    """
    limit = ("--content-limit", str(64 * MIB))
    with running(f"search.{module}", tmp_path / "journal", *limit, "--message-timeout", "60") as server:
        status = Path(f"/proc/{server.process.pid}/status")
        assert run_main(client_array.main, server.host, server.port, "int32", "--count", "1000")[0] == 0
        before = peak_mib(status.read_text())
        words = [server.host, str(server.port), "int32", "--count", str(16 * MIB), *limit, "--timeout", "120"]
        program = [sys.executable, "-c", CLIENT_WITH_PEAK, *words]
        ran = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=150)
        of_server = peak_mib(status.read_text()) - before
    assert (ran.returncode, ran.stderr) == (0, "")
    said, _, of_client = ran.stdout.partition("\n")
    assert said == "sum 14151902863577, minimum -1073279959, maximum 1073601904; 16777216 doubled"
    assert 1.5 * 64 < of_server < 3 * 64 * 1.125
    assert 3 * 64 < peak_mib(of_client) < 3 * 64 * 1.125 + 30
