"""The table of what emulated machines answer: what differs has words, and no service needs what is lacking."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

from scenarios.byteorder.emulation import DOCUMENT, WORDS, Answers, differing, document, options_that_differ
from scenarios.lab.topology import ROOT, topology

# What a service may read of an option that an emulated machine answers otherwise, and why that is enough.
ENOUGH = {"TCP_INFO": "one byte of the four that come: the state of the connection"}


def answers(name: str, **instead: str) -> Answers:
    """A machine that differs from the native one in all that has words, or answers something else `instead`."""
    native = name == "client"
    found = {each: "native" if native else "emulated" for each in WORDS if each != "EDEADLOCK"}
    found |= {"SO_KEEPALIVE": "set 1, got 1", "SO_LINGER": "set (1, 7), got (1, 7)"} | instead
    host = topology().hosts[name]
    errnos = {"ECONNREFUSED": 111, "EDEADLOCK": 35 if native else 58}
    return Answers(host, str(host.promised), errnos, {"socket options": found})


def test_what_differs_is_told_with_its_words_beside_what_is_the_same() -> None:
    made = document([answers("client"), answers("client-be"), answers("client-be64")])
    assert f"- **TCP_INFO** (ppc, s390x): {WORDS['TCP_INFO']}" in " ".join(made.split())
    assert "| SO_KEEPALIVE | set 1, got 1 | same | same |" in made
    assert "| EDEADLOCK | 35 | 58 | 58 |" in made
    assert "ECONNREFUSED 111" in made


def test_a_machine_that_differs_in_what_has_no_words_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"the machines differ in SO_KEEPALIVE; write"):
        differing([answers("client"), answers("client-be", SO_KEEPALIVE="set ENOPROTOOPT, got 0")])


def test_words_about_nothing_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"no machine differs in SO_MARK; remove it"):
        differing([answers("client"), answers("client-be", SO_MARK="native")])


def used_options(folder: Path) -> Mapping[str, set[str]]:
    """The socket options that the services' code names, as `socket.SO_LINGER` or as a name that is set by it."""
    found: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*.py")):
        if "emulation" in path.parts or "bench" in path.parts:  # one asks for all of them, the other for speed
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.attr if isinstance(node, ast.Attribute) else ""
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                name = node.value
            if name.startswith(("SO_", "TCP_", "IP_", "IPV6_")) and name.isupper():
                found.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    return found


def test_no_service_needs_an_option_that_an_emulated_machine_lacks() -> None:
    lacking = options_that_differ(DOCUMENT.read_text(encoding="utf-8"))
    assert {"TCP_INFO", "TCP_CONGESTION"} <= lacking, "the document says what is lacking, or this would show nothing"
    used = used_options(ROOT / "services")
    assert {"SO_LINGER", "TCP_USER_TIMEOUT", "SO_KEEPALIVE"} <= set(used), (
        "options are found, or this would show nothing"
    )
    assert {name: used[name] for name in lacking & set(used)} == {
        name: used.get(name, set()) for name in ENOUGH if name in lacking
    }


def test_of_tcp_info_the_services_read_no_more_than_the_state() -> None:
    """getsockopt(level, TCP_INFO, 1): the one byte that every machine gives."""
    sizes = {
        str(path.relative_to(ROOT)): ast.unparse(node.args[2])
        for path in (ROOT / "services").rglob("*.py")
        if "emulation" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and [ast.unparse(each) for each in node.args[1:2]] == ["socket.TCP_INFO"]
    }
    assert sizes
    assert set(sizes.values()) == {"1"}, sizes
