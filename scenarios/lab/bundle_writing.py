"""Writing a bundle: each member is hashed as it is written, and the seal comes last."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from scenarios.lab.bundle_format import (
    CHUNK_BYTES,
    DIGEST_PLACE,
    GZIP_LEVEL,
    HEADER,
    IMAGES,
    SIZE_PLACE,
    BundleError,
    Contents,
    Member,
    UnderWay,
    head_of,
    mebibytes,
    padding,
    seal_of,
)
from scenarios.lab.valueclass import valueclass


class _Counting(io.RawIOBase):
    """Passes on what is written, counts it and digests it."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self.count = 0
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._out.write(data)
        self.digest.update(data)
        self.count += len(data)
        return len(data)


def _put(out: BinaryIO, name: str, size: int, source: BinaryIO) -> Member:
    """Write a member whose size is known."""
    out.write(head_of(name, size))
    counted = _Counting(out)
    while chunk := source.read(CHUNK_BYTES):
        counted.write(chunk)
    if counted.count != size:
        raise BundleError(f"{name} had {size} bytes, and then {counted.count}: something writes to it")
    out.write(padding(size))
    return Member(name, size, counted.digest.hexdigest())


@valueclass
class Written:
    """The whole file: its size in bytes, and its SHA-256."""

    size: int
    sha256: str


@contextlib.contextmanager
def _under_a_temporary_name(destination: Path) -> Iterator[BinaryIO]:
    """A file that has its name only when the `with` block ends well, and is gone when it does not."""
    temporary = destination.with_name(f".{destination.name}.{os.getpid()}.partial")
    try:
        with temporary.open("x+b") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(destination)
    finally:
        temporary.unlink(missing_ok=True)


def write(
    destination: Path, about: Contents, wheels: Sequence[Path], images: Iterable[bytes], under_way: UnderWay
) -> Written:
    """Write a bundle of `images` (what `docker save` prints, in pieces) and of these wheels.

    `about` gets the members and the size. Raises OSError. Whatever happens, `destination` is a whole bundle or what it
    was before.
    """
    placed = tuple(Member(name, SIZE_PLACE, DIGEST_PLACE) for name in (*_wheel_names(wheels), IMAGES))
    header_bytes = len(replace(about, members=placed, size=SIZE_PLACE).rendered())
    with _under_a_temporary_name(destination) as out:
        # The header stands first and tells of what comes after it: its place is kept, and it is written at the end.
        out.write(bytes(len(head_of(HEADER, header_bytes)) + header_bytes) + padding(header_bytes))
        members = []
        for name, wheel in zip(_wheel_names(wheels), wheels, strict=True):
            with wheel.open("rb") as source:
                members.append(_put(out, name, wheel.stat().st_size, source))
        head_at = out.tell()
        out.write(head_of(IMAGES, 0))
        compressed, read = _Counting(out), 0
        with (
            under_way("packing the images", lambda: f"{mebibytes(read)}, {mebibytes(compressed.count)} compressed"),
            gzip.GzipFile(IMAGES, "wb", GZIP_LEVEL, compressed, mtime=0) as packed,
        ):
            for chunk in images:
                packed.write(chunk)
                read += len(chunk)
        out.write(padding(compressed.count))
        members.append(Member(IMAGES, compressed.count, compressed.digest.hexdigest()))
        sealed_at = out.tell()

        size = sealed_at + len(seal_of(DIGEST_PLACE))
        header = replace(about, members=tuple(members), size=size).rendered().ljust(header_bytes)
        out.seek(head_at)
        out.write(head_of(IMAGES, compressed.count))
        out.seek(0)
        out.write(head_of(HEADER, header_bytes) + header)
        out.flush()
        out.seek(0)
        digest, done = hashlib.sha256(), 0
        with under_way("digesting the bundle", lambda: f"{mebibytes(done)} of {mebibytes(size)}"):
            while chunk := out.read(CHUNK_BYTES):
                digest.update(chunk)
                done += len(chunk)
        seal = seal_of(digest.hexdigest())
        out.write(seal)
        digest.update(seal)
    return Written(size, digest.hexdigest())


def _wheel_names(wheels: Sequence[Path]) -> list[str]:
    return [f"wheels/{wheel.name}" for wheel in wheels]
