"""Calls in the lab: outcomes by name from both byte orders, many at once, no start-up in any time, and nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import product
from pathlib import Path

import pytest

from scenarios.calls.call import Hold, Pending, module_called
from scenarios.calls.caller import Caller
from scenarios.calls.forkserver import WarmRunning
from scenarios.evidence import tshark
from scenarios.evidence.capture import Capture
from scenarios.lab.box import Box
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.process import STOP_WITHIN_S, Running
from scenarios.lab.waiting import wait_for
from scenarios.spec.outcome import OF_STATUS, Outcome, errno_from_stderr
from services import outcome as of_services
from services.forkserver import leavings

CLIENTS, SERVERS = ["client", "client-be"], ["server", "server-be"]
ECHO = "services.echo.client_blocking"
PORT, ILL_PORT = 7007, 7009
AT_ONCE = 20
TOGETHER_S = 0.1  # on two cores, and two hosts; without a gate it is above 0.3, of which 0.3 are slept
ROOT = Path(__file__).parents[2]
# One that accepts, and then does what its argument says
ILL_SERVER = """
import socket, struct, sys
listening = socket.create_server(("", int(sys.argv[1])), backlog=8)
print("listening on", flush=True)
kept = []
while True:
    accepted = listening.accept()[0]
    kept.append(accepted)
    if sys.argv[2] != "silent":
        accepted.recv(1)
    if sys.argv[2] == "reset":
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.close()
    elif sys.argv[2] == "cut":
        accepted.recv(4096)
        accepted.sendall(b"H")
        accepted.close()
    elif sys.argv[2] == "wrong":
        accepted.sendall(b"Good day")
"""


@pytest.fixture(scope="module")
def caller(lab: Lab) -> Iterator[Caller]:
    """A caller in the lab, with the echo service on both servers."""
    with ExitStack() as stack:
        serve = ["python", "-m", "services.echo.server_threads", "", str(PORT)]
        for service in [stack.enter_context(lab.running(server, serve)) for server in SERVERS]:
            service.wait_for_line("listening on")
        found = stack.enter_context(Caller(lab, [ECHO]))
        found.open(*CLIENTS)
        yield found


def echo(lab: Lab, server: str, *words: str, port: int = PORT) -> list[str]:
    return ["python", "-m", ECHO, lab.topology.hosts[server].ipv4, str(port), *words]


def fork_servers(lab: Lab, host: str) -> set[str]:
    return set(
        lab.run(host, ["pgrep", "-f", "python.* -m services[.]forkserver"], timeout_s=10, mark=False).stdout.split()
    )


# The words


def test_the_outcomes_are_those_of_the_services_by_status_and_by_word() -> None:
    theirs = {each.value: each.words for each in of_services.Outcome}
    assert {status: each.value for status, each in OF_STATUS.items()} == theirs | {os.EX_USAGE: "usage"}


def test_both_sides_call_the_mark_of_a_fork_server_the_same() -> None:
    from scenarios.calls.forkserver import MARK

    assert MARK == leavings.MARK


@pytest.mark.parametrize(
    ("stderr", "expected"),
    [
        ("refused: ECONNREFUSED connecting to 198.18.1.138 port 7\n", "ECONNREFUSED"),
        ("unreachable: ECONNREFUSED connecting to a; EHOSTUNREACH connecting to b\n", "EHOSTUNREACH"),
        ("a warning\nreset: EPIPE asking server port 7\n", "EPIPE"),
        ("timed out: not done within 1 s, connecting to EVIL port 7\n", None),
        ("Traceback\nValueError: ECONNREFUSED\n", None),
        ("cannot listen on 198.18.1.138 port 7007: EADDRINUSE\n", "EADDRINUSE"),  # a server that is started as a call
        ("", None),
    ],
)
def test_an_errno_is_read_from_the_one_line_of_a_client_and_from_nothing_else(
    stderr: str, expected: str | None
) -> None:
    assert errno_from_stderr(stderr) == expected


def test_a_command_line_that_runs_a_module_is_known() -> None:
    assert module_called(["python", "-m", "m", "-x"]) == ("m", "-x")
    assert module_called(["python3", "-m", "m"]) == ("m",)
    for other in (["python", "-c", "x"], ["python", "-m"], ["ping", "-m", "1"]):
        assert module_called(other) == ()


# Outcomes


@pytest.mark.parametrize(("client", "server"), list(product(CLIENTS, SERVERS)))
def test_a_call_is_answered_between_every_pair_of_byte_orders(
    lab: Lab, caller: Caller, client: str, server: str
) -> None:
    called = caller.call(client, echo(lab, server, "é"), timeout_s=20)
    assert (called.outcome, called.errno, called.status, called.warm) == (Outcome.ANSWERED, None, 0, True), called
    assert called.stdout == f"Received {'é'.encode()!r}\n"
    assert called.started_s is not None
    assert abs(time.time() - called.started_s) < 20


@pytest.mark.parametrize("client", CLIENTS)
def test_a_closed_port_refuses_by_name(lab: Lab, caller: Caller, client: str) -> None:
    called = caller.call(client, echo(lab, "server", port=7008), timeout_s=20)
    assert (called.outcome, called.errno, called.status) == (Outcome.REFUSED, "ECONNREFUSED", 10)


@pytest.mark.parametrize(
    ("ill", "outcome", "errno"),
    [
        ("silent", Outcome.TIMED_OUT, None),
        ("reset", Outcome.RESET, "ECONNRESET"),
        ("cut", Outcome.BROKEN_OFF, None),
        ("wrong", Outcome.WRONG_ANSWER, None),
    ],
)
def test_each_way_of_a_server_to_fail_is_an_outcome_of_its_own(
    lab: Lab, caller: Caller, ill: str, outcome: Outcome, errno: str | None
) -> None:
    with lab.running("server", ["python", "-c", ILL_SERVER, str(ILL_PORT), ill]) as service:
        service.wait_for_line("listening on")
        for client in CLIENTS:
            called = caller.call(client, echo(lab, "server", "--timeout", "0.4", port=ILL_PORT), timeout_s=20)
            assert (called.outcome, called.errno) == (outcome, errno), called


def test_who_is_not_there_is_unreachable_and_who_has_no_name_is_not_resolved(lab: Lab, caller: Caller) -> None:
    dead = lab.topology.hosts["server"].ipv4.rsplit(".", 1)[0] + ".181"
    with caller.together() as gate:
        away = caller.start("client-be", ["python", "-m", ECHO, dead, "7"], timeout_s=20, gate=gate)
        nameless = caller.start("client", ["python", "-m", ECHO, "nobody.lab", "7"], timeout_s=20, gate=gate)
    assert (nameless.wait().outcome, nameless.wait().errno) == (Outcome.NOT_RESOLVED, None)
    assert (away.wait().outcome, away.wait().errno) == (Outcome.UNREACHABLE, "EHOSTUNREACH")


@pytest.mark.parametrize("client", CLIENTS)
def test_what_the_lab_had_to_end_or_what_crashed_is_no_outcome_of_the_network(
    lab: Lab, caller: Caller, client: str
) -> None:
    hung = caller.call(client, ["sleep", "60"], timeout_s=0.2)
    assert (hung.outcome, hung.status, hung.signal, hung.warm) == (Outcome.HUNG, None, "SIGTERM", False)
    assert caller.call(client, ["python", "-m", ECHO], timeout_s=20).outcome is Outcome.USAGE
    assert caller.call(client, ["python", "-m", "no.such.module"], timeout_s=20).outcome is Outcome.CRASHED
    pending = caller.start(client, ["sleep", "60"], timeout_s=60)
    pending.cancel()
    assert pending.wait().outcome is Outcome.CANCELLED
    pinged = caller.call(client, ["ping", "-c", "1", "-W", "2", lab.topology.hosts["server"].ipv4], timeout_s=10)
    assert pinged.outcome is Outcome.ANSWERED
    assert "ttl=63" in pinged.stdout


def test_a_guest_is_called_in_the_same_way_and_its_start_up_is_said_to_be_in_its_time(lab: Lab, caller: Caller) -> None:
    with caller.together() as gate:
        guest = caller.start("client", echo(lab, "server"), timeout_s=20, box=Box("faultwire/host"), gate=gate)
        hung = caller.start("client", ["sleep", "60"], timeout_s=0.2, box=Box("faultwire/host"), gate=gate)
        released = time.time()
    called = guest.wait()
    assert (called.outcome, called.warm, called.stdout) == (Outcome.ANSWERED, False, "Received b'Hello, world'\n")
    assert called.started_s is not None
    assert called.started_s >= released
    assert hung.wait().outcome is Outcome.HUNG


# Time


@pytest.mark.parametrize("client", CLIENTS)
def test_no_start_up_is_in_the_time_of_a_warm_call(lab: Lab, caller: Caller, client: str) -> None:
    argv = echo(lab, "server")
    cold = min(lab.run(client, argv, timeout_s=20).duration_s for _ in range(3))
    warm = min(caller.call(client, argv, timeout_s=20).duration_s or 0.0 for _ in range(20))  # one quick one shows it
    assert 0 < warm < cold / 5, f"cold {cold:.3f} s, warm {warm:.3f} s"


def syn_times(lab: Lab, capture: Capture) -> list[float]:
    frames = tshark.frames(lab, capture.stop()["client-leg"].pcapng, f"tcp.dstport == {PORT}")
    return sorted(frame.time_ns / 1e9 for frame in frames if frame.flags == {"SYN"})


def many(lab: Lab, caller: Caller, hold: Hold | None) -> tuple[list[float], float]:
    """The times of the SYNs of many calls from both clients, and the time at which the last of them was asked for."""
    asked = 0.0
    with Capture(lab) as capture:
        with caller.together() as gate:
            pending = []
            for number in range(AT_ONCE):
                if number == AT_ONCE - 1:  # time enough for the first, if nothing holds it
                    caller.call("client", ["sleep", "0.3"], timeout_s=5)
                asked = time.time()
                client, server = CLIENTS[number % 2], SERVERS[number // 2 % 2]
                held = {} if hold is None else {"gate": gate, "hold": hold}
                pending.append(caller.start(client, echo(lab, server), timeout_s=20, **held))  # type: ignore[arg-type]
            if hold is None:
                assert all(each.wait().outcome is Outcome.ANSWERED for each in pending)
        calls = [each.wait() for each in pending]
        assert {each.outcome for each in calls} == {Outcome.ANSWERED}
        syns = syn_times(lab, capture)
    assert len(syns) == AT_ONCE
    return syns, asked


def test_calls_at_a_gate_begin_together_on_both_clients_and_not_before_all_are_held(lab: Lab, caller: Caller) -> None:
    syns, last_asked = many(lab, caller, None)
    assert syns[0] < last_asked, "without a gate the first does not wait for the last, or this would show nothing"
    syns, last_asked = many(lab, caller, "start")
    assert syns[0] > last_asked
    spreads: list[float] = []
    while not spreads or (min(spreads) > TOGETHER_S and len(spreads) < 3):  # other work on this machine comes between
        syns, last_asked = many(lab, caller, "connect")
        assert syns[0] > last_asked
        spreads.append(syns[-1] - syns[0])
    assert min(spreads) <= TOGETHER_S, spreads


# Programs that run until they are stopped


FOLLOWED = "services.echo.server_threads"
SERVED_PORT = 7011


def public(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def test_a_warm_program_has_the_face_of_any_running_one() -> None:
    assert issubclass(WarmRunning, Running)
    assert public(WarmRunning) - public(Running) == {"pid", "wait"}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("kind", ["threads", "forking", "asyncio", "selectors"])
def test_a_server_that_starts_warm_answers_and_ends_as_one_that_starts_cold(
    lab: Lab, caller: Caller, server: str, kind: str
) -> None:
    serve = ["python", "-m", f"services.echo.server_{kind}", "", str(SERVED_PORT)]
    seen: list[tuple[Outcome, list[str], int]] = []
    for running in (lab.running, caller.running):
        with running(server, serve) as program:
            program.wait_for_line("listening on")
            program.check_running("it was called")
            called = caller.call("client", echo(lab, server, port=SERVED_PORT), timeout_s=20)
            listens = program.lines[0]
            status = program.stop()
        seen.append((called.outcome, [listens], status))
    assert seen[0] == seen[1]
    assert seen[0][0] is Outcome.ANSWERED


@pytest.mark.parametrize("server", SERVERS)
def test_a_warm_server_listens_long_before_a_cold_one(lab: Lab, caller: Caller, server: str) -> None:
    def start_s(running: Callable[[str, list[str]], AbstractContextManager[Running]]) -> float:
        began_s = time.monotonic()
        with running(server, ["python", "-m", FOLLOWED, "", str(SERVED_PORT)]) as program:
            program.wait_for_line("listening on")
            return time.monotonic() - began_s

    start_s(caller.running)  # its imports are made now
    warm, cold = (min(start_s(running) for _ in range(3)) for running in (caller.running, lab.running))
    assert warm < cold / 4, f"cold {cold:.3f} s, warm {warm:.3f} s"


@pytest.mark.parametrize("server", SERVERS)
def test_how_a_program_ended_is_known(caller: Caller, server: str) -> None:
    with caller.running(server, ["python", "-m", FOLLOWED, "", str(SERVED_PORT)]) as program:
        assert isinstance(program, WarmRunning)
        program.wait_for_line("listening on")
        assert (program.ended, program.wait(0)) == (False, None)
        program.signal("KILL")
        assert program.wait(15) == 137
        assert program.ended
        with pytest.raises(LabProblem, match=r"ended \(status 137\) before it was called: listening on"):
            program.check_running("it was called")
        assert program.stop() == program.stop() == 137
    with caller.running(server, ["sh", "-c", "echo one; printf two; exit 3"]) as program:
        assert isinstance(program, WarmRunning)
        assert program.wait(15) == 3
        assert program.lines == ["one", "two"]
        assert program.wait_for_line("two", within_s=1)
        with pytest.raises(LabProblem, match=r"ended .status 3. before it printed 'three'"):
            program.wait_for_line("three", within_s=10)


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_can_be_paused_and_woken_and_stopped_while_it_is_paused(lab: Lab, caller: Caller, server: str) -> None:
    ask = echo(lab, server, "--timeout", "1", port=SERVED_PORT)
    with caller.running(server, ["python", "-m", FOLLOWED, "", str(SERVED_PORT)]) as program:
        program.wait_for_line("listening on")
        program.signal("STOP")
        assert caller.call("client", ask, timeout_s=20).outcome is Outcome.TIMED_OUT, "its kernel accepts, it does not"
        program.signal("CONT")
        assert caller.call("client", ask, timeout_s=20).outcome is Outcome.ANSWERED
        program.signal("STOP")
        began_s = time.monotonic()
        assert program.stop() == 137
        assert time.monotonic() - began_s < STOP_WITHIN_S
    assert caller.call("client", ask, timeout_s=20).outcome is Outcome.REFUSED


@pytest.mark.parametrize("server", SERVERS)
def test_a_signal_has_been_sent_when_it_returns_however_late_it_is_heard(lab: Lab, caller: Caller, server: str) -> None:
    def stat(pid: object) -> list[str]:
        return lab.run(server, ["cat", f"/proc/{pid}/stat"], timeout_s=5).stdout.rpartition(")")[2].split()

    with caller.running(server, ["sleep", "60"]) as program:
        assert isinstance(program, WarmRunning)
        _, fork_server, *_ = stat(program.pid)  # proc_pid_stat(5): its parent
        late = ["sh", "-c", f"kill -STOP {fork_server}; echo stopped; sleep 1; kill -CONT {fork_server}"]
        with lab.running(server, late) as holding_up:
            holding_up.wait_for_line("stopped", within_s=10)
            program.signal("STOP")
        assert stat(program.pid)[0] == "T"
        program.signal("KILL")
        assert program.wait(10) == 137
        program.signal("TERM")  # nobody has it any more, and nobody waits for it


def test_what_cannot_be_started_says_why(caller: Caller) -> None:
    for argv, why in (
        (["no-such-program"], r"ended \(status 127\) before it printed '\^never': no-such-program: No such file"),
        (["python", "-m", "no.such.module"], "No module named"),
    ):
        with caller.running("server", argv) as program, pytest.raises(LabProblem, match=why):
            program.wait_for_line("^never", within_s=10)


def test_a_guest_runs_in_the_same_way(lab: Lab, caller: Caller) -> None:
    serve = ["python", "-m", FOLLOWED, "", str(SERVED_PORT)]
    with caller.running("server", serve, Box("faultwire/host")) as program:
        program.wait_for_line("listening on")
        assert caller.call("client", echo(lab, "server", port=SERVED_PORT), timeout_s=20).outcome is Outcome.ANSWERED


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_whose_fork_server_is_killed_is_told_of_and_is_not_left(lab: Lab, server: str) -> None:
    before = fork_servers(lab, server)
    with Caller(lab) as caller, caller.running(server, ["sleep", "73"]) as program:
        ours = fork_servers(lab, server) - before
        lab.run(server, ["kill", "-KILL", *ours], timeout_s=5)
        with pytest.raises(LabProblem, match=f"the fork server of {server} ended with status"):
            program.wait_for_line("^never", within_s=10)
    assert not lab.run(server, ["pgrep", "-x", "-f", "sleep 73"], timeout_s=5).stdout
    assert fork_servers(lab, server) == before


# Nothing is left


def test_an_error_in_the_block_of_a_gate_cancels_what_is_held(lab: Lab, caller: Caller) -> None:
    pending: list[Pending] = []

    def changing_its_mind() -> None:
        with caller.together() as gate:
            pending.extend(caller.start(client, echo(lab, "server"), timeout_s=20, gate=gate) for client in CLIENTS)
            raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        changing_its_mind()
    calls = [each.wait() for each in pending]
    assert [(each.outcome, each.started_s) for each in calls] == [(Outcome.CANCELLED, None)] * 2


@pytest.mark.parametrize("client", CLIENTS)
def test_the_calls_of_a_fork_server_that_is_killed_say_so_and_none_of_them_is_left(lab: Lab, client: str) -> None:
    before = fork_servers(lab, client)
    with Caller(lab) as caller:
        pending = caller.start(client, ["sleep", "71"], timeout_s=60)
        caller.call(client, ["true"], timeout_s=5)
        ours = fork_servers(lab, client) - before
        lab.run(client, ["kill", "-KILL", *ours], timeout_s=5)
        with pytest.raises(LabProblem, match=f"the fork server of {client} ended with status"):
            pending.wait()
        assert lab.run(client, ["pgrep", "-x", "-f", "sleep 71"], timeout_s=5).stdout, "it outlives the fork server"
    assert not lab.run(client, ["pgrep", "-x", "-f", "sleep 71"], timeout_s=5).stdout
    assert fork_servers(lab, client) == before


HELD_OPEN = """
import sys
from scenarios.calls.caller import Caller
from scenarios.lab.lab import Lab
with Caller(Lab(int(sys.argv[1]))) as caller:
    caller.open("client", "client-be")
    calls = [caller.start(host, ["sleep", "72"], timeout_s=60) for host in ("client", "client-be")]
    with caller.running("client", ["sleep", "72"]) as paused, caller.running("client-be", ["sleep", "72"]):
        paused.signal("STOP")
        caller.call("client", ["true"], timeout_s=5)
        print("open", flush=True)
        calls[0].wait()
"""


@contextmanager
def another_caller(lab: Lab) -> Iterator[subprocess.Popen[str]]:
    """Another process with a Caller in this lab and a call from each client."""
    process = subprocess.Popen(
        [sys.executable, "-c", HELD_OPEN, str(lab.number)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == "open\n"
        yield process
    finally:
        process.kill()
        process.communicate(timeout=15)


@pytest.mark.parametrize("how", ["SIGKILL", "SIGKILL to docker too", "Ctrl-C"])
def test_a_process_of_the_lab_that_ends_in_any_way_leaves_nothing_on_the_hosts(lab: Lab, how: str) -> None:
    before = {client: fork_servers(lab, client) for client in CLIENTS}
    with another_caller(lab) as process:
        for client in CLIENTS:
            assert fork_servers(lab, client) > before[client], "it is there, or this would show nothing"
        if how == "SIGKILL":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGINT if how == "Ctrl-C" else signal.SIGKILL)
        process.wait(15)
    for client in CLIENTS:
        sleeping = ["pgrep", "-x", "-f", "sleep 72"]

        def nothing_is_left(client: str = client, sleeping: list[str] = sleeping) -> bool:
            return fork_servers(lab, client) == before[client] and not lab.run(client, sleeping, timeout_s=5).stdout

        wait_for(nothing_is_left, f"the end of what ran on {client}", within_s=5)
