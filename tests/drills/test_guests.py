"""Drills with programs that nobody here wrote: the verdict is right, and where they cannot run the reason is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.calls import contract, on_cpus
from scenarios.lab import engine
from scenarios.run.cell import run
from scenarios.run.session import Stage
from scenarios.spec.catalogue import chosen_service, drills, load_drill
from scenarios.spec.cell import Cell, unsupported
from scenarios.spec.pairs import Pair, ends
from scenarios.spec.scaffold import initiate
from scenarios.spec.service import load_service, services
from scenarios.verdict.check import Verdict
from scenarios.verdict.result import Result
from tests.conftest import lab_for_a_while
from tests.infra.test_own_program_cpus import bring, in_python, padded  # noqa: F401 (a fixture is among them)

KNOWN = services()
DRILLS = drills(known=KNOWN)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    contract.ready([KNOWN[name] for name in ("socat", "caddy", "redis")], print)
    with lab_for_a_while() as lab, Stage(lab) as found:
        yield found


def cell(drill: str, service: str, pair: Pair = "le-le") -> Cell:
    return Cell(DRILLS[drill], chosen_service(DRILLS[drill], service, KNOWN), pair)


def ran(stage: Stage, folder: Path, *asked: str, pair: Pair = "le-le") -> Result:
    made = cell(asked[0], asked[1], pair)
    return run(stage, made, folder)


@pytest.mark.parametrize(
    ("drill", "service"),
    [
        ("any-lost-syn", "caddy"),
        ("lost-request", "redis"),
        ("lost-reply", "caddy"),
        ("any-refused", "caddy"),
        ("any-icmp-host-unreachable", "caddy"),
        ("any-killed-unread", "redis"),
        ("refused-closed-port", "socat"),
        ("peer-paused", "socat"),
        ("partition-one-way", "socat"),
    ],
)
def test_a_drill_passes_with_a_program_from_elsewhere(stage: Stage, tmp_path: Path, drill: str, service: str) -> None:
    result = ran(stage, tmp_path, drill, service)
    assert result.verdict is Verdict.PASS, result.sentence


def test_a_drill_passes_with_a_client_from_elsewhere_on_a_big_endian_host(stage: Stage, tmp_path: Path) -> None:
    result = ran(stage, tmp_path, "lost-request", "socat", pair="be-le")
    assert result.verdict is Verdict.PASS, result.sentence


def test_what_a_client_from_elsewhere_says_is_the_outcome_and_the_errno(stage: Stage, tmp_path: Path) -> None:
    result = ran(stage, tmp_path, "any-reset-at-connect", "caddy")
    assert result.verdict is Verdict.PASS, result.sentence
    (refused,) = result.seen["fault"].calls["hello"]
    assert (refused.outcome.value, refused.errno, refused.status) == ("refused", "ECONNREFUSED", 4)


@pytest.mark.parametrize(
    ("drill", "service", "pair", "reason"),
    [
        ("any-lost-syn", "caddy", "be-le", "the client of caddy is a program of its own image, which is little-endian"),
        ("any-lost-syn", "caddy", "le-be", "the server of caddy is a program of its own image, which is little-endian"),
        ("any-lost-syn", "redis", "be-be", "the server of redis is a program of its own image, which is little-endian"),
        ("lost-syn", "socat", "be-be", "the server of socat is a program of its own image, which is little-endian"),
        ("lost-syn", "socat", "be-le", ""),
    ],
)
def test_where_a_program_from_elsewhere_cannot_run_the_reason_is_told(
    drill: str, service: str, pair: Pair, reason: str
) -> None:
    assert unsupported(cell(drill, service, pair)) == reason


# Words of a command line, so without line ends: a client that says how far it is, and a server that answers.
SERVES = (
    "import socket; s = socket.create_server(('', {port})); print('listening', flush=True); c = s.accept()[0]; "
    "any(c.sendall(c.recv(9) or c.close()) for _ in iter(int, 1))"
)
CALLS = (
    "import socket, time; c = socket.create_connection(('{host}', {port}), 9); "
    "any(c.sendall(b'hello') or print('answer', n, len(c.recv(9)), flush=True) or time.sleep(0.5) for n in range(20))"
)
TALKER = f"""\
service: talker
about: A client of an image of its own that says how far it is.
port: 7070
image: faultwire/host
servers:
  it:
    run: python -c "{SERVES}"
    about: answers each message
    ready: listening
clients:
  it:
    run: python -c "{CALLS}"
    about: sends a message each half second, and prints its number when it is answered
    prints: ^answer 19 5
    timeout_s: 30
"""
HEARD = """\
drill: word-of-a-guest
claim: A server that is killed after the client's second answer answers no more.
why: A fault can wait for the word of a client that runs.
source: [docs/writing-a-drill.md]
tags: [bugs]
service: talker/it
script:
  - start: {name: talk, within: 60s}
  - until: {log: talk, line: "^answer 1 ", within: 25s}
  - fault: {name: killed, kill: {who: server}}
  - await: talk
expect:
  - hits: {fault: killed, exactly: 1}
  - outcome: {call: talk, is: [reset, broken off, failed]}
  - packets: {at: client-leg, from: client, to: server, where: tcp.len > 0, at_least: 2}
  - log: {of: talk, line: "^answer 1 5", exactly: 1}
  - log: {of: talk, line: "^answer 19 5", exactly: 0}
control:
  - outcome: {call: talk, is: answered}
"""


def test_until_reads_what_a_program_of_an_image_prints_while_it_runs(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "talker").mkdir()
    (tmp_path / "talker" / "service.yaml").write_text(TALKER)
    known = {**KNOWN, "talker": load_service(tmp_path / "talker")}
    (tmp_path / "word-of-a-guest.yaml").write_text(HEARD)
    drill = load_drill(tmp_path / "word-of-a-guest.yaml", known)
    result = run(stage, Cell(drill, chosen_service(drill, None, known), "le-le"), tmp_path)
    assert result.verdict is Verdict.PASS, result.sentence


def test_a_cell_that_cannot_be_run_is_unsupported_with_that_reason(stage: Stage, tmp_path: Path) -> None:
    result = ran(stage, tmp_path, "any-lost-syn", "caddy", pair="be-le")
    assert result.verdict is Verdict.UNSUPPORTED
    assert result.sentence == unsupported(cell("any-lost-syn", "caddy", "be-le"))


@pytest.mark.parametrize("service", ["caddy/respond", "redis/redis"])
def test_a_drill_that_wants_an_errno_is_not_for_a_program_from_elsewhere_and_one_for_its_kind_is(service: str) -> None:
    with pytest.raises(ValueError, match=f"refused-closed-port does not fit {service}"):
        cell("refused-closed-port", service)
    assert cell("any-refused", service).chosen.name == service


def test_what_init_writes_passes_drills_at_once_and_its_own_words_are_the_outcome(stage: Stage, tmp_path: Path) -> None:
    mine = initiate("mine_in_drills", root=tmp_path / "services")
    contract.ready([mine], print)
    known = {**KNOWN, mine.service: mine}
    try:
        for drill in ("lost-request", "any-icmp-host-unreachable", "any-aborts"):
            (tmp_path / drill).mkdir()
            made = Cell(DRILLS[drill], chosen_service(DRILLS[drill], "mine_in_drills", known), "le-le")
            result = run(stage, made, tmp_path / drill)
            assert result.verdict is Verdict.PASS, result.sentence
    finally:
        assert mine.image is not None
        engine.client().images.remove(mine.image, force=True)


def test_a_drill_runs_with_programs_of_other_cpus_and_the_result_says_of_which(
    bring: Path,  # noqa: F811 (the fixture)
    stage: Stage,
) -> None:
    """In C for mips, where ECONNREFUSED is 146; and in Python, on the lab's own."""
    compiled, python = padded(bring, "endian_mended", "-DMENDED"), in_python(bring)
    drill = DRILLS["any-refused"]
    cells = [Cell(drill, compiled, "mips-le"), Cell(drill, python, "le-be")]
    on_cpus.ready([(cell.chosen, *ends(cell.pair)) for cell in cells], print)
    results = [run(stage, cell, bring / "runs" / "a" / cell.chosen.folder_name / cell.pair) for cell in cells]
    assert [(each.verdict, each.sentence) for each in results] == [(Verdict.PASS, drill.claim)] * 2
    assert results[0].machines == {
        "client": {
            "host": "client-be",
            "said": "big-endian, 32 bits, mips",
            "program": "program for mips (32 bits, big-endian)",
        },
        "server": {
            "host": "server",
            "said": "little-endian, 64 bits, x86_64",
            "program": "program for native (64 bits, little-endian)",
        },
    }
    assert results[1].machines["server"] == {
        "host": "server-be",
        "said": "big-endian, 32 bits, ppc",
        "program": "interpreter for ppc (32 bits, big-endian)",
    }
    page = (results[0].folder / "index.html").read_text("utf-8")
    assert "program for mips (32 bits, big-endian)" in page
