"""The iptables rules that give the kernel's queue the packets that the faults in force can concern, and no others.

They stand in a chain of our own, which raw/PREROUTING jumps to: before connection tracking, which would otherwise
refuse a packet that was held while another one opened the same connection; and before the hop limit is counted, which
the kernel then does, once, for every packet. Where a rule cannot tell (an IPv6 packet with extension headers, whom a
packet to the address of a NAT is for), it queues the packet, and picking decides.

What is made here comes in by a link of its own, MADE, and goes the way of every other packet from there; the chain
leaves it alone.

Sources: iptables-extensions(8); bpf(4) of the BSDs, for the filter that knows the length of a segment's payload.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from .declared import TCP_KINDS, Kind, Pick
from .packet import TCP
from .picking import addresses, needs_syn

Family = Literal["ipv4", "ipv6"]
CHAIN = "FAULTWIRE"
TABLE = "raw"
HOOK = "PREROUTING"
QUEUE = 4242
MADE, MAKING = "made-in", "made-out"  # the two ends of the link: the firewall receives on one what is sent on the other

FLAGS: Mapping[Kind, tuple[str, str]] = {  # the flags looked at, and those of them that are set
    "syn": ("SYN,ACK,FIN,RST", "SYN"),
    "syn-with-data": ("SYN,ACK,FIN,RST", "SYN"),
    "syn-ack": ("SYN,ACK,FIN,RST", "SYN,ACK"),
    "ack": ("SYN,ACK,FIN,RST", "ACK"),
    "handshake-ack": ("SYN,ACK,FIN,RST", "ACK"),
    "fin": ("FIN", "FIN"),
    "rst": ("RST", "RST"),
}
_RETURN, _JUMP_EQUAL = 6, 0x15


def _payload_length(family: Family, *, has_payload: bool) -> str:
    """A classic BPF program that is true of TCP segments with a payload, or of those without.

    A match on the packet's length could not tell: TCP's options vary in length.

    A is the accumulator, X the index register; a packet begins with its IP header. The last jump goes to one of the two
    returns, of everything or of nothing.
    """
    data_offset = [(0x74, 2), (0x54, 0x3C)]  # A >>= 2; A &= 0x3c: the upper half of the byte, times four
    everything, nothing = (_RETURN, 0, 0, 0xFFFF), (_RETURN, 0, 0, 0)
    ending = [(_JUMP_EQUAL, 0, 1, 0), *((nothing, everything) if has_payload else (everything, nothing))]
    if family == "ipv4":
        steps = [(0xB1, 0), (0x50, 12), *data_offset]  # X = length of the IP header; A = byte 12 of TCP
        steps += [(0x0C, 0), (0x07, 0), (0x28, 2), (0x1C, 0)]  # A += X; X = A; A = total length - X
        beginning = []
    else:
        steps = [(0x30, 52), *data_offset, (0x07, 0), (0x28, 4), (0x1C, 0)]  # A = payload length - X
        # A = next header; if it is not TCP there is an extension header, and everything is returned
        beginning = [(0x30, 0, 0, 6), (_JUMP_EQUAL, 0, len(steps) + ending.index(everything), TCP)]
    program = [*beginning, *((code, 0, 0, value) for code, value in steps), *ending]
    return f"{len(program)}," + ",".join(" ".join(map(str, step)) for step in program)


def family(pick: Pick) -> Family:
    """The family of a pick's addresses. Raises ValueError."""
    return "ipv4" if len(addresses(pick)[0]) == 4 else "ipv6"


def matches(pick: Pick, *, needs_stream: bool) -> list[list[str]]:
    """The matches, a list of words each, that together take in every packet that the pick must see."""
    ports = ["--sport", str(pick.out_of_port)] if pick.out_of_port is not None else []
    at_port = ["--dport", str(pick.at_port)] if pick.at_port is not None else []
    found = _matches(pick, pick.to, [*ports, *at_port], needs_stream)
    if pick.virtual:
        found = found + _matches(pick, pick.virtual, [*ports, *at_port], needs_stream)
    return found + _matches(pick, pick.behind, ports, needs_stream) if pick.behind else found  # a NAT changes the port


def _matches(pick: Pick, to: str, ports: list[str], needs_stream: bool) -> list[list[str]]:
    of = family(pick)
    one_way = ["-s", pick.from_, "-d", to]
    if pick.of in ("any", "ecn"):
        return [[*one_way, "-p", protocol, *ports] for protocol in ("tcp", "udp")] if ports else [one_way]
    if pick.of == "icmp":
        return [[*one_way, "-p", "icmp" if of == "ipv4" else "ipv6-icmp"]]
    if pick.of not in TCP_KINDS:
        return [[*one_way, "-p", "udp", *ports]]
    tcp = [*one_way, "-p", "tcp", *ports]
    found = [*tcp, "--tcp-flags", *FLAGS[pick.of]] if pick.of in FLAGS else tcp
    if pick.of in ("data", "ack", "handshake-ack"):
        found = [*found, "-m", "bpf", "--bytecode", f'"{_payload_length(of, has_payload=pick.of == "data")}"']
    if needs_syn(pick, needs_stream=needs_stream):
        return [[*tcp, "--tcp-flags", "SYN", "SYN"], found]
    return [found]


def script(faults: Iterable[tuple[str, Pick, bool]], *, has_chain: bool) -> str | None:
    """What `iptables-restore --noflush` of one family must read so that these faults, and no others, have their rules.

    Each fault is its name, its pick, and whether it needs the stream. It is one transaction. None: nothing to do.
    """
    rules = [
        f"-A {CHAIN} {' '.join(match)} -m comment --comment {name} -j NFQUEUE --queue-num {QUEUE} --queue-bypass"
        for name, pick, stream in faults
        for match in matches(pick, needs_stream=stream)
    ]
    if not rules and not has_chain:
        return None
    if rules:
        rules.insert(0, f"-A {CHAIN} -i {MADE} -j RETURN")
    lines = [f":{CHAIN} - [0:0]", *rules]  # this makes the chain, or empties it
    if rules and not has_chain:
        lines.append(f"-I {HOOK} -j {CHAIN}")
    if not rules:
        lines += [f"-D {HOOK} -j {CHAIN}", f"-X {CHAIN}"]
    return "\n".join([f"*{TABLE}", *lines, "COMMIT", ""])


def left_by(saved: str) -> tuple[list[str], str | None]:
    """What a dead injector left, from `iptables-save`: its faults' names, and the script that removes its rules."""
    lines = saved.splitlines()
    if not any(line.startswith(f":{CHAIN} ") for line in lines):
        return [], None
    names = []
    for line in lines:
        words = line.split()
        if words[:2] == ["-A", CHAIN] and "--comment" in words:
            name = words[words.index("--comment") + 1].strip('"')
            if name not in names:
                names.append(name)
    jumps = [f"-D{line[2:]}" for line in lines if line.startswith("-A ") and line.endswith(f" -j {CHAIN}")]
    return names, "\n".join([f"*{TABLE}", *jumps, f"-F {CHAIN}", f"-X {CHAIN}", "COMMIT", ""])
