"""The demonstration: a big-endian client asks a little-endian server across the firewall, and the packets prove it.

The bytes that must be on the wire are written here in full, as the protocol's specification gives them. They come from
no code of ours, so no bug of ours can agree with itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from rich.text import Text

from scenarios.evidence import run_folder, tcp_stream, tshark
from scenarios.evidence.shape import shape
from scenarios.lab.architecture import query_architecture
from scenarios.lab.heartbeat import under_way
from scenarios.lab.lab import Lab
from scenarios.lab.topology import Family, Host
from scenarios.lab.valueclass import valueclass
from scenarios.lab.versions import versions
from scenarios.run.exchange import Exchange, Say, exchange, leg_checks, without_firewall
from scenarios.spec.service import ServiceChoice, resolve
from scenarios.verdict.check import Check, Verdict, check, check_architecture, combine, proof

CLIENT, SERVER = "client-be", "server"
ANSWER = "Follow the white rabbit. 🐰"
REQUEST_BYTES = (
    b'\x00d{"byteorder": "big", "content-type": "text/json", "content-encoding": "utf-8", "content-length": 41}'
    b'{"action": "search", "value": "morpheus"}'
)
ANSWER_BYTES = (
    b'\x00g{"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", "content-length": 43}'
    b'{"result": "Follow the white rabbit. \xf0\x9f\x90\xb0"}'
)


@valueclass
class Demonstration:
    """What a demonstration came to: the verdict, what it rests on, the picture, and where the files are."""

    verdict: Verdict
    sentence: str
    checks: Sequence[Check]
    picture: Sequence[Text]
    folder: Path
    tshark: str = ""  # what tshark printed of each leg, where that was asked for


def _byte_checks(made: Exchange) -> list[Check]:
    found = []
    for leg, frames in made.frames.items():
        there = [frame for frame in frames if frame.source == made.client.ipv4]
        back = [frame for frame in frames if frame.source == made.server.ipv4]
        for what, direction, expected in (("request", there, REQUEST_BYTES), ("answer", back, ANSWER_BYTES)):
            evidence = {leg: [frame.number for frame in direction if frame.payload]}
            seen = tcp_stream.stream_bytes(direction)
            found.append(check(f"the {what}'s bytes on the {leg}", expected, seen, evidence))
        decoded = {
            host.name: [order for frame in direction for order in frame.byteorders]
            for host, direction in ((made.client, there), (made.server, back))
        }
        expected_orders = {host.name: [host.byteorder] for host in (made.client, made.server)}
        found.append(check(f"the byteorder headers that tshark decodes on the {leg}", expected_orders, decoded))
    return found


def _introduce(lab: Lab, hosts: tuple[Host, Host], family: Family, say: Say) -> list[Check]:
    """Assert on each host what machine it is, and say who they are."""
    with ThreadPoolExecutor() as pool, under_way("the hosts say what machines they are"):
        checks = [
            check_architecture(host, seen)
            for host, seen in zip(hosts, pool.map(lambda host: query_architecture(lab, host), hosts), strict=True)
        ]
    for host, check_of_host in zip(hosts, checks, strict=True):
        say(f"{host.name}: {host.machine}, {check_of_host.seen}, {host.address(family)}")
    return checks


def demonstrate(lab: Lab, say: Say) -> Demonstration:
    """Run the demonstration in a lab that is up; `say` is told of each step when it is done.

    With a firewall that does not run it fails, and says that nothing crossed. Raises LabProblem without its hosts.
    """
    client, server = lab.topology.hosts[CLIENT], lab.topology.hosts[SERVER]
    chosen = resolve("search/selectors", client="search")
    checks = _introduce(lab, (client, server), "ipv4", say)
    with under_way(f"{client.name} calls {server.name}, and both legs are captured and decoded"):
        made = exchange(lab, chosen, client, server, "ipv4", say)
    lines = made.call.stdout.splitlines()
    printed = lines[0] if made.call.status == 0 and lines else f"status {made.call.status}: {made.call.printed}"
    checks.append(check("the answer that the client printed", ANSWER, printed))
    say(f"{client.name} printed: {printed}")
    checks += (
        _byte_checks(made) + leg_checks(made) if made.captures else without_firewall(made, lab.states()["firewall"])
    )
    claim = f"{client.name} is answered by {server.name} across the firewall, in the protocol's own bytes."
    proven = "both legs carried the same packets, and request and answer are right to the byte"
    return _store("demo", claim, chosen, made, checks, proven)


def call(
    lab: Lab, chosen: ServiceChoice, hosts: tuple[Host, Host], family: Family, say: Say, *, with_tshark: bool = False
) -> Demonstration:
    """Call a service once, from the first host to the second, and judge its outcome by what service.yaml says is right.

    `with_tshark`: what tshark prints of each leg is told too.
    Raises LabProblem when the server does not come to listen.
    """
    checks = _introduce(lab, hosts, family, say)
    with under_way(f"{hosts[0].name} calls {hosts[1].name}, and both legs are captured and decoded"):
        made = exchange(lab, chosen, *hosts, family, say)
    right = chosen.client
    checks.append(check("exit status of the client", right.status, made.call.status))
    said = re.search(right.prints, made.call.printed, re.MULTILINE)
    printed = right.prints if said else made.call.printed
    checks.append(check("what the client printed", right.prints, printed))
    say(f"{made.client.name} printed:\n{made.call.printed}")
    for line in _told_by_packets(chosen, made):
        say(line)
    checks += leg_checks(made) if made.captures else without_firewall(made, lab.states()["firewall"])
    checks += _asked_checks(made)
    claim = f"{chosen.name} on {made.server.name} answers {made.client.name} over {family}."
    if _is_silent(made):  # of syslog, say, which answers nobody
        claim = f"{made.client.name} asks {chosen.name} on {made.server.name} over {family}, and ends well."
    shown = _store("call", claim, chosen, made, checks, "both legs carried the same packets")
    return replace(shown, tshark=_packet_lists(lab, made)) if with_tshark else shown


def _asked_checks(made: Exchange) -> list[Check]:
    """Whether the client spoke to the service's port: what it prints may be no answer of this service."""
    of_client = [each for each in made.frames.get("client-leg", ()) if each.source == made.client.address(made.family)]
    elsewhere = sorted({each.destination_port for each in of_client if each.destination_port is not None})
    if not elsewhere or made.port in elsewhere:
        return []
    told = f"none; it sent to port {', '.join(map(str, elsewhere))}: `port` in service.yaml says which one is called"
    return [proof(f"packets of the client to port {made.port}", "some", told, proven=False)]


def _is_silent(made: Exchange) -> bool:
    """Whether no byte came from the server: then nobody was answered, whatever the client printed."""
    of_server = [each for each in made.frames.get("client-leg", ()) if each.source == made.server.address(made.family)]
    return bool(made.rungs) and not any(each.payload for each in of_server if each.transport in ("tcp", "udp"))


def _packet_lists(lab: Lab, made: Exchange) -> str:
    """What tshark prints of the packets between the two hosts, leg by leg."""
    found = ((leg, tshark.packet_list(lab, each.pcapng, made.filtered)) for leg, each in made.captures.items())
    return "\n\n".join(f"tshark -r {leg}.pcapng '{made.filtered}'\n{printed}" for leg, printed in found)


def _told_by_packets(chosen: ServiceChoice, made: Exchange) -> Iterator[str]:
    """The shape of the conversation, and the line of service.yaml that says so where it says otherwise."""
    found = shape(made.frames.get("client-leg", ()), {made.client.address(made.family)}, made.port)
    if found is None:
        return
    yield f"in the packets: {found.words}"
    said = chosen.client.conversation or chosen.service.conversation
    if chosen.image and found.transport == "tcp" and said not in (found.conversation, "stays"):
        line = f"write `conversation: {found.conversation}` into service.yaml{found.provided}"
        yield f"{line}; without that line, `{said}` holds"


def _store(
    drill: str, claim: str, chosen: ServiceChoice, made: Exchange, checks: Sequence[Check], proven: str
) -> Demonstration:
    folder = run_folder.cell(run_folder.new_run(), drill, chosen.folder_name, made.pair)
    made.store(folder)
    verdict = combine(checks)
    result = {
        "drill": drill,
        "claim": claim,
        "service": chosen.name,
        "client": chosen.client_name,
        "pair": made.pair,
        "family": made.family,
        "verdict": verdict,
        "call": made.call,
        "expectations": checks,
        "hosts": [made.client, made.server],
        "captures": {name: {"frames": each.frames, "dropped": each.dropped} for name, each in made.captures.items()},
    }
    run_folder.write_result(folder, result, versions())
    ends = [f"{host.name} ({host.byteorder}-endian)" for host in (made.client, made.server)]
    sentence = f"{ends[0]} was answered by {ends[1]} across the firewall; {proven}."
    if _is_silent(made):
        words = f"status {chosen.client.status} and what it printed are right, and no byte came from {made.server.name}"
        sentence = f"{ends[0]} sent to {ends[1]} across the firewall, and ended well: {words}; {proven}."
    if verdict is not Verdict.PASS:
        broken = next(each for each in checks if each.holds is verdict)
        nothing = next((each.seen for each in checks if each.seen.startswith("nothing crossed")), "")
        sentence = f"{broken.sentence}. {nothing}".strip()
    return Demonstration(verdict, sentence, checks, made.picture(), folder)
