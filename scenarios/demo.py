"""The demonstration: a big-endian client asks a little-endian server across the firewall, and the packets prove it.

The bytes that must be on the wire are written here in full, as the protocol's specification gives them. They come from
no code of ours, so no bug of ours can agree with itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from scenarios import dissect, ladder, runs
from scenarios.capture import Capture, LegCapture
from scenarios.dissect import Frame
from scenarios.lab import Finished, Lab
from scenarios.topology import Host
from scenarios.verdict import Check, Verdict, check, joint, proof

CLIENT, SERVER, PORT = "client-be", "server", 65432
ANSWER = "Follow the white rabbit. 🐰"
REQUEST_BYTES = (
    b'\x00d{"byteorder": "big", "content-type": "text/json", "content-encoding": "utf-8", "content-length": 41}'
    b'{"action": "search", "value": "morpheus"}'
)
ANSWER_BYTES = (
    b'\x00g{"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", "content-length": 43}'
    b'{"result": "Follow the white rabbit. \xf0\x9f\x90\xb0"}'
)
LISTENS_WITHIN_S = 10
ANSWERED_WITHIN_S = 10
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What the demonstration came to: the verdict, what it rests on, the picture, and where the files are."""

    verdict: Verdict
    sentence: str
    checks: Sequence[Check]
    picture: Sequence[Text]
    folder: Path


def _byteorder(lab: Lab, host: Host) -> Check:
    probe = "import sys, platform; print(sys.byteorder, platform.machine())"
    said = lab.run(host.name, ["python", "-c", probe], timeout_s=10)
    byteorder = (
        said.stdout.split()[0] if said.status == 0 and said.stdout else f"status {said.status}: {said.stderr.strip()}"
    )
    return proof(f"byte order of {host.name}", host.byteorder, byteorder, byteorder == host.byteorder)


def _segments_received(lab: Lab, host: str) -> int:
    """How many TCP segments the kernel of this host has received (/proc/net/snmp, RFC 4022 tcpInSegs)."""
    lines = [line.split() for line in lab.run(host, ["cat", "/proc/net/snmp"], timeout_s=5).stdout.splitlines()]
    names, values = (line for line in lines if line[0] == "Tcp:")
    return int(dict(zip(names, values, strict=True))["InSegs"])


def _answer_check(call: Finished) -> Check:
    lines = call.stdout.splitlines()
    said = lines[0] if call.status == 0 and lines else f"status {call.status}: {(call.stderr or call.stdout).strip()}"
    return check("the answer that the client printed", ANSWER, said)


def _leg_checks(name: str, frames: Sequence[Frame], client: Host, server: Host) -> list[Check]:
    there = [frame for frame in frames if frame.source == client.ipv4]
    back = [frame for frame in frames if frame.source == server.ipv4]
    found = []
    for what, direction, expected in (("request", there, REQUEST_BYTES), ("answer", back, ANSWER_BYTES)):
        evidence = {name: [frame.number for frame in direction if frame.payload]}
        found.append(check(f"the {what}'s bytes on the {name}", expected, dissect.stream_bytes(direction), evidence))
    decoded = {
        who: [order for frame in direction for order in frame.byteorders]
        for who, direction in ((client.name, there), (server.name, back))
    }
    expected_orders = {host.name: [host.byteorder] for host in (client, server)}
    found.append(check(f"the byteorder headers that tshark decodes on the {name}", expected_orders, decoded))
    return found


def _both_legs(pictured: Sequence[ladder.Rung]) -> list[Check]:
    numbers = {
        "client-leg": [rung.client_leg.number for rung in pictured if rung.client_leg],
        "server-leg": [rung.server_leg.number for rung in pictured if rung.server_leg],
    }
    alone = sum(rung.client_leg is None or rung.server_leg is None for rung in pictured)
    seen = f"{len(pictured)} packets, {alone} of them on one leg only"
    agree = check(
        "packets on both legs", f"{len(pictured) or 'some'} packets, 0 of them on one leg only", seen, numbers
    )
    lost = {
        rung.frame.ttl - far.ttl
        for rung in pictured
        if (far := rung.server_leg if rung.from_client else rung.client_leg)
    }
    return [agree, check("hops between the legs, by TTL", {1}, lost, numbers)]


def _store(folder: Path, captures: Mapping[str, LegCapture], call: Finished, server_log: str) -> None:
    for name, capture in captures.items():
        (folder / f"{name}.pcapng").write_bytes(capture.pcapng)
    (folder / "client.txt").write_text(call.stdout + call.stderr, encoding="utf-8")
    (folder / "server.txt").write_text(server_log + "\n", encoding="utf-8")


def demonstrate(lab: Lab, say: Say) -> Demonstration:
    """Run the demonstration in a lab that is up; `say` is told of each step when it is done.

    With a firewall that does not run it fails, and says that nothing crossed. Raises LabProblem without its hosts.
    """
    client, server = lab.topology.hosts[CLIENT], lab.topology.hosts[SERVER]
    folder = runs.cell(runs.new_run(), "demo", "search-selectors", "be-le")
    with ThreadPoolExecutor() as pool:
        checks = list(pool.map(lambda host: _byteorder(lab, host), (client, server)))
    for host, asserted in zip((client, server), checks, strict=True):
        say(f"{host.name}: {host.machine}, {asserted.seen}-endian, {host.ipv4}")

    serve = ["python", "-m", "services.search.server_selectors", server.ipv4, str(PORT)]
    ask = ["python", "-m", "services.search.client", server.ipv4, str(PORT), "search", "morpheus"]
    captures: Mapping[str, LegCapture] = {}
    firewall_runs = lab.states()["firewall"] == "healthy"
    with lab.running(server.name, serve) as service:
        service.wait_for_line("listening", LISTENS_WITHIN_S)
        say(f"{server.name} runs the search service on port {PORT}")
        received = _segments_received(lab, server.name)
        if firewall_runs:
            with Capture(lab) as capture:
                say(f"both legs of the firewall are captured; {client.name} asks {server.name} for morpheus")
                call = lab.run(client.name, ask, timeout_s=ANSWERED_WITHIN_S)
                captures = capture.stop()
        else:
            say(f"the firewall does not run; {client.name} asks {server.name} for morpheus all the same")
            call = lab.run(client.name, ask, timeout_s=ANSWERED_WITHIN_S)
        received = _segments_received(lab, server.name) - received
    checks.append(_answer_check(call))
    say(f"{client.name} printed: {checks[-1].seen}")

    pictured: list[ladder.Rung] = []
    if captures:
        wanted = f"tcp.port == {PORT} && ip.addr == {client.ipv4} && ip.addr == {server.ipv4}"
        with ThreadPoolExecutor() as pool:
            by_leg = dict(
                zip(
                    captures,
                    pool.map(lambda leg: dissect.frames(lab, leg.pcapng, wanted), captures.values()),
                    strict=True,
                )
            )
        for name, capture_of_leg in captures.items():
            dropped = capture_of_leg.dropped
            checks.append(proof(f"frames that the capture of the {name} dropped", "0", str(dropped), dropped == 0))
            checks += _leg_checks(name, by_leg[name], client, server)
        pictured = ladder.rungs(by_leg["client-leg"], by_leg["server-leg"], client.ipv4)
        checks += _both_legs(pictured)
    else:
        checks.append(check("the firewall, where both legs are captured", "running", lab.states()["firewall"]))
        seen = f"nothing crossed: the kernel of {server.name} received {received} TCP segments"
        checks.append(check("what crossed", "the request and the answer", seen))

    _store(folder, captures, call, service.printed)
    verdict = joint(checks)
    runs.write_result(
        folder,
        {
            "drill": "demo",
            "claim": f"{client.name} is answered by {server.name} across the firewall, in the protocol's own bytes.",
            "service": "search/selectors",
            "pair": "be-le",
            "verdict": verdict,
            "call": call,
            "expectations": checks,
            "hosts": [client, server],
            "captures": {name: {"frames": each.frames, "dropped": each.dropped} for name, each in captures.items()},
        },
    )
    port = next((rung.frame.source_port for rung in pictured if rung.from_client), None)
    picture = (
        list(
            ladder.draw(
                pictured,
                (f"{client.name} ({client.byteorder}-endian)", f"{client.ipv4}:{port}"),
                (f"({server.byteorder}-endian) {server.name}", f"{server.ipv4}:{PORT}"),
            )
        )
        if pictured
        else []
    )
    return Demonstration(verdict, _sentence(verdict, checks, client, server), checks, picture, folder)


def _sentence(verdict: Verdict, checks: Sequence[Check], client: Host, server: Host) -> str:
    if verdict is Verdict.PASS:
        return (
            f"{client.name} ({client.byteorder}-endian) was answered by {server.name} ({server.byteorder}-endian) "
            "across the firewall; both legs carried the same packets, and request and answer are right to the byte."
        )
    broken = next(each for each in checks if each.holds is verdict)
    nothing = next((each.seen for each in checks if each.seen.startswith("nothing crossed")), "")
    return f"{broken.rule}: expected {broken.expected}, saw {broken.seen}. {nothing}".strip()
