"""What tshark, with the lab's dissector, makes of a capture: one value for each message that it shows.

tshark runs in a container that has no network and shares no folder: the capture goes in on standard input, and what it
decoded comes back as JSON.

What this module must not know: the codec, and which messages are right.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.evidence.packets import Capture

IMAGE_VARIABLE = "FAULTWIRE_TSHARK_IMAGE"
IMAGE = os.environ.get(IMAGE_VARIABLE, "faultwire/firewall")
DISSECTOR = Path(__file__).parents[2] / "images" / "firewall" / "jsonmsg.lua"
INSTALLED = "/usr/lib/x86_64-linux-gnu/wireshark/plugins/jsonmsg.lua"  # tshark -G folders: Global Lua Plugins
TIMEOUT_S = 60
NUMBERS = [f"jsonmsg.array.{kind}" for kind in ("integer", "unsigned", "float32", "float64")]

# By way of a file, because tshark -2 reads no pipe.
FROM_STANDARD_INPUT = 'cat > /tmp/capture.pcapng && exec tshark -n -r /tmp/capture.pcapng "$@"'

# What the dissector changes. Without it a segment that overtook another is read as if it began a message.
AS_THEY_COME = ("-o", "tcp.reassemble_out_of_order:FALSE")


@dataclass(frozen=True, slots=True)
class Shown:
    """One message, or one stretch of bytes that could not be decoded, as tshark showed it. None: not shown."""

    frame: int
    summary: str | None
    header_length: int | None
    header: str | None
    byteorder: str | None
    content_type: str | None
    content_encoding: str | None
    content_length: int | None
    fields: tuple[str, ...]
    content: bytes
    text: str | None
    malformed: str | None
    wrong_content: bool
    untrusted: bool
    element: str | None = None
    count: int | None = None
    numbers: tuple[str, ...] = ()  # of an array, as tshark writes them; the first so many

    @property
    def good(self) -> bool:
        """A whole message in which nothing was wrong with the framing."""
        return self.malformed is None and not self.untrusted


@dataclass(frozen=True, slots=True)
class Tshark:
    """A container in which tshark is."""

    container: str
    installed: bytes  # the dissector that the image brought, before the tests put in the one of this tree

    def run(self, capture: Capture, *options: str) -> str:
        """What tshark prints for this capture."""
        command = ["docker", "exec", "-i", self.container, "sh", "-c", FROM_STANDARD_INPUT, "tshark", *options]
        done = subprocess.run(command, input=capture.pcapng(), capture_output=True, timeout=TIMEOUT_S, check=False)
        complaints = [line for line in done.stderr.decode().splitlines() if "could be dangerous" not in line]
        if done.returncode or complaints:
            raise RuntimeError(f"tshark ended with {done.returncode}: {' / '.join(complaints)}")
        return done.stdout.decode()

    def decode(self, capture: Capture, *options: str) -> list[Shown]:
        """All that the dissector showed, in the order of the capture."""
        printed = self.run(capture, "-T", "json", "-J", "jsonmsg", *options)
        frames = json.loads(printed, object_pairs_hook=tuple)
        if len(frames) != len(capture.frames):
            raise RuntimeError(f"tshark showed {len(frames)} frames of {len(capture.frames)}")
        return [
            _decode(number, list(_leaves(layer)))
            for number, frame in enumerate(frames, start=1)
            for name, layer in dict(dict(frame)["_source"])["layers"]
            if name == "jsonmsg"
        ]

    def by_frame(self, capture: Capture, *options: str) -> dict[int, list[Shown]]:
        """The same, by the number of the frame in which it was shown; no entry for a frame with nothing to show."""
        found: dict[int, list[Shown]] = {}
        for shown in self.decode(capture, *options):
            found.setdefault(shown.frame, []).append(shown)
        return found


def _leaves(layer: object) -> Iterator[tuple[str, str]]:
    """The fields of a layer and of all trees below it. tshark repeats a key for a field that is there twice."""
    if not isinstance(layer, tuple):
        return
    for name, value in layer:
        if isinstance(value, str):
            yield name, value
        else:
            yield from _leaves(value)


def _decode(frame: int, leaves: list[tuple[str, str]]) -> Shown:
    def one(name: str) -> str | None:
        found = [value for key, value in leaves if key == f"jsonmsg.{name}"]
        if len(found) > 1:
            raise ValueError(f"frame {frame}: {len(found)} times jsonmsg.{name} in one message")
        return found[0] if found else None

    def number(name: str) -> int | None:
        value = one(name)
        return None if value is None else int(value)

    malformed = one("malformed.reason")
    if (malformed is None) != (one("malformed") is None):
        raise ValueError(f"frame {frame}: jsonmsg.malformed and its reason do not go together")
    return Shown(
        frame=frame,
        summary=one("summary"),
        header_length=number("header_length"),
        header=one("header"),
        byteorder=one("header.byteorder"),
        content_type=one("header.content_type"),
        content_encoding=one("header.content_encoding"),
        content_length=number("header.content_length"),
        fields=tuple(value for key, value in leaves if key == "jsonmsg.header.field"),
        content=bytes.fromhex((one("content") or "").replace(":", "")),
        text=one("content.text"),
        malformed=malformed,
        wrong_content=one("content.wrong") is not None,
        untrusted=one("untrusted") is not None,
        element=one("array.element"),
        count=number("array.count"),
        numbers=tuple(value for key, value in leaves if key in NUMBERS),
    )


def _docker(*arguments: str, data: bytes | None = None) -> bytes:
    done = subprocess.run(["docker", *arguments], input=data, capture_output=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments)}: {done.stderr.decode().strip()}")
    return done.stdout


@contextmanager
def tshark_container() -> Iterator[Tshark]:
    """A container of the firewall's image with the dissector of this working tree; removed on every way out."""
    container = _docker(
        *("run", "--detach", "--rm", "--init", "--network", "none", "--label", "faultwire=test"),
        *("--user", "0", "--entrypoint", "sleep", IMAGE, "infinity"),
    )
    name = container.decode().strip()
    try:
        installed = _docker("exec", name, "sh", "-c", f"cat {INSTALLED} 2>/dev/null || true")
        _docker("cp", "-", f"{name}:{Path(INSTALLED).parent}", data=_tar(DISSECTOR))
        yield Tshark(name, installed)
    finally:
        _docker("rm", "--force", name)


def _tar(path: Path) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(path, arcname=path.name)
    return packed.getvalue()
