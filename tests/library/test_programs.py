"""The words of a test for its programs: each has its effect, or is refused; none is left out without a word."""

from __future__ import annotations

from typing import Any

import pytest

from scenarios.calls.call import Call
from scenarios.lab.errors import LabProblem, UsageError
from scenarios.lab.topology import ROOT
from scenarios.library import programs
from scenarios.library.host_calls import check_began, read_by_words
from scenarios.library.programs import Program
from scenarios.spec.outcome import Outcome
from scenarios.spec.service import ServiceChoice, read_service
from scenarios.spec.service_programs import Client

OURS = "python -m services.echo.client_blocking {host} {port}"


@pytest.mark.parametrize(
    ("side", "words", "told"),
    [
        ("client", {"image": "no/such"}, "lab.x: image: the service echo/select has its own"),
        ("client", {"environment": {"A": "b"}}, "lab.x: environment: the service echo/select"),
        ("client", {"of_side": {"prints": "THIS IS NEVER PRINTED"}}, "lab.x: prints: the service"),
        ("client", {"of_side": {"status": 0}}, "lab.x: status: the service"),
        ("client", {"of_side": {"says": {"refused": ".*"}}}, "lab.x: says: the service"),
        ("client", {"of_side": {"exits": {"refused": 7}}}, "lab.x: exits: the service"),
        ("server", {"port": 9999}, "lab.x: port: the service"),
        ("server", {"of_side": {"ready": "NEVER"}}, "lab.x: ready: the service"),
        ("server", {"of_side": {"transport": "udp"}}, "lab.x: transport: the service"),
        ("server", {"of_side": {"starts_within": 5.0}}, "lab.x: starts_within_s: the service"),
    ],
)
def test_a_word_that_a_declared_service_has_itself_is_refused(side: Any, words: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as raised:
        Program(service="echo/select", **words).chosen("lab.x", side)
    assert str(raised.value).startswith(told)


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_service_of_a_composition_is_for_drills_and_the_message_says_so(
    side: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = read_service(ROOT / "tests" / "compositions" / "shop", {})
    chosen = ServiceChoice(shop, next(iter(shop.servers)), next(iter(shop.clients)))
    monkeypatch.setattr(programs, "resolve", lambda _: chosen)
    with pytest.raises(UsageError, match=r"^lab\.x: service: .* belongs to a composition, .* `drill` runs one$"):
        Program(service="shop").chosen("lab.x", side)


def test_a_declared_service_needs_no_word_and_its_call_has_a_port_and_a_deadline() -> None:
    assert Program(service="echo/select").chosen("lab.serve", "server").name == "echo/select"
    words: dict[str, Any] = {"timeout_s": 3, "prints": None, "status": None}
    assert Program(service="echo/select", port=9, of_side=words).chosen("lab.call", "client").name == "echo/select"


@pytest.mark.parametrize(
    ("side", "words", "told"),
    [
        ("server", {"port": "80"}, "lab.x: port: expected a whole number, got '80'"),
        ("server", {"port": 70000}, "lab.x: port: expected 1 to 65535, got 70000"),
        ("server", {"port": 0}, "lab.x: port: expected 1 to 65535, got 0"),
        ("client", {"port": 0}, "lab.x: port: expected 1 to 65535, got 0"),
        ("server", {"port": 1, "of_side": {"transport": "sctp"}}, "lab.x: transport: unknown word 'sctp'"),
        ("server", {"port": 1, "of_side": {"ready": "("}}, "lab.x: ready: '(' is not a regular expression"),
        ("client", {"environment": {"A": "b"}}, "lab.x: environment: it is for a program of an image"),
        ("client", {"image": "one", "environment": {"A": 1}}, "lab.x: environment.A: expected a string, got 1"),
        ("client", {"of_side": {"status": "x"}}, "lab.x: status: expected a whole number"),
        ("client", {"of_side": {"says": {"rejected": "x"}}}, "lab.x: says: unknown outcome 'rejected'"),
    ],
)
def test_a_wrong_word_of_a_command_is_told_by_its_name(side: Any, words: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as raised:
        Program("one", **words).chosen("lab.x", side)
    assert str(raised.value).startswith(told)


def test_the_words_of_a_command_are_in_what_is_chosen() -> None:
    words: dict[str, Any] = {"transport": "udp", "ready": "well"}
    chosen = Program("one", image="an-image", port=4000, environment={"A_": "b"}, of_side=words).chosen("", "server")
    assert (chosen.server_port, chosen.transport, chosen.server_image) == (4000, "udp", "an-image")
    assert (chosen.server.ready, chosen.service.environment) == ("well", {"A_": "b"})
    chosen = Program("one", of_side={"prints": "2", "status": 3, "exits": {"refused": (7, 8)}}).chosen("", "client")
    assert (chosen.client.prints, chosen.client.status, chosen.client.statuses("refused")) == ("2", 3, (7, 8))


def _call(status: int | None, stdout: str = "", stderr: str = "", outcome: Outcome = Outcome.CRASHED) -> Call:
    return Call(
        host="client",
        argv=("one",),
        outcome=outcome,
        errno=None,
        status=status,
        signal="SIGSEGV" if status is None else None,
        stdout=stdout,
        stderr=stderr,
        dropped_bytes=0,
        started_s=1.0,
        duration_s=0.1,
        cpu_s=0.1,
        warm=False,
    )


def _client(run: str = "one", **words: Any) -> Client:
    return Client(run=run, about="", **words)


@pytest.mark.parametrize(
    ("client", "call", "right"),
    [
        (_client(prints="2"), _call(0, "1\n", outcome=Outcome.ANSWERED), Outcome.WRONG_ANSWER),
        (_client(prints="1"), _call(0, "1\n", outcome=Outcome.ANSWERED), Outcome.ANSWERED),
        (_client(status=7), _call(0, outcome=Outcome.ANSWERED), Outcome.FAILED),
        (_client(status=7), _call(7), Outcome.ANSWERED),
        (_client(exits={"refused": 7}), _call(7), Outcome.REFUSED),
        (_client(says={"reset": "cut off"}), _call(1, stderr="it was cut off"), Outcome.RESET),
        (_client(prints="1"), _call(None), Outcome.CRASHED),
        (_client(prints="1"), _call(1, "1\n", outcome=Outcome.HUNG), Outcome.HUNG),
        (_client(prints="2"), _call(1, "1\n", outcome=Outcome.CANCELLED), Outcome.CANCELLED),
        (_client(OURS, prints="2"), _call(0, outcome=Outcome.ANSWERED), Outcome.WRONG_ANSWER),
        (_client(OURS, status=7), _call(0, outcome=Outcome.ANSWERED), Outcome.FAILED),
        (_client(OURS, prints="2"), _call(14, outcome=Outcome.BROKEN_OFF), Outcome.BROKEN_OFF),
    ],
)
def test_a_call_of_a_host_is_read_by_the_words_that_were_given(client: Client, call: Call, right: Outcome) -> None:
    assert read_by_words(call, client, "native").outcome is right


def test_the_number_of_an_errno_is_that_of_the_hosts_cpu() -> None:
    call = _call(1, stderr="OSError: [Errno 146] it did not work")
    assert read_by_words(call, _client(prints="1"), "mips").errno == "ECONNREFUSED"


@pytest.mark.parametrize(
    "told", ["one: No such file or directory\n", "[FATAL tini (7)] exec one failed: No such file or directory\n"]
)
def test_a_command_that_there_is_none_of_is_a_problem_and_no_outcome(told: str) -> None:
    with pytest.raises(LabProblem, match="`one` could not be begun on client: No such file or directory"):
        check_began(_call(127, stderr=told))


@pytest.mark.parametrize("call", [_call(127, stderr="sh: 1: one: not found\n"), _call(1, stderr="one: No such file\n")])
def test_a_program_that_began_has_an_outcome_whatever_its_status(call: Call) -> None:
    check_began(call)
