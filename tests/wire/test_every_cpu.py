"""One suite on every CPU: what the vectors of tests/vectors say, each CPython makes of them, big- and little-endian.

The cases run in one process a CPU (on_cpu.py), which has ended before the first of its tests begins; a test here is one
case on one CPU, and its failure is what that process said. Then random messages go to every emulated CPU: what it reads
must be what was meant, and what it sends in its own byte order what this machine's codec would send in that order.
"""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.wire import ELEMENTS, Connection, RemoteProtocolError, array_of, encode_json, encode_text, send_array
from services.wire.header import REQUIRED
from tests.vectors import make
from tests.wire import on_cpu
from tests.wire.cpus import CPUS, DONE_WITHIN_S, Cpu, next_line

VECTORS = make.FOLDER
NAMES = [name for name, _ in on_cpu.cases(VECTORS)]
EXAMPLES = 1000
Reports = dict[str, dict[str, str]]


@pytest.fixture(scope="session")
def reports() -> Reports:
    """What each CPU has reported, by its name; filled as they are asked for."""
    return {}


@pytest.fixture
def report(request: pytest.FixtureRequest, reports: Reports) -> dict[str, str]:
    """Of each case what went wrong on the CPU under test, "" for nothing. Its process runs once a session."""
    cpu: Cpu = request.param
    if cpu.name not in reports:
        with cpu.started(VECTORS.relative_to(make.FOLDER.parents[1]).as_posix()) as process:
            stdout, _ = process.communicate(timeout=DONE_WITHIN_S)
        assert process.returncode == 0
        lines = [json.loads(line) for line in stdout.splitlines()]
        first, *cases, last = lines
        assert (first["byteorder"], first["bits"], first["machine"]) == (
            cpu.machine.byteorder,
            cpu.machine.bits,
            cpu.machine.cpu,
        )
        assert last == {"cases": len(cases)}
        reports[cpu.name] = {line["case"]: line["wrong"] for line in cases}
    return reports[cpu.name]


on_every_cpu = pytest.mark.parametrize(
    "report",
    [pytest.param(cpu, id=cpu.name, marks=[pytest.mark.engine] if cpu.image else []) for cpu in CPUS],
    indirect=True,
)


@on_every_cpu
@pytest.mark.parametrize("name", NAMES)
def test_a_case_goes_on_this_cpu_as_the_vectors_say(report: dict[str, str], name: str) -> None:
    assert report[name] == ""


@on_every_cpu
def test_this_cpu_ran_every_case_and_no_other(report: dict[str, str]) -> None:
    assert list(report) == NAMES
    assert len(NAMES) > 300


def test_no_two_cases_have_one_name() -> None:
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("name", make.FILES)
def test_a_file_of_vectors_is_what_is_made(name: str) -> None:
    assert (VECTORS / f"{name}.json").read_text(encoding="ascii") == make.rendered(name), (
        "run: python -m tests.vectors.make"
    )


def test_every_element_is_in_the_vectors_of_both_byte_orders() -> None:
    cases = json.loads((VECTORS / "arrays.json").read_text(encoding="ascii"))
    assert {(case["element"], case["machine"]) for case in cases} == {
        (element, machine) for element in ELEMENTS for machine in ("big", "little")
    }


def test_a_vector_with_one_byte_changed_fails() -> None:
    """The control of all that pass: each bit of a right array matters to its case."""
    case = next(case for name, case in arrays() if name == "uint32: each byte another, big-endian")
    raw = bytes.fromhex(case["bytes"])
    for at in range(len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        with pytest.raises((AssertionError, KeyError, RemoteProtocolError)):
            on_cpu.check_array({**case, "bytes": changed.hex()})


def arrays() -> Iterator[tuple[str, dict[str, Any]]]:
    for case in json.loads((VECTORS / "arrays.json").read_text(encoding="ascii")):
        yield case["name"], case


# Random messages ----------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
furthers = st.dictionaries(
    st.text().filter(lambda name: name not in (*REQUIRED, "element", "count")), json_values, max_size=3
)
unicode_encodings = st.sampled_from(["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
Drawn = tuple[str, dict[str, object], dict[str, object]]  # content-type, further, and what it says


@st.composite
def numbers(draw: st.DrawFn) -> dict[str, object]:
    element = ELEMENTS[draw(st.sampled_from(list(ELEMENTS)))]
    if element.is_float:
        values: list[float] = draw(st.lists(st.floats(width=32 if element.size == 4 else 64), max_size=20))
    else:
        values = draw(st.lists(st.integers(element.least, element.most), max_size=20))
    return {"element": element.name, "values": values}


texts = st.one_of(
    st.tuples(unicode_encodings, st.text(st.characters(exclude_categories=["Cs"]), max_size=30)),
    st.tuples(st.just("latin-1"), st.text(st.characters(max_codepoint=255), max_size=30)),
)
# U+FEFF at the start of a text in utf-8 is an error at the sender, which tests/wire/test_text.py shows.
messages: st.SearchStrategy[Drawn] = st.one_of(
    st.tuples(st.just("binary/array"), furthers, numbers()),
    st.tuples(
        st.just("text/plain"),
        furthers,
        texts.filter(lambda drawn: not (drawn[0] == "utf-8" and drawn[1].startswith("\ufeff"))).map(
            lambda drawn: {"content-encoding": drawn[0], "text": drawn[1]}
        ),
    ),
    st.tuples(
        st.just("text/json"),
        furthers,
        st.tuples(unicode_encodings, json_values).map(lambda drawn: {"content-encoding": drawn[0], "json": drawn[1]}),
    ),
    st.tuples(
        st.text(max_size=20).filter(lambda kind: kind not in ("binary/array", "text/plain", "text/json")),
        furthers,
        st.binary(max_size=100).map(lambda content: {"content-encoding": "binary", "content": content}),
    ),
)


def sent(drawn: Drawn, byteorder: str) -> bytes:
    """The bytes of a message, as a machine of this byte order sends it."""
    kind, further, says = drawn
    connection = Connection(byteorder=byteorder)
    if kind == "binary/array":
        return send_array(connection, array_of(str(says["element"]), says["values"]), further)  # type: ignore[arg-type]
    encoding = str(says["content-encoding"])
    if "json" in says:
        content = encode_json(says["json"], encoding, byteorder)
    elif "text" in says:
        content = encode_text(str(says["text"]), encoding, byteorder)
    else:
        content = says["content"]  # type: ignore[assignment]
    return connection.send_message(content, kind, encoding, further)


def meant(drawn: Drawn) -> dict[str, object]:
    """What the other CPU has to say of it, byte order and bytes apart."""
    kind, further, says = drawn
    named = {"content-type": kind, "further": further}
    if kind == "binary/array":
        values = [on_cpu.number(value) for value in says["values"]]  # type: ignore[attr-defined]
        return {**named, "content-encoding": "binary", "element": says["element"], "values": values}
    if "content" in says:
        return {**named, **says, "content": says["content"].hex()}  # type: ignore[attr-defined]
    return {**named, **says}


@pytest.fixture(scope="module")
def emulated(docker_engine: None) -> Iterator[dict[Cpu, subprocess.Popen[str]]]:  # noqa: ARG001
    """Each CPU whose image is there, waiting for messages. A missing one has its own skipped tests above."""
    with ExitStack() as stack:
        there = [cpu for cpu in CPUS if not cpu.missing()]
        found = {cpu: stack.enter_context(cpu.started("--answer")) for cpu in there}
        for cpu, process in found.items():
            assert process.stdout is not None
            assert next_line(process.stdout) == {"byteorder": cpu.machine.byteorder}
        if {cpu.machine.byteorder for cpu in found} != {"big", "little"}:
            pytest.skip(f"only of one byte order: {', '.join(cpu.name for cpu in found)}; make images")
        yield found


@given(messages, st.sampled_from(["big", "little"]))
@settings(max_examples=EXAMPLES, deadline=None)
def test_any_message_is_read_on_every_cpu_as_it_was_meant_and_sent_on_in_that_cpus_order(
    emulated: dict[Cpu, subprocess.Popen[str]], drawn: Drawn, byteorder: str
) -> None:
    raw = sent(drawn, byteorder).hex()
    for process in emulated.values():
        assert process.stdin is not None
        process.stdin.write(raw + "\n")
        process.stdin.flush()
    answers = {}
    for cpu, process in emulated.items():
        assert process.stdout is not None
        answers[cpu] = next_line(process.stdout)
    # All of them have answered: a failure here leaves no line that the next example would take for its own.
    for cpu, told in answers.items():
        assert "wrong" not in told, (cpu.name, told)
        expected = meant(drawn)
        assert told["said"]["machine"] == byteorder
        assert {name: told["said"][name] for name in expected} == expected, cpu.name
        assert told["again"] == sent(drawn, cpu.machine.byteorder).hex(), cpu.name


def test_a_lie_of_the_byte_order_is_seen_by_the_comparison_above() -> None:
    """Its control: the same bytes under the other name are other numbers."""
    drawn: Drawn = ("binary/array", {}, {"element": "float64", "values": [1.0, math.pi]})
    lie = sent(drawn, "big").replace(b'"big"', b'"little"')
    (message,), error = on_cpu.receive([(len(lie) - 2 - 16).to_bytes(2, "big") + lie[2:]])
    assert error is None
    assert on_cpu.vector(message)["values"] != meant(drawn)["values"]
