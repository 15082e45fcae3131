"""What the lab is told when a program on one of its machines is late, or ends, or says what it should not."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from scenarios.bench import generator as bench_generator
from scenarios.bench.generator import Generator
from scenarios.bench.model import Load, Place
from scenarios.calls import forkserver
from scenarios.calls.caller import Caller
from scenarios.cli import watch
from scenarios.evidence import capture as captures
from scenarios.evidence import tshark, tshark_fields
from scenarios.evidence.capture import Capturing
from scenarios.evidence.tshark import Dissector
from scenarios.faults import injector as injectors
from scenarios.faults.injector import Injector
from scenarios.lab import json_lines
from scenarios.lab.errors import LabProblem
from scenarios.lab.topology import ROOT
from scenarios.lab.waiting import wait_for
from tests.lab.children import lab_with

COUNTS = "seed seen picked left_off held untouched unplaced arrived garbage expired unsent overflowed".split()
INJECTOR = f"""
counts = dict.fromkeys({COUNTS}, 0) | {{"hits": []}}
say(ready={{"pid": 7, "left": ["old"]}})
"""
LATE = """
late = asked()
asked_now = asked()
say(id=late.get("id"), hits=counts | {"fault": late["hits"]})
say(id=asked_now.get("id"), healed=counts | {"fault": asked_now["heal"]})
asked()
"""


def test_after_a_late_answer_the_injector_is_understood_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    with Injector(lab_with(INJECTOR + LATE)) as injector:
        assert (injector.pid, injector.left) == (7, ("old",))
        monkeypatch.setattr(injectors, "ANSWER_WITHIN_S", 0.1)
        with pytest.raises(LabProblem, match=r"injector on the firewall did not .* within 0\.1 s"):
            injector.hits("one")
        monkeypatch.setattr(injectors, "ANSWER_WITHIN_S", 10)
        assert injector.heal("two").fault == "two"


def test_an_injector_that_stands_still_is_told_of_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injectors, "ANSWER_WITHIN_S", 0.1)
    monkeypatch.setattr(injectors, "END_WITHIN_S", 0.1)
    with pytest.raises(LabProblem, match=r"the injector on the firewall did not begin within 0\.1 s"):
        Injector(lab_with("time.sleep(60)")).__enter__()


CAPTURES = """
while True:
    command = asked()
    if "start" in command:
        say(id=command["id"], capturing=["client-leg", "server-leg"])
    else:
        legs = [{"leg": name, "size": 3, "frames": 1, "dropped": 0} for name in NAMES]
        say(b"abcdef"[:GIVEN], id=command["id"], legs=legs, size=GIVEN)
"""


def capturing_with(names: list[str], given: int = 6) -> Capturing:
    return Capturing(lab_with(CAPTURES.replace("NAMES", repr(names)).replace("GIVEN", str(given))))


def test_the_captures_of_both_legs_are_taken_apart() -> None:
    with capturing_with(["server-leg", "client-leg"]) as capturing, capturing.capture() as capture:
        assert {leg: each.pcapng for leg, each in capture.stop().items()} == {
            "server-leg": b"abc",
            "client-leg": b"def",
        }


ONE_CAPTURE = """
say(id=asked()["id"], capturing=[])
say(id=asked()["id"], legs=[], size=0)
asked()
sys.exit("it was asked again")
"""


def test_another_choice_of_legs_is_captured_by_another_program() -> None:
    lab = lab_with(ONE_CAPTURE)
    with Capturing(lab) as capturing:
        for legs in (("client-leg", "server-leg"), ("client-leg", "server-leg", "backend-leg"), ("client-leg",)):
            with capturing.capture(legs) as capture:
                assert capture.stop() == {}
        with pytest.raises(LabProblem, match="asked again"), capturing.capture(("client-leg",)):
            pass


TOLD = pytest.raises(LabProblem, match=r"expected the captures of .*; the firewall sent one of")
BROKEN = pytest.raises(LabProblem, match="the capture of the server-leg broke off after 2 of 3 bytes")


@pytest.mark.parametrize("name", ["../../../x", "/etc/x", "", "client-leg\0"])
def test_a_leg_that_the_lab_does_not_have_becomes_no_file(name: str) -> None:
    with capturing_with(["client-leg", name]) as capturing, capturing.capture() as capture, TOLD:
        capture.stop()


def test_a_capture_that_is_shorter_than_it_was_said_is_refused() -> None:
    with capturing_with(["client-leg", "server-leg"], given=5) as capturing, capturing.capture() as capture, BROKEN:
        capture.stop()


def test_a_firewall_that_stands_still_while_a_capture_ends_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captures, "END_WITHIN_S", 0.1)
    lab = lab_with("say(id=asked()['id'], capturing=[]); time.sleep(60)")
    with Capturing(lab) as capturing, capturing.capture() as capture:
        monkeypatch.setattr(captures, "ANSWER_WITHIN_S", 0.1)
        with pytest.raises(LabProblem, match=r"capture program did not end the capture within 0\.1 s"):
            capture.stop()


def test_a_capture_program_that_ended_is_started_again_for_the_next_capture() -> None:
    code = (
        CAPTURES.replace("NAMES", "[]").replace("GIVEN", "0").replace("else:", "else:\n        sys.exit('no memory')")
    )
    with Capturing(lab_with(code)) as capturing:
        for _ in range(2):
            with capturing.capture() as capture, pytest.raises(LabProblem, match="ended with status 1: no memory"):
                capture.stop()


PCAPNG = tshark.PCAPNG + b"rest"
DECODER = """
while True:
    command = asked()
    if "decode" in command:
        name = command["content"][4:].decode()
        layers = {"frame.number": ["7"], "frame.time_epoch": ["1.5"], "frame.len": ["60"]}
        layers["frame.protocols"] = ["eth:ip"]
        packet = {"_source": {"layers": layers | {"_ws.col.info": [name]}}}
        printed = json.dumps([packet] * 2, indent=2).encode() if name != "none" else b""
        if name == "late":
            say(id=command["id"], error="tshark was not done within 120 s")
        else:
            say(printed, id=command["id"], status=0, said="", size=len(printed))
"""


def test_each_capture_is_answered_by_its_own_frames() -> None:
    with Dissector(lab_with(DECODER)) as dissector:
        names = [f"capture {number}" for number in range(20)]
        with ThreadPoolExecutor() as pool:
            read = pool.map(lambda name: dissector.frames(tshark.PCAPNG + name.encode()), names)
            assert [[frame.info for frame in frames] for frames in read] == [[name, name] for name in names]
        assert dissector.frames(tshark.PCAPNG + b"none") == []
        with pytest.raises(LabProblem, match="decoder on the firewall could not read a capture: tshark was not done"):
            dissector.frames(tshark.PCAPNG + b"late")


def test_a_decoder_that_reads_nothing_does_not_hold_up_whoever_asks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tshark, "TSHARK_TIMEOUT_S", 0.1)
    monkeypatch.setattr(tshark, "READS_WITHIN_S", 0.1)
    monkeypatch.setattr(json_lines, "CLOSES_WITHIN_S", 0.1)
    with Dissector(lab_with("time.sleep(60)")) as dissector:
        with pytest.raises(LabProblem, match=r"the decoder on the firewall did not read .* within 0\.2 s"):
            dissector.frames(PCAPNG, marks=["x" * 500_000])
        with pytest.raises(LabProblem, match=r"the decoder on the firewall did not read"):
            dissector.frames(PCAPNG)


def test_a_decoder_that_does_not_answer_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tshark, "TSHARK_TIMEOUT_S", 0.1)
    monkeypatch.setattr(tshark, "READS_WITHIN_S", 0.1)
    late = pytest.raises(LabProblem, match=r"the decoder on the firewall did not read a capture within 0\.2 s")
    with Dissector(lab_with("asked()\nasked()")) as dissector, late:
        dissector.frames(PCAPNG)


def test_a_decoder_that_ended_says_why_and_what_would_help() -> None:
    ended = pytest.raises(LabProblem, match=r"ended with status 1: OCI: exec: no such file .*`make images` brings")
    with Dissector(lab_with("sys.exit('OCI: exec: no such file or directory')")) as dissector, ended:
        dissector.frames(PCAPNG)


def watched(code: str) -> tuple[list[str], list[str]]:
    """What is drawn, and what is said, of a watch of a firewall whose program is this one; Ctrl-C comes at its end."""
    drawn: list[str] = []
    said: list[str] = []
    with pytest.raises(LabProblem) as raised:
        watch.watch(lab_with(code), lambda line: drawn.append(line.plain), said.append)
    return drawn, [*said, str(raised.value)]


def test_what_the_watch_program_says_is_drawn_until_it_ends_and_its_end_says_why() -> None:
    values = {"frame.number": "1", "frame.time_epoch": "1.5", "frame.len": "60", "frame.protocols": "eth:ip:udp"}
    values |= {"ip.src": "198.18.1.10", "ip.dst": "198.18.1.138", "_ws.col.info": "a packet of nobody"}
    line = tshark_fields._FIELD.join(values.get(name, "") for name in tshark_fields.FIELDS)
    drawn, said = watched(f"""
say(id=asked()["id"], watching=["client-leg", "server-leg"])
for leg in ("client-leg", "server-leg"):
    say(leg=leg, frame={line!r})
time.sleep(1)
sys.exit("watch: tcpdump ended")
""")
    assert any("a packet of nobody" in each for each in drawn)
    assert said[0] == "lab 1 is watched; Ctrl-C ends it"
    assert said[1] == "the watch program on the firewall of lab 1 ended with status 1: watch: tcpdump ended"


def test_a_watch_that_does_not_begin_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "OPENS_WITHIN_S", 0.2)
    monkeypatch.setattr(json_lines, "CLOSES_WITHIN_S", 0.1)
    drawn, said = watched("time.sleep(60)")
    assert (drawn, said) == ([], ["the watch program on the firewall of lab 1 did not begin to watch within 0.2 s"])


GENERATOR = """
say(ready=4, errors={"ECONNRESET": 1})
late, now = asked(), asked()
for command in (late, now):
    say(id=command["id"], requests=command["seconds"], seconds=0.5, errors={})
asked()
"""


def generator(code: str) -> Generator:
    lab = lab_with(code)
    client, server = lab.topology.hosts["client"], lab.topology.hosts["server"]
    return Generator(lab, Place("here", client, server, server.ipv4), "echo", 7, Load(4, 1, kept=True), 8)


def test_a_round_that_came_too_late_is_not_counted_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    load = generator(GENERATOR)
    load.ready()
    monkeypatch.setattr(bench_generator, "READY_WITHIN_S", 0.1)
    with pytest.raises(LabProblem, match=r"the load generator on client did not end a round within 0\.1 s"):
        load.run(1)
    monkeypatch.setattr(bench_generator, "READY_WITHIN_S", 10)
    assert load.run(2)["requests"] == 2
    assert (load.answered, load.errors) == (2, {"ECONNRESET": 1})
    load.close()


def test_a_generator_that_ended_says_why() -> None:
    load = generator("sys.exit('no route')")
    with pytest.raises(LabProblem, match="the load generator on client ended with status 1: no route"):
        load.ready()
    load.close()


FORK_SERVER = """
say(ready=[], missing=[], byteorder="little", calls_limit=1)
"""


def test_a_fork_server_that_does_not_become_ready_is_told_of_with_what_it_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forkserver, "OPENS_WITHIN_S", 1.0)
    monkeypatch.setattr(forkserver, "CLOSES_WITHIN_S", 0.1)
    late = pytest.raises(
        LabProblem, match=r"(?s)the fork server of client did not become ready within 1 s; it said: slow\b"
    )
    with Caller(lab_with("print('slow', file=sys.stderr, flush=True); time.sleep(60)")) as calling, late:
        calling.open("client")


def test_a_fork_server_that_is_too_old_says_what_would_help() -> None:
    code = "sys.exit('python: No module named services.forkserver')"
    ended = pytest.raises(LabProblem, match=r"the fork server of client ended with status 1: .*; `make images` brings")
    with Caller(lab_with(code)) as calling, ended:
        calling.open("client")


def test_calls_and_programs_of_a_fork_server_that_ended_are_told_so_at_once() -> None:
    code = FORK_SERVER + "asked(); say(began=asked()['serve'], pid=7); sys.exit('no memory')"
    with Caller(lab_with(code)) as calling:
        calling.open("client")
        pending = calling.start("client", ["sleep", "9"], timeout_s=60)
        with contextlib.suppress(LabProblem), calling.running("client", ["sleep", "9"]) as program:
            wait_for(lambda: calling._fork_servers["client"].over, "the end of the fork server", 10)
            with pytest.raises(LabProblem, match="the fork server of client ended with status 1: no memory"):
                program.stop()
        with pytest.raises(LabProblem, match="the fork server of client ended with status 1: no memory"):
            pending.wait()
        with pytest.raises(LabProblem, match="the fork server of client ended with status 1: no memory"):
            calling.start("client", ["true"], timeout_s=1)


def test_a_fork_server_that_reads_nothing_does_not_hold_up_whoever_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forkserver, "ANSWERS_WITHIN_S", 0.2)
    monkeypatch.setattr(forkserver, "CLOSES_WITHIN_S", 0.1)
    stuck = pytest.raises(LabProblem, match=r"the fork server of client did not read .* within 0\.2 s")
    with Caller(lab_with(FORK_SERVER + "time.sleep(60)")) as calling, stuck:
        calling.call("client", ["echo", "x" * 200_000], timeout_s=0.1)


# What tshark prints of a frame of the captures below, and a runner that reads all of a cell.
READS_A_CELL = """
from concurrent.futures import ThreadPoolExecutor
from scenarios.evidence.capture import BYTES_LIMIT, FRAMES_LIMIT
from scenarios.evidence.tshark_fields import FIELDS
from scenarios.evidence.tshark import PCAPNG
from scenarios.evidence.tshark import Dissector
from tests.lab.children import lab_with

bytes_a_frame = BYTES_LIMIT // FRAMES_LIMIT - 32 - 54
code = f'''
def packet(number):
    layers = dict.fromkeys({FIELDS!r}, ["a value of twenty-five or so"]) | {{
        "frame.number": [str(number)], "frame.time_epoch": ["1764184000.%09d" % number], "frame.len": ["419"],
        "frame.protocols": ["eth:ethertype:ip:tcp:data"], "ip.id": [hex(number)], "ip.ttl": ["64"], "ipv6.hlim": ["64"],
        "tcp.srcport": ["40000"], "tcp.dstport": ["65432"], "tcp.seq_raw": [str(number)], "tcp.ack_raw": [str(number)],
        "tcp.flags": ["0x18"], "tcp.window_size_value": ["502"], "tcp.options": ["01:01:%08x" % number],
        "tcp.payload": [":".join(["ab"] * {bytes_a_frame})], "_ws.col.info": ["%d is sent %s" % (number, "x" * 90)],
        "udp.srcport": ["1"], "udp.dstport": ["1"], "ip.frag_offset": ["0"], "ipv6.fraghdr.offset": ["0"],
    }}
    return {{"_index": "packets", "_source": {{"layers": layers}}}}
printed = json.dumps([packet(number) for number in range({FRAMES_LIMIT})], indent=2).encode()
while True:
    say(printed, id=asked()["id"], status=0, said="", size=len(printed))
'''
kept = []
with Dissector(lab_with(code)) as dissector, ThreadPoolExecutor(2) as pool:
    for run in ("control", "fault"):
        legs = [PCAPNG + bytes(BYTES_LIMIT - 4) for _ in range(2)]
        kept.append((legs, list(pool.map(dissector.frames, legs))))
        assert [len(frames) for frames in kept[-1][1]] == [FRAMES_LIMIT] * 2
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))  # of this program alone
"""


def test_the_largest_captures_that_are_taken_fit_into_the_memory_of_the_runner() -> None:
    ran = subprocess.run([sys.executable, "-c", READS_A_CELL], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 260_000, "KiB; the runner has 300 MB in all, and without this some forty"
