"""Captures made by hand: TCP conversations, segment by segment, written as a pcapng file.

A test that says "this message, cut after its 37th byte" needs segments that no kernel would promise to send. So they
are written here: Ethernet, IPv4 or IPv6, TCP, with right checksums and sequence numbers. Many conversations go into
one capture, because starting tshark costs more than decoding does.

What this module must not know: what the bytes of a segment mean.

Sources: RFC 791, RFC 8200, RFC 9293, and draft-ietf-opsawg-pcapng for the file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntFlag

CLIENT_PORTS_FROM = 10_000
LONGEST_SEGMENT = 60_000  # one IP packet has 65,535 bytes, headers included
WINDOW = 64_240


class Flags(IntFlag):
    """The TCP flags that a conversation here has (RFC 9293, 3.1)."""

    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10


def checksum(data: bytes) -> int:
    """The Internet checksum of RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@dataclass(slots=True)
class End:
    """One end of a conversation: where it is, and what it has sent and seen."""

    address: bytes
    port: int
    ethernet: bytes
    sequence: int
    acknowledged: int = 0


@dataclass(slots=True)
class Conversation:
    """One TCP connection of a capture. Every method that sends returns the frame numbers that it used."""

    capture: Capture
    client: End
    server: End

    def open(self) -> None:
        """The three-way handshake."""
        self._send(self.client, Flags.SYN)
        self._send(self.server, Flags.SYN | Flags.ACK)
        self._send(self.client, Flags.ACK)

    def send(self, *segments: bytes) -> list[int]:
        """The client sends each of these as a segment of its own."""
        return [self._send(self.client, Flags.PSH | Flags.ACK, data) for data in segments]

    def reply(self, *segments: bytes) -> list[int]:
        """The server sends each of these as a segment of its own."""
        return [self._send(self.server, Flags.PSH | Flags.ACK, data) for data in segments]

    def send_again(self, back: int, data: bytes) -> int:
        """The client sends `data` a second time, from `back` bytes before where it has come to."""
        self.client.sequence -= back
        frame = self._send(self.client, Flags.PSH | Flags.ACK, data)
        self.client.sequence += back - len(data)
        return frame

    def send_out_of_order(self, first: bytes, second: bytes) -> list[int]:
        """The client sends two segments; the second is on the wire before the first."""
        self.client.sequence += len(first)
        late = self._send(self.client, Flags.PSH | Flags.ACK, second)
        self.client.sequence -= len(first) + len(second)
        early = self._send(self.client, Flags.PSH | Flags.ACK, first)
        self.client.sequence += len(second)
        return [late, early]

    def skip(self, size: int) -> None:
        """The client sends `size` bytes that the capture does not have."""
        self.client.sequence += size

    def finish(self, data: bytes = b"") -> int:
        """The client sends its FIN, with the last of its data if there is any."""
        return self._send(self.client, Flags.FIN | Flags.ACK, data)

    def stream(self, data: bytes) -> int:
        """The client sends all of it, in the longest segments there are, and then its FIN, whose number it returns."""
        self.send(*(data[at : at + LONGEST_SEGMENT] for at in range(0, len(data), LONGEST_SEGMENT)))
        return self.finish()

    def finish_reply(self, data: bytes = b"") -> int:
        """The server sends its FIN, with the last of its data if there is any."""
        return self._send(self.server, Flags.FIN | Flags.ACK, data)

    def reset(self) -> int:
        """The client sends RST."""
        return self._send(self.client, Flags.RST | Flags.ACK)

    def reset_reply(self) -> int:
        """The server sends RST."""
        return self._send(self.server, Flags.RST | Flags.ACK)

    def _send(self, sender: End, flags: Flags, data: bytes = b"") -> int:
        if len(data) > LONGEST_SEGMENT:
            raise ValueError(f"a segment of {len(data)} bytes; the longest is {LONGEST_SEGMENT}")
        receiver = self.server if sender is self.client else self.client
        acknowledgement = receiver.sequence if flags & Flags.ACK else 0
        tcp = struct.pack(
            ">HHIIBBHHH",
            sender.port,
            receiver.port,
            sender.sequence % 2**32,
            acknowledgement % 2**32,
            5 << 4,
            flags,
            WINDOW,
            0,
            0,
        )
        tcp += data
        pseudo = _pseudo_header(sender.address, receiver.address, len(tcp))
        tcp = tcp[:16] + struct.pack(">H", checksum(pseudo + tcp)) + tcp[18:]
        kind = 0x0800 if len(sender.address) == 4 else 0x86DD
        frame = receiver.ethernet + sender.ethernet + struct.pack(">H", kind)
        sender.sequence += len(data) + bool(flags & Flags.SYN) + bool(flags & Flags.FIN)
        return self.capture.add(frame + _ip(sender.address, receiver.address, tcp))


def _pseudo_header(source: bytes, destination: bytes, size: int) -> bytes:
    form = ">HH" if len(source) == 4 else ">II"  # RFC 9293, 3.1 and RFC 8200, 8.1
    numbers = (6, size) if len(source) == 4 else (size, 6)
    return source + destination + struct.pack(form, *numbers)


def _ip(source: bytes, destination: bytes, payload: bytes) -> bytes:
    if len(source) == 16:
        return struct.pack(">IHBB", 6 << 28, len(payload), 6, 64) + source + destination + payload
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, 6, 0) + source + destination
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload


@dataclass(slots=True)
class Capture:
    """Frames in the order in which they were seen; the first is frame 1, as tshark counts."""

    frames: list[bytes] = field(default_factory=list)
    conversations: int = 0
    tls_secrets: bytes = b""  # in the form of SSLKEYLOGFILE: with them in the capture, nobody has to be given them

    def add(self, frame: bytes) -> int:
        """Append one frame; returns its number."""
        self.frames.append(frame)
        return len(self.frames)

    def conversation(self, port: int = 65432, *, ipv6: bool = False, sequence: int = 1_000) -> Conversation:
        """Open one more connection to `port`; the ports and addresses are its own. `sequence` is the client's first."""
        number = self.conversations
        self.conversations += 1
        if ipv6:
            net = bytes.fromhex("20010db8000100000000000000000000")
            addresses = (net[:-1] + b"\x0a", net[:-1] + b"\x8a")
        else:
            addresses = (bytes((198, 18, 1, 10)), bytes((198, 18, 1, 138)))
        client = End(addresses[0], CLIENT_PORTS_FROM + number, b"\2\0\0\0\0\x0a", sequence)
        server = End(addresses[1], port, b"\2\0\0\0\0\x8a", 700_000)
        made = Conversation(self, client, server)
        made.open()
        return made

    def pcapng(self) -> bytes:
        """The file, as dumpcap would write it: a section header, one Ethernet interface, a block for each frame."""
        blocks = [_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
        blocks.append(_block(1, struct.pack("<HHI", 1, 0, 0)))
        if self.tls_secrets:
            head = struct.pack("<II", 0x544C534B, len(self.tls_secrets))
            blocks.append(_block(10, head + self.tls_secrets + b"\0" * (-len(self.tls_secrets) % 4)))
        for number, frame in enumerate(self.frames):
            micros = 1_700_000_000_000_000 + number * 1_000
            head = struct.pack("<IIIII", 0, micros >> 32, micros & 0xFFFFFFFF, len(frame), len(frame))
            blocks.append(_block(6, head + frame + b"\0" * (-len(frame) % 4)))
        return b"".join(blocks)


def _block(kind: int, body: bytes) -> bytes:
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size
