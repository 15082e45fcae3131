"""Conversations are alike when only the sender's byte order differs, and in nothing else: a byte is told by a diff."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest

from scenarios.evidence.conversation import Direction, conversations, difference, differences, split_messages
from scenarios.evidence.frame import Frame
from scenarios.evidence.record import Seen
from scenarios.lab.topology import ROOT
from scenarios.spec.catalogue import load_drill
from scenarios.spec.expectations import Alike, Expectation
from scenarios.spec.roles import Role
from scenarios.verdict.check import Check, Verdict
from scenarios.verdict.judge import judged
from tests.verdict.test_judging import run_with

PORT = 65432
NUMBERS = {"little": "01000000feffffff2c010000", "big": "00000001fffffffe0000012c"}  # int32: 1, -2, 300


def message(byteorder: str, content: bytes, **further: object) -> bytes:
    header = json.dumps(
        {
            "byteorder": byteorder,
            "content-type": "binary/array",
            "content-encoding": "binary",
            "content-length": len(content),
            **further,
        }
    ).encode()
    return len(header).to_bytes(2, "big") + header + content


def array(byteorder: str) -> bytes:
    return message(byteorder, bytes.fromhex(NUMBERS[byteorder]), element="int32", count=3)


def text(byteorder: str, encoding: str) -> bytes:
    of_machine = {
        "utf-16": {"big": "utf-16-be", "little": "utf-16-le"},
        "utf-32": {"big": "utf-32-be", "little": "utf-32-le"},
    }
    codec = of_machine.get(encoding, {}).get(byteorder, encoding)
    content = ("\ufeff" if encoding in of_machine else "").encode(codec) + '{"action": "search"}'.encode(codec)
    return message(byteorder, content, **{"content-type": "text/json", "content-encoding": encoding})


def test_machines_of_both_byte_orders_send_the_same_array_but_for_what_tells_their_order() -> None:
    little, big = split_messages(array("little")), split_messages(array("big"))
    assert little.raw == array("little")
    assert (little.orders, big.orders) == (("little",), ("big",))
    assert differences(little, big) == ["header length", "byte order", "elements"]


@pytest.mark.parametrize(
    ("encoding", "differ"), [("utf-8", []), ("latin-1", []), ("utf-16", ["text"]), ("utf-32", ["text"])]
)
def test_text_is_the_same_bytes_on_every_machine_unless_its_units_are_longer(encoding: str, differ: list[str]) -> None:
    little, big = split_messages(text("little", encoding)), split_messages(text("big", encoding))
    assert differences(little, big) == ["header length", "byte order", *differ]


def test_utf_16_whose_order_is_in_its_name_is_not_taken_for_the_same() -> None:
    """`utf-16-le` says the order itself: a machine that writes the other one says something else."""
    one, other = (
        message("big", "é".encode(codec), **{"content-encoding": "utf-16-le"}) for codec in ("utf-16-le", "utf-16-be")
    )
    assert "content+0" in difference(split_messages(one), split_messages(other))


@pytest.mark.parametrize("at", range(len(array("big"))))
def test_a_byte_that_is_altered_anywhere_in_a_message_is_a_difference(at: int) -> None:
    """Every byte of it, one after another: none may slip through as byte order."""
    altered = bytearray(array("big"))
    altered[at] ^= 0x01
    assert difference(split_messages(array("little")), split_messages(bytes(altered)))


def test_the_difference_is_told_as_a_diff_of_the_bytes_without_the_byte_order() -> None:
    other = message("big", bytes.fromhex("00000001fffffffe0000012d"), element="int32", count=3)
    assert difference(split_messages(array("little")), split_messages(other)).splitlines() == [
        "- elements+0: 00 00 00 01 ff ff ff fe 00 00 01 2c  ...........,",
        "+ elements+0: 00 00 00 01 ff ff ff fe 00 00 01 2d  ...........-",
    ]
    with pytest.raises(ValueError, match=r"elements\+0"):
        differences(split_messages(array("little")), split_messages(other))


def test_a_header_that_is_no_json_any_more_is_told_at_the_byte_that_is_another() -> None:
    other = array("big").replace(b'"int32"', b'"int32X')
    assert difference(split_messages(array("little")), split_messages(other)).splitlines() == [
        '- header+96: 3a 20 22 69 6e 74 33 32 22 2c 20 22 63 6f 75 6e  : "int32", "coun',
        '+ header+96: 3a 20 22 69 6e 74 33 32 58 2c 20 22 63 6f 75 6e  : "int32X, "coun',
    ]


def test_an_array_in_another_order_than_its_header_says_is_a_difference() -> None:
    lie = message("big", bytes.fromhex(NUMBERS["little"]), element="int32", count=3)
    assert "elements+0" in difference(split_messages(array("little")), split_messages(lie))


@pytest.mark.parametrize(
    "stream",
    [
        b"Hello, world",
        array("big")[:-1],
        array("big") + b"\0",
        array("big").replace(b'"byteorder": "big"', b'"byteorder": "BIG"'),
        array("big").replace(b'"count": 3', b'"byteorder": "big", "count": 3'),
        message("big", b"").replace(b'"content-length": 0', b'"content-length": -1'),
    ],
    ids=["no message", "cut", "with a byte more", "no byte order", "two byte orders", "a negative length"],
)
def test_what_is_no_whole_message_is_bytes_of_which_nothing_is_taken_out(stream: bytes) -> None:
    (part,) = split_messages(stream).parts
    assert (part.kind, part.raw, part.same) == ("bytes", stream, stream)
    assert split_messages(stream).orders == ()


def test_several_messages_in_one_stream_are_read_to_the_last() -> None:
    both = split_messages(text("big", "utf-8") + array("big"))
    assert both.orders == ("big", "big")
    assert difference(both, split_messages(text("little", "utf-8") + array("little"))) == ""
    assert difference(both, split_messages(text("little", "utf-8"))).startswith("- header length+0: ")
    assert split_messages(b"") == Direction((), ())


# The drill's expectation, on packets that are made here

HOSTS: Mapping[Role, tuple[str, str]] = {
    "client": ("198.18.1.10", "little"),
    "bystander": ("198.18.1.11", "big"),
    "server": ("198.18.1.138", "little"),
    "other-server": ("198.18.1.139", "big"),
}
DRILL = load_drill(ROOT / "scenarios" / "drills" / "same-conversation.yaml")
EXPECTED = Alike(at="client-leg", from_=("client", "bystander"), to=("server", "other-server"))


def frames(made: Mapping[tuple[Role, Role], tuple[bytes, bytes]], size: int) -> Iterator[Frame]:
    """The segments of a connection for each pair of roles: what each end says, `size` bytes a segment."""
    template = run_with().frames["client-leg"][0]
    number = 0
    for at, ((client, server), said_by) in enumerate(made.items()):
        ports = [40_000 + at, PORT]
        ends = [HOSTS[client][0], HOSTS[server][0]]
        for stream, (source, to), (source_port, port) in zip(
            said_by, (ends, ends[::-1]), (ports, ports[::-1]), strict=True
        ):
            cut = [stream[begin : begin + size] for begin in range(0, len(stream), size)]
            for offset, payload in [(-1, b""), *((index * size, part) for index, part in enumerate(cut))]:
                number += 1
                yield replace(
                    template, number=number, source=source, destination=to, source_port=source_port,
                    destination_port=port, seq=(7 + offset) % 2**32, payload=payload,
                    flags=frozenset({"SYN"} if offset < 0 else {"ACK"}),
                )  # fmt: skip


def check_alike_with(instead: Mapping[str, tuple[bytes, bytes]] = MappingProxyType({}), size: int = 1000) -> Check:
    """The check of the drill's expectation, where `client_server` is given in place of what the two would say."""
    made: dict[tuple[Role, Role], tuple[bytes, bytes]] = {
        (client, server): instead.get(f"{client}_{server}".replace("-", "_"), (array(order), array(HOSTS[server][1])))
        for client, (_, order) in HOSTS.items()
        for server in HOSTS
        if client in EXPECTED.from_ and server in EXPECTED.to
    }
    shown: Seen = run_with(
        port=PORT,
        addresses={role: (address,) for role, (address, _) in HOSTS.items()},
        byteorders={role: order for role, (_, order) in HOSTS.items()},
        frames={"client-leg": list(frames({pair: of for pair, of in made.items() if of != (b"", b"")}, size))},
    )
    drill = replace(DRILL, expect=(*DRILL.expect[:5], Expectation(alike=EXPECTED)))
    _, checks = judged(drill, shown, shown)
    return next(each for each in checks if each.rule == EXPECTED.says)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_four_mixes_are_alike_however_their_streams_are_cut(size: int) -> None:
    found = check_alike_with(size=size)
    assert found.holds is Verdict.PASS, found.seen
    assert "4 conversations" in found.seen
    assert found.frames["client-leg"], "the frames are the evidence"


@pytest.mark.parametrize("at", [1, 40, -1])
@pytest.mark.parametrize("pair", ["client_server", "bystander_server", "client_other_server", "bystander_other_server"])
def test_one_byte_that_is_altered_in_one_of_them_fails(pair: str, at: int) -> None:
    client, _, server = pair.partition("_")
    order, of_server = "little" if client == "client" else "big", "little" if server == "server" else "big"
    answer = bytearray(array(of_server))
    answer[at] ^= 0x20
    found = check_alike_with({pair: (array(order), bytes(answer))})
    assert found.holds is Verdict.FAIL
    assert "answer of connection 1" in found.seen
    assert "\n- " in found.seen
    assert "\n+ " in found.seen


def test_a_machine_that_names_the_byte_order_of_another_fails() -> None:
    found = check_alike_with({"bystander_server": (array("little"), array("little"))})
    assert (found.holds, found.seen) == (
        Verdict.FAIL,
        "the request of connection 1 between bystander and server calls its sender little-endian, and it is big-endian",
    )


def test_silence_is_not_alike() -> None:
    nothing = check_alike_with(
        dict.fromkeys(
            ["client_server", "bystander_server", "client_other_server", "bystander_other_server"], (b"", b"")
        )
    )
    assert (nothing.holds, nothing.seen) == (Verdict.FAIL, "client and server said nothing to each other")
    one = check_alike_with({"client_server": (array("little"), b"")})
    assert (one.holds, one.seen) == (Verdict.FAIL, "client and server: one of them said nothing")


def test_a_connection_is_told_from_others_by_its_ports() -> None:
    both = {("client", "server"): (b"one", b"ONE"), ("client", "other-server"): (b"two", b"TWO")}
    made = list(frames(both, 2))  # type: ignore[arg-type]
    client, server = [HOSTS["client"][0]], [HOSTS["other-server"][0]]
    (found,) = conversations(made, client, server, PORT)
    assert (found.request.raw, found.answer.raw) == (b"two", b"TWO")
    assert conversations(made, client, server, PORT + 1) == []


class Counted(bytes):
    """Bytes that count how many of them are copied by slices."""

    copied = 0

    def __getitem__(self, at: object) -> bytes:  # type: ignore[override] # of slices only
        part: bytes = super().__getitem__(at)  # type: ignore[call-overload]
        self.copied += len(part)
        return part


def test_a_stream_of_many_messages_is_read_once_and_not_once_for_each() -> None:
    one = text("little", "utf-8")
    stream = Counted(one * 500)
    assert len(split_messages(stream).orders) == 500
    assert stream.copied <= 2 * len(stream)
