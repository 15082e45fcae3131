"""One call of a service, from one host to another, captured on both legs: what was printed, and what crossed.

This brings the things about that others judge; it judges nothing.
"""

# Why this is not a drill without faults: a Stage (run/session.py) needs a firewall that runs, with its injector and its
# capture program, and a fork server on each host. `make call` and `make demo` are for somebody whose lab may not be
# whole: they go on where the firewall does not run, and say so; they start the client cold, as a person would; and they
# leave out all packets but those between two hosts. The listening, the capture and the decoding are the drills' own.

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from rich.text import Text

from scenarios.calls.serving import call, serving
from scenarios.evidence import pairing, tshark
from scenarios.evidence.capture import Capture
from scenarios.evidence.frame import Frame
from scenarios.evidence.pairing import Rung
from scenarios.evidence.record import LegCapture
from scenarios.lab.lab import Lab
from scenarios.lab.places import typed
from scenarios.lab.process import Finished
from scenarios.lab.topology import Family, Host
from scenarios.lab.valueclass import valueclass
from scenarios.spec.service import ServiceChoice
from scenarios.spec.service_programs import Transport
from scenarios.verdict.check import Check, check, proof

Say = Callable[[str], None]


@valueclass
class Exchange:
    """What came of one call. Without a firewall that runs there are no captures, and no frames."""

    client: Host
    server: Host
    family: Family
    port: int
    call: Finished
    service_log: str
    received: int  # TCP segments, or UDP datagrams, that the server's kernel received during the call
    transport: Transport
    captures: Mapping[str, LegCapture] = field(default_factory=dict)
    frames: Mapping[str, Sequence[Frame]] = field(default_factory=dict)  # between the two hosts, by leg
    rungs: Sequence[Rung] = ()
    filtered: str = ""  # the display filter of packets between the two hosts

    @property
    def pair(self) -> str:
        """The machine of the client, then of the server: `be-le`."""
        return f"{self.client.end}-{self.server.end}"

    def picture(self) -> list[Text]:
        """The ladder of the packets between the two hosts, as lines; empty when nothing was captured."""
        if not self.rungs:
            return []
        ends = [(f"{self.client.name} ({self.client.byteorder}-endian)", self.client)]
        ends.append((f"({self.server.byteorder}-endian) {self.server.name}", self.server))
        port = next((rung.frame.source_port for rung in self.rungs if rung.rightwards), None)
        named = [
            (name, format_endpoint(host.address(self.family), p))
            for (name, host), p in zip(ends, (port, self.port), strict=True)
        ]
        return list(pairing.draw(self.rungs, *named))

    def store(self, folder: Path) -> None:
        """Write the captures, and what each side printed, into the folder of the cell."""
        for name, capture in self.captures.items():
            (folder / f"{name}.pcapng").write_bytes(capture.pcapng)
        (folder / "client.txt").write_text(self.call.stdout + self.call.stderr, encoding="utf-8")
        (folder / "server.txt").write_text(self.service_log + "\n", encoding="utf-8")


def format_endpoint(address: str, port: int | None) -> str:
    """`198.18.1.10:40000`, `[2001:db8::1]:40000`; without a port, the address alone."""
    if port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _received(lab: Lab, host: Host, transport: Transport) -> int:
    """How many TCP segments, or UDP datagrams over both families, the kernel of this host has received.

    From /proc/net/snmp and snmp6; RFC 4022 (tcpInSegs) and RFC 4113 (udpInDatagrams).
    """
    read = ["cat", "/proc/net/snmp", "/proc/net/snmp6"]
    lines = [line.split() for line in lab.run(host.name, read, timeout_s=5).stdout.splitlines()]
    if transport == "tcp":
        names, values = (line for line in lines if line[0] == "Tcp:")
        return int(dict(zip(names, values, strict=True))["InSegs"])
    names, values = (line for line in lines if line[0] == "Udp:")
    ipv6 = next(int(line[1]) for line in lines if line[0] == "Udp6InDatagrams")
    return int(dict(zip(names, values, strict=True))["InDatagrams"]) + ipv6


def exchange(lab: Lab, chosen: ServiceChoice, client: Host, server: Host, family: Family, say: Say) -> Exchange:
    """Start the server, capture both legs, call once, and read the captures. `say` is told of each step.

    Where the firewall does not run the call is made all the same, without captures.
    """
    with serving(lab, chosen, server, family) as program:
        say(f"{chosen.name} listens on {server.name}, port {chosen.port}")
        before = _received(lab, server, chosen.transport)
        captures: Mapping[str, LegCapture] = {}
        if lab.states()["firewall"] == "healthy":
            with Capture(lab) as capture:
                say(f"both legs of the firewall are captured; {client.name} calls: {chosen.client.about}")
                called = call(lab, chosen, client, server, family)
                captures = capture.stop()
        else:
            say(f"the firewall does not run, so nothing is captured; {client.name} calls: {chosen.client.about}")
            called = call(lab, chosen, client, server, family)
        received = _received(lab, server, chosen.transport) - before
    log = (
        "\n".join(program.lines)
        if program
        else f"(it always runs on {chosen.server.runs_on}; `{typed('logs', lab=lab.number)}` shows its log)"
    )

    filtered = f"ip.addr == {client.ipv4} && ip.addr == {server.ipv4}"
    if family == "ipv6":
        filtered = f"ipv6.addr == {client.ipv6} && ipv6.addr == {server.ipv6}"
    frames = tshark.by_leg(captures, lambda pcapng: tshark.frames(lab, pcapng, filtered))
    rungs = pairing.rungs(frames["client-leg"], frames["server-leg"], {client.address(family)}) if frames else []
    port = chosen.port
    told = called, log, received, chosen.transport
    return Exchange(client, server, family, port, *told, captures, frames, rungs, filtered)


def leg_checks(made: Exchange) -> list[Check]:
    """Whether the evidence is whole: no frame dropped by a capture, each packet on both legs, one hop between them."""
    found = [
        proof(f"frames that the capture of the {name} dropped", "0", str(capture.dropped), capture.dropped == 0)
        for name, capture in made.captures.items()
    ]
    numbers = {
        "client-leg": [rung.client_leg.number for rung in made.rungs if rung.client_leg],
        "server-leg": [rung.server_leg.number for rung in made.rungs if rung.server_leg],
    }
    alone = sum(rung.client_leg is None or rung.server_leg is None for rung in made.rungs)
    seen = f"{len(made.rungs)} packets, {alone} of them on one leg only"
    expected = f"{len(made.rungs) or 'some'} packets, 0 of them on one leg only"
    found.append(check("packets on both legs", expected, seen, numbers))
    hops = {rung.client_leg.ttl - rung.server_leg.ttl for rung in made.rungs if rung.client_leg and rung.server_leg}
    found.append(check("hops between the legs, by TTL", [1], sorted({abs(each) for each in hops}), numbers))
    return found


def without_firewall(made: Exchange, state: str) -> list[Check]:
    """What can be said where nothing was captured, because the firewall does not run."""
    what = {"tcp": "TCP segments", "udp": "UDP datagrams"}[made.transport]
    seen = f"nothing crossed: the kernel of {made.server.name} received {made.received} {what}"
    if made.received:
        seen = f"{made.received} {what} reached {made.server.name}, around the firewall"
    return [
        check("the firewall, where both legs are captured", "healthy", state),
        check("what crossed", "the request and the answer", seen),
    ]
