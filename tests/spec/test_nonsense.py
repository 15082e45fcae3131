"""Nonsense in a drill is refused before a lab starts: checks that cannot fail, wrong order, wrong values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from scenarios.evidence.sockets import RFC_9293, parse
from scenarios.faults.kernel_effects import _rules
from scenarios.faults.nft_rules import Rules
from scenarios.lab.lab import Lab
from scenarios.lab.seats import Member, Plan, extended
from scenarios.lab.topology import topology
from scenarios.spec.cast import CLIENT_NET, Cast
from scenarios.spec.catalogue import load_drill
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.drill import Drill
from scenarios.spec.expectations import OutcomeWord, Sockets
from scenarios.spec.roles import CLIENT_SIDE, HostRole, leg_of
from scenarios.spec.service import services
from scenarios.spec.steps import State
from tests.mistakes import changed, refusal

KNOWN = services()
RIGHT = """\
drill: one
claim: A drill that has every kind of step and of expectation.
why: So that each of them can be made nonsense of.
source: [RFC 9293]
tags: [reaching]
service: echo/selectors
script:
  - fault: {name: lose, drop: {first: 1, of: syn, from: client, to: server}}
  - start: {name: hello, times: 2, args: --timeout 5}
  - until: {fault: lose, hits: 1}
  - await: hello
  - heal: lose
  - given: {name: translator, nat: {}}
  - fault: {name: other-port, rebind: {nat: translator}}
  - fault: {name: quiet, silence: {from: client, to: server, of: tcp, port: 7007}}
  - until: {on: server, state: ESTABLISHED, sockets: 1}
  - call: {name: again}
  - until: {log: again, line: "^timed out"}
  - look: {name: after, on: server}
expect:
  - hits: {fault: lose, exactly: 1}
  - outcome: {call: hello, is: refused, errno: ECONNREFUSED}
  - packets: {at: client-leg, from: client, to: server, where: tcp.flags.syn == 1, exactly: 2, apart: 0.9s to 1.5s}
  - order: {at: client-leg, of: [tcp.flags.syn == 1, tcp.len > 0]}
  - sockets: {look: after, state: ESTABLISHED, exactly: 0}
  - log: {of: server, line: "^did", at_least: 1}
  - duration: {call: hello, is: 0s to 3s}
control:
  - outcome: {call: hello, is: answered}
"""


def read(folder: Path, text: str) -> Drill:
    path = folder / "one.yaml"
    path.write_text(text, encoding="utf-8")
    return load_drill(path, KNOWN)


def test_the_drill_that_nonsense_is_made_of_is_right(tmp_path: Path) -> None:
    assert read(tmp_path, RIGHT).drill == "one"


QUIET = "quiet, silence: {from: client, to: server, of: tcp, port: 7007}"
# What is replaced, by what; the key that is wrong, with what is said of it. The line is that of the replacement.
NONSENSE = {
    "a state that no socket is in": (
        "look: after, state: ESTABLISHED", "look: after, state: ESTABLISHD",
        "expect.5.sockets.state: unknown word 'ESTABLISHD'; did you mean 'ESTABLISHED'?",
    ),
    "a state that no look can show": (
        "look: after, state: ESTABLISHED", "look: after, state: CLOSED",
        "expect.5.sockets.state: unknown word 'CLOSED'",
    ),
    "a state that is waited for in vain": (
        "on: server, state: ESTABLISHED", "on: server, state: SYN_SENT",
        "script.9.until.state: unknown word 'SYN_SENT'; did you mean 'SYN-SENT'?",
    ),
    "an errno that there is not": (
        "errno: ECONNREFUSED", "errno: ECONREFUSED",
        "expect.2.outcome.errno: unknown errno 'ECONREFUSED'; did you mean 'ECONNREFUSED'?",
    ),
    "an errno in small letters": (
        "errno: ECONNREFUSED", "errno: econnrefused",
        "expect.2.outcome.errno: unknown errno 'econnrefused'",
    ),
    "an errno that is told by another name": (
        "errno: ECONNREFUSED", "errno: EWOULDBLOCK",
        "expect.2.outcome.errno: unknown errno 'EWOULDBLOCK'; it is told as EAGAIN",
    ),
    "an errno of a call that is answered": (
        "is: refused, errno", "is: answered, errno",
        "expect.2.outcome.errno: a call that is answered has no errno",
    ),
    "a gap of one packet": (
        "exactly: 2, apart", "at_least: 1, apart",
        "expect.3.packets.apart: one packet has no gap, so this may hold unseen; expected exactly or at_least of 2",
    ),
    "a gap without a count": ("exactly: 2, apart", "apart", "expect.3.packets.apart: one packet has no gap"),
    "at least none": (
        'line: "^did", at_least: 1', 'line: "^did", at_least: 0',
        "expect.6.log.at_least: 0 always holds",
    ),
    "less than none": (
        'line: "^did", at_least: 1', 'line: "^did", at_most: -1',
        "expect.6.log.at_most: expected at least 0, got -1",
    ),
    "exactly and a band": (
        "fault: lose, exactly: 1", "fault: lose, exactly: 1, at_most: 2",
        "expect.1.hits.exactly: use either exactly, or at_least and at_most",
    ),
    "every outcome": (
        "is: refused, errno: ECONNREFUSED", f"is: [{', '.join(get_args(OutcomeWord))}]",
        "expect.2.outcome.is: this always holds",
    ),
    "no outcome": ("is: refused, errno: ECONNREFUSED", "is: []", "expect.2.outcome.is: this never holds"),
    "as many as there are calls, or fewer": (
        "is: refused, errno: ECONNREFUSED", "is: refused, at_most: 2",
        "expect.2.outcome.at_most: this always holds: hello is called 2 times",
    ),
    "more than there are calls": (
        "is: refused, errno: ECONNREFUSED", "is: refused, exactly: 3",
        "expect.2.outcome: this never holds: hello is called 2 times",
    ),
    "as long as the lab lets a call run": (
        "is: 0s to 3s", "is: 0s to 30s",
        "expect.7.duration.is: this always holds: the lab ends the call after 30s",
    ),
    "a control without an outcome": (
        "  - outcome: {call: hello, is: answered}", "  - packets: {at: client-leg, where: tcp}",
        "control: expected an `outcome`",
    ),
    "a control that cannot fail": (
        "call: hello, is: answered", f"call: hello, is: [{', '.join(get_args(OutcomeWord))}]",
        "control.1.outcome.is: this always holds",
    ),
    "packets that never cross": (
        "at: client-leg, from: client, to: server", "at: client-leg, from: client, to: bystander",
        "expect.3.packets.to: packets between client and bystander do not cross the firewall; "
        "expected one of: server, other-server, names, web",
    ),
    "an order of one packet": (
        "of: [tcp.flags.syn == 1, tcp.len > 0]", "of: [tcp.len > 0, tcp.len > 0]",
        "expect.4.order.of.2: 'tcp.len > 0' stands twice",
    ),
    "a fault that is healed before it begins": (
        "  - start: {name: hello, times: 2, args: --timeout 5}", "  - heal: other-port",
        "script.2.heal: the fault 'other-port' is not in force yet",
    ),
    "a fault that is healed twice": (
        "  - await: hello", "  - heal: lose",
        "script.5.heal: the fault 'lose' is no longer in force: step 4 healed it",
    ),
    "a call that is awaited before it starts": (
        "  - fault: {name: lose, drop: {first: 1, of: syn, from: client, to: server}}", "  - await: hello",
        "script.1.await: 'hello' is not started yet",
    ),
    "a call that is awaited twice": (
        "  - heal: lose", "  - await: hello",
        "script.5.await: step 4 waits for 'hello' already",
    ),
    "hits that are waited for before the fault": (
        "until: {fault: lose, hits: 1}", "until: {fault: quiet, hits: 1}",
        "script.3.until.fault: the fault 'quiet' is not in force yet",
    ),
    "hits that are waited for after the healing": (
        'until: {log: again, line: "^timed out"}', "until: {fault: lose}",
        "script.11.until.fault: the fault 'lose' is no longer in force: step 5 healed it",
    ),
    "no hits": ("fault: lose, hits: 1", "fault: lose, hits: 0", "script.3.until.hits: expected at least 1, got 0"),
    "a line of a call that has not begun": (
        "until: {fault: lose, hits: 1}", "until: {log: again, line: x}",
        "script.3.until.log: the call 'again' has not begun",
    ),
    "a log without a line": (
        'log: again, line: "^timed out"', "log: again",
        "script.11.until.line: expected a regular expression",
    ),
    "a line without a log": ("fault: lose, hits: 1", "fault: lose, line: x", "script.3.until.line: it goes with `log`"),
    "no time": ("  - await: hello", "  - wait: 0s", "script.4.wait: expected more than 0s"),
    "a role without a host that calls": (
        "{name: again}", "{name: again, from: nobody}",
        "script.10.call.from: unknown word 'nobody'",
    ),
    "a machine that runs no program": (
        "{name: again}", "{name: again, from: web}",
        "script.10.call.from: unknown word 'web'",
    ),
    "a look at nobody": (
        "look: {name: after, on: server}", "look: {name: after, on: nobody}",
        "script.12.look.on: unknown word 'nobody'",
    ),
    "packets of the firewall's own": (
        "of: syn, from: client, to: server", "of: syn, from: firewall, to: server",
        "script.1.fault.drop.from: unknown word 'firewall'",
    ),
    "packets to the firewall": (
        "of: syn, from: client, to: server", "of: syn, from: client, to: firewall",
        "script.1.fault.drop.to: unknown word 'firewall'",
    ),
    "packets of nobody's": (
        "of: syn, from: client, to: server", "of: syn, from: nobody, to: server",
        "script.1.fault.drop.from: unknown word 'nobody'",
    ),
    "packets to nobody, whom no rule of the kernel names": (
        QUIET, QUIET.replace("to: server", "to: nobody"),
        "script.8.fault.silence.to: unknown word 'nobody'",
    ),
    "a silence that the firewall is not part of": (
        QUIET, QUIET.replace("to: server", "to: bystander"),
        "script.8.fault.silence.to: packets between client and bystander do not cross the firewall",
    ),
    "a loss that the firewall is not part of": (
        "of: syn, from: client, to: server", "of: syn, from: server, to: web",
        "script.1.fault.drop.to: packets between server and web do not cross the firewall",
    ),
    "a port that there is not": (
        "port: 7007", "port: 70000",
        "script.8.fault.silence.port: expected 1 to 65535, got 70000",
    ),
    "a port of ICMP": (
        "of: tcp, port: 7007", "of: icmp, port: 7007",
        "script.8.fault.silence.port: packets of the kind icmp are not selected by port",
    ),
    "a reset that answers UDP": (
        QUIET, "quiet, refuse: {from: client, to: server, of: udp, by: tcp-reset}",
        "script.8.fault.refuse.by: a TCP reset answers TCP only",
    ),
    "a refusal of fragments": (
        QUIET, "quiet, refuse: {from: client, to: server, of: fragment, by: port-unreachable}",
        "script.8.fault.refuse.of: packets of the kind fragment can be dropped only",
    ),
    "fragments with a spent TTL": (
        QUIET, "quiet, spend_ttl: {from: client, to: server, of: fragment}",
        "script.8.fault.spend_ttl.of: packets of the kind fragment can be dropped only",
    ),
    "an MTU that IPv6 forbids": (
        QUIET, "quiet, mtu: {at: client-leg, bytes: 100}",
        "script.8.fault.mtu.bytes: an MTU is 1280 to 1500 bytes",
    ),
    "a rate below nothing": (
        QUIET, "quiet, rate: {at: client-leg, bits_per_s: -5}",
        "script.8.fault.rate.bits_per_s: expected 1000 to",
    ),
    "a burst of no frame": (
        QUIET, "quiet, rate: {at: client-leg, bits_per_s: 9000, burst_bytes: 9}",
        "script.8.fault.rate.burst_bytes: expected 1514, a whole frame, to",
    ),
    "a memory that is over at once": (
        QUIET, "quiet, idle_timeout: {after: 1ms}",
        "script.8.fault.idle_timeout.after: a connection is forgotten after 0.05 to",
    ),
    "no ICMP error in particular": (
        QUIET, "quiet, mute: {errors: []}",
        "script.8.fault.mute.errors: expected one or more of: too-big",
    ),
    "connections of one side": (
        QUIET, "quiet, forget: {between: [client, bystander]}",
        "script.8.fault.forget.between: packets between client and bystander do not cross",
    ),
    "connections of three": (
        QUIET, "quiet, forget: {between: [client, server, web]}",
        "script.8.fault.forget.between: expected two roles, got 3",
    ),
    "an address that a role has not": (
        QUIET, "quiet, answer: {name_of: server, gives: [firewall]}",
        "script.8.fault.answer.gives.1: unknown word 'firewall'",
    ),
    "a delay of nothing": (
        QUIET, "quiet, delay: {by: 0s, from: client, to: server}",
        "script.8.fault.delay.by: expected more than 0s",
    ),
    "a jitter that is more than the delay": (
        QUIET, "quiet, delay: {by: 1s, jitter: 2s, from: client, to: server}",
        "script.8.fault.delay.jitter: jitter_s is 0 to 1.0, not 2.0",
    ),
    "none of a hundred packets": (
        QUIET, "quiet, drop: {percent: 0, from: client, to: server}",
        "script.8.fault.drop.percent: expected more than 0",
    ),
    "a name that cannot be asked for": (
        QUIET, "quiet, drop: {of: dns-query, name: a..b, from: client, to: names}",
        "script.8.fault.drop.name: expected a name to ask the name server for, got 'a..b'",
    ),
    "arguments that cannot be split": (
        "args: --timeout 5", 'args: "it\'s"',
        "script.2.start.args: \"it's\" cannot be split into words: no closing quotation",
    ),
    "arguments of a server that cannot be split": (
        "service: echo/selectors", 'service: echo/selectors\nserver: {args: "it\'s"}',
        "server.args: \"it's\" cannot be split into words",
    ),
    "a program that cannot be replaced": (
        "  - fault: {name: lose, drop: {first: 1, of: syn, from: client, to: server}}",
        "  - fault: {name: lose, replace: {who: other-server, run: true}}",
        "script.1.fault.replace.who: unknown program that can be replaced 'other-server'",
    ),
    "a replacement that is waited for": (
        "drop: {first: 1, of: syn, from: client, to: server}", "replace: {who: server, run: python -m x}",
        "script.3.until.fault: the hits of 'lose' are counted at the end; expected `log`",
    ),
    "a rebinding without its NAT": (
        "given: {name: translator, nat: {}}", "given: {name: translator, stateful: {}}",
        "script.7.fault.rebind.nat: unknown NAT 'translator'; this drill has no NAT",
    ),
    "a link-local address behind a router": (
        "call: {name: again}", "call: {name: again, link_local: with-scope}",
        "script.10.call.link_local: client and server are on two networks; expected a `one_network` between them",
    ),
    "a link-local address by name": (
        "call: {name: again}", "call: {name: again, link_local: with-scope, named: server}",
        "script.10.call.link_local: expected a call `to` a host, and without `named`",
    ),
    "a count of nothing": (
        "fault: lose, exactly: 1", "fault: lose, exactly: ",
        "expect.1.hits.exactly: expected a whole number, got nothing",
    ),
    "a count in base 60": (
        "fault: lose, exactly: 1", "fault: lose, exactly: 1:30",
        "expect.1.hits.exactly: expected a whole number, got '1:30'",
    ),
    "a drill whose service speaks no such family": (
        "service: echo/selectors", "service: caddy/respond\nfamily: ipv6",
        "service: caddy/respond does not speak ipv6",
    ),
    "a port in a filter that is not the service's": (
        "where: tcp.flags.syn == 1, exactly", "where: tcp.dstport == 7008, exactly",
        "service: it looks for port 7008 in the packets, and echo/selectors listens on 7007",
    ),
}  # fmt: skip

# The nonsense is in a later line than the replacement, where that makes nonsense of it.
LINES_LATER = {
    "a fault that is healed twice": 1,
    "a replacement that is waited for": 2,
    "a rebinding without its NAT": 1,
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_is_refused_with_its_line_its_key_and_what_is_right(tmp_path: Path, case: str) -> None:
    old, new, told = NONSENSE[case]
    key = told.partition(": ")[0]
    text = changed(RIGHT, old, new)
    errors = refusal(read, tmp_path, text).all
    found = [each for each in errors if f"{each.key}: {each.what}".startswith(told)]
    assert found, [str(each) for each in errors]
    assert str(found[0]).startswith(f"{tmp_path}/one.yaml:{found[0].line}: {key}: ")
    wanted = RIGHT[: RIGHT.index(old)].count("\n") + 1
    if key == "control":
        wanted = text.splitlines().index("control:") + 2
    elif key == "service":
        wanted = text.splitlines().index(next(line for line in text.splitlines() if line.startswith("service:"))) + 1
    assert found[0].line == wanted + ("\n" in new and key != "service") + LINES_LATER.get(case, 0), str(found[0])


def test_a_rebinding_before_its_nat_is_refused(tmp_path: Path) -> None:
    nat, rebind = (
        "  - given: {name: translator, nat: {}}\n",
        "  - fault: {name: other-port, rebind: {nat: translator}}\n",
    )
    assert nat + rebind in RIGHT
    with pytest.raises(DeclarationError, match=r":13: script\.6\.fault\.rebind\.nat: the fault 'translator' is not in"):
        read(tmp_path, RIGHT.replace(nat + rebind, rebind + nat))


def test_a_second_bridge_and_a_fault_of_a_router_between_neighbours_are_refused(tmp_path: Path) -> None:
    quiet = "fault: {name: quiet, silence: {from: client, to: server, of: tcp, port: 7007}}"
    assert quiet in RIGHT
    with pytest.raises(DeclarationError) as raised:
        read(tmp_path, RIGHT.replace(quiet, "fault: {name: quiet, one_network: {}}"))
    refused = [(each.line, each.key, each.what) for each in raised.value.all if "bridge" in each.what]
    told = "between the hosts of 'quiet' the firewall is a bridge, and no router; expected another fault, or no "
    told += "`one_network`"
    assert refused == [(13, "script.6.given.nat", told), (14, "script.7.fault.rebind", told)]
    two = "given: {name: bridge, one_network: {}}\n  - fault: {name: quiet, one_network: {}}"
    with pytest.raises(DeclarationError) as raised:
        read(tmp_path, RIGHT.replace(quiet, two))
    assert "script.9.fault.one_network: 'bridge' is one already; expected one of them" in str(raised.value.all[-1])


def test_a_server_that_runs_beside_the_one_under_drill_cannot_be_replaced(tmp_path: Path) -> None:
    drop = "drop: {first: 1, of: syn, from: client, to: server}"
    text = RIGHT.replace("script:\n", "server: {on: [server, other-server]}\nscript:\n").replace(
        f"fault: {{name: lose, {drop}}}",
        f"given: {{name: lose, {drop}}}\n  - fault: {{name: x, replace: {{who: PROGRAM, run: python -m x}}}}",
    )
    assert read(tmp_path, text.replace("PROGRAM", "server")).programs[:2] == ["server", "other-server"]
    with pytest.raises(
        DeclarationError, match=r":10: script\.2\.fault\.replace\.who: unknown program .*'other-server'; did"
    ):
        read(tmp_path, text.replace("PROGRAM", "other-server"))


def test_what_always_runs_cannot_be_ended_by_a_drill_of_its_own(tmp_path: Path) -> None:
    text = RIGHT.replace("echo/selectors", "web/nginx").replace(QUIET, "quiet, pause: {who: server}")
    with pytest.raises(DeclarationError, match=":6: service: web/nginx always runs on web: it cannot be started"):
        read(tmp_path, text)


def test_every_error_of_a_file_is_told_in_the_order_of_its_lines(tmp_path: Path) -> None:
    text = RIGHT.replace("tags: [reaching]", "tags: reaching").replace("of: syn", "of: sin").replace("is: 0s", "is: O")
    with pytest.raises(DeclarationError) as raised:
        read(tmp_path, text)
    assert [(each.line, each.key) for each in raised.value.all] == [
        (5, "tags"),
        (8, "script.1.fault.drop.of"),
        (27, "expect.7.duration.is"),
    ]
    text = RIGHT.replace("- await: hello", "- await: helo").replace("look: after", "look: before")
    with pytest.raises(DeclarationError) as raised:  # and all of the script before any of the expectations
        read(tmp_path, text)
    assert [(each.line, each.key) for each in raised.value.all] == [(11, "script.4.await")]


def test_the_states_are_those_that_the_kernel_s_words_are_put_into() -> None:
    words = (
        "ESTAB SYN-SENT SYN-RECV FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSE-WAIT LAST-ACK LISTEN CLOSING".split()
    )  # ss(8)
    lines = "\n".join(f"tcp {word} 0 0 198.18.1.10:7007 198.18.1.138:4000" for word in words)
    assert {each.state for each in parse(lines, "client", "little")} == set(get_args(State))
    assert RFC_9293["UNCONN"] == ""  # a socket without a connection, which would be CLOSED, has no state
    assert Sockets(look="x", state="SYN-RECEIVED").least == 1


def test_the_sides_of_the_firewall_are_those_of_the_composition() -> None:
    member = Member("app", "mine-app", "backend", ("app",))
    whole = extended(topology(), Plan("mine", (member,), {}, ("ipv4",)))
    cast = Cast(whole, "le-le", "ipv4", backend="mine-app")
    roles: tuple[HostRole, ...] = get_args(HostRole)
    assert {role for role in roles if cast.host(role).network == CLIENT_NET} == set(CLIENT_SIDE)
    assert all(whole.legs[leg_of(role)].network == cast.host(role).network for role in roles)
    assert {"names", "web"} == set(topology().standing)


@pytest.mark.parametrize("of", ["udp", "tcp"])
def test_a_silence_of_a_port_in_both_directions_leaves_the_other_ports_alone(tmp_path: Path, of: str) -> None:
    silence = f"quiet, silence: {{from: client, to: names, of: {of}, port: 53, both_ways: true}}"
    drill = read(tmp_path, RIGHT.replace(QUIET, silence))
    (effect,) = (each.silence for each in drill.faults if each.silence)
    cast = Cast(Lab(1).topology, "le-le", "ipv4")
    rules = _rules("quiet", effect, Lab(1), cast, ())
    assert isinstance(rules, Rules)
    there, back = (each.matches()["ipv4"] for each in rules._selections)
    assert there.endswith("th dport 53")
    assert back.endswith("th sport 53")
    assert re.search(rf"saddr {cast.host('names').ipv4} .*daddr {cast.client.ipv4} ", back)
