"""The format of a bundle, as values: what is in it, and the heads of its members. bundle_file.py has the order.

Standard library only, as all that setup.sh runs.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Final

from scenarios.lab.errors import UsageError
from scenarios.lab.valueclass import valueclass

FORMAT: Final = 1
HEADER: Final = "faultwire-bundle.json"
IMAGES: Final = "images.tar.gz"
SEAL: Final = "sha256"
WHEEL: Final = re.compile(r"wheels/[A-Za-z0-9][\w.+-]*\.whl", re.ASCII)

MOST_HEADER_BYTES: Final = 1 << 20
MOST_MEMBERS: Final = 2000
CHUNK_BYTES: Final = 1 << 20

GZIP_LEVEL: Final = 4  # 6 takes 1.7 times as long, and 4 % off the size
MOST_BYTES: Final = 1 << 50
SIZE_PLACE: Final = MOST_BYTES  # stands in the header while the images' size is not known
DIGEST_PLACE: Final = "0" * 64
_TAR_END: Final = bytes(2 * tarfile.BLOCKSIZE)

Say = Callable[[str], None]
# Tells, for the time of its `with` block, what is under way; the second asks how far it is.
UnderWay = Callable[[str, Callable[[], str]], AbstractContextManager[object]]


class BundleError(UsageError):
    """The file is not a whole, unaltered bundle that this program reads; or it is not for this machine."""


@valueclass
class Image:
    """An image in the bundle. `inputs`: the digest of all that it was built from, where it has that label."""

    tag: str
    id: str
    inputs: str | None
    layers: tuple[str, ...]  # the digests of its layers; every engine computes the same


@valueclass
class Member:
    """A file in the bundle."""

    name: str
    size: int  # bytes
    sha256: str


@valueclass
class Contents:
    """What a bundle says of itself. `size` is the whole file's, in bytes."""

    made: str  # ISO 8601, UTC
    commit: str  # of the checkout that made it; "" without git
    platform: str  # of the images and the packages, as Docker has it: linux/amd64
    pythons: tuple[str, ...]  # the versions for which there are packages: 3.11
    requirements: str  # the SHA-256 of the requirements.lock that they fulfil
    images: tuple[Image, ...]
    members: tuple[Member, ...]
    size: int

    def rendered(self) -> bytes:
        """The header's text."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode()


def mebibytes(count: int) -> str:
    """`12.3 MiB`."""
    return f"{count / 2**20:,.1f} MiB"


def digest_of(path: Path) -> str:
    """The SHA-256 of a small file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def head_of(name: str, size: int) -> bytes:
    """A member's head in the archive. GNU's format: it has room for long names and for sizes of 8 GiB and more."""
    head = tarfile.TarInfo(name)
    head.size = size
    return head.tobuf(tarfile.GNU_FORMAT)


def padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def seal_of(digest: str) -> bytes:
    """The end of the file."""
    content = f"{digest}\n".encode()
    return head_of(SEAL, len(content)) + content + padding(len(content)) + _TAR_END
