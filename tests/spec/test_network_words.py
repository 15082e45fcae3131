"""More of a network, as a drill writes it: the addresses of hosts, and what hosts believe of each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.spec.declaration_error import DeclarationError
from tests.spec.one_fault import fault

SAID = {
    "second_address: {who: server}": "the server has the addresses of nobody too",
    "second_address: {who: other-server, family: ipv6}": "the other server has the IPv6 address of nobody too",
    "no_address: {who: client}": "the client has lost its addresses",
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
        ("no_address: {who: firewall}", "no_address.who", "unknown word 'firewall'"),
        ("no_address: {who: client, family: ipv5}", "no_address.family", "unknown word 'ipv5'"),
    ],
)
def test_what_could_not_be_made_is_refused_where_it_stands(tmp_path: Path, words: str, key: str, problem: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        fault(tmp_path, words)
    assert f"one.yaml:8: script.1.fault.{key}" in str(caught.value)
    assert problem in str(caught.value)
