"""Small drills for kinds of things that faults once did not do exactly; and drills in a row, which do not touch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scenarios.calls import contract
from scenarios.lab.lab import Lab
from scenarios.run.cell import run
from scenarios.run.session import Stage
from scenarios.spec.catalogue import chosen_service, drills, load_drill
from scenarios.spec.cell import Cell
from scenarios.spec.drill import Drill
from scenarios.verdict.check import Verdict
from scenarios.verdict.result import Result
from tests.drills.test_engine import in_force

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))


def performed(stage: Stage, drill: Drill, folder: Path) -> Result:
    folder.mkdir(parents=True)
    return run(stage, Cell(drill, chosen_service(drill, None), "le-le"), folder)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_each_case_has_its_right_verdict(stage: Stage, tmp_path: Path, path: Path) -> None:
    drill = load_drill(path)
    contract.ready([chosen_service(drill, None).service], print)  # one case is of a program from an image of its own
    result = performed(stage, drill, tmp_path / "cell")
    assert result.verdict is Verdict.PASS, result.sentence


def test_a_pass_leaves_neither_a_table_nor_a_journal(stage: Stage, own_lab: Lab, tmp_path: Path) -> None:
    for path in CASES:
        if path.stem in ("bug-later-fragments-dropped", "copies-that-expire"):  # a table of each kind
            assert performed(stage, load_drill(path), tmp_path / path.stem).verdict is Verdict.PASS
    left = own_lab.run("firewall", ["sh", "-c", "nft list tables | grep faultwire; ls -d /run/faults"], timeout_s=5)
    assert left.stdout == ""
    assert "services" not in in_force(own_lab).replace("services.forkserver", "")


BESIDE = """\
drill: beside
claim: A lost answer is sent again.
why: It is for tests of the engine.
source: [RFC 6298]
tags: [talking]
service: echo/selectors
script:
  - fault: {FAULT}
  - call: {name: hello, args: --timeout 3, within: 20s}
expect:
  - outcome: {call: hello, is: [answered, timed out]}
  - packets: {at: server-leg, from: server, to: client, where: tcp, alone: true}
control:
  - outcome: {call: hello, is: answered}
"""
OTHER_PORT = 7999
# A connection that was there before the script, and on which the server sends a byte all the time.
TALKS = f"""
import socket, time
listener = socket.create_server(("", {OTHER_PORT}))
print("listening", flush=True)
connection, _ = listener.accept()
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
while True:
    connection.sendall(b"x")
    time.sleep(0.01)
"""
LISTENS = f"""
import socket, sys
connection = socket.create_connection((sys.argv[1], {OTHER_PORT}))
print("connected", flush=True)
while connection.recv(100):
    pass
"""


@pytest.mark.parametrize(
    "fault",
    [
        "name: lose, drop: {first: 1, of: data, from: server, to: client}",
        "name: lose, drop: {of: any, first: 3, from: server, to: client}",
        "name: lose, silence: {of: data, from: server, to: client}",
        "name: lose, refuse: {of: data, from: server, to: client, by: host-unreachable}",
    ],
    ids=["data by the injector", "any by the injector", "silence by a rule", "refusal by a rule"],
)
def test_packets_of_a_connection_that_was_there_before_are_no_hits(
    own_lab: Lab, stage: Stage, tmp_path: Path, fault: str
) -> None:
    path = tmp_path / "beside.yaml"
    path.write_text(BESIDE.replace("{FAULT}", f"{{{fault}}}"), encoding="utf-8")
    with own_lab.running("server", ["python", "-c", TALKS]) as talks:
        talks.wait_for_line("listening")
        server = own_lab.topology.hosts["server"].ipv4
        with own_lab.running("client", ["python", "-c", LISTENS, server]) as listens:
            listens.wait_for_line("connected")
            stage.disturbed = True  # as after any script with a fault
            result = performed(stage, load_drill(path), tmp_path / "cell")
    assert result.verdict is Verdict.PASS, result.sentence
    armed = result.seen["fault"]
    lost = [each for each in armed.frames["server-leg"] if each.destination_port and each.source_port == armed.port]
    assert lost
    assert not any(str(OTHER_PORT) in detail for detail in armed.caught["lose"].details)
    came = {each.crossing for each in armed.frames["client-leg"]}
    alone = [each for each in lost if each.crossing not in came]
    # hundreds of the other connection's crossed; one more of ours may come between the counting and the last packet
    assert armed.caught["lose"].hits in (len(alone), len(alone) - 1)


HELD = """\
drill: held
claim: A delayed answer comes late.
why: It is for tests of the engine.
source: [RFC 6298]
tags: [talking]
service: echo/selectors
script:
  - fault: {name: late, delay: {of: fin, from: server, to: client, by: BY}}
  - call: {name: hello, within: 20s}
expect:
  - outcome: {call: hello, is: answered}
  - packets: {at: server-leg, from: server, to: client, where: tcp.flags.fin == 1, at_least: 1}
  - packets: {at: client-leg, from: server, to: client, where: tcp.flags.fin == 1, at_least: 1}
control:
  - outcome: {call: hello, is: answered}
"""


@pytest.mark.parametrize(("by", "verdict"), [("700ms", Verdict.PASS), ("60s", Verdict.UNPROVEN)])
def test_what_a_fault_holds_at_the_end_is_waited_for_or_told(
    stage: Stage, tmp_path: Path, by: str, verdict: Verdict
) -> None:
    path = tmp_path / "held.yaml"
    path.write_text(HELD.replace("BY", by), encoding="utf-8")
    result = performed(stage, load_drill(path), tmp_path / "cell")
    assert result.verdict is verdict, result.sentence
    if verdict is Verdict.UNPROVEN:
        assert result.sentence.startswith("packets that the fault late held at the end of the script: expected 0, saw ")


def test_a_result_says_what_it_was_made_under(stage: Stage, tmp_path: Path) -> None:
    performed(stage, load_drill(CASES[0]), tmp_path / "cell")
    stored = json.loads((tmp_path / "cell" / "result.json").read_text(encoding="utf-8"))
    for role in ("client", "server"):
        under = stored["runs"]["control"]["made_under"][role]
        assert under["net.ipv4.tcp_congestion_control"] == "reno"
        assert under["net.ipv4.tcp_rmem"] == "4096 131072 6291456"
        assert under["kernel"]


# A socket that was there before the script, and that sends a datagram all the time to a server that takes it.
TAKES = f"""
import socket
taking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
taking.bind(("", {OTHER_PORT}))
print("taking", flush=True)
while True:
    taking.recv(100)
"""
SENDS = f"""
import socket, sys, time
sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sending.connect((sys.argv[1], {OTHER_PORT}))
print("sending", flush=True)
while True:
    try:
        sending.send(b"x")
    except OSError:  # the router's "net unreachable"
        pass
    time.sleep(0.01)
"""


@pytest.mark.parametrize("host", ["client", "client-be"])
def test_what_an_earlier_socket_sends_where_there_is_no_route_is_no_hit_and_takes_no_answer_away(
    own_lab: Lab, stage: Stage, tmp_path: Path, host: str
) -> None:
    """Of a host that has no part in the drill, too. Linux has five answers for a host, and then one a second."""
    with own_lab.running("server", ["python", "-c", TAKES]) as takes:
        takes.wait_for_line("taking")
        with own_lab.running(host, ["python", "-c", SENDS, own_lab.topology.hosts["server"].ipv4]) as sends:
            sends.wait_for_line("sending", within_s=15)
            stage.disturbed, stage.left_on = True, None  # as at the start of a run, in a lab that another had
            result = performed(stage, drills()["no-route"], tmp_path / "cell")
    assert result.seen["fault"].caught["lost-route"].hits == 1
    assert result.verdict is Verdict.PASS, result.sentence
