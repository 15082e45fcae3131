"""Firewalls with a memory, and NAT: what becomes of a connection that they forget, on both legs and for both ends."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from scenarios.evidence import tshark
from scenarios.evidence.capture import Capture
from scenarios.evidence.frame import Frame
from scenarios.faults.conntrack import Forget, Stateful, forget_all
from scenarios.faults.idle_timeout import IdleTimeout
from scenarios.faults.nat import PORTS, Nat, Rebind
from scenarios.faults.recovery import remove_all
from scenarios.faults.vip import Vip
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.process import Running
from scenarios.lab.topology import Family
from scenarios.lab.waiting import wait_for
from scenarios.spec.kernel_faults import Otherwise, Protocol
from tests.infra.listening import listening

pytestmark = pytest.mark.usefixtures("no_orphans")
PORT = 5310
TCP: tuple[Protocol, ...] = ("tcp",)
UDP: tuple[Protocol, ...] = ("udp",)
FAMILIES: list[Family] = ["ipv4", "ipv6"]
# Answers each word by the word and the peer that it sees; the word `later`, at SIGUSR1. Prints how connections end.
ECHO = f"""
import signal, socket, threading, time
def answer(connection, peer):
    try:
        while word := connection.recv(100):
            if word == b"later":
                print("waiting", peer[1], flush=True)
                told.wait()
                told.clear()
            connection.sendall(repr((word.decode(), peer[0].removeprefix("::ffff:"), peer[1])).encode())
        print("ended", peer[1], flush=True)
    except OSError as error:
        print(type(error).__name__, peer[1], flush=True)
def datagrams():
    while True:
        word, peer = udp.recvfrom(100)
        time.sleep(1 if word == b"late" else 0)
        udp.sendto(repr((word.decode(), peer[0].removeprefix("::ffff:"), peer[1])).encode(), peer)
told = threading.Event()
signal.signal(signal.SIGUSR1, lambda *_: told.set())
udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
udp.bind(("", {PORT}))
threading.Thread(target=datagrams).start()
listener = socket.create_server(("", {PORT}), family=socket.AF_INET6, dualstack_ipv6=True)
print("listening", flush=True)
while True:
    threading.Thread(target=answer, args=listener.accept()).start()
"""
# Sends each line that it reads, and prints its own port, and for each the answer, or the error that it got instead.
SAY = f"""
import socket, sys, time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
connection = socket.socket(family, getattr(socket, sys.argv[2]))
connection.settimeout(float(sys.argv[3]))
connection.connect((sys.argv[1], {PORT}))
print(connection.getsockname()[1], flush=True)
for line in sys.stdin:
    if line.startswith("pause "):
        time.sleep(float(line.split()[1]))
        print("paused", flush=True)
        continue
    try:
        connection.sendall(line.strip().encode())
        print(connection.recv(100).decode() or "ended", flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
"""


class Conversation:
    """A connection from the client to the server that is open while the test does something else."""

    def __init__(self, stream: subprocess.Popen[bytes]) -> None:
        self._stream = stream
        self.port = int(self._read())

    def _read(self) -> str:
        assert self._stream.stdout is not None
        return self._stream.stdout.readline().decode().strip()

    def begin(self, word: str) -> None:
        assert self._stream.stdin is not None
        self._stream.stdin.write(word.encode() + b"\n")
        self._stream.stdin.flush()

    def hear(self) -> str:
        """The word that came back, or the name of the error."""
        said = self._read()
        return str(ast.literal_eval(said)[0]) if said.startswith("(") else said

    def say(self, word: str) -> str:
        self.begin(word)
        return self.hear()

    def end(self) -> None:
        assert self._stream.stdin is not None
        self._stream.stdin.close()
        self._stream.wait(timeout=10)

    def seen_as(self, word: str = "who") -> tuple[str, int]:
        """The address and the port that the server sees this connection come from."""
        self.begin(word)
        _, address, port = ast.literal_eval(self._read())
        return address, port


Talk = Callable[..., Conversation]


@pytest.fixture(scope="module")
def echo(lab: Lab) -> Iterator[Running]:
    with listening(lab, ["python", "-c", ECHO]) as service:
        yield service


@pytest.fixture
def talk(lab: Lab, echo: Running) -> Iterator[Talk]:  # noqa: ARG001
    """Opens conversations, which end with the test, as do the firewall's memories of them."""
    streams: list[subprocess.Popen[bytes]] = []

    def open_one(
        family: Family = "ipv4", kind: str = "SOCK_STREAM", timeout_s: float = 0.7, address: str = ""
    ) -> Conversation:
        address = address or lab.topology.hosts["server"].address(family)
        streams.append(lab.open("client", ["python", "-c", SAY, address, kind, str(timeout_s)]))
        return Conversation(streams[-1])

    yield open_one
    for stream in streams:
        if stream.stdin is not None:
            stream.stdin.close()  # which ends it
    for stream in streams:
        stream.wait(timeout=10)
    remove_all(lab)


@contextmanager
def legs(lab: Lab) -> Iterator[dict[str, list[Frame]]]:
    """What both legs carried of conversations over TCP in the block, once it is left."""
    seen: dict[str, list[Frame]] = {}
    with Capture(lab) as capture:
        yield seen
        for leg, captured in capture.stop().items():
            seen[leg] = tshark.frames(lab, captured.pcapng, f"tcp.port == {PORT}")


each_refusal = pytest.mark.parametrize(
    ("family", "otherwise", "error"),
    [("ipv4", "silence", "TimeoutError"), ("ipv6", "tcp-reset", "ConnectionResetError")],
)


def forget(lab: Lab) -> Forget:
    return Forget(lab, "forget", lab.topology.hosts["client"], lab.topology.hosts["server"])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_connection_by_way_of_a_virtual_address_is_forgotten_as_one_of_the_host_behind_it(
    lab: Lab, talk: Talk, echo: Running, family: Family
) -> None:
    virtual = lab.topology.nobody[FAMILIES.index(family)]
    with Vip(lab, "virtual", lab.topology.hosts["server"]):
        old = talk(family, address=virtual)
        assert old.say("before") == "before"
        with forget(lab) as forgotten:
            assert forgotten.hits() == 1
        assert old.say("after") == "after", "the next segment makes another entry"
        old.end()  # while somebody has the address
        echo.wait_for_line(f"ended {old.port}")


@each_refusal
def test_of_a_forgotten_connection_no_segment_passes_but_a_new_one_does(
    lab: Lab, talk: Talk, family: Family, otherwise: Otherwise, error: str
) -> None:
    with Stateful(lab, "stateful", otherwise) as stateful:
        old = talk(family)
        assert (old.say("before"), stateful.hits()) == ("before", 0), "the control: it remembers"
        with forget(lab) as forgotten:
            assert forgotten.hits() == 1
        assert old.say("after") == error
        assert stateful.hits() >= 1
        assert talk(family).say("new") == "new"


def test_the_reply_of_a_forgotten_connection_does_not_pass_either(lab: Lab, talk: Talk, echo: Running) -> None:
    with Stateful(lab, "stateful", "tcp-reset") as stateful, legs(lab) as seen:
        old = talk()
        old.begin("later")
        echo.wait_for_line(f"waiting {old.port}", within_s=5)
        forget(lab).__enter__()
        echo.signal("USR1")
        assert old.hear() == "TimeoutError"
        wait_for(lambda: stateful.hits() == 1, "the reply to be refused", within_s=5)
        echo.wait_for_line(f"ConnectionResetError {old.port}|ended {old.port}", within_s=5)
    replies = {leg: [frame for frame in seen[leg] if b"later" in frame.payload] for leg in seen}
    assert [frame.source_port for frame in replies["server-leg"]][-1] == PORT
    assert {frame.source_port for frame in replies["client-leg"]} == {old.port}


def tracked(lab: Lab) -> str:
    return lab.run("firewall", ["sh", "-c", "conntrack -L -f ipv4; conntrack -L -f ipv6"], timeout_s=5).stdout


def test_a_firewall_that_forgets_without_minding_is_not_noticed(lab: Lab, talk: Talk) -> None:
    old = talk()
    assert old.say("before") == "before"
    with forget(lab) as forgotten, forget(lab) as nothing:
        assert (forgotten.hits(), nothing.hits()) == (1, 0)
    assert old.say("after") == "after"


def test_a_connection_that_is_over_is_not_counted_as_forgotten(lab: Lab, talk: Talk) -> None:
    with Stateful(lab, "stateful"):
        command = f"import socket; socket.create_connection(('{lab.topology.hosts['server'].ipv4}', {PORT})).close()"
        assert lab.run("client", ["python", "-c", command], timeout_s=5).status == 0
        wait_for(lambda: "TIME_WAIT" in tracked(lab), "the entry of a closed connection", within_s=2)
        talk("ipv6").say("another")
        with forget(lab) as forgotten:
            assert forgotten.hits() == 1


def test_what_has_not_happened_has_no_hits(lab: Lab) -> None:
    with pytest.raises(LabProblem, match="has not happened"):
        forget(lab).hits()


@each_refusal
def test_an_idle_connection_is_forgotten_and_one_that_is_used_is_not(
    lab: Lab, talk: Talk, family: Family, otherwise: Otherwise, error: str
) -> None:
    with IdleTimeout(lab, "idle", 0.8, otherwise) as idle:
        unused = talk(family)
        assert unused.say("first") == "first"
        used = talk(family)
        for _ in range(5):
            used.say("pause 0.2")
            assert used.say("used") == "used"
        assert idle.hits() == 0, "the control: the one that is used outlives the timeout"
        assert unused.say("second") == error
        assert idle.hits() >= 1
        assert talk(family).say("new") == "new"


def test_only_connections_that_began_under_the_fault_are_counted(lab: Lab, talk: Talk) -> None:
    old = talk()
    assert old.say("before") == "before"
    with IdleTimeout(lab, "idle", 0.3, "tcp-reset") as idle:
        assert old.say("after") == "ConnectionResetError"
        assert idle.hits() == 0
        new = talk()
        assert new.say("first") == "first"
        new.say("pause 0.5")
        assert new.say("second") == "ConnectionResetError"
        assert idle.hits() == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_conversation_over_udp_is_forgotten_and_its_own_side_opens_it_again(
    lab: Lab, talk: Talk, echo: Running, family: Family
) -> None:
    with IdleTimeout(lab, "idle", 0.6, protocol="udp") as idle:
        asker = talk(family, "SOCK_DGRAM", 2)
        assert asker.say("first") == "first"
        asker.say("pause 1")
        assert (asker.say("second"), idle.hits()) == ("second", 0), "who is inside may go on at any time"
        asker.begin("late")  # answered after a second
        assert asker.hear() == "TimeoutError"
        assert idle.hits() == 1
        assert asker.say("third") == "third"
        assert talk(family).say("tcp") == "tcp", "and TCP is none of its business"
    asker.begin("late")
    assert asker.hear() == "late", "the control: undone"
    assert echo.ended is False


def test_a_firewall_forgets_conversations_of_one_protocol_or_of_both(lab: Lab, talk: Talk) -> None:
    forget_all(lab)
    ends = lab.topology.hosts["client"], lab.topology.hosts["server"]
    stream, datagrams = talk(), talk(kind="SOCK_DGRAM")
    assert (stream.say("tcp"), datagrams.say("udp")) == ("tcp", "udp")
    with (
        Forget(lab, "of-udp", *ends, protocols=UDP) as of_udp,
        Forget(lab, "of-tcp", *ends, protocols=TCP) as of_tcp,
    ):
        assert (of_udp.hits(), of_tcp.hits()) == (1, 1)
    assert (stream.say("tcp"), datagrams.say("udp")) == ("tcp", "udp")
    with forget(lab) as both:
        assert both.hits() == 2


@pytest.mark.parametrize("after_s", [0, 0.04, 86401])
def test_a_connection_is_not_forgotten_at_once_or_never(lab: Lab, after_s: float) -> None:
    with pytest.raises(ValueError, match="forgotten after"):
        IdleTimeout(lab, "idle", after_s)


@pytest.mark.parametrize(("family", "kind"), [("ipv4", "SOCK_STREAM"), ("ipv6", "SOCK_STREAM"), ("ipv6", "SOCK_DGRAM")])
def test_behind_nat_the_server_sees_the_firewall(lab: Lab, talk: Talk, family: Family, kind: str) -> None:
    client, leg = lab.topology.hosts["client"], lab.topology.legs["server-leg"]
    plain = talk(family, kind)
    assert plain.seen_as() == (client.address(family), plain.port), "the control"
    with Nat(lab, "nat") as nat:
        assert nat.hits() == 0
        mapped = talk(family, kind)
        assert mapped.seen_as() == (leg.ipv4 if family == "ipv4" else leg.ipv6, mapped.port)
        assert nat.hits() == 1, tracked(lab)
    plain = talk(family, kind)
    assert plain.seen_as() == (client.address(family), plain.port), "undone"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_connection_whose_mapping_changes_is_reset_by_a_server_that_does_not_know_the_port(
    lab: Lab, talk: Talk, family: Family
) -> None:
    low, high = map(int, PORTS[0].split("-"))
    with Nat(lab, "nat") as nat, legs(lab) as seen:
        old = talk(family)
        assert old.say("before") == "before"
        with Rebind(lab, "rebind", nat) as rebind:
            assert rebind.hits() == 1
        assert old.say("after") == "ConnectionResetError"
        assert low <= talk(family).seen_as()[1] <= high
    (after,) = [frame for frame in seen["server-leg"] if frame.payload == b"after"]
    assert after.source_port is not None
    assert low <= after.source_port <= high
    resets = {leg: [frame for frame in seen[leg] if "RST" in frame.flags] for leg in seen}
    assert [frame.destination_port for frame in resets["server-leg"]] == [after.source_port]
    assert [(frame.destination_port, frame.ttl) for frame in resets["client-leg"]] == [(old.port, 63)]


def test_what_the_server_sends_to_a_mapping_that_is_gone_is_refused_by_the_firewall(
    lab: Lab, talk: Talk, echo: Running
) -> None:
    with Nat(lab, "nat") as nat, legs(lab) as seen:
        old = talk()
        old.begin("later")
        echo.wait_for_line(f"waiting {old.port}", within_s=5)
        Rebind(lab, "rebind", nat).__enter__()
        echo.signal("USR1")
        assert old.hear() == "TimeoutError", "the client is not told"
        echo.wait_for_line(f"ConnectionResetError {old.port}", within_s=5)
    (reset,) = [frame for frame in seen["server-leg"] if "RST" in frame.flags]
    assert (reset.source, reset.ttl) == (lab.topology.legs["server-leg"].ipv4, 64)


def test_a_datagram_after_a_rebinding_comes_from_another_port_and_is_answered(lab: Lab, talk: Talk) -> None:
    with Nat(lab, "nat") as nat:
        sender = talk(kind="SOCK_DGRAM")
        address, port = sender.seen_as()
        assert port == sender.port
        with Rebind(lab, "rebind", nat) as rebind:
            assert rebind.hits() == 1
        ports = {sender.seen_as() for _ in range(3)}
        assert len(ports) == 1
        assert (address, port) not in ports
