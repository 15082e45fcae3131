"""What the injector on the firewall does to packets, read from both legs and from what the programs got."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator

import pytest

from images.firewall.inject import declared
from images.firewall.inject.header_words import ShiftAcknowledgement, ShiftSequence, Strip
from images.firewall.inject.rules import CHAIN
from scenarios.evidence import tcp_stream, tshark
from scenarios.evidence.capture import Capture
from scenarios.evidence.frame import Frame
from scenarios.evidence.pairing import rungs
from scenarios.faults.injector import Hits, Injector
from scenarios.lab.errors import DeadlinePassed, LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.process import Running
from scenarios.lab.topology import Family
from scenarios.lab.waiting import wait_for
from tests.infra.listening import listening

pytestmark = pytest.mark.usefixtures("no_orphans")
PORT = 5300
FAMILIES: list[Family] = ["ipv4", "ipv6"]
MESSAGE = b"one byte at a time"

# The service over TCP: prints how many bytes it has whenever some came, and at the end all of them.
TAKE = f"""
import socket
listener = socket.create_server(("", {PORT}), family=socket.AF_INET6, dualstack_ipv6=True)
print("listening", flush=True)
while True:
    connection, _ = listener.accept()
    taken = b""
    try:
        while data := connection.recv(65536):
            taken += data
            print("has", len(taken), flush=True)
        connection.sendall(b"taken")
    except OSError as error:
        print(error, flush=True)
    print("took", taken.hex(), flush=True)
    connection.close()
"""
# Its client: sends pieces, each a segment, then says how long connecting and all of it took.
GIVE = f"""
import json, socket, sys, time
started = time.monotonic()
connection = socket.create_connection((sys.argv[1], {PORT}), timeout=10)
connected = time.monotonic() - started
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for piece in sys.argv[2:]:
    connection.sendall(bytes.fromhex(piece))
    time.sleep(0.03)
connection.shutdown(socket.SHUT_WR)
try:
    reply = connection.recv(100).decode()
except OSError as error:
    reply = str(error)
print(json.dumps([connected, reply]))
"""
# Over UDP: prints each number that comes.
COUNT = f"""
import socket
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("", {PORT}))
print("listening", flush=True)
while True:
    print("number", int(receiver.recv(100)), flush=True)
"""
NUMBER = f"""
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(1, int(sys.argv[2]) + 1):
    sender.sendto(b"%d" % number, (sys.argv[1], {PORT}))
"""
# Asks a name server for A records, by hand and once each, and prints the names that were answered.
ASK = """
import socket, struct, sys
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asker.settimeout(1)
for number, name in enumerate(sys.argv[2:]):
    labels = b"".join(bytes([len(label)]) + label for label in name.encode().split(b"."))
    question = struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + bytes([0, 0, 1, 0, 1])
    asker.sendto(question, (sys.argv[1], 53))
    try:
        if asker.recv(1500)[:2] == question[:2]:
            print(name)
    except TimeoutError:
        pass
"""


@pytest.fixture
def injector(lab: Lab) -> Iterator[Injector]:
    with Injector(lab) as running:
        yield running


@pytest.fixture(scope="module")
def taking(lab: Lab) -> Iterator[Running]:
    with listening(lab, ["python", "-c", TAKE]) as service:
        yield service


@pytest.fixture
def lines(taking: Running) -> int:
    """How many lines the service over TCP had printed before the test."""
    return len(taking.lines)


@pytest.fixture(scope="module")
def counting(lab: Lab) -> Iterator[Running]:
    with listening(lab, ["python", "-c", COUNT]) as service:
        yield service


def pick(lab: Lab, family: Family = "ipv4", **words: object) -> declared.Pick:
    """A pick of what goes from the client to the server."""
    hosts = lab.topology.hosts
    return declared.Pick(hosts["client"].address(family), hosts["server"].address(family), **words)  # type: ignore[arg-type]


def give(lab: Lab, *pieces: bytes, family: Family = "ipv4") -> tuple[float, str]:
    """Send pieces from client to server; the seconds that connecting took, and the reply."""
    server = lab.topology.hosts["server"].address(family)
    said = lab.run("client", ["python", "-c", GIVE, server, *(piece.hex() for piece in pieces)], timeout_s=20)
    assert said.status == 0, said.printed
    connected_s, reply = json.loads(said.stdout)
    return connected_s, reply


def line_after(service: Running, seen: int, pattern: str, within_s: float = 10) -> re.Match[str]:
    """The first line with the pattern behind the first `seen` lines that the service printed."""
    found = wait_for(
        lambda: next((match for line in service.lines[seen:] if (match := re.search(pattern, line))), None),
        f"a line with {pattern!r} from the service",
        within_s,
    )
    assert found is not None
    return found


def bytes_taken(service: Running, seen: int) -> bytes:
    """All that the service over TCP got from the connection that came after its first `seen` lines."""
    return bytes.fromhex(line_after(service, seen, r"^took (\w*)$")[1])


def number(lab: Lab, count: int) -> None:
    """Send the numbers from 1 to `count` from client to server, a datagram each."""
    lab.run("client", ["python", "-c", NUMBER, lab.topology.hosts["server"].ipv4, str(count)], timeout_s=10)


def numbers(service: Running, seen: int, count: int) -> list[int]:
    """The `count` numbers that the service over UDP got after its first `seen` lines, and any more, as they came."""
    wait_for(lambda: len(service.lines) >= seen + count, f"{count} numbers at the service", within_s=10)
    with contextlib.suppress(DeadlinePassed):  # no more should come
        wait_for(lambda: len(service.lines) > seen + count, "one more", within_s=0.1)
    return [int(line.removeprefix("number ")) for line in service.lines[seen:]]


def legs(lab: Lab, capture: Capture) -> tuple[list[Frame], list[Frame]]:
    """What both legs carried over TCP to and from the service."""
    captures = capture.stop()
    both = [tshark.frames(lab, captures[leg].pcapng, f"tcp.port == {PORT}") for leg in ("client-leg", "server-leg")]
    return both[0], both[1]


def from_client(frames: list[Frame], *, with_data: bool = True) -> list[Frame]:
    return [frame for frame in frames if frame.destination_port == PORT and bool(frame.payload) == with_data]


def syns(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame.flags == {"SYN"}]


def checksum_errors(lab: Lab, host: str) -> int:
    """How many segments with a wrong checksum the host's kernel has thrown away."""
    names, values = re.findall(r"^Tcp: (.*)$", lab.run(host, ["cat", "/proc/net/snmp"], timeout_s=5).stdout, re.M)
    return int(dict(zip(names.split(), values.split(), strict=True))["InCsumErrors"])


def saved_rules(lab: Lab) -> str:
    return "".join(
        lab.run("firewall", [program, "-t", "raw"], timeout_s=5).stdout
        for program in ("iptables-save", "ip6tables-save")
    )


def pinged(lab: Lab) -> bool:
    argv = ["ping", "-c", "1", "-W", "1", lab.topology.hosts["server"].ipv4]
    return lab.run("client", argv, timeout_s=5).status == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_lost_syn_is_repeated_after_a_second_and_the_packets_show_it(
    lab: Lab, injector: Injector, taking: Running, lines: int, family: Family
) -> None:
    lose = pick(lab, family, of="syn", first=1)
    with Capture(lab) as capture, injector.fault("lose-one", declared.Drop(), lose) as fault:
        connected_s, reply = give(lab, MESSAGE, family=family)
        client_leg, server_leg = legs(lab, capture)
    assert (reply, bytes_taken(taking, lines)) == ("taken", MESSAGE)
    first, second = syns(client_leg)
    assert 0.9 < (second.time_ns - first.time_ns) / 1e9 < 1.5
    assert 0.9 < connected_s < 3
    assert [frame.seq for frame in syns(server_leg)] == [second.seq]
    hits = fault.hits()
    assert (hits.picked, hits.seen, hits.arrived, hits.unsure) == (1, 2, 2, ""), "nothing but SYNs was queued"
    (hit,) = hits.hits
    assert (hit.did, hit.seq, hit.identification) == ("dropped", first.seq, first.identification)
    assert first.time_ns - 1_000_000 < hit.at_ns < second.time_ns


@pytest.mark.usefixtures("taking")
def test_a_late_syn_and_its_repetition_both_arrive(lab: Lab, injector: Injector) -> None:
    # Connection tracking loses the first one, when it is held behind it: its entry is made anew by the second.
    with Capture(lab) as capture, injector.fault("late", declared.Delay(1.3), pick(lab, of="syn")) as fault:
        connected_s, reply = give(lab, MESSAGE)
        wait_for(lambda: fault.hits().held == 0, "the second SYN to go on", within_s=5)
        client_leg, server_leg = legs(lab, capture)
    assert reply == "taken"
    assert 1.2 < connected_s < 3
    sent, arrived = syns(client_leg), syns(server_leg)
    assert [frame.seq for frame in arrived] == [frame.seq for frame in sent]
    assert len(arrived) == 2
    for before, after in zip(sent, arrived, strict=True):
        assert 1.29 < (after.time_ns - before.time_ns) / 1e9 < 1.8
    assert {frame.ttl for frame in arrived} == {63}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_duplicate_is_the_same_packet_once_more_and_the_application_does_not_see_it(
    lab: Lab, injector: Injector, taking: Running, lines: int, family: Family
) -> None:
    twice = pick(lab, family, of="data", nth=1)
    with Capture(lab) as capture, injector.fault("twice", declared.Duplicate(copies=2, after_s=0.01), twice) as fault:
        assert give(lab, MESSAGE, family=family)[1] == "taken"
        client_leg, server_leg = legs(lab, capture)
    assert bytes_taken(taking, lines) == MESSAGE
    sent, *again = from_client(client_leg)
    arrived = from_client(server_leg)
    assert [frame.crossing for frame in arrived if frame.crossing == sent.crossing] == [sent.crossing] * 3
    assert len(arrived) == 3 + len(again)
    assert {frame.ttl for frame in arrived} == {sent.ttl - 1}
    assert fault.hits().picked == 1


def test_a_corrupted_segment_is_thrown_away_by_the_receivers_kernel_and_sent_again(
    lab: Lab, injector: Injector, taking: Running, lines: int
) -> None:
    before = checksum_errors(lab, "server")
    with (
        Capture(lab) as capture,
        injector.fault("damage", declared.Corrupt(at=3, bit=0), pick(lab, of="data", first=1)),
    ):
        assert give(lab, MESSAGE)[1] == "taken"
        client_leg, server_leg = legs(lab, capture)
    assert bytes_taken(taking, lines) == MESSAGE
    assert checksum_errors(lab, "server") == before + 1
    sent = from_client(client_leg)
    assert len(sent) >= 2
    assert all(frame.checksum_good for frame in sent)
    damaged, whole, *_ = from_client(server_leg)
    assert (damaged.checksum_good, damaged.payload) == (False, b"one!byte at a time"), "a space with its lowest bit set"
    assert (whole.checksum_good, whole.payload) == (True, MESSAGE)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_segment_arrives_one_byte_at_a_time(
    lab: Lab, injector: Injector, taking: Running, lines: int, family: Family
) -> None:
    with (
        Capture(lab) as capture,
        injector.fault("crumble", declared.Split(1), pick(lab, family, of="data", first=1)) as fault,
    ):
        assert give(lab, MESSAGE, family=family)[1] == "taken"
        client_leg, server_leg = legs(lab, capture)
    assert bytes_taken(taking, lines) == MESSAGE
    sent, *_ = from_client(client_leg)
    arrived = from_client(server_leg)[: len(MESSAGE)]
    assert [frame.payload for frame in arrived] == [bytes([byte]) for byte in MESSAGE]
    assert tcp_stream.stream_bytes([frame for frame in server_leg if frame.destination_port == PORT]) == MESSAGE
    assert ["PSH" in frame.flags for frame in arrived] == [False] * (len(MESSAGE) - 1) + [True]
    assert all(frame.checksum_good and frame.ttl == sent.ttl - 1 for frame in arrived)
    assert [hit.did for hit in fault.hits().hits] == [f"split into {len(MESSAGE)}"]


def test_the_segment_with_byte_n_is_lost_each_time_it_is_sent_until_it_is_healed(
    lab: Lab, injector: Injector, taking: Running, lines: int
) -> None:
    pieces = [bytes([number]) * 100 for number in range(5)]
    lose = pick(lab, byte=250, again=True)
    server = lab.topology.hosts["server"].ipv4
    client = ["python", "-c", GIVE, server, *(piece.hex() for piece in pieces)]
    with Capture(lab) as capture, contextlib.ExitStack() as until_healed:
        fault = until_healed.enter_context(injector.fault("lose-byte-250", declared.Drop(), lose))
        with lab.running("client", client) as giving:
            line_after(taking, lines, "^has 200$")
            wait_for(lambda: fault.hits().picked >= 3, "byte 250 to be lost three times", within_s=10)
            assert not [line for line in taking.lines[lines:] if re.search("^has [345]|took", line)]
            assert all(hit.head[0] == 2 for hit in fault.hits().hits)
            until_healed.close()
            giving.wait_for_line("taken", within_s=10)
        client_leg, server_leg = legs(lab, capture)
    assert bytes_taken(taking, lines) == b"".join(pieces)
    lost = [frame for frame in from_client(client_leg) if pieces[2] in frame.payload]
    through = [frame for frame in from_client(server_leg) if pieces[2] in frame.payload]
    assert len(lost) - len(through) == fault.hits().picked


@pytest.mark.usefixtures("taking")
def test_without_again_only_the_first_transmission_of_byte_n_is_lost(lab: Lab, injector: Injector) -> None:
    with Capture(lab) as capture, injector.fault("lose-byte-0", declared.Drop(), pick(lab, of="data", byte=0)) as fault:
        assert give(lab, MESSAGE)[1] == "taken"
        client_leg, server_leg = legs(lab, capture)
    assert fault.hits().picked == 1
    sent, arrived = from_client(client_leg), from_client(server_leg)
    assert len(sent) - len(arrived) == 1
    assert {frame.payload for frame in arrived} == {MESSAGE}


def test_of_a_cut_stream_exactly_the_bytes_before_the_cut_arrive(
    lab: Lab, injector: Injector, taking: Running, lines: int
) -> None:
    server = lab.topology.hosts["server"].ipv4
    client = ["python", "-c", GIVE, server, MESSAGE.hex(), MESSAGE.hex()]
    with contextlib.ExitStack() as until_healed:
        until_healed.enter_context(injector.fault("cut", declared.Cut(at=25), pick(lab, of="data")))
        with lab.running("client", client) as giving:
            line_after(taking, lines, "^has 25$")
            with pytest.raises(DeadlinePassed):
                line_after(taking, lines, "^(has (2[6-9]|[3-9])|took)", within_s=0.5)
            until_healed.close()
            giving.wait_for_line("taken", within_s=10)
    assert bytes_taken(taking, lines) == MESSAGE * 2


def test_an_altered_byte_reaches_the_application(lab: Lab, injector: Injector, taking: Running, lines: int) -> None:
    with injector.fault("alter", declared.Alter(at=20, to=0x21, of="stream"), pick(lab, of="data")) as fault:
        assert give(lab, MESSAGE, MESSAGE)[1] == "taken"
    assert bytes_taken(taking, lines) == MESSAGE + b"on!" + MESSAGE[3:]
    assert [hit.did for hit in fault.hits().hits] == ["untouched", "byte 20 altered from 101 to 33"]


@pytest.mark.parametrize("family", FAMILIES)
def test_options_are_taken_away_and_numbers_shifted_on_the_far_leg_and_nobody_notices(
    lab: Lab, injector: Injector, taking: Running, lines: int, family: Family
) -> None:
    by = 1 << 31
    there = pick(lab, family)
    back = declared.Pick(there.to, there.from_)
    with (
        Capture(lab) as capture,
        injector.fault("stripped", Strip("timestamps"), pick(lab, family, of="syn")) as stripped,
        injector.fault("shifted", ShiftSequence(by), there) as shifted,
        injector.fault("shifted-back", ShiftAcknowledgement(by), back),
    ):
        assert give(lab, b"hello", b"world", family=family)[1]
        assert bytes_taken(taking, lines) == b"helloworld"
        near, far = legs(lab, capture)
    assert stripped.hits().picked == 1
    assert shifted.hits().untouched == 0
    sent, came = syns(near)[0], syns(far)[0]
    assert came.seq == ((sent.seq or 0) + by) % (1 << 32)
    assert "080a" in sent.options
    assert "080a" not in came.options
    assert all(frame.checksum_good for frame in (*near, *far))
    clients = {there.from_}
    whole = [rung for rung in rungs(near, far, clients) if rung.frame.payload or "SYN" in rung.frame.flags]
    assert whole
    assert all(rung.client_leg and rung.server_leg for rung in whole)  # no segment is said to have ended on the way


def test_the_same_seed_loses_the_same_packets_twenty_times(lab: Lab, injector: Injector, counting: Running) -> None:
    def lost(seed: int) -> list[int]:
        lines = len(counting.lines)
        with injector.fault("lossy", declared.Drop(), pick(lab, of="udp", percent=30), seed=seed) as fault:
            number(lab, 50)
        hits = fault.hits()
        dropped = [int(hit.head) for hit in hits.hits]
        arrived = numbers(counting, lines, 50 - len(dropped))
        assert hits.unsure == ""
        assert sorted(arrived + dropped) == list(range(1, 51)), "each number arrived or was dropped"
        return dropped

    runs = [lost(seed=7) for _ in range(20)]
    assert 0 < len(runs[0]) < 50
    assert runs == [runs[0]] * 20
    assert lost(seed=8) != runs[0]


def test_a_packet_is_overtaken_by_the_two_behind_it(lab: Lab, injector: Injector, counting: Running) -> None:
    lines = len(counting.lines)
    with injector.fault("swap", declared.Reorder(behind=2, within_s=5), pick(lab, of="udp", nth=2)):
        number(lab, 6)
        assert numbers(counting, lines, 6) == [1, 3, 4, 2, 5, 6]


def test_what_is_held_arrives_when_it_is_healed_and_the_rules_are_gone(
    lab: Lab, injector: Injector, counting: Running
) -> None:
    lines = len(counting.lines)
    with injector.fault("hold", declared.Hold(), pick(lab, of="udp")) as fault:
        assert CHAIN in saved_rules(lab)
        number(lab, 3)
        wait_for(lambda: fault.hits().held == 3, "three held", within_s=5)
        assert counting.lines[lines:] == []
    assert numbers(counting, lines, 3) == [1, 2, 3]
    assert CHAIN not in saved_rules(lab)


def test_the_end_of_the_injector_lets_go_what_it_held(lab: Lab, counting: Running) -> None:
    lines = len(counting.lines)
    with Injector(lab) as injector:
        injector.apply("hold", declared.Hold(), pick(lab, of="udp"))
        number(lab, 3)
        wait_for(lambda: injector.hits("hold").held == 3, "three held", within_s=5)
    assert numbers(counting, lines, 3) == [1, 2, 3]
    assert CHAIN not in saved_rules(lab)


def test_faults_stand_one_behind_the_other(lab: Lab, injector: Injector, counting: Running) -> None:
    lines = len(counting.lines)
    udp = pick(lab, of="udp", to_port=PORT)
    with (
        injector.fault("twice", declared.Duplicate(), udp),
        injector.fault("lose-the-third", declared.Drop(), pick(lab, of="udp", nth=3)) as lose,
    ):
        number(lab, 3)
    assert numbers(counting, lines, 5) == [1, 1, 2, 3, 3]
    assert lose.hits().seen == 6


def test_a_killed_injector_cuts_nothing_and_the_next_one_removes_its_rules(lab: Lab) -> None:
    assert pinged(lab)
    with Injector(lab) as injector:
        injector.apply("lose-all", declared.Drop(), pick(lab, of="icmp"))
        assert not pinged(lab)
        lab.run("firewall", ["kill", "-KILL", str(injector.pid)], timeout_s=5)
        wait_for(lambda: pinged(lab), "the network to work again", within_s=5)
        with pytest.raises(LabProblem, match="ended"):
            injector.hits("lose-all")
    assert CHAIN in saved_rules(lab)
    with Injector(lab) as following:
        assert following.left == ("lose-all",)
        assert CHAIN not in saved_rules(lab)
        assert pinged(lab)


def test_a_run_that_is_killed_takes_its_faults_with_it(lab: Lab) -> None:
    with Injector(lab) as injector:
        injector.apply("lose-all", declared.Drop(), pick(lab, of="icmp"))
        assert not pinged(lab)
        injector._child.process.kill()  # what the kernel does to it when this process is killed: its input ends
        wait_for(lambda: CHAIN not in saved_rules(lab), "the rules to go", within_s=5)
    assert pinged(lab)


def test_two_injectors_do_not_run_at_once(lab: Lab, injector: Injector) -> None:
    with injector.fault("lose-all", declared.Drop(), pick(lab, of="icmp")):
        with pytest.raises(LabProblem, match="Another injector"), Injector(lab):
            pass
        assert not pinged(lab), "the first one's fault is still in force"
    assert pinged(lab)


def test_a_fault_that_cannot_be_is_refused_and_leaves_the_others_in_force(lab: Lab, injector: Injector) -> None:
    with injector.fault("lose-all", declared.Drop(), pick(lab, of="icmp")):
        with pytest.raises(LabProblem, match="already"):
            injector.apply("lose-all", declared.Drop(), pick(lab, of="icmp"))
        with pytest.raises(LabProblem, match="none to be overtaken by"):
            injector.apply("swap", declared.Reorder(1, 1), pick(lab, of="icmp"))
        with pytest.raises(LabProblem, match="no fault 'other'"):
            injector.hits("other")
        assert not pinged(lab)


def test_a_dns_query_is_named_by_what_it_asks_for(lab: Lab, injector: Injector) -> None:
    names = lab.run("client", ["getent", "ahostsv4", "names"], timeout_s=5).stdout.split()[0]
    hosts = lab.topology.hosts
    lose = declared.Pick(hosts["client"].ipv4, names, of="dns-query", name="Server.lab.")
    with injector.fault("unnamed", declared.Drop(), lose) as fault:
        asked = lab.run(
            "client", ["python", "-c", ASK, names, "client.lab", "server.lab", "server-be.lab"], timeout_s=9
        )
    assert asked.stdout.split() == ["client.lab", "server-be.lab"]
    assert fault.hits().picked == 1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.usefixtures("taking")
def test_every_kind_of_packet_of_a_call_is_found(lab: Lab, injector: Injector, family: Family) -> None:
    kinds = ("any", "syn", "handshake-ack", "ack", "data", "fin")
    here, there = pick(lab, family), pick(lab, family)
    back = declared.Pick(there.to, here.from_, of="syn-ack")
    with contextlib.ExitStack() as stack, Capture(lab) as capture:
        faults = {
            kind: stack.enter_context(injector.fault(kind, declared.Delay(0), pick(lab, family, of=kind)))
            for kind in kinds
        }
        faults["syn-ack"] = stack.enter_context(injector.fault("syn-ack", declared.Delay(0), back))
        assert give(lab, MESSAGE, family=family)[1] == "taken"
        client_leg, _ = legs(lab, capture)
    hits: dict[str, Hits] = {kind: fault.hits() for kind, fault in faults.items()}
    sent = [frame for frame in client_leg if frame.destination_port == PORT]
    assert {kind: found.picked for kind, found in hits.items()} == {
        "any": len(sent),
        "syn": 1,
        "syn-ack": 1,
        "handshake-ack": 1,
        "ack": len([frame for frame in sent if frame.flags == {"ACK"} and not frame.payload]),
        "data": len([frame for frame in sent if frame.payload]),
        "fin": len([frame for frame in sent if "FIN" in frame.flags]),
    }
    assert min(found.picked for found in hits.values()) >= 1
    assert [hit.seq for hit in hits["any"].hits] == [frame.seq for frame in sent]
