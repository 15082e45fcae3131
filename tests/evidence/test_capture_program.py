"""What the firewall's capture program makes of tcpdump's file: whole frames only, and none of its own."""

from __future__ import annotations

import struct
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

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


def session_of(program: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A session whose legs are files: what is sent on a leg is in its file at once, as tcpdump would write it."""

    class Leg(program.Leg):  # type: ignore[name-defined,misc] # of a module that is no package's
        def __init__(self, name: str, folder: Path) -> None:
            self.name, self.file = name, folder / name
            self.seen, self.begins, self.dropped = 0, len(HEADER), 0
            self.file.write_bytes(HEADER)

        def send(self, token: bytes) -> None:
            self.append(bytes(12) + program.ETHERTYPE + token.ljust(46, b"\0"))

        def append(self, frame: bytes) -> None:
            with self.file.open("ab") as file:
                file.write(record(frame))

        def drops(self) -> int:
            return 0

        fit, tcpdump = True, SimpleNamespace(poll=lambda: None)

        def close(self) -> None:
            self.file.unlink()

    monkeypatch.setattr(program, "Leg", Leg)
    return program.Session(["client-leg", "server-leg"], folder)


def test_answers_repeat_the_id_and_a_wrong_command_is_one_of_them(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_of(program, tmp_path, monkeypatch)
    assert session.obey({"id": 1, "stop": True})[0] == {"id": 1, "error": "expected start before stop"}
    assert "expected start, and then stop" in session.obey({"id": 2, "begin": 1})[0]["error"]
    limits = {"bytes": 10_000, "frames": 10}
    assert session.obey({"id": 3, "start": limits})[0] == {"id": 3, "capturing": ["client-leg", "server-leg"]}
    session.legs[1].append(FRAME)
    answer, files = session.obey({"id": 4, "stop": True})
    assert (answer["id"], answer["size"]) == (4, len(files))
    assert [(leg["leg"], leg["frames"]) for leg in answer["legs"]] == [("client-leg", 0), ("server-leg", 1)]
    assert files.count(FRAME) == 1


def test_a_capture_at_its_limits_is_given_and_one_above_them_is_not(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_of(program, tmp_path, monkeypatch)
    sentinel = len(record(bytes(60)))
    exact = 5 * len(record(FRAME)) + sentinel
    for limits, error in (
        ({"bytes": exact, "frames": 5}, None),
        ({"bytes": exact - 1, "frames": 5}, f"the capture of the client-leg is larger than {exact - 1} bytes"),
        ({"bytes": exact, "frames": 4}, "the capture of the client-leg has more than 4 frames"),
    ):
        assert "capturing" in session.obey({"id": 1, "start": limits})[0]
        for _ in range(5):
            session.legs[0].append(FRAME)
        assert session.obey({"id": 2, "stop": True})[0].get("error") == error
