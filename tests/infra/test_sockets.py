"""Every socket of every host: what `ss` says, read strictly, and on a lab that is up."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from rich.console import Console

from scenarios.evidence.record import Socket
from scenarios.evidence.sockets import parse, parse_waiting, sockets, table
from scenarios.lab.lab import Lab
from scenarios.lab.waiting import wait_for

SAID = """\
udp UNCONN   0      0            127.0.0.11:47742            0.0.0.0:*
udp UNCONN   0      0               0.0.0.0:17               0.0.0.0:*
udp ESTAB    0      512    198.18.1.10%eth0:5           198.18.1.138:17
tcp LISTEN   0      4096         127.0.0.11:32847            0.0.0.0:*
tcp LISTEN 0 1024 *:65432 *:* users:(("python",pid=7,fd=3),("sh",pid=9,fd=3),("sh",pid=9,fd=4))
tcp ESTAB    1428   0      [::ffff:127.0.0.1]:65432 [::ffff:127.0.0.1]:46036
tcp TIME-WAIT 0     0                 [fe80::1]%eth0:58968      [fe80::2]:65432
"""


def test_each_line_is_a_socket_and_dockers_own_are_left_out() -> None:
    def of_ten(transport: str, state: str, recv_q: int, send_q: int, local: str, peer: str, *who: str) -> Socket:
        return Socket("server-be", "big", transport, state, recv_q, send_q, local, peer, who)

    assert parse(SAID, "server-be", "big") == [
        of_ten("udp", "", 0, 0, "0.0.0.0:17", "0.0.0.0:*"),
        of_ten("udp", "ESTABLISHED", 0, 512, "198.18.1.10%eth0:5", "198.18.1.138:17"),
        of_ten("tcp", "LISTEN", 0, 1024, "*:65432", "*:*", "7/python", "9/sh"),
        of_ten("tcp", "ESTABLISHED", 1428, 0, "[::ffff:127.0.0.1]:65432", "[::ffff:127.0.0.1]:46036"),
        of_ten("tcp", "TIME-WAIT", 0, 0, "[fe80::1]%eth0:58968", "[fe80::2]:65432"),
    ]
    assert [each.proto for each in parse(SAID, "x", "big")] == ["udp", "udp", "tcp6", "tcp6", "tcp6"]
    assert parse("", "x", "big") == []


@pytest.mark.parametrize(
    ("printed", "seconds"),
    [
        ("timewait,59sec", 59.0),
        ("timewait,1min", 60.0),
        ("keepalive,119min", 7140.0),
        ("keepalive,1min15sec", 75.0),
        ("on,204ms", 0.204),
        ("persist,3.064ms", 3.064),  # so ss(8) wrote seconds and milliseconds, below ten seconds
        ("persist,3.064sec", 3.064),  # and so from iproute2 6.15 on
        ("on,9.007ms", 9.007),
    ],
)
def test_what_is_left_of_a_timer_is_read_as_ss_writes_it(printed: str, seconds: float) -> None:
    line = f"tcp TIME-WAIT 0 0 198.18.1.10:40000 198.18.1.138:7007 timer:({printed},0)"
    (found,) = parse(line, "client", "little")
    assert found.timer_s == pytest.approx(seconds)
    (waiting,) = parse_waiting(line, "client")
    assert waiting.left_s == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("tcp LISTEN 0 128 0.0.0.0:1", "expected 6 columns, got 5"),
        ("raw UNCONN 0 0 0.0.0.0:1 0.0.0.0:*", "expected tcp or udp, got 'raw'"),
        ("tcp LISTEN -1 128 0.0.0.0:1 0.0.0.0:*", "expected two numbers of bytes, got '-1' and '128'"),
        (
            "tcp LISTEN 0 0 0.0.0.0:http 0.0.0.0:*",
            "expected two addresses with ports, got '0.0.0.0:http' and '0.0.0.0:*'",
        ),
        ("Cannot open netlink socket: Permission denied", "expected tcp or udp, got 'Cannot'"),
    ],
)
def test_a_line_that_is_no_socket_is_told_with_its_host_and_number(line: str, wrong: str) -> None:
    with pytest.raises(ValueError, match="ss on client, line 8: ") as raised:
        parse(SAID + line, "client", "little")
    assert str(raised.value) == f"ss on client, line 8: {wrong}: {line!r}"


def test_the_table_has_netstats_columns_and_addresses_in_full() -> None:
    console = Console(width=160)
    with console.capture() as printed:
        console.print(table(parse(SAID, "server-be", "big")))
    lines = [line.split() for line in printed.get().splitlines()]
    heading = "Host Byte order Proto Recv-Q Send-Q Local Address Foreign Address State PID/Program"
    assert lines[0] == heading.split()
    assert lines[3][-2:] == ["7/python", "9/sh"]
    assert (
        lines[4] == "server-be big tcp6 1428 0 [::ffff:127.0.0.1]:65432 [::ffff:127.0.0.1]:46036 ESTABLISHED -".split()
    )
    assert lines[5] == "server-be big tcp6 0 0 [fe80::1]%eth0:58968 [fe80::2]:65432 TIME-WAIT -".split()


def test_both_ends_of_a_connection_and_its_listener_are_seen_with_their_byte_orders(lab: Lab) -> None:
    server, client = lab.topology.hosts["server-be"], lab.topology.hosts["client"]
    serve = ["python", "-m", "services.sink.server_poll", server.ipv6, "9010"]
    fill = ["python", "-m", "services.sink.fill", server.ipv6, "9010", "--settle", "0.2", "--hold", "30"]
    with lab.running("server-be", serve) as sink:
        sink.wait_for_line("listening on")
        with lab.running("client", fill) as filling:
            filling.wait_for_line("the other kernel took", within_s=15)
            found = [each for each in sockets(lab) if ":9010" in each.local + each.peer]
    at, client_at = f"[{server.ipv6}]:9010", f"[{client.ipv6}]:"
    listening, accepted, connected = sorted(found, key=lambda each: (each.host != "server-be", each.state != "LISTEN"))
    assert (listening.host, listening.byteorder, listening.proto) == ("server-be", "big", "tcp6")
    assert (listening.state, listening.local, listening.peer) == ("LISTEN", at, "[::]:*")
    assert (accepted.host, accepted.byteorder, accepted.state) == ("server-be", "big", "ESTABLISHED")
    assert (connected.host, connected.byteorder, connected.state) == ("client", "little", "ESTABLISHED")
    assert (accepted.local, accepted.peer) == (connected.peer, connected.local)
    assert connected.local.startswith(client_at)
    assert all(each.programs for each in (listening, accepted, connected)), "who has it open"
    assert listening.programs == accepted.programs
    assert accepted.recv_q > 0 == accepted.send_q
    assert connected.send_q > 0 == connected.recv_q


def test_the_sockets_of_the_machine_that_runs_the_lab_are_not_among_them(lab: Lab) -> None:
    """`cables` shares the network namespace of the machine; the firewall has one of its own, without sockets."""
    with lab.running("firewall", ["sh", "-c", "echo listening; exec sleep 30"]) as resting:
        resting.wait_for_line("listening")
        found = sockets(lab)
    assert "cables" not in {each.host for each in found}
    assert not [each for each in found if each.local.startswith("127.0.0.11:")]
    assert {each.byteorder for each in found if each.host in ("client", "server", "firewall")} <= {sys.byteorder}


def test_a_udp_server_is_seen_while_it_runs_and_is_gone_after_it(lab: Lab) -> None:
    address = lab.topology.hosts["server"].ipv4
    expected = Socket("server", "little", "udp", "", 0, 0, f"{address}:17", "0.0.0.0:*")

    def found_now() -> list[Socket]:
        """Those of UDP: of TCP, a connection of another test to this port is in TIME-WAIT for a minute."""
        return [each for each in sockets(lab) if (each.proto, each.local) == ("udp", expected.local)]

    with lab.running("server", ["python", "-m", "services.qotd.server_udp", address, "17"]) as quoting:
        quoting.wait_for_line("listening on")
        (found,) = found_now()
        printed = lab.run("server", ["netstat", "-anup"], timeout_s=5).stdout
        opened = lab.run("server", ["lsof", "-nP", "-iUDP:17"], timeout_s=5).stdout
    assert replace(found, programs=()) == expected
    (program,) = found.programs
    assert any(line.split()[-1] == program for line in printed.splitlines() if f"{address}:17 " in line), printed
    command, pid, user = opened.splitlines()[1].split()[:3]
    assert (f"{pid}/{command}", user) == (program, "lab"), opened
    wait_for(lambda: not found_now(), "it to be gone", within_s=3)
