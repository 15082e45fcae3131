"""A storm in a lab, short: nothing is left; and that it would be seen."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
from pathlib import Path

from scenarios.faults.link_down import LinkDown
from scenarios.faults.nft_rules import Rules, Selection, Silence
from scenarios.faults.rate_limit import Rate
from scenarios.lab.lab import Lab
from scenarios.lab.waiting import wait_for
from scenarios.library.here import giving_this_machine_an_address, host_of
from scenarios.stress import remains
from scenarios.stress.blows import SIGNALS, all_drills, blows, targets
from scenarios.stress.storm import MARK
from tests.drills.test_engine import in_force, scenarios

# Kinds of faults that stay in force for as long as a call waits, or longer.
LASTING = {"idle_timeout", "limit", "link_down", "mtu", "mute", "pause", "rate", "silence"}


def seed_of_three() -> str:
    """The first seed whose three blows are one of each signal, each aimed at a fault that lasts, on the plain pair."""
    by_kind = targets(all_drills())
    for seed in range(1, 1_000_000):
        three = [*blows(by_kind, seed, 3)]
        if {each.signal for each in three} == {*SIGNALS} and all(
            each.aimed and each.kind in LASTING and each.delay < 0.2 and each.target.pair == "le-le" for each in three
        ):
            return str(seed)
    raise AssertionError("no seed has three such blows")


def test_a_run_tells_each_event_as_it_happens_with_the_faults_that_are_in_force(own_lab: Lab) -> None:
    running = scenarios("run", "lost-syn", "--pair", "le-le", "--events", lab=own_lab, stderr=subprocess.DEVNULL)
    said, _ = running.communicate(timeout=120)
    assert running.returncode == 0
    first, *events, last = [json.loads(line) for line in said.splitlines()]
    assert first["run"] == last["folder"].split("/")[0]
    assert last["verdict"] == "pass"
    assert {each["cell"] for each in events} == {"lost-syn · search/selectors · le-le"}
    assert not any(each["in_force"] for each in events if not each["with_faults"])
    armed = [(each["event"], each["in_force"]) for each in events if each["with_faults"]]
    whole = [each for each, _ in armed]
    began, ended = whole.index("lose-one is in force"), whole.index("lose-one is undone")
    assert [in_force for _, in_force in armed] == [
        ["lose-one"] if began <= number < ended else [] for number in range(len(armed))
    ]
    assert any("hello ended: answered" in each for each in whole[began:ended])


def test_three_blows_one_by_each_signal_leave_nothing(own_lab: Lab) -> None:
    """The storm is started as a shell starts what has a `&`: with Ctrl-C ignored, which its runs must not be."""
    seed = seed_of_three()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        running = scenarios("storm", "--count", "3", "--seed", seed, lab=own_lab)
    finally:
        signal.signal(signal.SIGINT, before)
    said, _ = running.communicate(timeout=300)
    assert running.returncode == 0, said
    told = re.search(rf"^3 blows in \d+ s \(seed {seed}\), (\d) while a fault was in force", said, re.MULTILINE)
    assert told, said
    assert int(told[1]) >= 2
    assert re.search(r"^all +1 +1 +1 +3( +\d+){3}$", said, re.MULTILINE), said
    assert in_force(own_lab) == ""
    assert own_lab.is_up(), "it was up before"


def test_a_storm_that_is_interrupted_itself_leaves_nothing(own_lab: Lab) -> None:
    before = {*Path(tempfile.gettempdir()).glob("faultwire-storm-*")}
    running = scenarios("storm", "--count", "3", "--seed", "1", lab=own_lab)
    assert running.stdout

    def runs_one() -> bool:
        return any(" run " in each for each in _of(running.pid))

    line = ""
    while "blows (seed" not in line:
        line = running.stdout.readline()
        assert line, "it ended before its first blow"
    wait_for(runs_one, "a run of the storm", 60, every_s=0.05)
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=120)
    assert running.returncode == 130, said
    assert in_force(own_lab) == ""
    assert _of(running.pid) == []
    assert {*Path(tempfile.gettempdir()).glob("faultwire-storm-*")} == before


def _of(storm: int) -> list[str]:
    """The runs that a storm has started: those of this machine with its mark, whose parent it is, or was."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and int(process.name) != os.getpid():
            try:
                environment = (process / "environ").read_bytes()
                parent = re.search(r"^PPid:\s*(\d+)", (process / "status").read_text("ascii"), re.MULTILINE)
                words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if MARK.encode() in environment and parent and int(parent[1]) == storm:
                found.append(words)
    return found


def test_what_a_fault_leaves_is_seen_and_gone_when_it_is_undone(own_lab: Lab) -> None:
    with own_lab.hold_alone():
        pass  # what a run of an earlier test that was killed left running is ended
    before = remains.of_lab(own_lab)
    hosts = own_lab.topology.hosts
    with Rules(own_lab, "idle", Silence(), Selection(hosts["client"], hosts["server"])):
        left = remains.differences(before, remains.of_lab(own_lab))
        assert any("firewall: table inet faultwire" in each for each in left), left
        assert "left: firewall: /run/faults/idle" in left
    with own_lab.running("server", ["python", "-m", "services.echo.server_blocking", "0.0.0.0", "7007"]):  # noqa: S104
        left = remains.differences(before, remains.of_lab(own_lab))
        assert any(each.startswith("left: server: process ") and "echo.server_blocking" in each for each in left), left
    with Rate(own_lab, "slow", "server-leg", 1_000_000):
        left = remains.differences(before, remains.of_lab(own_lab))
        assert any("qdisc tbf" in each for each in left), left
    with giving_this_machine_an_address(own_lab, host_of(own_lab.topology, "client"), ()):
        left = remains.differences(before, remains.of_lab(own_lab))
        address = own_lab.topology.here["client-net"][0]
        assert any(each.startswith("left: cables: fw") and f" inet {address}/" in each for each in left), left
        assert f"left: cables: table inet faultwire_here_{own_lab.number}" in left
        assert any(each.startswith("left: cables: ") and " via " in each for each in left), left
    assert remains.differences(before, remains.of_lab(own_lab)) == []
    with LinkDown(own_lab, "pulled", "server-leg"):
        left = remains.differences(before, remains.of_lab(own_lab))
        assert any("state DOWN" in each for each in left), left
        assert any(each.startswith("gone: firewall: ") and " inet6 2001:db8:" in each for each in left), left
    assert remains.differences(before, remains.of_lab(own_lab)) == []
