"""What the firewall's capture program makes of tcpdump's file: whole frames only, and none of its own."""

from __future__ import annotations

import struct
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

PROGRAM = Path(__file__).parents[2] / "images" / "firewall" / "capture"
HEADER = struct.pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)
FRAME = bytes(12) + b"\x08\x00" + b"a packet that says faultwire canary 1"
CANARY = bytes(12) + b"\x88\xb5" + b"faultwire canary 1".ljust(46, b"\0")


@pytest.fixture(scope="module")
def program() -> ModuleType:
    loader = SourceFileLoader("faultwire_capture", str(PROGRAM))
    spec = spec_from_loader(loader.name, loader)
    assert spec
    module = module_from_spec(spec)
    exec(compile(PROGRAM.read_bytes(), str(PROGRAM), "exec"), module.__dict__)  # noqa: S102 (without a .pyc beside it)
    return module


def record(frame: bytes, seconds: int = 7, nanoseconds: int = 9) -> bytes:
    return struct.pack("=IIII", seconds, nanoseconds, len(frame), len(frame)) + frame


def test_frames_are_read_as_far_as_they_are_whole(program: ModuleType) -> None:
    content = record(FRAME) + record(CANARY) + record(FRAME)
    whole = [len(record(FRAME)), len(record(FRAME) + record(CANARY)), len(content)]
    for cut in range(len(content) + 1):
        found = list(program.records(content[:cut]))
        assert [ends for _, _, ends in found] == [each for each in whole if each <= cut]
        assert [frame for frame, _, _ in found] == [FRAME, CANARY, FRAME][: len(found)]
        assert [content[begins:ends] for _, begins, ends in found] == [record(frame) for frame, _, _ in found]


def test_frames_of_ours_are_left_out_by_their_ethertype_and_by_nothing_else(program: ModuleType) -> None:
    pcapng, count = program.pcapng("client-leg", HEADER, record(CANARY) + record(FRAME) + record(CANARY))
    assert count == 1
    assert pcapng.count(FRAME) == 1
    assert CANARY not in pcapng
    assert struct.pack("=II", *divmod(7_000_000_009, 2**32)) in pcapng


def test_a_file_of_microseconds_is_refused(program: ModuleType) -> None:
    with pytest.raises(ValueError, match="magic 0xa1b2c3d4"):
        program.pcapng("client-leg", struct.pack("=I", 0xA1B2C3D4) + HEADER[4:], b"")
