"""The library on a lab: faults, calls and packets of a person's own test; this machine as one of its ends. One lab."""

from __future__ import annotations

import asyncio
import re
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from scenarios.lab.errors import DeadlinePassed, LabProblem, UsageError
from scenarios.lab.topology import ROOT, topology
from scenarios.lab.waiting import wait_for
from scenarios.library import Lab, Packets, Server, Unproven
from scenarios.library.here import host_of
from tests.library.opening import lab_of_library

pytestmark = pytest.mark.engine
SYN = "tcp.flags.syn == 1 && tcp.flags.ack == 0"
ACROSS: Any = {"from_": "client", "to": "server"}


@pytest.fixture(scope="module")
def opened(docker_engine: None) -> Iterator[Lab]:  # noqa: ARG001
    with lab_of_library() as lab:
        yield lab


@pytest.fixture
def lab(opened: Lab, request: pytest.FixtureRequest) -> Lab:
    opened.begin(request.node.name)
    return opened


@pytest.fixture
def echo(lab: Lab) -> Iterator[Server]:
    with lab.serve(service="echo/select") as server:
        yield server


@pytest.mark.usefixtures("echo")
def test_a_lost_syn_is_met_counted_and_seen(lab: Lab) -> None:
    with lab.recording() as packets, lab.fault(drop="syn", first=1, **ACROSS) as lost:
        with pytest.raises(UsageError, match="before its block has ended"):
            _ = packets.on("client-leg").count
        call = lab.call("python -m services.echo.client_blocking {host} {port}", within_s=20)
    assert lost.hits == 1
    assert "dropped" in lost.details[0]
    assert call.outcome == "answered"
    assert "Hello, world" in call.printed
    assert call.duration_s is not None
    assert call.duration_s > 0.9
    assert packets.on("client-leg").where(SYN).count == 2
    assert packets.on("server-leg").where(SYN).count == 1
    assert packets.on("client-leg").where(SYN).alone.from_("client").count == 1
    packets.on("client-leg").expect(where=SYN, exactly=2, apart="0.9s to 1.5s")
    assert "SYN ───" in repr(packets)


@pytest.mark.usefixtures("echo")
def test_what_does_not_hold_is_shown_with_the_ladder_and_is_no_pass(lab: Lab) -> None:
    with lab.recording() as packets:
        lab.call(service="echo/select")
    with pytest.raises((AssertionError, Unproven), match=r"(?s)expected exactly 3.*firewall.*SYN ACK"):
        packets.on("client-leg").expect(where=SYN, exactly=3)
    with pytest.raises(AssertionError, match=r"(?s)expected 7, saw 1\n.*firewall.*SYN ACK"):
        packets.on("client-leg").where(SYN).assert_count(7)
    with pytest.raises(ValueError, match=r"invalid display filter 'tcp\.flgs'"):
        packets.on("client-leg").where("tcp.flgs")


def test_a_fault_that_took_hold_of_nothing_proves_nothing(lab: Lab) -> None:
    with pytest.raises(Unproven, match="it took hold of nothing"), lab.fault(drop="syn", first=1, **ACROSS):
        pass
    with lab.fault(drop="syn", first=1, may_miss=True, **ACROSS) as lost:
        pass
    assert lost.hits == 0
    with pytest.raises(ZeroDivisionError), lab.fault(drop="syn", first=1, **ACROSS):  # the first problem is told
        raise ZeroDivisionError


@pytest.mark.usefixtures("echo")
def test_without_its_faults_the_body_must_go_well_first(lab: Lab) -> None:
    def body() -> tuple[str, int]:
        with lab.fault(refuse="syn", by="tcp-reset", **ACROSS) as refused:
            return lab.call(service="echo/select").outcome, refused.hits

    twice = lab.control(body, lambda came: came[0] == "answered")
    assert twice.control == ("answered", 0)
    assert twice.fault == ("refused", 1)

    def wrong(came: tuple[str, int]) -> None:
        assert came[0] == "refused"

    with pytest.raises(Unproven, match="without its faults"):
        lab.control(body, wrong)


def test_a_paused_server_a_restart_and_sockets_can_be_waited_for(lab: Lab, echo: Server) -> None:
    with lab.fault(pause="server") as paused:
        call = lab.start(service="echo/select", within_s=20)
        lab.until(on="server", state="ESTABLISHED", within_s=5)
        assert any(each.state == "ESTABLISHED" for each in lab.sockets("client"))
        assert call.ended is None
    assert paused.hits == 1
    assert call.wait().outcome == "answered"
    echo.restart()
    assert lab.call(service="echo/select").outcome == "answered"
    with pytest.raises(DeadlinePassed):
        lab.until(log=echo, line="never printed", within_s=0.1)


@pytest.mark.usefixtures("echo")
def test_a_call_that_runs_is_paused_and_then_killed(lab: Lab) -> None:
    with lab.fault(silence="data", **ACROSS), lab.start(service="echo/select", within_s=20) as call:
        lab.until(on="client", state="ESTABLISHED")
        with lab.fault(pause=call) as paused:
            assert paused.hits == 1
        with lab.fault(kill=call) as killed:
            assert killed.hits == 1
        ended = call.wait()
    assert killed.details == ("SIGKILL",)
    assert ended.outcome == "crashed"
    with (
        pytest.raises(UsageError, match=r"the call 'call-1' has ended; expected one of lab\.start that runs"),
        lab.fault(kill=call),
    ):
        pass


@pytest.mark.usefixtures("echo")
def test_a_kill_of_a_server_that_is_dead_shows_nothing(lab: Lab) -> None:
    with lab.fault(kill="server") as killed:
        pass
    assert killed.hits == 1
    with pytest.raises(Unproven), lab.fault(kill="server"):
        pass


@pytest.mark.usefixtures("echo")
def test_a_call_of_a_host_is_read_by_the_words_that_were_given(lab: Lab) -> None:
    ours = "python -m services.echo.client_blocking {host} {port}"
    assert lab.call("python -c 'print(1)'", port=1, prints="2").outcome == "wrong answer"
    assert lab.call("python -c 'raise SystemExit(7)'", port=1, exits={"refused": 7}).outcome == "refused"
    assert [lab.call(ours, prints=each).outcome for each in ("Hello", "NEVER")] == ["answered", "wrong answer"]
    with pytest.raises(LabProblem, match="`nosuch` could not be begun"):
        lab.call("nosuch", port=1)


@pytest.mark.usefixtures("echo")
def test_a_fault_takes_hold_behind_the_hits_of_another(lab: Lab) -> None:
    with (
        lab.recording() as packets,
        lab.fault(watch="data", **ACROSS) as watched,
        lab.fault(drop="data", first=1, after={"fault": watched, "hits": 1}, **ACROSS) as lost,
    ):
        first, second = (lab.call(service="echo/select", within_s=20) for _ in range(2))
    assert (first.outcome, second.outcome) == ("answered", "answered")
    assert (watched.hits, lost.hits) == (3, 1), "one of the first call, and one of the second with its repetition"
    assert packets.on("client-leg").from_("client").where("tcp.len > 0").count == 3


@pytest.mark.usefixtures("echo")
def test_the_counters_of_a_kernel_say_what_rose(lab: Lab) -> None:
    before = lab.counters("server")["TcpPassiveOpens"]
    assert lab.call(service="echo/select").outcome == "answered"
    assert lab.counters("server")["TcpPassiveOpens"] == before + 1


@pytest.mark.usefixtures("echo")
def test_the_calls_of_a_role_have_another_clock_for_a_block(lab: Lab) -> None:
    command = "python -c 'import time; print(time.time())'"
    with lab.fault(clock="client", ahead="400d") as wrong:
        ahead = float(lab.call(command, port=1).printed)
        right = float(lab.call(command, port=1, from_="bystander").printed)
    after = float(lab.call(command, port=1).printed)
    assert wrong.hits
    assert 399 * 86_400 < ahead - right < 401 * 86_400
    assert 0 <= after - right < 86_400


def test_a_name_that_changes_leads_elsewhere(lab: Lab) -> None:
    with lab.fault(answer="server", gives=("nobody",), may_miss=True):
        call = lab.call("getent ahostsv4 server", within_s=10)
    assert lab.address("server") not in call.printed


def test_a_big_endian_client_is_the_pairs(lab: Lab) -> None:
    lab.begin("be", pair="be-le")
    with lab.serve(service="echo/select"):
        call = lab.call(service="echo/select")
    assert call.outcome == "answered"
    with pytest.raises(UsageError, match="unknown pair 'le-el'; did you mean 'le-le'"):
        lab.begin("", pair="le-el")


@pytest.mark.usefixtures("echo")
def test_asyncio_uses_it_by_a_thread(lab: Lab) -> None:
    async def calls() -> str:
        return (await asyncio.to_thread(lab.call, service="echo/select")).outcome

    assert asyncio.run(calls()) == "answered"


OF_ASYNCIO = """python3 -c "
import asyncio

async def main():
    server = await asyncio.start_server(lambda _, writer: (writer.write(b'well'), writer.close()), '{bind}', {port})
    await server.serve_forever()

asyncio.run(main())
" """
ASKS = "import socket, sys; print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).recv(9).decode())"


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_server_of_asyncio_is_reached_over_the_family_of_the_test(lab: Lab, family: str) -> None:
    """For `::` it makes a socket that takes IPv6 alone."""
    lab.begin(f"asyncio {family}", family=family)  # type: ignore[arg-type]
    with lab.serve(OF_ASYNCIO, image="faultwire/host", port=4102):
        call = lab.call(f'python -c "{ASKS}" {{host}} 4102', within_s=20)
    assert (call.outcome, call.printed.strip()) == ("answered", "well")


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_this_machine_is_the_client_and_meets_the_fault(lab: Lab, family: str) -> None:
    lab.begin(f"host {family}", family=family)  # type: ignore[arg-type]
    with lab.serve(service="echo/select") as server, lab.host("client"), lab.recording() as packets:
        here = lab._session.here
        assert here is not None
        with (
            lab.fault(drop="syn", first=1, **ACROSS) as lost,
            socket.create_connection((lab.address("server"), server.port), timeout=10) as connection,
        ):
            connection.sendall(b"hello")
            assert connection.recv(5) == b"hello"
        with pytest.raises(UsageError, match="one side at a time"), lab.host("server"):
            pass
    assert lost.hits == 1
    assert packets.on("client-leg").where(SYN).from_("client").count == 2
    with pytest.raises(OSError, match="assign"):  # taken back
        socket.create_server((here.ipv4, 0))


# A server of TFTP's kind (RFC 1350): each transfer has a port of its own, and the client goes on with that one. What a
# third datagram names is tried unasked: a datagram to a port of this machine, a connection to another.
OF_TRANSFERS = """
import socket, sys
host = sys.argv[1]
family = socket.AF_INET6 if ":" in host else socket.AF_INET
asked, own = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(2))
asked.bind((host, int(sys.argv[2])))
own.bind((host, 0))
print("listens", flush=True)
while True:
    _, client = asked.recvfrom(99)
    own.sendto(b"block 1", client)
    answer, client = own.recvfrom(99)
    datagrams, connections = (int(each) for each in answer.split())
    own.sendto(b"unasked", (client[0], datagrams))
    back = socket.socket(family)
    back.settimeout(1)
    try:
        back.connect((client[0], connections))
        own.sendto(b"came through", client)
    except OSError:
        own.sendto(b"block 2", client)
    back.close()
"""


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_answers_from_a_port_that_was_not_asked_come_to_this_machine_and_nothing_unasked(
    lab: Lab, family: str, recwarn: pytest.WarningsRecorder
) -> None:
    """They timed out, though the ladder showed each of them at `client`: so the program of the test was blamed."""
    lab.begin(f"transfer {family}", family=family)  # type: ignore[arg-type]
    everywhere = ("::", 0) if family == "ipv6" else ("0.0.0.0", 0)  # noqa: S104
    of_family = socket.AF_INET6 if family == "ipv6" else socket.AF_INET
    run = f"python -c '{OF_TRANSFERS}' {{bind}} {{port}}"
    asks, silent = (socket.socket(of_family, socket.SOCK_DGRAM) for _ in range(2))
    with (
        asks,
        silent,
        socket.create_server(everywhere, family=of_family) as listening,
        lab.serve(run, port=6969, transport="udp", ready="listens") as server,
    ):
        unasked = [each.getsockname()[1] for each in (_bound(silent, everywhere), listening)]
        asks.settimeout(5)
        with lab.host("client"):
            asks.sendto(b"read", (lab.address("server"), server.port))
            block, transfer = asks.recvfrom(99)
            assert (block, transfer[1] == server.port) == (b"block 1", False)
            asks.sendto(" ".join(map(str, unasked)).encode(), transfer)
            assert asks.recvfrom(99)[0] == b"block 2"
            silent.settimeout(0.2)
            with pytest.raises(TimeoutError):
                silent.recvfrom(99)
    # Garbage of other tests, a socket that nobody closed, is warned of at any time, and in this record too.
    (message,) = [str(each.message) for each in recwarn if each.category is UserWarning]
    assert "not let in" in message
    assert f"TCP port {unasked[1]}" in message
    assert f"UDP port {unasked[0]}" in message
    assert "ports=" in message


def test_a_test_that_failed_is_told_what_did_not_come_to_this_machine(lab: Lab) -> None:
    """As active FTP, whose server connects to a port that the client named."""
    with socket.create_server(("0.0.0.0", 0)) as listening:  # noqa: S104
        port = listening.getsockname()[1]
        listening.settimeout(1)

        def wait() -> None:
            with lab.host("client"):
                connects = f'python -c "{ASKS}" {lab.address("client")} {port}'
                with lab.start(connects, from_="server", within_s=4):
                    listening.accept()

        with pytest.raises(TimeoutError) as problem:
            wait()
    assert f"not let in: what came from the lab, unasked, to TCP port {port} of" in "".join(problem.value.__notes__)


def _bound(each: socket.socket, address: tuple[str, int]) -> socket.socket:
    each.bind(address)
    return each


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


class _Upper(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(self.rfile.readline().upper())


@pytest.mark.parametrize("pair", ["le-le", "be-le"])
def test_a_host_calls_a_server_of_this_process_and_nothing_else_of_the_machine(
    lab: Lab, pair: str, recwarn: pytest.WarningsRecorder
) -> None:
    lab.begin("server", pair=pair)
    tell = (
        "import socket,sys; c=socket.create_connection((sys.argv[1],int(sys.argv[2])),2);"
        "c.sendall(b'hello\\n'); print(c.recv(9), sys.byteorder)"
    )
    others = [("0.0.0.0", 0), ("::", 0)]  # noqa: S104 (what must not be reached)
    with lab.host("server", ports=(4321,)):
        address = lab.address("server")
        server = _Server((address, 4321), _Upper)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        listening = [socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
                     for host, port in others]  # fmt: skip
        try:
            came = lab.call(f'python -c "{tell}" {address} 4321', within_s=15)
            assert "b'HELLO\\n'" in came.printed
            assert ("big" if pair == "be-le" else "little") in came.printed
            machine = [address, lab._session.here.ipv6, "172.17.0.1", "127.0.0.1"]  # type: ignore[union-attr]
            machine += [each[4][0] for each in socket.getaddrinfo(socket.gethostname(), None)]
            for reached in dict.fromkeys(machine):
                port = listening[":" in reached].getsockname()[1]
                call = lab.call(f'python -c "{tell}" {reached} {port}', within_s=10)
                assert "HELLO" not in call.printed, reached
                assert call.outcome != "answered", reached
        finally:
            server.shutdown()
            server.server_close()
            for each in listening:
                each.close()
    # Garbage of other tests, a socket that nobody closed, is warned of at any time, and in this record too.
    (message,) = [str(each.message) for each in recwarn if each.category is UserWarning]
    assert re.search(r"not let in: .*TCP port \d+, TCP port \d+ of", message)


KILLED = """
import sys, time
from scenarios.lab.lab import Lab
from scenarios.library.here import giving_this_machine_an_address, host_of
lab = Lab(int(sys.argv[1]))
with giving_this_machine_an_address(lab, host_of(lab.topology, "client"), ()):
    print("given", flush=True)
    time.sleep(60)
"""


def test_the_address_goes_with_the_process_that_was_killed(lab: Lab) -> None:
    given = host_of(topology(lab.number), "client")
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(lab.number)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "given\n"
            socket.create_server((given.ipv4, 0)).close()
        finally:
            process.kill()

    def is_gone() -> bool:
        try:
            socket.create_server((given.ipv4, 0)).close()
        except OSError:
            return True
        return False

    wait_for(is_gone, "the address to go", 10)


def test_a_connection_that_is_kept_through_the_control_meets_the_fault(lab: Lab, echo: Server) -> None:
    def ask() -> bytes:
        with lab.fault(drop="data", first=1, **ACROSS):
            connection.sendall(b"hello")
            return connection.recv(5)

    lab.call(service="echo/select")  # so that what is left of it is looked for
    with (
        lab.host("client"),
        lab.recording() as packets,
        socket.create_connection((lab.address("server"), echo.port), timeout=20) as connection,
    ):
        assert lab.control(ask) == (b"hello", b"hello")
    assert packets.on("client-leg").where("tcp.len > 0").alone.count == 1


def test_packets_are_a_value(lab: Lab) -> None:
    with lab.recording() as packets:
        pass
    assert isinstance(packets, Packets)
    with pytest.raises(UsageError, match="unknown leg 'clientleg'; did you mean 'client-leg'"):
        packets.on("clientleg")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no leg was chosen"):
        packets.where(SYN)
    # A host may ask for its neighbour (ARP) at any time.
    assert packets.on("client-leg").where("tcp || udp").count == 0
