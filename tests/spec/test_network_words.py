"""A network and its hosts as a drill writes them: said aloud, and refused where they could not be made.

Names, mappings and capacities; the addresses of hosts, their clocks, and what they believe.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.drill import Drill
from scenarios.spec.strict_yaml import load
from tests.mistakes import refusal
from tests.spec.one_fault import DRILL, fault

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
    "second_address: {who: server}": "the server has the addresses of nobody too",
    "second_address: {who: other-server, family: ipv6}": "the other server has the IPv6 address of nobody too",
    "no_address: {who: client}": "the client has lost its addresses",
    "forged_neighbour: {of: server, taken_for: other-server}": (
        "the firewall takes the other server for the server, by a forged ARP answer"
    ),
    "rogue_router: {at: client-leg}": (
        "a router that is not there advertises itself to the hosts behind the client-leg"
    ),
    "second_interface: {who: server}": "the server has a second interface, on another network",
    "no_querier: {at: server-leg}": (
        "the switch behind the server-leg has forgotten the members of every group, for nobody asks for them"
    ),
    "one_network: {}": "the client and the server are on one network, with the firewall as a bridge in it",
    "one_network: {between: [bystander, other-server]}": (
        "a bystander and the other server are on one network, with the firewall as a bridge in it"
    ),
    "loopback: {who: client}": "every packet on the loopback of the client is counted",
    "loopback: {who: server, of: syn-ack}": "every SYN-ACK on the loopback of the server is counted",
    "clock: {who: hello, ahead: 400d}": "the clock of the program of the call hello is 400d ahead",
    "clock: {who: hello, behind: 36h}": "the clock of the program of the call hello is 36h behind",
    'clock: {who: hello, reads: "2038-01-19 03:14:00"}': (
        "the clock of the program of the call hello reads 2038-01-19 03:14:00"
    ),
    "no_address: {who: bystander, family: ipv4}": "a bystander has lost its IPv4 address",
}


@pytest.mark.parametrize("words", SAID)
def test_each_is_one_sentence(tmp_path: Path, words: str) -> None:
    assert fault(tmp_path, words).says == SAID[words]


REFUSED = {
    "name_answer: {}": "name_answer: an answer has exactly one of becomes, ttl and cname, not none",
    "name_answer: {becomes: lost}": "name_answer.becomes: unknown word 'lost'",
    "name_answer: {becomes: empty, of: udp}": "name_answer.of: of is dns-answer where an answer is made another one",
    "name_answer: {ttl: -1}": "name_answer.ttl: ttl is 0 to 2147483647, not -1",
    "name_answer: {becomes: empty, to: server}": "name_answer.to: packets between names and server do not cross",
    "drop: {of: udp, type: A, from: names, to: client}": "drop.type: type is of dns-query and dns-answer",
    "drop: {of: dns-answer, type: a, from: names, to: client}": "drop.type: unknown word 'a'",
    "resolver: {options: [timeot:1]}": "resolver.options: unknown option of the resolver 'timeot'",
    "resolver: {options: [timeout]}": "resolver.options: expected timeout:n, with n 1 to 30, got 'timeout'",
    'resolver: {options: ["ndots:16"]}': "resolver.options: expected ndots:n, with n 0 to 15, got 'ndots:16'",
    'resolver: {options: ["rotate:1"]}': "resolver.options: rotate has no number; got 'rotate:1'",
    "resolver: {search: [a..b]}": "resolver.search: expected a domain, got 'a..b'",
    "resolver: {search: [a, b, c, d, e, f, g]}": "resolver.search: expected at most 6 domains",
    "nat: {kind: cone}": "nat.kind: unknown word 'cone'",
    "nat: {ports: 80-90}": "nat.ports: expected ports of 1024 to 65535",
    "nat: {kind: symmetric, ports: 10000-11000}": "nat.ports: expected at most 1000 for a symmetric NAT",
    "vip: {to: bystander}": "vip.hairpin: expected external, internal, none: bystander is on the client's own",
    "vip: {to: server, hairpin: none}": "vip.hairpin: it is for a host of the client's own side, and server is on",
    "vip: {to: bystander, hairpin: both}": "vip.hairpin: unknown word 'both'",
    "limit: {}": "limit: expected one of connections and new_per_s, got neither",
    "limit: {connections: 1, new_per_s: 1}": "limit: expected one of connections and new_per_s, got both",
    "limit: {connections: 0}": "limit.connections: expected 1 to 65535, got 0",
    "limit: {new_per_s: 10001}": "limit.new_per_s: expected 1 to 10000, got 10001",
    "stateful: {sees: nobody}": "stateful.sees: unknown word 'nobody'",
    "police: {from: client, to: bystander, bits_per_s: 9999}": (
        "police.to: packets between client and bystander do not cross the firewall"
    ),
    "police: {from: client, to: server, bits_per_s: 1}": "police.bits_per_s: expected 1000 to",
    "police: {from: client, to: server, bits_per_s: 9999, burst_bytes: 9}": (
        "police.burst_bytes: expected 1514, a whole frame"
    ),
    "syn_proxy: {mss: 1461}": "syn_proxy.mss: expected 536 to 1460, got 1461",
    "queue: {from: client, to: server, bits_per_s: 1, limit_bytes: 9999}": (
        "queue.bits_per_s: bits_per_s is 1000 to 1000000000, not 1"
    ),
    "queue: {from: client, to: server, bits_per_s: 9999, limit_bytes: 9}": (
        "queue.limit_bytes: limit_bytes is 1514 to 16777216, not 9"
    ),
    "second_address: {who: client}": "second_address.who: expected a host of the server's side, got client",
    "second_address: {who: nobody}": "second_address.who: unknown word 'nobody'",
    "second_address: {}": "second_address: the key 'who' is missing",
    "one_network: {between: [client, bystander]}": (
        "one_network.between: packets between client and bystander do not cross the firewall"
    ),
    "one_network: {between: [client]}": "one_network.between: expected two roles, got 1",
    "one_network: {between: [client, nobody]}": "one_network.between.2: unknown word 'nobody'",
    "forged_neighbour: {of: server, taken_for: client}": (
        "forged_neighbour.taken_for: client is on another network than server; "
        "expected one of: other-server, names, web"
    ),
    "forged_neighbour: {of: server, taken_for: server}": (
        "forged_neighbour.taken_for: expected another host than server"
    ),
    "rogue_router: {at: client}": "rogue_router.at: unknown word 'client'",
    "loopback: {who: firewall}": "loopback.who: unknown word 'firewall'",
    "loopback: {who: client, of: icmp}": "loopback.of: unknown word 'icmp'",
    "clock: {who: hello}": "clock: a clock has exactly one of ahead, behind, reads",
    "clock: {who: hello, ahead: 1d, behind: 1d}": "clock: a clock has exactly one of ahead, behind, reads",
    "clock: {who: server, ahead: 1d}": (
        "clock.who: expected the name of a call; a server's program keeps the machine's clock"
    ),
    "clock: {who: helo, ahead: 1d}": "clock.who: unknown call 'helo'",
    "clock: {who: hello, ahead: 0d}": "clock.ahead: expected more than 0s and at most 36500d",
    "clock: {who: hello, ahead: 36501d}": "clock.ahead: expected more than 0s and at most 36500d",
    "clock: {who: hello, ahead: 1y}": "clock.ahead: expected a length of time such as 400d, 36h, 5min or 90s, got '1y'",
    'clock: {who: hello, reads: "2038-02-30 00:00:00"}': (
        "clock.reads: expected a moment of UTC such as 2038-01-19 03:14:00"
    ),
    'clock: {who: hello, reads: "1969-12-31 23:59:59"}': "clock.reads: expected a moment of 1970-01-02 to 2999",
    "no_address: {who: firewall}": "no_address.who: unknown word 'firewall'",
    "no_address: {who: client, family: ipv5}": "no_address.family: unknown word 'ipv5'",
}


@pytest.mark.parametrize(("words", "told"), REFUSED.items(), ids=REFUSED)
def test_what_could_not_be_made_is_refused_where_it_stands(tmp_path: Path, words: str, told: str) -> None:
    assert f"one.yaml:8: script.1.fault.{told}" in str(refusal(fault, tmp_path, words))


def test_a_resolver_is_the_file_that_resolv_conf_5_describes(tmp_path: Path) -> None:
    found = fault(tmp_path, 'resolver: {search: [a.lab, lab], options: ["ndots:5", use-vc]}').resolver
    assert found is not None
    assert found.resolv_conf("198.18.1.140") == ("nameserver 198.18.1.140\nsearch a.lab lab\noptions ndots:5 use-vc\n")


def test_a_clock_is_told_in_the_words_of_libfaketime(tmp_path: Path) -> None:
    told = {"ahead: 2h": "+7200", "behind: 400d": "-34560000", 'reads: "2038-01-19 03:14:00"': "@2038-01-19 03:14:00"}
    for words, expected in told.items():
        found = fault(tmp_path, f"clock: {{who: hello, {words}}}").clock
        assert found is not None
        assert found.faketime == expected


def test_a_clock_is_set_before_its_call_begins(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    first, last = "  - fault: {name: tried, clock: {who: hello, ahead: 1d}}\n", "  - call: {name: hello}\n"
    text = DRILL.format(fault="clock: {who: hello, ahead: 1d}")
    path.write_text(text.replace(first + last, last + first), encoding="utf-8")
    with pytest.raises(DeclarationError, match="the call 'hello' has begun by then; expected this before it"):
        load(path, Drill)
