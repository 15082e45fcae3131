"""The connections that earlier scripts left, from the kernel's tables, and how faults leave them alone."""

from __future__ import annotations

from scenarios.faults.conntrack import leaving
from scenarios.lab.earlier_connections import Connection, connections, ports

# /proc/net/tcp, tcp6 and udp of a host, by the kernel's own columns (proc(5)).
TABLES = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1B5F 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0000000000000000 100 0
   1: 8A0112C6:1B5F 0A0112C6:9C40 09 00000005:00000000 01:00000014 00000003     0        0 0 3 0000000000000000 80 4
   2: 8A0112C6:1B5F 0A0112C6:9C41 06 00000000:00000000 03:00001000 00000000     0        0 0 3 0000000000000000
  sl  local_address                         remote_address                        st tx_queue rx_queue tr
   0: B80D0120020001000000000010000000:1B5F B80D0120010001000000000010000000:9C42 04 00000000:00000000 00:00000000
   1: 0000000000000000FFFF00008A0112C6:1B5F 0000000000000000FFFF00000A0112C6:9C43 01 00000000:00000000 00:00000000
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  100: 0A0112C6:9C44 8C0112C6:0035 01 00000000:00000000 00:00000000 00000000     0        0 1 2 0000000000000000 0
  101: 00000000:14B4 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 1 2 0000000000000000 0
"""
CLIENT, SERVER, NAMES = "198.18.1.10", "198.18.1.138", "198.18.1.140"
ORPHAN = Connection("tcp", (SERVER, 7007), (CLIENT, 40000))
OF_IPV6 = Connection("tcp", ("2001:db8:1:2::10", 7007), ("2001:db8:1:1::10", 40002))
MAPPED = Connection("tcp", (SERVER, 7007), (CLIENT, 40003))
QUESTION = Connection("udp", (CLIENT, 40004), (NAMES, 53))


def test_who_may_still_send_is_found_and_who_listens_or_waits_is_not() -> None:
    assert connections(TABLES, "little") == {ORPHAN, OF_IPV6, MAPPED, QUESTION}


def test_an_address_is_in_words_of_the_kernels_byte_order() -> None:
    line = "   0: 20010DB8000100020000000000000010:1B5F 20010DB8000100010000000000000010:9C42 04 0"
    assert connections(line, "big") == {OF_IPV6}


def test_the_ports_of_a_pick_are_those_of_its_direction() -> None:
    left = {ORPHAN, MAPPED, QUESTION}
    assert ports(left, SERVER, CLIENT) == [("tcp", 7007, 40000), ("tcp", 7007, 40003)]
    assert ports(left, CLIENT, SERVER) == [("tcp", 40000, 7007), ("tcp", 40003, 7007)]
    assert ports(left, CLIENT, NAMES, None) == [("udp", 40004, 53)]
    assert ports(left, NAMES, SERVER) == []


def test_rules_let_them_pass_both_ways_and_there_are_none_where_nothing_is_left() -> None:
    rules, sets = leaving("lost", {ORPHAN})
    ((name, declared),) = sets
    assert name == "lost_ip_left"
    assert f"tcp . {SERVER} . 7007 . {CLIENT} . 40000" in declared
    assert f"tcp . {CLIENT} . 40000 . {SERVER} . 7007" in declared
    assert [rule.endswith("@lost_ip_left accept") for rule in rules] == [True, True]
    assert [rule.endswith("@lost_ip_left drop") for rule in leaving("lost", {ORPHAN}, "drop")[0]] == [True, True]
    assert leaving("lost", ()) == ([], [])
    assert [name for name, _ in leaving("lost", {OF_IPV6})[1]] == ["lost_ip6_left"]
