"""The keywords of `lab.fault(…)`: every effect of the drills, and errors that name the nearest word."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from scenarios.lab.errors import DeadlinePassed, UsageError
from scenarios.library.words import declared, seconds
from scenarios.spec.fault import EFFECTS
from tests.library.without_lab import LabWithoutMachines, lab

__all__ = ("lab",)
ACROSS: Any = {"from_": "client", "to": "server"}
EVERY: dict[str, dict[str, Any]] = {
    "drop": {"drop": "syn", "first": 1, **ACROSS},
    "hold": {"hold": "data", "nth": 1, **ACROSS},
    "delay": {"delay": "data", "by": 0.2, "reorder": True, **ACROSS},
    "duplicate": {"duplicate": "data", "copies": 2, **ACROSS},
    "reorder": {"reorder": "data", "nth": 1, **ACROSS},
    "corrupt": {"corrupt": "data", "nth": 1, **ACROSS},
    "alter": {"alter": "data", "at": 0, "becomes": 255, "nth": 1, **ACROSS},
    "split": {"split": "data", "size": 1, **ACROSS},
    "cut": {"cut": "data", "at": 5, "then": "rst", **ACROSS},
    "other_port": {"other_port": "udp", "port": 9, **ACROSS},
    "silence": {"silence": "any", "both_ways": True, **ACROSS},
    "refuse": {"refuse": "syn", "by": "tcp-reset", **ACROSS},
    "spend_ttl": {"spend_ttl": "tcp", **ACROSS},
    "mute": {"mute": "too-big"},
    "mtu": {"mtu": 1300, "at": "server-leg"},
    "rate": {"rate": 1_000_000, "at": "server-leg"},
    "stateful": {"stateful": True},
    "forget": {"forget": True},
    "idle_timeout": {"idle_timeout": 0.5},
    "nat": {"nat": True},
    "rebind": {"rebind": "nat-1"},
    "link_down": {"link_down": "client-leg"},
    "no_route": {"no_route": "server"},
    "answer": {"answer": "server", "gives": ("other-server",)},
    "watch": {"watch": "data", **ACROSS},
    "forge": {"forge": "data", "what": "rst", **ACROSS},
    "path": {"path": "wifi"},
    "forged_neighbour": {"forged_neighbour": "server", "taken_for": "other-server"},
    "rogue_router": {"rogue_router": "client-leg"},
    "no_querier": {"no_querier": "server-leg"},
    "one_network": {"one_network": ("client", "server")},
    "no_neighbours": {"no_neighbours": "server-leg"},
    "signal": {"signal": "server", "by": "HUP"},
    "kill": {"kill": "server"},
    "pause": {"pause": "server"},
    "strip": {"strip": "syn", "option": "sack-permitted", **ACROSS},
    "rewrite": {"rewrite": "syn", "field": "ttl", "becomes": 9, **ACROSS},
    "clamp_mss": {"clamp_mss": "syn", "most": 500, **ACROSS},
    "shift": {"shift": "any", "by": 1000, **ACROSS},
    "name_answer": {"name_answer": "truncated", "to": "client"},
    "queue": {"queue": 1_000_000, "limit_bytes": 65536, **ACROSS},
    "limit": {"limit": 5},
    "police": {"police": 1_000_000, **ACROSS},
    "syn_proxy": {"syn_proxy": True},
    "vip": {"vip": "server"},
    "resolver": {"resolver": "client", "search": ("lab",)},
    "host": {"host": "client", "tcp_syn_retries": 1},
    "second_address": {"second_address": "server"},
    "no_address": {"no_address": "client", "family": "ipv4"},
    "second_interface": {"second_interface": "client"},
    "loopback": {"loopback": "client", "of": "syn-ack"},
    "clock": {"clock": "client", "ahead": "400d"},
    "replace": {"replace": "server", "run": "python -m services.echo.peer"},
}


def test_every_effect_of_the_drills_can_be_said() -> None:
    assert EVERY.keys() == EFFECTS.keys()
    for effect, words in EVERY.items():
        assert isinstance(declared("one", words, "lab.fault").effect, EFFECTS[effect]), effect


def test_the_words_are_those_of_a_drill() -> None:
    made = declared("one", EVERY["delay"], "lab.fault")
    assert made.delay is not None
    assert (made.delay.of, float(made.delay.by), made.delay.reorder) == ("data", 0.2, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"dorp": "syn"}, "lab.fault: unknown effect 'dorp'; did you mean 'drop'?"),
        ({"drop": "sin", **ACROSS}, "lab.fault: drop.of: unknown word 'sin'; did you mean 'syn'?"),
        ({"drop": "syn", "fist": 1, **ACROSS}, "lab.fault: drop: unknown word 'fist'; did you mean 'first'?"),
        (
            {"drop": "syn", "from_": "cleint", "to": "server"},
            "drop.from: unknown word 'cleint'; did you mean 'client'?",
        ),
        ({"drop": "syn", "from_": "client"}, "lab.fault: drop: the key 'to' is missing"),
        ({"drop": "syn", "from_": "client", "to": "bystander"}, "do not cross the firewall"),
        ({"drop": "syn", "silence": "any", **ACROSS}, "expected one effect, got 'drop' and 'silence'"),
        ({"drop": "syn", "of": "data", **ACROSS}, "lab.fault: drop: 'of' is given twice; expected one value for it"),
        ({"pause": "server", "who": "call-1"}, "lab.fault: pause: 'who' is given twice"),
        ({"drop": {"of": "syn", "from_": "client"}, **ACROSS}, "lab.fault: drop: 'from' is given twice"),
        ({"drop": "syn", "from": "server", **ACROSS}, "lab.fault: drop: 'from' is given twice"),
        ({"nat": "yes"}, "lab.fault: nat: expected True, got 'yes'"),
        ({"mtu": 20, "at": "server-leg"}, "mtu.bytes: an MTU is 1280 to 1500 bytes, not 20"),
        ({"delay": "data", "by": -1, **ACROSS}, "delay.by: expected a length of time"),
        ({}, "unknown effect ''"),
    ],
)
def test_a_wrong_word_is_told_with_the_nearest(words: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as raised:
        declared("one", words, "lab.fault")
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("value", "right"), [("200ms", 0.2), ("3s", 3.0), ("2min", 120.0), (3, 3.0), (0.5, 0.5), (0, 0.0)]
)
def test_a_length_of_time_is_a_number_of_seconds_or_text(value: Any, right: float) -> None:
    assert seconds(value, "lab.until: within_s") == right


@pytest.mark.parametrize("value", ["soon", "3", -1, float("nan"), float("inf"), True, None, [1]])
def test_no_other_value_is_a_length_of_time(value: Any) -> None:
    with pytest.raises(UsageError, match=r"^lab.until: within_s: expected a length of time such as 200ms"):
        seconds(value, "lab.until: within_s")


def test_every_time_of_the_library_may_be_text(lab: LabWithoutMachines) -> None:
    assert lab.serve("one", port=1, starts_within_s="10s").chosen.server.starts_within == 10.0
    assert lab.serve("one", port=1, starts_within_s=900).chosen.server.starts_within == 900.0
    with lab.fault(drop="data", may_miss=True, **ACROSS) as lost:
        for waiting in ({"fault": lost}, {"log": SimpleNamespace(lines=[]), "line": "x"}):
            with pytest.raises(DeadlinePassed, match=r"0\.02 s"):
                lab.until(within_s="20ms", **waiting)
    with pytest.raises(UsageError, match=r"lab\.call: within_s: expected a length of time"):
        lab.call("one", within_s="soon")
    with pytest.raises(UsageError, match=r"lab\.call: within_s: expected more than 0"):
        lab.call("one", port=1, within_s="0ms")
