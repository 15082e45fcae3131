"""The engine in a lab: the same seed, the ends that nobody planned, the page that teaches how to write a drill."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.faults.earlier_segments import EarlierSegments
from scenarios.lab import engine
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.topology import ROOT
from scenarios.lab.waiting import wait_for
from scenarios.run.cell import run
from scenarios.run.session import Stage
from scenarios.run.settling import left_connections
from scenarios.spec.catalogue import chosen_service, drills, load_drill
from scenarios.spec.cell import Cell
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.drill import Drill
from scenarios.verdict.check import Verdict
from tests import processes
from tests.conftest import lab_for_a_while

DRILL = """\
drill: one
claim: Nothing of interest.
why: It is for tests of the engine.
source: [RFC 9293]
tags: [reaching]
service: search/selectors
script:
  - FAULT
  - call: {name: hello, CALL}
expect:
  - outcome: {call: hello, is: answered}
  - packets: {at: client-leg, where: tcp.flags.syn == 1}
control:
  - outcome: {call: hello, is: answered}
"""


def drill(folder: Path, fault: str, call: str = "within: 20s") -> Drill:
    path = folder / "one.yaml"
    path.write_text(DRILL.replace("FAULT", fault).replace("CALL", call), encoding="utf-8")
    return load_drill(path)


def cell(a_drill: Drill, seed: int = 1) -> Cell:
    return Cell(a_drill, chosen_service(a_drill, None), "le-le", seed)


def places(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


def test_the_page_on_writing_a_drill_is_true(stage: Stage, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "writing-a-drill.md").read_text(encoding="utf-8")
    first, second, premise, *_ = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    path = tmp_path / "lost-answer.yaml"
    path.write_text(first, encoding="utf-8")
    told = re.search(r"✗ \S+lost-answer\.yaml(:\d+: .*)", text)
    assert told
    with pytest.raises(DeclarationError) as raised:
        load_drill(path)
    assert str(raised.value) == f"{path}{told[1]}"
    path.write_text(first[: first.index("expect:")] + second + premise, encoding="utf-8")
    assert load_drill(path).premise
    path.write_text(first[: first.index("expect:")] + second, encoding="utf-8")
    result = run(stage, cell(load_drill(path)), places(tmp_path, "cell"))
    assert result.verdict is Verdict.PASS, result.sentence


@pytest.mark.parametrize(
    "fault",
    [
        "fault: {name: idle, drop: {first: 1, of: fin, from: bystander, to: server}}",
        "fault: {name: idle, silence: {from: bystander, to: server}}",
        "fault: {name: idle, refuse: {from: bystander, to: server, by: tcp-reset}}",
        "fault: {name: idle, mute: {errors: [too-big]}}",
        "fault: {name: idle, mtu: {at: server-leg, bytes: 1400}}",
        "fault: {name: idle, stateful: {by: silence}}",
        "fault: {name: idle, idle_timeout: {after: 5s}}",
        "fault: {name: idle, no_route: {to: other-server}}",
        "fault: {name: idle, rate: {at: server-leg, bits_per_s: 100000000}}",
        "fault: {name: idle, answer: {name_of: web, gives: [server]}}",
    ],
    ids=lambda fault: fault.split(", ")[1].partition(":")[0],
)
def test_a_fault_of_each_kind_that_takes_hold_of_nothing_is_unproven(stage: Stage, tmp_path: Path, fault: str) -> None:
    """The mutant in the lab itself: the fault is in force, and everything else is as it should be."""
    result = run(stage, cell(drill(tmp_path, fault)), places(tmp_path, "cell"))
    assert result.verdict is Verdict.UNPROVEN, result.sentence
    assert result.sentence == "hits of the fault idle: expected at least 1, saw 0"


def test_the_same_seed_loses_the_same_packets_and_another_seed_others(stage: Stage, tmp_path: Path) -> None:
    some = drill(tmp_path, "fault: {name: some, drop: {percent: 50, of: icmp, from: client, to: server}}", "run: PING")
    text = some.path.read_text(encoding="utf-8")
    some.path.write_text(text.replace("PING", '"ping -n -c 20 -i 0.01 -W 0.1 {host}"'), encoding="utf-8")
    some = load_drill(some.path)

    def lost(seed: int, number: int) -> list[str]:
        result = run(stage, cell(some, seed), places(tmp_path, f"{seed}-{number}"))
        return [re.sub(r".*seq ", "", line) for line in result.seen["fault"].caught["some"].details]

    one = [lost(7, number) for number in range(3)]
    assert one[0] == one[1] == one[2]
    assert len(one[0]) > 2
    assert lost(8, 0) != one[0]


def scenarios(*words: str, lab: Lab, stderr: int = subprocess.STDOUT) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "scenarios", *words, "--lab", str(lab.number)]
    return processes.start(argv, stderr=stderr)


def in_force(lab: Lab) -> str:
    """What a fault of any kind leaves on the firewall, and the programs of ours on the hosts."""
    look = "nft list table inet faultwire 2>/dev/null; ls /run/faults 2>/dev/null; iptables-save -t raw | grep NFQUEUE"
    found = lab.run("firewall", ["sh", "-c", f"{look}; true"], timeout_s=10).stdout
    for host in {*lab.topology.hosts} & {*lab.required_machines}:
        found += lab.run(host, ["sh", "-c", "pgrep -a -f services[.] || true"], timeout_s=10).stdout
    return found


@pytest.fixture(scope="module")
def killed_lab() -> Iterator[Lab]:
    with lab_for_a_while() as lab:
        yield lab


def is_in_force(lab: Lab) -> bool:
    """Whether the fault of silent-drop is."""
    return "drop" in lab.run("firewall", ["nft", "list", "ruleset"], timeout_s=10).stdout


@contextlib.contextmanager
def in_silent_drop(*others: str, lab: Lab) -> Iterator[subprocess.Popen[str]]:
    """A run of silent-drop and other drills whose fault is in force; it is killed when the block is left."""
    running = scenarios("run", "silent-drop", *others, "--pair", "le-le", lab=lab)
    try:
        wait_for(lambda: is_in_force(lab), "the fault of silent-drop", 60, every_s=0.3)
        yield running
    finally:
        running.kill()
        running.wait()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_end_leaves_nothing_and_the_run_has_its_report(
    killed_lab: Lab, number: signal.Signals, status: int
) -> None:
    with in_silent_drop("lost-syn", lab=killed_lab) as running:
        os.killpg(running.pid, number)
        said, _ = running.communicate(timeout=60)
        assert running.returncode == status, said
        told = said.rstrip().splitlines()[-1]
        by = " by SIGTERM" if number is signal.SIGTERM else ""
        assert told.startswith(f"interrupted{by}: 0 of 2 were run; all faults are undone; not run: silent-drop · ")
        assert in_force(killed_lab) == ""
        found = re.search(r"evidence: (\S+)/", said)
        assert found, said
        assert {"summary.json", "junit.xml", "index.html"} < {each.name for each in (ROOT / found[1]).iterdir()}


def test_a_kill_leaves_nothing_that_the_next_run_does_not_put_right(killed_lab: Lab) -> None:
    with in_silent_drop(lab=killed_lab) as running:
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate(timeout=60)
        assert is_in_force(killed_lab)
        after = scenarios("demo", lab=killed_lab)
        said, _ = after.communicate(timeout=120)
        assert after.returncode == 0, said
        assert in_force(killed_lab) == ""


def test_a_firewall_that_ends_is_the_verdict_of_the_cell_and_the_run_goes_on(killed_lab: Lab) -> None:
    with in_silent_drop("lost-syn", lab=killed_lab) as running:
        engine.client().containers.get(killed_lab.container("firewall")).kill()
        said, _ = running.communicate(timeout=300)
        assert running.returncode == 2, said
        assert "1 pass, 1 unproven of 2" in said
        found = re.search(r"evidence: (\S+)/", said)
        assert found, said
        (broken,) = (ROOT / found[1]).glob("silent-drop/*/*")
        assert (broken / "traceback.txt").is_file()
        assert (broken / "control" / "client-leg.pcapng").is_file()
        stored = json.loads((broken / "result.json").read_text("utf-8"))
        assert any(each["what"].startswith("broke off: ") for each in stored["runs"]["fault"]["events"])


def test_who_holds_the_port_of_a_service_is_told(killed_lab: Lab, tmp_path: Path) -> None:
    server = killed_lab.container("server")
    by_hand = subprocess.Popen(
        ["docker", "exec", server, "python", "-m", "services.search.server_selectors", "0.0.0.0", "65432"]  # noqa: S104 (in the lab)
    )
    listing = ["ss", "-Hlnt", "sport = :65432"]
    wait_for(lambda: killed_lab.run("server", listing, timeout_s=10).stdout, "the server to listen", 30)
    try:
        with Stage(killed_lab) as stage:
            fault = "fault: {name: idle, silence: {from: bystander, to: server}}"
            result = run(stage, cell(drill(tmp_path, fault)), places(tmp_path, "cell"))
        assert result.verdict is Verdict.UNPROVEN
        held = "port 65432 of server, for search/selectors, is held by pid (\\d+), `python -m services.search.server_"
        told = re.search(held, result.sentence)
        assert told, result.sentence
        assert f"`docker exec {server} kill {told[1]}` ends it" in result.sentence
        killed_lab.run("server", ["kill", told[1]], timeout_s=10)
        assert by_hand.wait(20) is not None
    finally:
        by_hand.kill()


def test_with_json_standard_output_has_the_verdicts_alone_also_when_the_lab_was_down(killed_lab: Lab) -> None:
    killed_lab.down()
    running = scenarios("run", "lost-syn", "--pair", "be-le", "--json", lab=killed_lab, stderr=subprocess.PIPE)
    said, beside = running.communicate(timeout=120)
    assert running.returncode == 0, said + beside
    assert [json.loads(line)["verdict"] for line in said.splitlines()] == ["pass"]
    assert "is up" in beside


@pytest.mark.parametrize("name", ["icmp-host-unreachable", "icmpv6-no-route"])
def test_an_icmp_error_has_the_ends_of_the_segment_that_it_quotes(stage: Stage, tmp_path: Path, name: str) -> None:
    """By these it is told of which connection it is: one of an earlier script is set aside (tests/evidence)."""
    result = run(stage, cell(drills()[name]), places(tmp_path, "cell"))
    assert result.verdict is Verdict.PASS, result.sentence
    frames = result.seen["fault"].frames["client-leg"]
    (syn,) = (each for each in frames if each.flags == {"SYN"})
    (error,) = (each for each in frames if each.quoted)
    assert error.transport == "icmp"
    assert error.quoted == ((syn.source, syn.source_port), (syn.destination, syn.destination_port))


def test_what_an_earlier_connection_sends_to_nobody_makes_no_question_of_the_firewall(
    stage: Stage, tmp_path: Path
) -> None:
    """An end of `vip-forgotten` goes on sending to an address that went with its fault; `host-gone` counts ARP."""
    nobody, firewall = stage.lab.topology.nobody[0], "firewall"
    earlier = run(stage, cell(drills()["vip-forgotten"]), places(tmp_path, "earlier"), tries=1)
    assert nobody in {each.peer[0] for each in left_connections(stage, ["client"])}, earlier.sentence
    asked = ["ip", "neigh", "show", "to", nobody]
    stage.lab.run("client", ["ping", "-c", "1", "-W", "1", nobody], timeout_s=5)
    assert stage.lab.run(firewall, asked, timeout_s=5).stdout, "it asks for nobody"
    with EarlierSegments(stage.lab, "earlier-segments") as dropped:
        assert stage.lab.run(firewall, asked, timeout_s=5).stdout == ""
        wait_for(dropped.hits, "the earlier end to send again", within_s=60)
        assert stage.lab.run(firewall, asked, timeout_s=5).stdout == ""
    stage.lab.run("client", ["ping", "-c", "1", "-W", "1", nobody], timeout_s=5)
    result = run(stage, cell(drills()["host-gone"]), places(tmp_path, "cell"))
    assert result.verdict is Verdict.PASS, result.sentence
    assert "faultwire" not in stage.lab.run(firewall, ["nft", "list", "tables"], timeout_s=5).stdout


def test_a_wrong_display_filter_is_told_before_anything_is_run(own_lab: Lab, stage: Stage, tmp_path: Path) -> None:
    wrong = drill(tmp_path, "fault: {name: idle, silence: {from: client, to: server}}")
    text = wrong.path.read_text(encoding="utf-8").replace("tcp.flags.syn == 1", "tcp.flags.sin == 1")
    wrong.path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"tcp\.flags\.sin"):
        stage.dissector.check_filters(load_drill(wrong.path).filters)
    with pytest.raises(LabProblem, match="in use by another run"), own_lab.hold_alone():
        pass
