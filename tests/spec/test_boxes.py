"""Names, mappings and capacities as a drill writes them: said aloud, and refused where they could not be made."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.spec.declaration_error import DeclarationError
from tests.spec.one_fault import fault

SAID = {
    "name_answer: {becomes: truncated}": (
        "the firewall makes every DNS answer from the name server to the client truncated (TC)"
    ),
    "name_answer: {becomes: servfail, name: server.lab, type: A, nth: 1}": (
        "the firewall makes DNS answer for server.lab of the type A number 1 from the name server to the client a "
        "SERVFAIL"
    ),
    "name_answer: {ttl: 3}": (
        "the firewall gives every record of every DNS answer from the name server to the client a TTL of 3 s"
    ),
    "name_answer: {cname: real.lab, first: 1}": (
        "the firewall makes the first DNS answer from the name server to the client an alias of real.lab"
    ),
    "drop: {of: dns-answer, type: AAAA, from: names, to: client}": (
        "the firewall drops every DNS answer of the type AAAA from the name server to the client"
    ),
    'resolver: {search: [a.lab, lab], options: ["timeout:1", rotate]}': (
        "the programs of the client ask the name server itself for names over IPv4, with the search list a.lab lab and "
        "the options timeout:1 rotate"
    ),
    "resolver: {who: server, search: [], server: nobody, family: ipv6}": (
        "the programs of the server ask an address that nobody has for names over IPv6, with the search list ."
    ),
    "nat: {kind: symmetric, ports: 10000-10003}": (
        "the firewall translates the addresses of the client's side (source NAT), as a symmetric NAT, with the ports "
        "10000-10003"
    ),
    "nat: {}": "the firewall translates the addresses of the client's side (source NAT)",
    "vip: {to: bystander, hairpin: external}": (
        "the address of nobody is a virtual one, whose new conversations go back to a bystander, as from the firewall's"
        " own address (hairpin)"
    ),
    "vip: {to: other-server}": (
        "the address of nobody is a virtual one, whose new conversations go to the other server"
    ),
    "limit: {connections: 5}": "the firewall lets 5 connections be open, and answers more by silence",
    "limit: {new_per_s: 2, by: tcp-reset}": (
        "the firewall lets 2 connections a second be opened, and answers more by tcp-reset"
    ),
    "stateful: {sees: client}": (
        "the firewall lets only connections pass that it knows, sees only what the client's side sends, and answers "
        "others by silence"
    ),
    "police: {from: client, to: server, bits_per_s: 64000, of: udp}": (
        "the firewall lets 64000 bits a second pass of each conversation over UDP from the client to the server, and "
        "drops the rest"
    ),
    "syn_proxy: {}": "the firewall answers SYNs in the server's place, by cookies, and calls the server afterwards",
    "queue: {from: client, to: server, bits_per_s: 1000000, limit_bytes: 65536, discipline: red}": (
        "the firewall puts every packet from the client to the server into a red queue of 65536 bytes for a link of "
        "1000000 bits a second"
    ),
}


@pytest.mark.parametrize("words", SAID)
def test_each_is_one_sentence(tmp_path: Path, words: str) -> None:
    assert fault(tmp_path, words).says == SAID[words]


def test_a_resolver_is_the_file_that_resolv_conf_5_describes(tmp_path: Path) -> None:
    found = fault(tmp_path, 'resolver: {search: [a.lab, lab], options: ["ndots:5", use-vc]}').resolver
    assert found is not None
    assert found.resolv_conf("198.18.1.140") == ("nameserver 198.18.1.140\nsearch a.lab lab\noptions ndots:5 use-vc\n")


@pytest.mark.parametrize(
    ("words", "key", "problem"),
    [
        ("name_answer: {}", "name_answer", "exactly one of becomes, ttl and cname, not none"),
        ("name_answer: {becomes: lost}", "name_answer.becomes", "unknown word 'lost'"),
        ("name_answer: {becomes: empty, of: udp}", "name_answer.of", "dns-answer where an answer is made another one"),
        ("name_answer: {ttl: -1}", "name_answer.ttl", "ttl is 0 to 2147483647, not -1"),
        ("name_answer: {becomes: empty, to: server}", "name_answer.to", "between names and server do not cross"),
        ("drop: {of: udp, type: A, from: names, to: client}", "drop.type", "type is of dns-query and dns-answer"),
        ("drop: {of: dns-answer, type: a, from: names, to: client}", "drop.type", "unknown word 'a'"),
        ("resolver: {options: [timeot:1]}", "resolver.options", "unknown option of the resolver 'timeot'"),
        ("resolver: {options: [timeout]}", "resolver.options", "expected timeout:n, with n 1 to 30, got 'timeout'"),
        ('resolver: {options: ["ndots:16"]}', "resolver.options", "expected ndots:n, with n 0 to 15, got 'ndots:16'"),
        ('resolver: {options: ["rotate:1"]}', "resolver.options", "rotate has no number; got 'rotate:1'"),
        ("resolver: {search: [a..b]}", "resolver.search", "expected a domain, got 'a..b'"),
        ("resolver: {search: [a, b, c, d, e, f, g]}", "resolver.search", "at most 6 domains"),
        ("nat: {kind: cone}", "nat.kind", "unknown word 'cone'"),
        ("nat: {ports: 80-90}", "nat.ports", "expected ports of 1024 to 65535"),
        ("nat: {kind: symmetric, ports: 10000-11000}", "nat.ports", "expected at most 1000 for a symmetric NAT"),
        ("vip: {to: bystander}", "vip.hairpin", "expected external, internal, none: bystander is on the client's own"),
        ("vip: {to: server, hairpin: none}", "vip.hairpin", "for a host of the client's own side, and server is on"),
        ("vip: {to: bystander, hairpin: both}", "vip.hairpin", "unknown word 'both'"),
        ("limit: {}", "limit", "expected one of connections and new_per_s, got neither"),
        ("limit: {connections: 1, new_per_s: 1}", "limit", "expected one of connections and new_per_s, got both"),
        ("limit: {connections: 0}", "limit.connections", "expected 1 to 65535, got 0"),
        ("limit: {new_per_s: 10001}", "limit.new_per_s", "expected 1 to 10000, got 10001"),
        ("stateful: {sees: nobody}", "stateful.sees", "unknown word 'nobody'"),
        ("police: {from: client, to: bystander, bits_per_s: 9999}", "police.to", "do not cross the firewall"),
        ("police: {from: client, to: server, bits_per_s: 1}", "police.bits_per_s", "expected 1000 to"),
        ("police: {from: client, to: server, bits_per_s: 9999, burst_bytes: 9}", "police.burst_bytes", "a whole frame"),
        ("syn_proxy: {mss: 1461}", "syn_proxy.mss", "expected 536 to 1460, got 1461"),
        (
            "queue: {from: client, to: server, bits_per_s: 1, limit_bytes: 9999}",
            "queue.bits_per_s",
            "bits_per_s is 1000 to 1000000000, not 1",
        ),
        (
            "queue: {from: client, to: server, bits_per_s: 9999, limit_bytes: 9}",
            "queue.limit_bytes",
            "limit_bytes is 1514 to 16777216, not 9",
        ),
    ],
)
def test_what_could_not_be_made_is_refused_where_it_stands(tmp_path: Path, words: str, key: str, problem: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        fault(tmp_path, words)
    assert f"one.yaml:8: script.1.fault.{key}" in str(caught.value)
    assert problem in str(caught.value)
