"""What a machine says of its byte order: the whole text, for both byte orders, and on the real machines."""

import struct
import subprocess
import sys

import pytest

from scenarios.lab.lab import Lab
from scenarios.lab.topology import topology
from services.byteorder.show import THIS, Machine, lines
from tests.services.running import ROOT

TEXT = """\
sys.byteorder: {order}

The number 1 in four bytes
  native     struct '=I'        {native}
  network    struct '!I'        00 00 00 01
  big        struct '>I'        00 00 00 01
  little     struct '<I'        01 00 00 00
  Native is how this machine keeps it; network is big
  (RFC 791, B), on every machine. Send '!', never '='.

Numbers for the network, and from it
  htons(4660 = 0x1234)          {htons_1234}
  htons(17 = 0x0011)            {htons_17}
  htons(65432 = 0xff98)         {htons_65432}
  htonl(305419896 = 0x12345678) {ntohl_12345678}
  ntohs(4660 = 0x1234)          {htons_1234}
  ntohl(305419896 = 0x12345678) {ntohl_12345678}
  ntohl(1 = 0x0001)             {ntohl_1}
  htons(17) in memory           00 11
  Little-endian swaps, big-endian has nothing to do; in
  memory both are the same. Forgotten, it is not missed
  on a big-endian machine, and between two little ones.

The letter A as text in bytes
  utf-16                        {utf16}
  utf-16-be                     00 41
  utf-16-le                     41 00
  utf-8                         41
  utf-16 has units of two bytes, native here, so it begins
  with U+FEFF, the byte order mark: fe ff is big, ff fe is
  little. UTF-8 has units of one byte: there is no order to
  mark, and its bytes are the same everywhere (RFC 3629, 6).
"""
DIFFERENT = {
    "little": {
        "native": "01 00 00 00",
        "htons_1234": "13330 = 0x3412",
        "htons_17": "4352 = 0x1100",
        "htons_65432": "39167 = 0x98ff",
        "ntohl_12345678": "2018915346 = 0x78563412",
        "ntohl_1": "16777216 = 0x1000000",
        "utf16": "ff fe 41 00",
    },
    "big": {
        "native": "00 00 00 01",
        "htons_1234": "4660 = 0x1234",
        "htons_17": "17 = 0x0011",
        "htons_65432": "65432 = 0xff98",
        "ntohl_12345678": "305419896 = 0x12345678",
        "ntohl_1": "1 = 0x0001",
        "utf16": "fe ff 00 41",
    },
}
SAID = {order: TEXT.format(order=order, **values) for order, values in DIFFERENT.items()}
BIG = Machine(
    byteorder="big",
    pack=lambda form, number: struct.pack(form.replace("=", ">"), number),
    htons=lambda number: number,
    htonl=lambda number: number,
    ntohs=lambda number: number,
    ntohl=lambda number: number,
    utf16=lambda text: ("\ufeff" + text).encode("utf-16-be"),
)


def test_a_big_endian_machine_says_so() -> None:
    assert "\n".join(lines(BIG)) + "\n" == SAID["big"]


def test_this_machine_says_what_its_byte_order_has_it_say() -> None:
    assert "\n".join(lines(THIS)) + "\n" == SAID[sys.byteorder]


@pytest.mark.parametrize("host", sorted(topology().usual_hosts))
def test_each_host_says_the_whole_text_of_its_byte_order(lab: Lab, host: str) -> None:
    ran = lab.run(host, ["python", "-m", "services.byteorder.show"], timeout_s=10)
    assert (ran.status, ran.stderr) == (0, "")
    assert ran.stdout == SAID[lab.topology.hosts[host].byteorder]


def test_side_by_side_line_by_line_only_what_depends_on_the_byte_order_differs() -> None:
    pairs = list(zip(SAID["little"].splitlines(), SAID["big"].splitlines(), strict=True))
    assert max(len(line) for pair in pairs for line in pair) <= 60, "two fit beside each other"
    differ = [
        little.split("  ")[0 if little.startswith("sys") else 1].split(":")[0] for little, big in pairs if little != big
    ]
    assert differ == [
        "sys.byteorder",
        "native",
        "htons(4660 = 0x1234)",
        "htons(17 = 0x0011)",
        "htons(65432 = 0xff98)",
        "htonl(305419896 = 0x12345678) 2018915346 = 0x78563412",
        "ntohs(4660 = 0x1234)",
        "ntohl(305419896 = 0x12345678) 2018915346 = 0x78563412",
        "ntohl(1 = 0x0001)",
        "utf-16",
    ]


def test_a_wrong_command_line_is_one_line_and_status_64() -> None:
    words = [sys.executable, "-m", "services.byteorder.show", "--all"]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=15)
    assert (ran.returncode, ran.stderr.count("\n")) == (64, 1)
