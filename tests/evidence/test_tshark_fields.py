"""A frame is read from tshark's fields as the packet that crosses: the outer one, where there is another in it."""

from __future__ import annotations

from scenarios.evidence.frame import Frame
from scenarios.evidence.tshark_fields import frame_of

OUTER = {"udp.srcport": ["50000"], "udp.dstport": ["4789"], "udp.payload": ["08:00"]}
INNER = {
    "tcp.srcport": ["40000"], "tcp.dstport": ["80"], "tcp.flags": ["0x0002"], "tcp.seq_raw": ["7"],
    "tcp.payload": ["61"], "tcp.checksum.status": ["0"],
}  # fmt: skip


def read(protocols: str, **fields: list[str]) -> Frame:
    layers = {"frame.number": ["1"], "frame.time_epoch": ["1.5"], "frame.len": ["66"], "frame.protocols": [protocols]}
    found = frame_of({**layers, **{name.replace("_", ".", 1): value for name, value in fields.items()}}, {})
    assert found is not None
    return found


def test_tcp_in_a_tunnel_over_udp_is_udp() -> None:
    """As VXLAN, Geneve and GTP-U have it: tshark reads what is in the datagram, by its port."""
    found = read("eth:ethertype:ip:udp:vxlan:eth:ethertype:ip:tcp", ip_src=["1.1.1.1", "9.9.9.9"], **OUTER, **INNER)
    assert (found.transport, found.sender, found.destination_port) == ("udp", ("1.1.1.1", 50000), 4789)
    assert (found.flags, found.seq, found.payload, found.checksum_good) == (frozenset(), None, b"\x08\x00", True)


def test_ipv4_in_ipv6_is_ipv6() -> None:
    ends = {"ip_src": ["9.9.9.9"], "ip_dst": ["9.9.9.8"], "ip_id": ["5"], "ip_ttl": ["3"], "ipv6_hlim": ["63"]}
    ends |= {"ipv6_src": ["2001:db8::1"], "ipv6_dst": ["2001:db8::2"]}
    found = read("eth:ethertype:ipv6:udp:vxlan:eth:ethertype:ip:icmp", **ends, **OUTER)
    assert (found.transport, found.source, found.destination) == ("udp", "2001:db8::1", "2001:db8::2")
    assert (found.identification, found.ttl) == (None, 63)


def test_an_icmp_error_has_the_ends_of_its_own_and_tells_those_that_it_quotes() -> None:
    ends = {"ip_src": ["1.1.1.1", "2.2.2.2"], "ip_dst": ["2.2.2.2", "3.3.3.3"]}
    found = read("eth:ethertype:ip:icmp:ip:tcp", **ends, **INNER)
    assert (found.transport, found.source, found.source_port, found.flags) == ("icmp", "1.1.1.1", None, frozenset())
    assert found.quoted == (("2.2.2.2", 40000), ("3.3.3.3", 80))


def test_tcp_over_ipv6_and_arp_are_read_as_they_are() -> None:
    found = read("eth:ethertype:ipv6:tcp:http", ipv6_src=["2001:db8::1"], ipv6_dst=["2001:db8::2"], **INNER)
    assert (found.transport, found.sender, found.flags) == ("tcp", ("2001:db8::1", 40000), frozenset({"SYN"}))
    assert (found.payload, found.checksum_good) == (b"a", False)
    assert read("eth:ethertype:arp", **{"arp.src_proto_ipv4": ["1.1.1.1"]}).transport == "arp"


def test_one_byte_that_is_sent_again_is_no_keep_alive() -> None:
    """As PostgreSQL's answer to SSLRequest, `N`: to tshark any segment of one byte before the next number is one."""
    said = ["TCP keep-alive segment", "another remark"]
    ends = {"ip.src": ["1.1.1.1"], "ip.dst": ["2.2.2.2"], "frame.protocols": ["eth:ethertype:ip:tcp"]}
    layers = {"frame.number": ["1"], "frame.time_epoch": ["1.5"], "frame.len": ["66"], "_ws.expert.message": said}
    found = frame_of({**layers, **ends, **INNER}, {})
    assert found is not None
    assert found.notes == ("This frame is a (suspected) retransmission", "another remark")
    empty = frame_of({**layers, **ends, **{name: each for name, each in INNER.items() if name != "tcp.payload"}}, {})
    assert empty is not None
    assert empty.notes == tuple(said)
