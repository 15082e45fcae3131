"""The dissector is a second opinion on the message protocol: it is held against literal bytes, and against the codec.

It was written from docs/protocol.md alone. Where it and services.wire disagree, one of them, or the document, is wrong.
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from services.wire import CONTENT_LIMIT, NEED_DATA, Connection, Finished, Message, RemoteProtocolError
from tests.evidence.dissecting import AS_THEY_COME, DISSECTOR, IMAGE_VARIABLE, Shown, Tshark
from tests.evidence.packets import LONGEST_SEGMENT, Capture, Conversation

# docs/protocol.md, "One exchange, whole": bytes that no codec of ours made.
REQUEST = (
    b'\x00d{"byteorder": "big", "content-type": "text/json", "content-encoding": "utf-8", "content-length": 41}'
    b'{"action": "search", "value": "morpheus"}'
)
ANSWER = (
    b'\x00g{"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", "content-length": 43}'
    b'{"result": "Follow the white rabbit. \xf0\x9f\x90\xb0"}'
)
REQUEST_SUMMARY = 'big text/json utf-8 41 bytes {"action": "search", "value": "morpheus"}'
ANSWER_SUMMARY = 'little text/json utf-8 43 bytes {"result": "Follow the white rabbit. 🐰"}'
NOT_AN_OBJECT = b"\x00\x02[]"


def seeded(seed: int) -> Random:
    """The same bytes on every run; nothing here is a secret."""
    return Random(seed)  # noqa: S311 - no cryptography


def summaries(shown: list[Shown]) -> list[str | None]:
    return [one.summary for one in shown]


def framed(header: bytes, content: bytes = b"") -> bytes:
    return len(header).to_bytes(2, "big") + header + content


def header_of(**changed: str | None) -> bytes:
    """A right header for an empty content, with some members changed to this JSON text; None takes the member out."""
    members: dict[str, str | None] = {
        "byteorder": '"big"',
        "content-type": '"text/plain"',
        "content-encoding": '"utf-8"',
        "content-length": "0",
    }
    members.update({name.replace("_", "-"): text for name, text in changed.items()})
    return ("{" + ", ".join(f'"{name}": {text}' for name, text in members.items() if text is not None) + "}").encode()


# The messages of the document ---------------------------------------------------------------------------------------


FOUND = b'{"result": "Follow the white rabbit. \xf0\x9f\x90\xb0"}'


def shown_whole(frame: int, summary: str, header: bytes, byteorder: str, content: bytes) -> Shown:
    """A message of JSON in which nothing is wrong, with the four fields of its header as tshark shows them."""
    return Shown(
        frame=frame,
        summary=summary,
        header_length=len(header),
        header=header.decode(),
        byteorder=byteorder,
        content_type="text/json",
        content_encoding="utf-8",
        content_length=len(content),
        fields=(
            f"byteorder: {byteorder}",
            "content-type: text/json",
            "content-encoding: utf-8",
            f"content-length: {len(content)}",
        ),
        content=content,
        text=content.decode(),
        malformed=None,
        wrong_content=False,
        untrusted=False,
    )


def test_each_field_of_the_documents_exchange_is_shown(tshark: Tshark) -> None:
    conversation = Capture().conversation()
    [request] = conversation.send(REQUEST)
    [answer] = conversation.reply(ANSWER)
    conversation.finish()
    conversation.finish_reply()
    assert tshark.decode(conversation.capture) == [
        shown_whole(request, REQUEST_SUMMARY, REQUEST[2:102], "big", b'{"action": "search", "value": "morpheus"}'),
        shown_whole(answer, ANSWER_SUMMARY, ANSWER[2:105], "little", FOUND),
    ]


def test_one_digit_changed_in_the_documents_request_is_seen(tshark: Tshark) -> None:
    """The control of all tests here that find nothing wrong: the same bytes, but 40 for 41."""
    conversation = Capture().conversation()
    [sent] = conversation.send(REQUEST.replace(b": 41}", b": 40}"))
    end = conversation.finish()
    whole, cut = tshark.decode(conversation.capture)
    assert (whole.frame, whole.content, whole.wrong_content) == (sent, REQUEST[102:142], True)
    assert cut.frame == end
    assert cut.malformed == f"the stream ended inside a message: 1 bytes of at least 2; it began in frame {sent}"


def test_the_column_of_the_packet_list_has_the_summaries(tshark: Tshark) -> None:
    conversation = Capture().conversation()
    [first, last] = conversation.send(REQUEST + ANSWER[:120], ANSWER[120:] + REQUEST)
    lines = tshark.run(conversation.capture).splitlines()
    assert lines[first - 1].endswith(REQUEST_SUMMARY)
    assert " JSONMSG " in lines[first - 1]
    assert lines[last - 1].endswith(f"{ANSWER_SUMMARY} | {REQUEST_SUMMARY}")


def test_messages_on_another_port_are_decoded_only_when_asked_for(tshark: Tshark) -> None:
    capture = Capture()
    capture.conversation(port=5000).send(REQUEST)
    assert tshark.decode(capture) == []
    assert summaries(tshark.decode(capture, "-d", "tcp.port==5000,jsonmsg")) == [REQUEST_SUMMARY]


def test_the_image_has_this_trees_dissector_installed(tshark: Tshark) -> None:
    if IMAGE_VARIABLE in os.environ:
        pytest.skip(f"{IMAGE_VARIABLE} names an image that is not ours")
    assert tshark.installed == DISSECTOR.read_bytes(), "the image is older than the dissector: make images"


def test_escapes_in_a_header_are_shown_as_what_they_mean_and_what_cannot_be_shown_as_escapes(tshark: Tshark) -> None:
    capture = Capture()
    texts = {
        r"\ud83d\udc30 \u00e9\u20AC\/\\\"": '🐰 é€/\\"',
        r"\ud800": r"\ud800",
        r"\udfff\ud83d": r"\udfff\ud83d",
        r"a\u0000b\n\u007f": r"a\u0000b\u000a\u007f",
    }
    for text in texts:
        capture.conversation().send(framed(header_of(note=f'"{text}"', content_type=f'"{text}"')))
    shown = tshark.decode(capture)
    assert [one.content_type for one in shown] == list(texts.values())
    assert [one.fields[-1] for one in shown] == [f"note: {text}" for text in texts.values()]
    assert [one.summary for one in shown] == [f"big {text} utf-8 0 bytes" for text in texts.values()]


# Segments -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_two_messages_cut_at_each_byte_are_decoded_where_they_end(tshark: Tshark, ipv6: bool) -> None:
    capture = Capture()
    expected: dict[int, list[str | None]] = {}
    stream = REQUEST + ANSWER
    for at in range(1, len(stream)):
        conversation = capture.conversation(ipv6=ipv6)
        first, last = conversation.send(stream[:at], stream[at:])
        conversation.finish()
        expected.setdefault(first if at >= len(REQUEST) else last, []).append(REQUEST_SUMMARY)
        expected.setdefault(last, []).append(ANSWER_SUMMARY)
    found = tshark.by_frame(capture)
    assert {frame: summaries(shown) for frame, shown in found.items()} == expected
    assert {one.malformed for shown in found.values() for one in shown} == {None}


def test_a_message_cut_into_three_at_each_pair_of_bytes_is_decoded_once(tshark: Tshark) -> None:
    capture = Capture()
    message = framed(header_of(content_length="4"), b"abcd")
    cuts = [(a, b) for a in range(1, len(message)) for b in range(a + 1, len(message), 7)]
    for a, b in cuts:
        conversation = capture.conversation()
        conversation.send(message[:a], message[a:b], message[b:])
        conversation.finish()
    assert summaries(tshark.decode(capture)) == ["big text/plain utf-8 4 bytes 61626364"] * len(cuts)


def test_messages_that_come_byte_by_byte_are_decoded(tshark: Tshark) -> None:
    conversation = Capture().conversation()
    frames = conversation.send(*(bytes([byte]) for byte in REQUEST + ANSWER))
    conversation.finish()
    shown = tshark.decode(conversation.capture)
    assert summaries(shown) == [REQUEST_SUMMARY, ANSWER_SUMMARY]
    assert [one.frame for one in shown] == [frames[len(REQUEST) - 1], frames[-1]]


def test_many_messages_in_one_segment_are_each_decoded(tshark: Tshark) -> None:
    capture = Capture()
    [frame] = capture.conversation().send((REQUEST + ANSWER) * 20)
    assert summaries(tshark.by_frame(capture)[frame]) == [REQUEST_SUMMARY, ANSWER_SUMMARY] * 20


def test_messages_of_a_tshark_that_reads_twice_are_the_same(tshark: Tshark) -> None:
    """Wireshark too dissects twice, the first time without a tree: what the first pass learnt must not be lost."""
    capture = Capture()
    for data in (REQUEST, REQUEST + NOT_AN_OBJECT + REQUEST, REQUEST[:60]):
        for at in range(1, len(data), 5):
            conversation = capture.conversation()
            conversation.send(data[:at], data[at:] + REQUEST, REQUEST)
            conversation.finish()
        capture.conversation().finish(data)
    once, twice = tshark.decode(capture), tshark.decode(capture, "-2")
    assert once == twice
    assert any(one.untrusted for one in once)
    assert any(one.malformed and "ended" in one.malformed for one in once)


def test_a_segment_that_is_sent_again_is_not_decoded_again(tshark: Tshark) -> None:
    conversation = Capture().conversation()
    conversation.send(REQUEST)
    conversation.send_again(len(REQUEST), REQUEST)
    conversation.send(ANSWER[:70])
    conversation.send_again(70, ANSWER[:70])
    conversation.send(ANSWER[70:])
    conversation.finish()
    assert summaries(tshark.decode(conversation.capture)) == [REQUEST_SUMMARY, ANSWER_SUMMARY]


def test_segments_out_of_order_are_put_in_order_unless_that_is_switched_off(tshark: Tshark) -> None:
    conversation = Capture().conversation()
    late, early = conversation.send_out_of_order(REQUEST[:70], REQUEST[70:] + ANSWER)
    end = conversation.finish()
    found = tshark.by_frame(conversation.capture)
    assert {frame: summaries(shown) for frame, shown in found.items()} == {early: [REQUEST_SUMMARY, ANSWER_SUMMARY]}
    [misread] = tshark.decode(conversation.capture, *AS_THEY_COME)
    assert misread.frame == end
    assert misread.malformed is not None
    assert f"it began in frame {late}" in misread.malformed


def test_a_segment_lost_on_its_way_to_this_leg_is_waited_for(tshark: Tshark) -> None:
    """Behind a firewall that drops one segment, the capture has a gap until the sender repeats it."""
    stream = REQUEST + ANSWER + REQUEST
    capture = Capture()
    conversations = []
    for at in range(0, len(stream) - 50, 10):
        conversation = capture.conversation()
        if at:
            conversation.send(stream[:at])
        conversation.skip(50)
        conversation.send(stream[at + 50 :])
        conversation.send_again(len(stream) - at, stream[at : at + 50])
        conversation.finish()
        conversations.append(conversation)
    assert summaries(tshark.decode(capture)) == [REQUEST_SUMMARY, ANSWER_SUMMARY, REQUEST_SUMMARY] * len(conversations)


def send_without_the_end(conversation: Conversation) -> None:
    """The client sends a request, of which the capture has 60 bytes, and its FIN."""
    conversation.send(REQUEST[:60])
    conversation.skip(len(REQUEST) - 60)
    conversation.finish()


def test_a_fin_that_overtakes_the_last_bytes_does_not_cut_the_message_short(tshark: Tshark) -> None:
    capture = Capture()
    conversation = capture.conversation()
    send_without_the_end(conversation)
    last = conversation.send_again(len(REQUEST) - 60 + 1, REQUEST[60:])
    swapped = capture.conversation()
    swapped.send_out_of_order(REQUEST[:20], REQUEST[20:60])
    swapped.skip(len(REQUEST) - 60)
    swapped.finish()
    swapped_last = swapped.send_again(len(REQUEST) - 60 + 1, REQUEST[60:])
    found = tshark.by_frame(capture)
    assert {frame: summaries(shown) for frame, shown in found.items()} == {
        last: [REQUEST_SUMMARY],
        swapped_last: [REQUEST_SUMMARY],
    }


def test_a_message_over_the_end_of_the_sequence_numbers_is_decoded(tshark: Tshark) -> None:
    capture = Capture()
    conversation = capture.conversation(sequence=2**32 - 60)
    conversation.send(REQUEST[:50], REQUEST[50:100], REQUEST[100:])
    conversation.finish()
    cut = capture.conversation(sequence=2**32 - 60)
    cut.send(REQUEST[:30], REQUEST[30:60], REQUEST[60:100])
    cut.finish()
    in_content = capture.conversation(sequence=2**32 - 106)
    in_content.send(REQUEST[:102], REQUEST[102:110], REQUEST[110:120])
    in_content.finish()
    whole, ended, ended_later = tshark.decode(capture)
    assert whole.summary == REQUEST_SUMMARY
    assert "100 bytes of at least 102" in (ended.malformed or "")
    assert "120 bytes of at least 143" in (ended_later.malformed or "")


def test_a_message_of_two_mebibytes_is_decoded(tshark: Tshark) -> None:
    content = seeded(7).randbytes(2 * 2**20)
    encoded = Connection().send_message(content, "binary/large", "binary")
    capture = Capture()
    capture.conversation().stream(encoded)
    [shown] = tshark.decode(capture)
    assert shown.good
    assert shown.content == content


# TLS ----------------------------------------------------------------------------------------------------------------


def encrypted(capture: Capture, keys: Path, *flights: list[bytes]) -> Conversation:
    """A TLS connection to port 65433 in which the client writes each of these as a record, and flight by flight."""
    ends = []
    conversation = capture.conversation(port=65433)
    for server_side, way in ((False, conversation.send), (True, conversation.reply)):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AECDH:@SECLEVEL=0")  # no certificate is needed, and nothing here is secret
        context.keylog_filename = str(keys)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        ends.append((context.wrap_bio(incoming, outgoing, server_side), incoming, outgoing, way))
    client, server = ends[0][0], ends[1][0]

    def pass_on() -> None:
        for (_, _, outgoing, way), (_, incoming, _, _) in (ends, ends[::-1]):
            if data := outgoing.read():
                way(data)
                incoming.write(data)

    for _ in range(5):  # each flight of the handshake needs one (RFC 5246, 7.3)
        for end in (client, server):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
        pass_on()
    for flight in flights:
        for record in flight:
            client.write(record)
        pass_on()
    capture.tls_secrets = keys.read_bytes()
    return conversation


def test_messages_in_tls_are_decoded_with_the_secrets_that_the_capture_holds(tshark: Tshark, tmp_path: Path) -> None:
    capture = Capture()
    encrypted(capture, tmp_path / "keys", [REQUEST], [ANSWER[:50]], [ANSWER[50:] + REQUEST, REQUEST[:1], REQUEST[1:]])
    last = len(capture.frames)
    assert summaries(tshark.decode(capture)) == [REQUEST_SUMMARY, ANSWER_SUMMARY, REQUEST_SUMMARY, REQUEST_SUMMARY]
    encrypted(capture, tmp_path / "keys", *([bytes([byte])] for byte in REQUEST))
    cut = encrypted(capture, tmp_path / "keys", [REQUEST[:50]], [REQUEST[50:60]])
    end = cut.finish()
    *_, whole, ended = tshark.decode(capture)
    assert whole.frame > last
    assert whole.summary == REQUEST_SUMMARY
    assert ended.frame == end
    assert ended.malformed is not None
    capture.tls_secrets = b""
    assert tshark.decode(capture) == [], "the control: without the secrets nothing can be decoded"


def test_a_record_behind_a_malformed_one_in_the_same_segment_is_not_decoded(tshark: Tshark, tmp_path: Path) -> None:
    capture = Capture()
    encrypted(capture, tmp_path / "keys", [NOT_AN_OBJECT, REQUEST])
    malformed, rest = tshark.decode(capture)
    assert malformed.frame == rest.frame
    assert (malformed.malformed, rest.untrusted) == ("the header is not a JSON object", True)


# The end of the stream ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["FIN alone", "FIN with the last bytes", "RST", "RST of the other end"])
def test_a_stream_that_ends_inside_a_message_is_malformed_at_each_byte(tshark: Tshark, how: str) -> None:
    capture = Capture()
    expected: dict[int, str] = {}
    for at in range(1, len(REQUEST)):
        conversation = capture.conversation()
        if how == "FIN with the last bytes":
            [began] = [conversation.finish(REQUEST[:at])]
            end = began
        else:
            [began] = conversation.send(REQUEST[:at])
            ends = {"FIN alone": conversation.finish, "RST": conversation.reset}
            end = ends.get(how, conversation.reset_reply)()
        needed = 2 if at < 2 else 102 if at < 102 else 143
        verb = "ended" if how.startswith("FIN") else "was reset"
        expected[end] = (
            f"the stream {verb} inside a message: {at} bytes of at least {needed}; it began in frame {began}"
        )
    assert {one.frame: one.malformed for one in tshark.decode(capture)} == expected


def test_a_stream_that_ends_between_messages_is_not_malformed(tshark: Tshark) -> None:
    capture = Capture()
    for stream in (b"", REQUEST, REQUEST + ANSWER):
        for finish in ("finish", "reset", "finish_reply", "reset_reply"):
            conversation = capture.conversation()
            if stream:
                conversation.send(stream)
            getattr(conversation, finish)()
        capture.conversation().finish(stream)
    shown = tshark.decode(capture)
    assert len(shown) == 5 + 2 * 5
    assert all(one.good for one in shown)


def test_the_end_of_one_direction_says_nothing_about_the_other(tshark: Tshark) -> None:
    conversation = Capture().conversation()
    conversation.send(REQUEST)
    conversation.reply(ANSWER[:40])
    conversation.finish()
    conversation.reply(ANSWER[40:])
    conversation.finish_reply()
    assert summaries(tshark.decode(conversation.capture)) == [REQUEST_SUMMARY, ANSWER_SUMMARY]


def test_bytes_that_the_capture_lacks_are_not_held_against_the_sender(tshark: Tshark) -> None:
    capture = Capture()
    conversation = capture.conversation()
    send_without_the_end(conversation)
    short = capture.conversation()  # the control: bytes are missing, and the stream is too short even with them
    short.send(REQUEST[:60])
    short.skip(10)
    short.finish()
    [shown] = tshark.decode(capture)
    assert shown.frame == len(capture.frames)
    assert shown.malformed is not None


# Malformed messages -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sample:
    """One stream that breaks the protocol, and the words of the dissector for what is wrong with it."""

    about: str
    stream: bytes
    says: str


NESTED = "the header is not JSON: "
MALFORMED = [
    Sample("the header is not UTF-8", framed(b'{"a": "\xff"}'), "the header is not UTF-8 at byte 7"),
    Sample("an overlong form", framed(header_of(note='"').replace(b': "}', b': "\xc0\xaf"}')), "not UTF-8"),
    Sample("a three-byte overlong form", framed(header_of(note='"@"').replace(b"@", b"\xe0\x80\xaf")), "not UTF-8"),
    Sample("a surrogate in UTF-8", framed(header_of(note='"@"').replace(b"@", b"\xed\xa0\x80")), "not UTF-8"),
    Sample("above U+10FFFF", framed(header_of(note='"@"').replace(b"@", b"\xf4\x90\x80\x80")), "not UTF-8"),
    Sample("half a character", framed(header_of(note='"@"').replace(b"@", b"\xf0\x9f\x90")), "not UTF-8"),
    Sample("no header", framed(b""), NESTED + "no JSON value at byte 0"),
    Sample("only space", framed(b"  "), NESTED + "no JSON value at byte 2"),
    Sample("a byte order mark", framed(b"\xef\xbb\xbf" + header_of()), NESTED + "no JSON value at byte 0"),
    Sample("NaN", framed(header_of(note="NaN")), NESTED + "no JSON value"),
    Sample("Infinity", framed(header_of(note="Infinity")), NESTED + "no JSON value"),
    Sample("minus Infinity", framed(header_of(note="-Infinity")), NESTED + "no JSON value"),
    Sample("something after the value", framed(header_of() + b"x"), NESTED + "something after the JSON value"),
    Sample("a second value", framed(header_of() + b" {}"), NESTED + "something after the JSON value"),
    Sample("a comma too many", framed(header_of()[:-1] + b",}"), NESTED + "no name of a member"),
    Sample("a comma too many in an array", framed(header_of(note="[1,]")), NESTED + "no JSON value"),
    Sample("no comma", framed(b'{"a": 1 "b": 2}'), NESTED + 'neither "," nor "}" after a member at byte 8'),
    Sample("no comma in an array", framed(header_of(note="[1 2]")), NESTED + 'neither "," nor "]"'),
    Sample("no colon", framed(b'{"a" 1}'), NESTED + 'no ":" after a name'),
    Sample("single quotes", framed(b"{'a': 1}"), NESTED + "no name of a member"),
    Sample("an unended object", framed(header_of()[:-1]), NESTED + 'neither "," nor "}"'),
    Sample("an unended string", framed(b'{"a'), NESTED + "a string without an end at byte 1"),
    Sample("a control character", framed(header_of(note='"a\tb"')), NESTED + "a control character in a string"),
    Sample("a NUL", framed(header_of(note='"a\0b"')), NESTED + "a control character in a string"),
    Sample("the last control character", framed(header_of(note='"\x1f"')), NESTED + "a control character"),
    Sample("an unknown escape", framed(header_of(note=r'"\x41"')), NESTED + "an unknown escape"),
    Sample("a short escape", framed(header_of(note=r'"\u12"')), NESTED + "an escape without four hex digits"),
    Sample("a leading zero", framed(header_of(note="01")), NESTED + 'neither "," nor "}"'),
    Sample("a plus", framed(header_of(note="+1")), NESTED + "no JSON value"),
    Sample("no digit after the point", framed(header_of(note="1.")), NESTED + 'neither "," nor "}"'),
    Sample("no digit before the point", framed(header_of(note=".5")), NESTED + "no JSON value"),
    Sample("no digit in the exponent", framed(header_of(note="1e")), NESTED + 'neither "," nor "}"'),
    Sample("a bare minus", framed(header_of(note="-")), NESTED + "no JSON value"),
    Sample("True", framed(header_of(note="True")), NESTED + "no JSON value"),
    Sample("a comment", framed(b"{/**/}"), NESTED + "no name of a member"),
    Sample("space that is not JSON's", framed(header_of() + b"\x0c"), NESTED + "something after the JSON value"),
    Sample("a no-break space", framed(header_of() + b"\xc2\xa0"), NESTED + "something after the JSON value"),
    Sample("a name twice", framed(header_of()[:-1] + b', "byteorder": "big"}'), "for the second time in one object"),
    Sample("a name twice by escape", framed(header_of()[:-1] + rb', "\u0062yteorder": "big"}'), "second time"),
    Sample("a name twice further down", framed(header_of(note='[{"a": 1, "a": 1}]')), "second time"),
    Sample("100 arrays in the object", framed(header_of(note="[" * 100 + "]" * 100)), "more than 100 objects"),
    Sample("100 arrays side by side", framed(header_of(note="[" + "[]," * 99 + "1]")), "more than 100 objects"),
    Sample("arrays without an end", framed(b"[" * 60_000), "more than 100 objects and arrays at byte 100"),
    Sample("an integer of 4,301 digits", framed(header_of(note="1" * 4301)), "an integer of more than 4300 digits"),
    Sample("a negative one", framed(header_of(note="-" + "1" * 4301)), "an integer of more than 4300 digits"),
    Sample("an array for the header", NOT_AN_OBJECT, "the header is not a JSON object"),
    Sample("a string for the header", framed(b'"a"'), "the header is not a JSON object"),
    Sample("null for the header", framed(b"null"), "the header is not a JSON object"),
    Sample("a number for the header", framed(b"0"), "the header is not a JSON object"),
    Sample("an empty object", framed(b"{}"), 'the header has no "byteorder"'),
    *(
        Sample(f"no {name}", framed(header_of(**{name: None})), f'the header has no "{name}"')
        for name in ("byteorder", "content-type", "content-encoding", "content-length")
    ),
    *(
        Sample(f"{text} for {name}", framed(header_of(**{name: text})), f'"{name}" is not a string: {text[:5]}')
        for name in ("byteorder", "content-type", "content-encoding")
        for text in ("null", "1", "true", '["big"]', "{}")
    ),
    *(
        Sample(f"{text} for a length", framed(header_of(content_length=text)), f"is not an integer: {text}")
        for text in ("null", "true", '"0"', "0.0", "4e0", "-0.0", "1E400", "[0]", "{}")
    ),
    *(
        Sample(f"{text} for the byte order", framed(header_of(byteorder=text)), "is none of: big, little")
        for text in ('"middle"', '"BIG"', '""', '"big "')
    ),
    *(
        Sample(f"{text} for the encoding", framed(header_of(content_encoding=text)), "is none of: utf-8, binary")
        for text in ('"utf-7"', '"UTF-8"', '""')
    ),
    Sample("another case of a name", framed(header_of().replace(b"byteorder", b"Byteorder")), 'no "byteorder"'),
    Sample("a negative length", framed(header_of(content_length="-1")), '"content-length" is negative: -1'),
    Sample("one byte over the limit", framed(header_of(content_length="16777217")), "above the limit of 16777216"),
    Sample("2 to the power of 64", framed(header_of(content_length=str(2**64))), "above the limit of 16777216"),
    Sample("a length of 4,300 digits", framed(header_of(content_length="9" * 4300)), "above the limit of 16777216"),
    Sample("the end in the length", b"\0", "1 bytes of at least 2"),
    Sample("the end in the header", REQUEST[:50], "50 bytes of at least 102"),
    Sample("the end in the content", REQUEST[:-1], "142 bytes of at least 143"),
    Sample("the end in the largest content", framed(header_of(content_length="16777216")), "of at least 1677"),
    Sample("65,535 bytes of header, wrong", framed(b" " * 65_535), NESTED + "no JSON value at byte 65535"),
]

# Each is as near to one of those above as a right message can be.
RIGHT = {
    "nothing": b"",
    "an empty content": framed(header_of()),
    "all of JSON's space": framed(b" \t\r\n" + header_of().replace(b":", b" \t\r\n: ") + b"\n"),
    "a header of 65,535 bytes": framed(header_of().ljust(65_535)),
    "99 arrays in the object": framed(header_of(note="[" * 99 + "]" * 99)),
    "brackets in a string": framed(header_of(note='"' + "[{" * 200 + '"')),
    "brackets behind an escaped quote": framed(header_of(note='"' + r"\"" + "[{" * 200 + '"')),
    "an integer of 4,300 digits": framed(header_of(note="1" * 4300)),
    "a negative integer of 4,300 digits": framed(header_of(note="-" + "1" * 4300)),
    "a fraction of 5,000 digits": framed(header_of(note="0." + "1" * 5000)),
    "a number that is no float": framed(header_of(note="1e400")),
    "numbers": framed(header_of(note="[0, -0, 0.5, -1.25e+3, 1E-2, 10]")),
    "a lone surrogate": framed(header_of(note=r'"\ud800"')),
    "surrogates the wrong way round": framed(header_of(note=r'"\udc00\ud800"')),
    "a surrogate pair": framed(header_of(note=r'"\ud83d\udc30"')),
    "every escape": framed(header_of(note=r'"\"\\\/\b\f\n\r\t\u0041\u00e4\u20ac"')),
    "DEL, which is no control character in JSON": framed(header_of(note='"\x7f"')),
    "an escaped name": framed(header_of().replace(b"byteorder", rb"\u0062yteorder")),
    "an empty name": framed(header_of()[:-1] + b', "": null}'),
    "one name in two objects": framed(header_of(note='[{"a": 1}, {"a": 1}, {"a": {"a": 1}}]')),
    "a minus before zero": framed(header_of(content_length="-0")),
    "any content type": framed(header_of(content_type='""')),
    "content that is not what it says": framed(header_of(content_length="4", content_type='"text/json"'), b"\xff{]x"),
    "a character before the surrogates, and one behind": framed(header_of(note='"\ud7ff\ue000\U0010ffff"')),
}


def codec_reads(stream: bytes) -> tuple[list[bytes], bool]:
    """The codec's opinion of a whole stream: the contents of its messages, and whether it then was malformed."""
    connection = Connection()
    contents: list[bytes] = []
    connection.receive_data(stream)
    try:
        while isinstance(event := connection.next_event(), Message):
            contents.append(bytes(event.content))
        if event is NEED_DATA:
            connection.receive_eof()
            assert isinstance(connection.next_event(), Finished)
    except RemoteProtocolError:
        return contents, True
    return contents, False


def dissector_reads(tshark: Tshark, streams: list[bytes]) -> list[tuple[list[bytes], bool]]:
    """The dissector's opinion of each, in the same form."""
    capture = Capture()
    last_frames = [capture.conversation().stream(stream) for stream in streams]
    shown = iter([*tshark.decode(capture), None])
    opinions = []
    one = next(shown)
    for last in last_frames:
        contents, malformed = [], False
        while one is not None and one.frame <= last:
            if one.good:
                contents.append(one.content)
            malformed = malformed or one.malformed is not None
            one = next(shown)
        opinions.append((contents, malformed))
    return opinions


def test_dissector_says_what_is_wrong_with_each_malformed_message(tshark: Tshark) -> None:
    capture = Capture()
    frames = []
    for sample in MALFORMED:
        conversation = capture.conversation()
        conversation.send(*(sample.stream[at : at + 50_000] for at in range(0, len(sample.stream), 50_000)))
        frames.append(conversation.finish())
    reasons = [one.malformed or "" for one in tshark.decode(capture) if not one.untrusted]
    assert len(reasons) == len(MALFORMED)
    wrong = [(s.about, s.says, r) for s, r in zip(MALFORMED, reasons, strict=True) if s.says not in r]
    assert wrong == []


def test_codec_and_dissector_agree_that_each_of_these_is_malformed(tshark: Tshark) -> None:
    streams = [REQUEST + sample.stream for sample in MALFORMED]
    expected = [([REQUEST[102:]], True)] * len(streams)
    codec = [codec_reads(stream) for stream in streams]
    dissector = dissector_reads(tshark, streams)
    assert disagreements([sample.about for sample in MALFORMED], codec, expected) == []
    assert disagreements([sample.about for sample in MALFORMED], dissector, expected) == []


def test_codec_and_dissector_agree_that_each_of_these_is_right(tshark: Tshark) -> None:
    codec = [codec_reads(stream + REQUEST) for stream in RIGHT.values()]
    dissector = dissector_reads(tshark, [stream + REQUEST for stream in RIGHT.values()])
    expected = [([b""] * (name != "nothing") + [REQUEST[102:]], False) for name in RIGHT]
    expected[list(RIGHT).index("content that is not what it says")] = ([b"\xff{]x", REQUEST[102:]], False)
    assert disagreements(list(RIGHT), codec, expected) == []
    assert disagreements(list(RIGHT), dissector, expected) == []


def disagreements(
    names: list[str], one: list[tuple[list[bytes], bool]], other: list[tuple[list[bytes], bool]]
) -> list[str]:
    return [f"{name}: {a} and {b}" for name, a, b in zip(names, one, other, strict=True) if a != b]


def test_codec_and_dissector_agree_on_messages_with_random_damage(tshark: Tshark) -> None:
    generator = seeded(65432)
    streams = [damaged(generator) for _ in range(600)]
    codec = [codec_reads(stream) for stream in streams]
    assert disagreements([repr(stream) for stream in streams], codec, dissector_reads(tshark, streams)) == []
    malformed = sum(broken for _, broken in codec)
    assert 200 < malformed < 580, "the damage is always fatal or never: this compares too little"


def damaged(generator: Random) -> bytes:
    """Two messages in which one to three bytes were changed, taken out, put in or doubled."""
    stream = bytearray(REQUEST + framed(header_of(note='[1, {"é": null}, "\\u00e9", true]')))
    for _ in range(generator.randint(1, 3)):
        at = generator.randrange(len(stream))
        byte = generator.choice(b'{}[]",:\\ 0123456789.-+eEutfnl\x00\x7f\x80\xc3\xff' + bytes(stream))
        match generator.randrange(4):
            case 0:
                stream[at] = byte
            case 1:
                del stream[at]
            case 2:
                stream.insert(at, byte)
            case _:
                stream[at:at] = stream[at : at + generator.randint(1, 12)]
    if generator.random() < 0.7:  # then let the length be right, so that what is inside comes to be judged
        end = stream.find(b"}", 2)
        if 0 < end < 65_000:
            stream[:2] = (end - 1).to_bytes(2, "big")
    return bytes(stream)


def test_what_follows_a_malformed_message_is_not_decoded_in_that_direction_only(tshark: Tshark) -> None:
    conversation = Capture().conversation()
    [first, second] = conversation.send(REQUEST + NOT_AN_OBJECT + REQUEST, REQUEST)
    [answer] = conversation.reply(ANSWER)
    end = conversation.finish()
    found = tshark.by_frame(conversation.capture)
    whole, malformed, rest = found[first]
    assert whole.summary == REQUEST_SUMMARY
    assert malformed.malformed == "the header is not a JSON object"
    assert (rest.untrusted, rest.malformed, rest.header) == (True, None, None)
    assert [one.untrusted for one in found[second]] == [True]
    assert summaries(found[answer]) == [ANSWER_SUMMARY]
    assert end not in found


def test_a_new_connection_from_the_same_port_is_decoded_afresh(tshark: Tshark) -> None:
    capture = Capture()
    first = capture.conversation()
    first.send(NOT_AN_OBJECT + REQUEST, REQUEST[:30])
    first.reset()
    capture.conversations -= 1
    second = capture.conversation(sequence=900_000)
    second.send(REQUEST)
    for options in ((), ("-2",)):
        *_, last = tshark.decode(capture, *options)
        assert (last.frame, last.summary) == (len(capture.frames), REQUEST_SUMMARY)


def test_a_syn_that_comes_twice_does_not_make_a_broken_stream_whole(tshark: Tshark) -> None:
    conversation = Capture().conversation()
    conversation.send(NOT_AN_OBJECT)
    conversation.capture.add(conversation.capture.frames[0])
    conversation.send(REQUEST)
    assert [one.good for one in tshark.decode(conversation.capture)] == [False, False]


def test_a_content_above_the_limit_is_malformed_without_waiting_for_it(tshark: Tshark) -> None:
    capture = Capture()
    at_limit, above = capture.conversation(), capture.conversation()
    at_limit.send(framed(header_of(content_length=str(CONTENT_LIMIT)), b"x"))
    [frame] = above.send(framed(header_of(content_length=str(CONTENT_LIMIT + 1)), b"x"))
    malformed, rest = tshark.decode(capture)
    assert malformed.frame == rest.frame == frame
    assert malformed.content_length == CONTENT_LIMIT + 1
    assert malformed.malformed is not None
    assert "above the limit of 16777216" in malformed.malformed
    assert rest.untrusted


def test_the_content_limit_is_a_preference(tshark: Tshark) -> None:
    capture = Capture()
    capture.conversation().send(REQUEST)
    assert [one.good for one in tshark.decode(capture, "-o", "jsonmsg.content_limit:41")] == [True]
    assert not tshark.decode(capture, "-o", "jsonmsg.content_limit:40")[0].good


def test_a_tshark_that_may_not_reassemble_blames_nobody(tshark: Tshark) -> None:
    conversation = Capture().conversation()
    conversation.send(REQUEST + REQUEST[:50], REQUEST[50:] + REQUEST)
    conversation.finish()
    shown = tshark.decode(conversation.capture, "-o", "tcp.desegment_tcp_streams:FALSE")
    assert [(one.good, one.untrusted, one.malformed) for one in shown] == [
        (True, False, None),
        (False, True, None),
        (False, True, None),
    ]


def test_a_wrong_content_is_marked_and_the_next_message_decoded(tshark: Tshark) -> None:
    header = header_of(content_length="2", content_type='"text/json"')
    capture = Capture()
    for content in (b"\xff\xff", b"{]", b"{}"):
        capture.conversation().send(framed(header, content) + REQUEST)
    shown = tshark.decode(capture)
    assert [one.good for one in shown] == [True] * 6
    assert [one.wrong_content for one in shown] == [True, False, True, False, False, False]
    assert [one.text for one in shown[::2]] == [None, "{]", "{}"]


# Messages that the codec made ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Made:
    """A message, and all that its sender meant by it."""

    encoded: bytes
    byteorder: str
    content_type: str
    content_encoding: str
    further: Mapping[str, object]
    content: bytes


def made_messages(count: int) -> list[Made]:
    """Messages of every kind from the codec's sending side; the same ones on every run."""
    generator = seeded(42)
    letters = 'abcxyz09 {}[]:,"\\/\b\n\x7fäß€中🐰\u2028'

    def text(longest: int) -> str:
        return "".join(generator.choices(letters, k=generator.randint(0, longest)))

    def value(depth: int = 0) -> object:
        kind = generator.randrange(8 if depth < 3 else 6)
        if kind == 6:
            return [value(depth + 1) for _ in range(generator.randint(0, 3))]
        if kind == 7:
            return {text(6): value(depth + 1) for _ in range(generator.randint(0, 3))}
        return (None, True, generator.randint(-(10**20), 10**20), generator.uniform(-1e9, 1e9), text(12), "")[kind]

    messages = []
    for number in range(count):
        byteorder = generator.choice(["big", "little"])
        kind, encoding = generator.choice(
            [
                ("text/json", "utf-8"),
                ("text/json", "binary"),
                ("binary/custom-client-binary-type", "binary"),
                (text(9), "utf-8"),
            ]
        )
        further = {"x-" + text(8): value() for _ in range(generator.choice([0, 0, 1, 3]))}
        if (kind, encoding) == ("text/json", "utf-8"):
            content = json.dumps({"action": "search", "value": text(40)}, ensure_ascii=number % 2 == 0).encode()
        else:
            content = generator.randbytes(generator.choice([0, 1, 2, 10, 300, 5_000]))
        encoded = Connection(byteorder=byteorder).send_message(content, kind, encoding, further)
        messages.append(Made(encoded, byteorder, kind, encoding, further, content))
    return messages


def escaped(text: str) -> str:
    """As the dissector shows text on one line."""
    return "".join(f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else c for c in text)


def assert_shows(shown: Shown, made: Made) -> None:
    """Every field that tshark decoded is what the sender meant."""
    header_size = int.from_bytes(made.encoded[:2], "big")
    assert shown.good, shown.malformed
    assert shown.header_length == header_size
    assert shown.header == made.encoded[2 : 2 + header_size].decode()
    assert shown.byteorder == made.byteorder
    assert shown.content_type == escaped(made.content_type)
    assert shown.content_encoding == made.content_encoding
    assert shown.content_length == len(made.content)
    assert shown.content == made.content
    is_text = (made.content_type, made.content_encoding) == ("text/json", "utf-8")
    assert shown.text == (made.content.decode() if is_text else None)
    required = (
        f"byteorder: {made.byteorder}",
        f"content-type: {escaped(made.content_type)}",
        f"content-encoding: {made.content_encoding}",
        f"content-length: {len(made.content)}",
    )
    assert set(required) <= set(shown.fields)
    assert len(shown.fields) == len(required) + len(made.further)
    for name, value in made.further.items():
        [field] = [field for field in shown.fields if field.startswith(f"{escaped(name)}: ") and field not in required]
        text = field.removeprefix(f"{escaped(name)}: ")
        assert text == escaped(value) if isinstance(value, str) else json.loads(text) == value


def test_each_field_of_each_message_of_the_codec_is_what_was_encoded(tshark: Tshark) -> None:
    messages = made_messages(200)
    capture = Capture()
    for made in messages:
        conversation = capture.conversation()
        conversation.send(made.encoded)
        conversation.finish()
    for shown, made in zip(tshark.decode(capture), messages, strict=True):
        assert_shows(shown, made)


def test_messages_of_the_codec_joined_and_cut_anywhere_are_what_was_encoded(tshark: Tshark) -> None:
    messages = made_messages(200)
    stream = b"".join(made.encoded for made in messages)
    generator = seeded(1)
    capture = Capture()
    for longest in (3, 100, 1460, LONGEST_SEGMENT):
        conversation = capture.conversation()
        cut = stream if longest > 3 else stream[: sum(len(made.encoded) for made in messages[:5])]
        at = 0
        while at < len(cut):
            size = generator.randint(1, longest)
            conversation.send(cut[at : at + size])
            at += size
        conversation.finish()
    expected = messages[:5] + messages * 3
    for shown, made in zip(tshark.decode(capture), expected, strict=True):
        assert_shows(shown, made)


def test_messages_of_the_codec_cut_at_each_byte_are_what_was_encoded(tshark: Tshark) -> None:
    small = [made for made in made_messages(60) if len(made.encoded) < 400][:6]
    capture = Capture()
    expected = []
    for made in small:
        for at in range(1, len(made.encoded)):
            conversation = capture.conversation()
            conversation.send(made.encoded[:at], made.encoded[at:])
            conversation.finish()
            expected.append(made)
    assert len(expected) > 600
    for shown, made in zip(tshark.decode(capture), expected, strict=True):
        assert_shows(shown, made)
