"""The fuzz of messages and files: what it sends, what it takes for right, and that it finds what is not."""

from __future__ import annotations

import argparse
import contextlib
import errno
import itertools
import json
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from scenarios.lab.errors import LabProblem, UsageError
from scenarios.spec.service import ServiceChoice, resolve, services
from scenarios.stress import fuzz, fuzz_caller, fuzz_judges, fuzz_messages, fuzz_places
from scenarios.stress.fuzz import FilesTarget, ServerTarget, play, server_targets
from scenarios.stress.fuzz_judges import Case, Reply
from scenarios.stress.fuzz_messages import DIALECTS, GET, POST, cases, dialect_of, judged_good, message, search
from scenarios.stress.fuzz_places import Started
from tests.services.running import reset
from tests.services.starting import peer

VECTORS = Path(__file__).parents[1] / "vectors" / "messages.json"
RABBIT = message(b'{"result": "Follow the white rabbit."}')
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
QUOTE, TIME = b"To be.\r\n    -- Hamlet\r\n", b"2026-11-26T22:00:00Z\r\n"


def case(sent: bytes, promised: int | None = None) -> Case:
    return Case(sent, (sent,), "a test", promised)


def _dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 (that it can be repeated is what it is for)


@pytest.mark.parametrize("name", DIALECTS)
def test_the_same_seed_makes_the_same_messages_and_all_pieces_are_the_message(name: str) -> None:
    made = [[*itertools.islice(cases(DIALECTS[name], _dice(seed)), 300)] for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]
    assert all(b"".join(each.pieces) == each.sent for each in made[0])
    assert all(len(each.sent) <= fuzz_messages.MOST_BYTES for each in made[0])
    assert len({each.sent for each in made[0]}) > 100
    assert {len(each.pieces) > 1 for each in made[0]} == {True, False}


RIGHT = [
    ("echo", case(b"abc"), Reply(b"abc", "end")),
    ("framing/fixed", case(b"0123456789abcdefXYZ"), Reply(b"fedcba9876543210", "end")),
    ("framing/delimited", case(b"ab\r\n\r\nrest"), Reply(b"ba\r\n\r\n", "end")),
    ("framing/delimited", case(b"ab\r\n" + b"x" * 70_000), Reply(b"", "reset")),
    ("framing/length-prefixed", case(b"\0\0\0\2ab\0\0\0\5x"), Reply(b"\0\0\0\2ba", "end")),
    ("framing/length-prefixed", case(b"\0\0\0\2ab\xff\xff\xff\xff"), Reply(b"\0\0\0\2ba", "reset")),
    ("framing/shutdown", case(b"abc"), Reply(b"cba", "end")),
    ("framing/shutdown", case(b"x" * 70_000), Reply(b"", "reset")),
    ("search", case(search("morpheus"), 1), Reply(RABBIT, "end")),
    ("search", case(b"\0\5garbage"), Reply(b"", "end")),
    ("search", case(search("x") * 2), Reply(RABBIT + RABBIT[:20], "reset")),
    ("search_tls", case(b"x"), Reply(b"\x15\x03\x03\0\2\2\x28", "end")),
    ("web", case(GET + POST, 2), Reply(OK * 2, "end")),
    ("web", case(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"), Reply(OK[:-2], "end")),
    ("qotd", case(b"x"), Reply(QUOTE, "end")),
    ("daytime", case(b"x"), Reply(TIME, "end")),
    ("sink", case(b"x"), Reply(b"", "late")),
]
WRONG = [
    ("echo", case(b"abc"), Reply(b"abd", "end")),
    ("echo", case(b"abc"), Reply(b"ab", "end")),
    ("echo", case(b"abc"), Reply(b"abc", "reset")),
    ("echo", case(b"abc"), Reply(b"abc", "late")),
    ("framing/fixed", case(b"0123456789abcdef"), Reply(b"0123456789abcdef", "end")),
    ("framing/delimited", case(b"ab\r\n"), Reply(b"ba", "end")),
    ("framing/delimited", case(b"x" * 70_000), Reply(b"x", "reset")),
    ("framing/length-prefixed", case(b"\0\0\0\2ab"), Reply(b"\0\0\0\2ab", "end")),
    ("framing/length-prefixed", case(b"\0\0\0\2ab"), Reply(b"", "reset")),
    ("framing/shutdown", case(b"abc"), Reply(b"abc", "end")),
    ("search", case(search("morpheus")), Reply(RABBIT * 2, "end")),
    ("search", case(search("morpheus"), 1), Reply(b"", "end")),
    ("search", case(search("morpheus")), Reply(RABBIT + b"x", "end")),
    ("search", case(search("morpheus")), Reply(message(b'{"error": "x"}'), "end")),
    ("search", case(search("morpheus")), Reply(message(b'{"result": 5}'), "end")),
    (
        "search",
        case(search("morpheus")),
        Reply(message(b"x" * 50, "binary/custom-server-binary-type", "binary"), "end"),
    ),
    ("search", case(search("morpheus")), Reply(message(b"", "text/plain"), "end")),
    ("search", case(search("morpheus")), Reply(RABBIT.replace(b"little", b"middle"), "end")),
    ("search", case(search("morpheus")), Reply(message(b"", "binary/array", "binary"), "end")),
    ("search", case(search("morpheus")), Reply(RABBIT, "late")),
    ("search_tls", case(b"x"), Reply(b"HTTP/1.1 400", "end")),
    ("search_tls", case(b"x"), Reply(b"\x15\x03\x03\0\2\2", "end")),
    ("web", case(GET), Reply(OK[:-1], "end")),
    ("web", case(GET), Reply(OK.replace(b"200", b"500"), "end")),
    ("web", case(GET), Reply(OK.replace(b"Content-Length: 2\r\n", b""), "end")),
    ("web", case(GET), Reply(b"hello", "end")),
    ("web", case(GET + POST, 2), Reply(OK, "end")),
    ("web", case(GET), Reply(OK, "late")),
    ("qotd", case(b"x"), Reply(b"x" * 513, "end")),
    ("qotd", case(b"x"), Reply(QUOTE, "late")),
    ("daytime", case(b"x"), Reply(b"noon\r\n", "end")),
    ("sink", case(b"x"), Reply(b"x", "late")),
]


@pytest.mark.parametrize(("dialect", "asked", "reply"), RIGHT)
def test_what_a_server_may_answer_is_right(dialect: str, asked: Case, reply: Reply) -> None:
    assert DIALECTS[dialect].judge(asked, reply) == ""


@pytest.mark.parametrize(("dialect", "asked", "reply"), WRONG)
def test_what_no_server_may_answer_is_wrong(dialect: str, asked: Case, reply: Reply) -> None:
    assert DIALECTS[dialect].judge(asked, reply) != ""


def test_each_judge_is_shown_to_take_and_to_refuse() -> None:
    assert {name for name, *_ in RIGHT} == {name for name, *_ in WRONG} == {*DIALECTS}


def test_the_messages_of_the_vectors_are_read_by_the_second_reader() -> None:
    """It is another's than services/wire, and no stricter."""
    told = json.loads(VECTORS.read_text("utf-8"))
    streams = [bytes.fromhex(each["bytes"]) for each in told]
    assert streams
    for each in streams:
        assert len([*fuzz_judges.messages(each)]) == 1


def test_every_server_that_the_lab_starts_from_its_own_programs_is_a_target() -> None:
    known = services()
    mine = {
        f"{service.service}/{name}"
        for service in known.values()
        for name, server in service.servers.items()
        if not service.image and service.python is None and server.run is not None
    }
    assert mine == {
        f"{service.service}/{name}" for service in known.values() for name in service.servers if not service.image
        if service.servers[name].run is not None and dialect_of(service.service, name) is not None
    }  # fmt: skip
    here = {each.chosen.name for each in server_targets([fuzz_places.OnThisMachine()])}
    assert mine - here == {"search_tls/threads"}, "it needs the lab's certificates"


class Faked:
    """A place where a server of a test's runs: its replies, what it prints, and whether it ends."""

    certificates = True

    def __init__(self, replies: Sequence[Reply], printed: str = "", status: int | None = None) -> None:
        self.replies, self._printed, self._status = list(replies), printed, status
        self.starts = True
        self.name, self.batch, self.most_bytes = "nowhere", 5, 1000

    def printed(self) -> str:
        return self._printed

    def status(self) -> int | None:
        return self._status

    @contextlib.contextmanager
    def started(self, chosen: ServiceChoice) -> Iterator[Started]:
        if not self.starts:
            raise LabProblem(f"{chosen.name} did not come to listen")
        yield self

    def call(self, chosen: ServiceChoice, asked: Sequence[Case], within_s: float) -> list[Reply]:  # noqa: ARG002
        return self.replies or [Reply(each.sent, "end") for each in asked]

    def client(self, chosen: ServiceChoice) -> str:  # noqa: ARG002
        return ""


def echo_target(place: Faked) -> ServerTarget:
    target = ServerTarget(place, resolve("echo/select"), DIALECTS["echo"])
    target.turn(1, 0)
    return target


def counts(place: Faked) -> tuple[int, int, int, int]:
    tally = echo_target(place).tally
    return tally.sent, tally.crashes, tally.hung, tally.wrong


def test_a_server_that_is_right_is_well() -> None:
    assert counts(Faked([])) == (6, 0, 0, 0)
    assert echo_target(Faked([])).tally.is_well


def test_a_server_that_ends_prints_a_traceback_or_does_not_start_has_crashed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert counts(Faked([], status=1)) == (6, 1, 0, 0)
    assert counts(Faked([], printed="Traceback (most recent call last):")) == (6, 1, 0, 0)
    place = Faked([])
    place.starts = False
    assert counts(place) == (0, 1, 0, 0)
    assert "echo/select on nowhere: turn 0: echo/select did not come to listen" in capsys.readouterr().out


def test_a_wrong_reply_a_late_one_and_one_that_never_came_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = Reply(b"what nobody sent", "end")
    sent, crashes, hung, answered_wrong = counts(Faked([wrong] * 6))
    assert (sent, crashes, hung, answered_wrong) == (6, 0, 0, 6)
    sent, _, hung, answered_wrong = counts(Faked([Reply(b"", "late")] * 6))
    assert (hung, answered_wrong) == (6, 0)
    assert counts(Faked([wrong]))[2] == 1
    assert "expected 6 answers in time, got 1" in capsys.readouterr().out


def test_a_good_message_that_is_not_answered_as_it_is_to_be_is_wrong() -> None:
    dialect = DIALECTS["echo"]
    assert judged_good(dialect, Reply(b"good", "end")) == ""
    assert judged_good(dialect, Reply(b"evil", "end")) != ""
    assert judged_good(DIALECTS["search"], Reply(RABBIT, "end")) == ""
    assert judged_good(DIALECTS["search"], Reply(b"", "end")) != ""


@pytest.mark.parametrize("name", ["echo/once", "echo/forking", "search/selectors", "web/threads", "qotd/udp"])
def test_a_server_on_this_machine_stands_a_batch(name: str) -> None:
    place = fuzz_places.OnThisMachine()
    place.batch = 40
    chosen = resolve(name)
    dialect = dialect_of(chosen.service.service, chosen.server_name)
    assert dialect
    target = ServerTarget(place, chosen, dialect)
    target.turn(11, 0)
    assert target.tally.is_well, target.tally.problems
    assert target.tally.sent == (1 if name == "echo/once" else 41)


def test_a_fuzz_gives_each_target_a_turn_and_the_files_one_after_each(tmp_path: Path) -> None:
    files = FilesTarget(tmp_path, 1)
    servers = [ServerTarget(Faked([]), resolve(name), DIALECTS["echo"]) for name in ("echo/select", "echo/threads")]
    turns = itertools.count()
    assert play([files, *servers], 1, lambda: next(turns) < 5) == 1
    every: list[fuzz.Target] = [files, *servers]
    assert [each.tally.sent for each in every] == [2 * fuzz.FILES_BATCH, 6, 6]
    rows = list(zip(*(column.cells for column in fuzz.table([files, *servers]).columns), strict=True))
    assert rows[0] == ("files", "200", "0", "0", "0")
    assert rows[-1] == ("all", "212", "0", "0", "0")


def test_targets_are_chosen_by_words_and_an_unknown_word_is_told() -> None:
    servers = [ServerTarget(Faked([]), resolve(name), DIALECTS["echo"]) for name in ("echo/select", "echo/threads")]
    assert fuzz.chosen(servers, ["select"]) == servers[:1]
    with pytest.raises(UsageError, match="no target matches 'telnet'; there are: echo/select on nowhere; echo/th"):
        fuzz.chosen(servers, ["telnet"])


def test_the_command_ends_with_a_table_and_status_1_where_something_was_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = argparse.Namespace(at=["machine"], only=["echo/select"], for_=0.3, seed=1, lab=1)
    monkeypatch.setattr(fuzz, "OnThisMachine", lambda: Faked([]))
    assert fuzz.run(options) == 0
    assert "0 targets failed" in capsys.readouterr().out
    monkeypatch.setattr(fuzz, "OnThisMachine", lambda: Faked([], status=1))
    monkeypatch.setattr(
        fuzz, "server_targets", lambda places: [ServerTarget(places[0], resolve("echo/select"), DIALECTS["echo"])]
    )
    assert fuzz.run(options) == 1
    assert "1 target failed" in capsys.readouterr().out


def _call_with(
    serve: Callable[[socket.socket], object], pieces: list[bytes], within_s: float = 10.0
) -> tuple[bytes, str]:
    with peer(socket.SOCK_STREAM, serve) as port:
        return fuzz_caller.stream("127.0.0.1", port, pieces, within_s)


def test_the_caller_tells_the_end_a_reset_and_a_peer_that_says_nothing_apart() -> None:
    large = b"x" * 3_000_000  # more than the sockets hold: it reads while it sends

    def echo(connected: socket.socket) -> None:
        while data := connected.recv(1 << 16):
            connected.sendall(data)

    assert _call_with(echo, [large, b"", b"end"]) == (large + b"end", "end")
    assert _call_with(reset, [b"x"])[1] == "reset"
    assert _call_with(lambda _: threading.Event().wait(1.0), [b"x"], 0.2) == (b"", "late")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert fuzz_caller.stream("127.0.0.1", bound.getsockname()[1], [b"x"], 5.0) == (b"", "ECONNREFUSED")


def test_a_reset_that_comes_before_connect_has_looked_is_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object, **__: object) -> socket.socket:
        raise ConnectionResetError(errno.ECONNRESET, "reset")

    monkeypatch.setattr(socket, "create_connection", connect)
    assert fuzz_caller.stream("127.0.0.1", 9, [b"x"], 5.0) == (b"", "reset")


def test_the_caller_sends_no_more_after_its_time() -> None:
    asked = fuzz_places.lines_of([case(b"x")] * 3)
    argv = [sys.executable, str(fuzz_places.CALLER), "127.0.0.1", "1", "tcp", "1"]
    for all_within_s, replies in (("60", 3), ("0", 0)):
        ran = subprocess.run([*argv, all_within_s], input=asked, capture_output=True, timeout=60, check=True)
        assert fuzz_places.replies_of(ran.stdout) == [Reply(b"", "ECONNREFUSED")] * replies


def test_a_server_that_never_answers_has_its_whole_time_for_each_message_and_a_busy_machine_more() -> None:
    asked = [Case(b"", (b"",), "silence")] * (fuzz.SILENT_BATCH + 1)
    assert fuzz_places._patience_s(asked, fuzz.SILENT_FOR_S) >= len(asked) * fuzz.SILENT_FOR_S + 5.0
    hung = [Case(b"", (b"",), "hung")] * 141
    assert fuzz_places._patience_s(hung, fuzz.ANSWERS_WITHIN_S) < len(hung) * fuzz.ANSWERS_WITHIN_S / 10
