"""More of a network and of its hosts, as a drill writes it: their addresses, their clocks, and what they believe."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.drill import Drill
from scenarios.spec.strict_yaml import load
from tests.spec.one_fault import DRILL, fault

SAID = {
    "second_address: {who: server}": "the server has the addresses of nobody too",
    "second_address: {who: other-server, family: ipv6}": "the other server has the IPv6 address of nobody too",
    "no_address: {who: client}": "the client has lost its addresses",
    "forged_neighbour: {of: server, taken_for: other-server}": (
        "the firewall takes the other server for the server, by a forged ARP answer"
    ),
    "rogue_router: {at: client-leg}": (
        "a router that is not there advertises itself to the hosts behind the client-leg"
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


@pytest.mark.parametrize(
    ("words", "key", "problem"),
    [
        ("second_address: {who: client}", "second_address.who", "expected a host of the server's side, got client"),
        ("second_address: {who: nobody}", "second_address.who", "unknown word 'nobody'"),
        ("second_address: {}", "second_address", "'who' is missing"),
        (
            "forged_neighbour: {of: server, taken_for: client}",
            "forged_neighbour.taken_for",
            "client is on another network than server; expected one of: other-server, names, web",
        ),
        ("forged_neighbour: {of: server, taken_for: server}", "forged_neighbour.taken_for", "another host than server"),
        ("rogue_router: {at: client}", "rogue_router.at", "unknown word 'client'"),
        ("loopback: {who: firewall}", "loopback.who", "unknown word 'firewall'"),
        ("loopback: {who: client, of: icmp}", "loopback.of", "unknown word 'icmp'"),
        ("clock: {who: hello}", "clock", "a clock has exactly one of ahead, behind, reads"),
        ("clock: {who: hello, ahead: 1d, behind: 1d}", "clock", "a clock has exactly one of ahead, behind, reads"),
        ("clock: {who: server, ahead: 1d}", "clock.who", "a server's program keeps the machine's clock"),
        ("clock: {who: helo, ahead: 1d}", "clock.who", "unknown call 'helo'"),
        ("clock: {who: hello, ahead: 0d}", "clock.ahead", "expected more than 0s and at most 36500d"),
        ("clock: {who: hello, ahead: 36501d}", "clock.ahead", "expected more than 0s and at most 36500d"),
        ("clock: {who: hello, ahead: 1y}", "clock.ahead", "such as 400d, 36h, 5min or 90s, got '1y'"),
        ('clock: {who: hello, reads: "2038-02-30 00:00:00"}', "clock.reads", "such as 2038-01-19 03:14:00"),
        ('clock: {who: hello, reads: "1969-12-31 23:59:59"}', "clock.reads", "expected a moment of 1970-01-02 to 2999"),
        ("no_address: {who: firewall}", "no_address.who", "unknown word 'firewall'"),
        ("no_address: {who: client, family: ipv5}", "no_address.family", "unknown word 'ipv5'"),
    ],
)
def test_what_could_not_be_made_is_refused_where_it_stands(tmp_path: Path, words: str, key: str, problem: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        fault(tmp_path, words)
    assert f"one.yaml:8: script.1.fault.{key}" in str(caught.value)
    assert problem in str(caught.value)


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
