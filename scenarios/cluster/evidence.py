"""The evidence of a cell on its way home: the folder as one compressed archive, and unpacked where it belongs."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import Final

from scenarios.evidence.run_folder import made_whole

MOST_BYTES: Final = 256 << 20  # of an archive: the lab bounds what a cell leaves far below
MOST_UNPACKED_BYTES: Final = 2 << 30
LEVEL: Final = 6  # of gzip: captures and JSON come to a tenth; 9 takes thrice as long for 2 % less


def pack(folder: Path) -> bytes:
    """Return the folder of a cell as an archive. Raise OSError."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=LEVEL) as archive:
        archive.add(folder, arcname=".")
    return out.getvalue()


def unpack(archive: bytes, into: Path) -> None:
    """Write what `pack` made into a new folder. Raise ValueError for what is none, or is too large; StorageProblem."""
    if len(archive) > MOST_BYTES:
        raise ValueError(f"archive of evidence: expected at most {MOST_BYTES} bytes, got {len(archive)}")
    with made_whole(into):
        try:
            with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
                left = MOST_UNPACKED_BYTES
                for member in opened:
                    left -= member.size
                    if left < 0:
                        raise ValueError(
                            f"archive of evidence: expected at most {MOST_UNPACKED_BYTES} bytes unpacked, got more"
                        )
                    _extract(opened, member, into)
        except (tarfile.TarError, EOFError) as error:
            raise ValueError(f"not an archive of evidence: {error}") from error


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, into: Path) -> None:
    """Write a member of an archive into a folder that was made for it; nothing outside of that, and no link.

    TarFile.extract with its filter does so too, and asks the system for each part of each path: that took a third of
    what a cell costs the head.
    """
    place = PurePosixPath(member.name)
    if place.is_absolute() or ".." in place.parts or not (member.isreg() or member.isdir()):
        raise tarfile.FilterError(f"expected a file or folder within the cell's folder, got {member.name!r}")
    path = f"{into}/{place}"
    if member.isdir():
        Path(path).mkdir(parents=True, exist_ok=True)
        return
    content = archive.extractfile(member)
    assert content is not None  # noqa: S101 (it is a regular file)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600 | member.mode & 0o755)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        shutil.copyfileobj(content, file)
    os.utime(path, (member.mtime, member.mtime))
