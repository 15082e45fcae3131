"""A program of one's own on every CPU: what it was built for, what it sent, and what is said of a pair."""

from __future__ import annotations

import contextlib
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from scenarios.byteorder import own_program
from scenarios.byteorder.messages import messages
from scenarios.byteorder.own_program import Compared
from scenarios.byteorder.row import Row, last_of, not_called, unsupported
from scenarios.calls import elf, on_cpus
from scenarios.calls.call import Ending
from scenarios.calls.contract import ended
from scenarios.calls.error_texts import errno_in, with_names
from scenarios.cli.main import main
from scenarios.evidence.frame import Frame
from scenarios.lab.cpus import CPUS
from scenarios.lab.errors import LabProblem, NotReady, UsageError
from scenarios.lab.images import NATIVE
from scenarios.lab.process import Finished, Running
from scenarios.lab.topology import topology
from scenarios.spec.outcome import Outcome
from scenarios.spec.service import ServiceChoice, read_service
from scenarios.spec.service_programs import Client
from scenarios.verdict.check import Verdict
from scenarios.verdict.guess import Message, first_difference

if TYPE_CHECKING:
    from scenarios.evidence.tshark import Dissector
    from scenarios.lab.lab import Lab

SERVICE = """
service: mine
about: A program of one's own.
port: 4000
servers:
  program: {run: "my-server {bind} {port}", about: "one"}
clients:
  ask: {run: "my-client {host} {port}", about: "asks"}
"""


def header(bits: int, byteorder: str, machine: int) -> bytes:
    begins = elf.MAGIC + bytes([bits // 32, 1 if byteorder == "little" else 2, 1]) + bytes(9)
    return begins + struct.pack("<HH" if byteorder == "little" else ">HH", 2, machine)


@pytest.mark.parametrize("cpu", [NATIVE, *CPUS])
def test_a_program_says_for_which_cpu_it_was_built(cpu: str) -> None:
    right = elf.expected_for(cpu)
    assert elf.built_for(header(right.bits, right.byteorder, right.machine) + b"more") == right
    assert str(right).startswith(f"{cpu} (")


def test_no_two_cpus_have_the_same_number_in_a_header() -> None:
    assert len({elf.expected_for(cpu).machine for cpu in (NATIVE, *CPUS)}) == len(CPUS) + 1


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\necho hello, world\n", header(64, "little", 62)[:-1]])
def test_what_is_no_program_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="expected a program"):
        elf.built_for(content)


def frame(number: int, by: str, seq: int, payload: bytes = b"", flags: str = "ACK", client_port: int = 5000) -> Frame:
    (source, source_port), (destination, port) = [("c", client_port), ("s", 7)][:: 1 if by == "client" else -1]
    return Frame(
        number=number, time_ns=number, length=60, transport="tcp", source=source, destination=destination,
        source_port=source_port, destination_port=port, identification=None, ttl=64, flags=frozenset({flags}), seq=seq,
        ack=None, window=None, options="", payload=payload, protocol="TCP", info="", notes=(), messages=(),
        byteorders=(), checksum_good=True,
    )  # fmt: skip


OPENED = [frame(1, "client", 100, flags="SYN"), frame(2, "server", 900, flags="SYN")]


def test_segments_of_one_end_are_one_message_until_the_other_sends() -> None:
    frames = [
        *OPENED,
        frame(3, "client", 101, b"he"),
        frame(4, "client", 103, b"llo"),
        frame(5, "server", 901, b"OK"),
        frame(6, "client", 106, b"bye"),
    ]
    found = messages(frames, "c", "s", 7)
    assert found == (Message("client", b"hello"), Message("server", b"OK"), Message("client", b"bye"))


def test_what_was_sent_again_counts_once_and_a_hole_ends_it() -> None:
    frames = [
        *OPENED,
        frame(3, "client", 101, b"hello"),
        frame(4, "client", 101, b"hello"),
        frame(5, "client", 110, b"later"),
    ]
    assert messages(frames, "c", "s", 7) == (Message("client", b"hello"),)


def test_a_second_connection_comes_behind_the_first() -> None:
    second = [frame(3, "client", 7, flags="SYN", client_port=5001), frame(4, "client", 8, b"two", client_port=5001)]
    frames = [*OPENED, *second, frame(5, "client", 101, b"one")]
    assert messages(frames, "c", "s", 7) == (Message("client", b"one"), Message("client", b"two"))
    assert messages(frames, "c", "s", 8) == ()


def own_service(folder: Path, dockerfile: str) -> ServiceChoice:
    place = folder / "mine"
    place.mkdir()
    (place / "service.yaml").write_text(SERVICE)
    (place / "Dockerfile").write_text(dockerfile)
    return ServiceChoice(read_service(place, {}), "program", "ask")


def test_an_image_is_built_for_each_cpu_from_one_dockerfile(tmp_path: Path) -> None:
    chosen = own_service(tmp_path, "FROM faultwire/cross\nARG CPU=native\n")
    found = {name: each for cpu in (NATIVE, "mips") for name, each in on_cpus.recipes(chosen, "client", cpu).items()}
    assert {name: each.arguments for name, each in found.items() if each.folder} == {
        "service-mine": {"CPU": NATIVE},
        "service-mine-on-mips": {"CPU": "mips"},
    }
    assert found["service-mine-on-mips"].stands_on == ("cross",)
    assert {"base", "cross"} < found.keys()


def test_a_dockerfile_without_the_argument_is_refused_with_the_line_that_it_lacks(tmp_path: Path) -> None:
    chosen = own_service(tmp_path, "FROM faultwire/cross\nARG CPUS=native\n# ARG CPU\n")
    with pytest.raises(UsageError, match=r"mine/Dockerfile: expected .* a line `ARG CPU=native`"):
        own_program.check_fits(chosen)


def row_and_messages(client: str, server: str, *contents: bytes) -> tuple[Row, tuple[Message, ...]]:
    sent = tuple(Message("client" if number % 2 == 0 else "server", each) for number, each in enumerate(contents))
    return Row(client, server, Outcome.ANSWERED, "answered"), sent


def beside(row: tuple[Row, tuple[Message, ...]], again: bytes = b"\x06\0\0\0") -> Row:
    native = own_program._exchange(*row_and_messages(NATIVE, NATIVE, b"\x06\0\0\0", b"OK"))
    second = own_program._exchange(*row_and_messages(NATIVE, NATIVE, again, b"OK"))
    difference = first_difference(native, own_program._exchange(*row))
    return own_program._beside(row[0], difference, first_difference(native, second))


def test_a_row_has_the_first_byte_that_differs_with_its_name() -> None:
    row = beside(row_and_messages("mips", NATIVE, b"\0\0\0\x06", b"OK"))
    assert row.pair == "mips-native"
    assert row.says == "message 1, of the client: the number at byte 0 is 0x06000000 here and 6 there: not converted"
    assert beside(row_and_messages("mips", NATIVE, b"\x06\0\0\0", b"OK")).says == "the same bytes"


def test_where_two_native_runs_differ_no_difference_has_a_name() -> None:
    row = beside(row_and_messages("mips", NATIVE, b"\0\0\0\x06", b"OK"), again=b"\x07\0\0\0")
    assert row.says == (
        "message 1, of the client: from byte 0 it differs, for a reason the lab cannot name: two native runs differ "
        "there too"
    )


def compared(tmp_path: Path, *rows: Row, native: Outcome = Outcome.ANSWERED) -> Compared:
    chosen = own_service(tmp_path, "FROM faultwire/cross\nARG CPU=native\n")
    return Compared(chosen, {}, Row(NATIVE, NATIVE, native, "no"), rows, None, tmp_path)


def test_the_table_says_which_conversation_is_here_and_which_is_there(tmp_path: Path) -> None:
    """In the row of `mips-native` "here" was read as that pair: `0x06000000 here`, whose client sent 00 00 00 06."""
    table = own_program.on_a_terminal(compared(tmp_path, OTHER))
    assert table.columns[-1].header == "beside native-native (here: native-native, there: this pair)"
    assert table.columns[-1]._cells[-1] == OTHER.says


ANSWERED, WRONG = Row("mips", NATIVE, Outcome.ANSWERED, ""), Row("mips", NATIVE, Outcome.WRONG_ANSWER, "no")
OTHER = Row(
    "mips", NATIVE, Outcome.ANSWERED, "", beside(row_and_messages("mips", NATIVE, b"\0\0\0\x06", b"OK")).difference
)
UNSUPPORTED = Row("hppa", NATIVE, Outcome.FAILED, "", None, "the emulator does not know it")


@pytest.mark.parametrize(
    ("rows", "verdict", "says"),
    [
        ((ANSWERED,), Verdict.PASS, "all 1 pairs of CPUs send the same bytes"),
        ((OTHER,), Verdict.PASS, "all are answered; 1 of 1 pairs send other bytes, which may be meant"),
        ((ANSWERED, WRONG), Verdict.FAIL, "1 of 2 pairs of CPUs are not answered as native-native is"),
        ((ANSWERED, UNSUPPORTED), Verdict.PASS, "1 of 2 pairs of CPUs send the same bytes; 1 cannot be tried here"),
        ((UNSUPPORTED,), Verdict.UNSUPPORTED, "none of the pairs of CPUs can be tried here"),
    ],
)
def test_the_verdict_is_of_who_was_answered(rows: tuple[Row, ...], verdict: Verdict, says: str, tmp_path: Path) -> None:
    found = compared(tmp_path, *rows)
    assert (found.verdict, own_program.sentence(found)) == (verdict, says)


@pytest.mark.parametrize(
    ("row", "other"), [(ANSWERED, ""), (OTHER, "; 1 of 1 pairs send other bytes than it"), (UNSUPPORTED, "")]
)
def test_nothing_is_claimed_where_the_native_pair_is_not_answered(row: Row, other: str, tmp_path: Path) -> None:
    found = compared(tmp_path, row, native=Outcome.REFUSED)
    assert found.verdict is Verdict.UNPROVEN
    assert own_program.sentence(found) == (
        "whether the others are answered as it is cannot be said: native-native itself ended as refused, "
        f"and printed: no{other}"
    )


@pytest.mark.parametrize("said", ["qemu: unknown syscall 441", "qemu-hppa: Unsupported ancillary data: 1/1"])
def test_what_the_emulator_refuses_is_no_fault_of_the_program(said: str) -> None:
    ran = Finished(("my-client",), 71, "", f"{said}\n", 0.1, 0.0)
    assert unsupported(Outcome.FAILED, ran, "") == said
    assert unsupported(Outcome.ANSWERED, ran, "") == ""
    assert unsupported(Outcome.FAILED, Finished(("my-client",), 71, "", "no", 0.1, 0.0), "") == ""


@pytest.mark.parametrize(
    ("text", "cpu"),
    [
        ("cannot connect: error 146", "mips"),
        ("connect: errno 61", "sparc64"),
        ("(os error 239)", "hppa"),
        ("Unknown error 146", "mips"),
        ("errno=111", NATIVE),
        ("[Errno 146] no", "mips"),
        ("Connection refused (error 146)", "mips"),
    ],
)
def test_a_number_of_errno_is_read_by_the_table_of_the_cpu(text: str, cpu: str) -> None:
    assert errno_in(with_names(text, cpu)) == "ECONNREFUSED"


@pytest.mark.parametrize(
    ("text", "cpu"),
    [
        ("error 111", NATIVE),  # may be any number of the program's own
        ("error 7", "mips"),
        ("error 146", NATIVE),
        ("errno 146", NATIVE),
        ("[Errno 111] no", "mips"),  # nobody there has this number
        ("error 111", "ppc"),
        ("146 files", "mips"),
    ],
)
def test_a_number_that_the_cpu_has_no_errno_for_is_none(text: str, cpu: str) -> None:
    assert errno_in(with_names(text, cpu)) is None


def test_a_client_of_another_cpu_is_read_by_its_own_numbers() -> None:
    client, ran = Client(run="my-client", about="asks"), Finished(("my-client",), 1, "", "error 146\n", 0.1, 0.0)
    assert ended(client, ran, hung=False, cpu="mips") == Ending(Outcome.REFUSED, "ECONNREFUSED")
    assert ended(client, ran, hung=False) == Ending(Outcome.FAILED, None)


def test_an_unknown_cpu_is_refused_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["endian", "--service", "mine", "--cpu", "mps"])
    assert exit_.value.code != 0
    assert "unknown CPU 'mps'" in capsys.readouterr().err


def lost(
    status: int | None, printed: str, *contents: bytes, outcome: Outcome = Outcome.FAILED, client: str = NATIVE
) -> Row:
    """A pair whose server ended in the call, beside the native one."""
    row, sent = row_and_messages(client, "mips", *contents)
    return beside(
        (replace(row, outcome=outcome, server_status=status, server_printed=printed, printed="no answer"), sent)
    )


def test_a_server_that_died_is_told_with_its_last_line_and_is_no_difference_of_bytes() -> None:
    row = lost(134, "assert failed: order", b"\x06\0\0\0")
    assert row.difference is None
    assert row.says == "the server ended by SIGABRT during the call, and printed: assert failed: order"
    assert row.verdict is Verdict.FAIL
    assert lost(1, "", b"\x06\0\0\0").says == "the server ended with status 1 during the call, and printed nothing"


def test_bytes_that_differ_before_the_server_died_are_told_as_well() -> None:
    row = lost(139, "", b"\0\0\0\x06", client="mips")
    assert row.difference is not None
    assert row.says == (
        "message 1, of the client: the number at byte 0 is 0x06000000 here and 6 there: not converted; "
        "and the server ended by SIGSEGV during the call, and printed nothing"
    )


def test_an_answer_that_lacks_is_a_difference_where_the_server_went_on_or_is_done() -> None:
    assert lost(None, "", b"\x06\0\0\0").says.endswith("the server sends 2 bytes here, and nothing there")
    assert lost(0, "", b"\x06\0\0\0").says.endswith(
        "nothing there; and the server ended with status 0 during the call, and printed nothing"
    )
    said = lost(None, "TypeError: no", b"\x06\0\0\0", b"OK").says
    assert said == "the same bytes, and the client printed: no answer; and the server printed: TypeError: no"


def test_of_a_client_that_was_answered_the_servers_end_is_not_told() -> None:
    assert lost(1, "bye", b"\x06\0\0\0", b"OK", outcome=Outcome.ANSWERED).says == "the same bytes"


def test_a_server_that_does_not_start_has_its_row_with_what_it_printed(tmp_path: Path) -> None:
    row = not_called(NATIVE, "mips", 3, ["big-endian is not supported", ""], "ended")
    assert (row.client_is, row.verdict) == ("not called", Verdict.FAIL)
    assert row.says == "the server ended with status 3 before it listened, and printed: big-endian is not supported"
    found = compared(tmp_path, ANSWERED, row)
    assert (found.verdict, found.verdict.exit_status) == (Verdict.FAIL, 1)
    assert own_program.sentence(found) == "1 of 2 pairs of CPUs are not answered as native-native is"


def test_a_server_that_is_slow_to_listen_has_its_row_too() -> None:
    row = not_called(NATIVE, "mips", None, [], "not so within 30 s: mine listens on port 7; it printed: (nothing)")
    assert row.says == ("the server did not listen (not so within 30 s: mine listens on port 7), and printed nothing")


def test_a_server_that_the_emulator_cannot_run_is_no_fault_of_the_program() -> None:
    row = not_called(NATIVE, "mips", 1, ["qemu: unknown syscall 441", "failed"], "ended")
    assert (row.verdict, row.says) == (Verdict.UNSUPPORTED, "qemu: unknown syscall 441")


def test_of_what_a_program_printed_qemus_word_of_its_death_is_not_the_last_line() -> None:
    assert last_of(["assert failed: order", "qemu: uncaught target signal 6 (Aborted) - core dumped", ""]) == (
        "assert failed: order"
    )
    assert last_of(["qemu: uncaught target signal 6 (Aborted) - core dumped"]).startswith("qemu: uncaught")
    assert last_of([]) == ""


class Guest:
    """A server's program that has ended, or runs and does not listen."""

    def __init__(self, status: int | None) -> None:
        self.status, self.lines = status, ["big-endian is not supported"]


class NoLab:
    """The lab's part in starting a server, and nothing more."""

    topology = topology()

    def __init__(self, status: int | None) -> None:
        self.status = status

    @contextlib.contextmanager
    def running(self, *_: object) -> Iterator[Guest]:
        yield Guest(self.status)


def talk(
    monkeypatch: pytest.MonkeyPatch, folder: Path, problem: Exception, server: str = "mips"
) -> tuple[Row, tuple[Message, ...]]:
    def raises(*_: object) -> None:
        raise problem

    monkeypatch.setattr(own_program, "wait_until_it_listens", raises)
    monkeypatch.setattr("scenarios.calls.port_holders.check_free", lambda *_: None)
    chosen, hosts = own_service(folder, "FROM faultwire/cross\nARG CPU=native\n"), NoLab.topology.hosts
    ends = (NATIVE, hosts["client"]), (server, hosts["server"])
    return own_program._talk(cast("Lab", NoLab(3)), cast("Dissector", None), chosen, *ends, folder)


def test_a_pair_whose_server_does_not_start_ends_no_comparison(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    row, heard = talk(monkeypatch, tmp_path, NotReady("it ended (status 3) before it listened"))
    assert heard == ()
    assert row.says == "the server ended with status 3 before it listened, and printed: big-endian is not supported"
    assert (tmp_path / "server.log").read_text(encoding="utf-8") == "big-endian is not supported\n"


def test_a_lab_that_is_gone_ends_it_and_so_does_a_native_server_that_does_not_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(LabProblem, match="the engine is gone"):
        talk(monkeypatch, tmp_path, LabProblem("the engine is gone"))
    (tmp_path / "again").mkdir()
    with pytest.raises(NotReady, match="status 3"):
        talk(monkeypatch, tmp_path / "again", NotReady("it ended (status 3)"), NATIVE)


@pytest.mark.parametrize(("status", "is_of_the_program"), [(0, True), (3, True), (125, False)])
def test_a_program_that_ended_is_told_from_a_container_that_did_not_start(
    status: int, *, is_of_the_program: bool
) -> None:
    argv = ["sh", "-c", f"echo why; exit {status}"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as stream:
        program = Running(stream, "it", lambda _: None)
        with pytest.raises(LabProblem, match=rf"it ended \(status {status}.*\) before .*: why") as raised:
            program.wait_for_line("^listening", 10)
        assert isinstance(raised.value, NotReady) == is_of_the_program
        assert program.status == status
