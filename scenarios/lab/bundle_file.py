"""The file of `make bundle`: the lab's images and its program's Python packages, for a machine without a network.

It is a tar archive, in this order:

    faultwire-bundle.json    what is in it: the format's number, the images, and each later member's size and SHA-256
    wheels/….whl             the packages of requirements.lock
    images.tar.gz            what `docker save` writes, compressed
    sha256                   the SHA-256 of every byte before this member

A file that differs from that in a single bit is refused, by name of what is wrong, before anything of it is used.
Standard library only, and no Docker: setup.sh runs this before any Python package is there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

from scenarios.lab.bundle_format import (
    CHUNK_BYTES,
    DIGEST_PLACE,
    FORMAT,
    HEADER,
    IMAGES,
    MOST_BYTES,
    MOST_HEADER_BYTES,
    MOST_MEMBERS,
    SEAL,
    WHEEL,
    BundleError,
    Contents,
    Image,
    Member,
    Say,
    UnderWay,
    digest_of,
    head_of,
    mebibytes,
    padding,
    seal_of,
)

TELLS_EVERY_S: Final = 5.0


def in_lines(say: Say, every_s: float = TELLS_EVERY_S) -> UnderWay:
    """Tell what is under way in a line, every so many seconds."""

    @contextlib.contextmanager
    def under_way(what: str, at: Callable[[], str]) -> Iterator[None]:
        ended = threading.Event()

        def tell() -> None:
            while not ended.wait(every_s):
                say(f"{what}: {at()}")

        teller = threading.Thread(target=tell, name="bundle", daemon=True)
        teller.start()
        try:
            yield
        finally:
            ended.set()
            teller.join()

    return under_way


# Writing


# Reading


class Bundle:
    """An open bundle whose outline is right: each member is where it should be. `verify` reads what is in them."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = file
        self.size = os.fstat(file.fileno()).st_size
        self._at: dict[str, int] = {}  # where each member's content begins
        self.contents = self._outline()

    def _outline(self) -> Contents:
        try:
            first = tarfile.TarInfo.frombuf(self._file.read(tarfile.BLOCKSIZE), tarfile.ENCODING, "surrogateescape")
        except tarfile.TarError as error:
            what = "is empty" if self.size == 0 else f"is not a tar archive ({error})"
            raise BundleError(f"{self.path}: not a bundle of Faultwire: the file {what}") from None
        if first.name != HEADER:
            raise BundleError(
                f"{self.path}: not a bundle of Faultwire: expected {HEADER!r} as its first member, got {first.name!r}"
            )
        if not 0 < first.size <= MOST_HEADER_BYTES:
            raise BundleError(f"{self.path}: {HEADER} has {first.size} bytes; expected 1 to {MOST_HEADER_BYTES}")
        text = self._file.read(first.size)
        if len(text) < first.size:
            raise BundleError(f"{self.path}: the file is cut off within {HEADER}, after {self.size} bytes")
        contents = _read_header(text, f"{self.path}: {HEADER}")
        if self.size != contents.size:
            how = "is cut off" if self.size < contents.size else "has something after its end"
            raise BundleError(f"{self.path}: the file {how}: {self.size} bytes are there, expected {contents.size}")
        # Where each member stands follows from the header, and so does each head, to the byte: nothing is parsed.
        end = tarfile.BLOCKSIZE + first.size + len(padding(first.size))
        for each in contents.members:
            head = head_of(each.name, each.size)
            self._file.seek(end)
            if self._file.read(len(head)) != head:
                raise BundleError(f"{self.path}: altered: {each.name} does not begin at byte {end}, where it should")
            self._at[each.name] = end + len(head)
            end += len(head) + each.size + len(padding(each.size))
        if end + len(seal_of(DIGEST_PLACE)) != self.size:
            raise BundleError(f"{self.path}: altered: the members end at byte {end} of {self.size}")
        return contents

    def verify(self, under_way: UnderWay, sha256: str | None = None) -> None:
        """Read all of it and compare every digest. Raises BundleError, which names what is altered.

        `sha256`: what the whole file's must be, as its maker told it. The digests inside show an accident; only this
        one shows that somebody exchanged the file.
        """
        everything, done = hashlib.sha256(), 0

        def pass_over(end: int) -> hashlib._Hash:
            nonlocal done
            part = hashlib.sha256()
            while done < end:
                chunk = self._file.read(min(CHUNK_BYTES, end - done))
                if not chunk:
                    raise BundleError(f"{self.path}: the file became shorter while it was read")
                everything.update(chunk)
                part.update(chunk)
                done += len(chunk)
            return part

        self._file.seek(0)
        with under_way(f"verifying {self.path.name}", lambda: f"{mebibytes(done)} of {mebibytes(self.size)}"):
            for each in self.contents.members:
                pass_over(self._at[each.name])
                came = pass_over(self._at[each.name] + each.size).hexdigest()
                if came != each.sha256:
                    raise BundleError(
                        f"{self.path}: {each.name} is altered: expected SHA-256 {each.sha256}, got {came}"
                    )
            pass_over(self.size - len(seal_of(DIGEST_PLACE)))
            seal = self._file.read()
            if seal != seal_of(everything.hexdigest()):
                raise BundleError(
                    f"{self.path}: altered in {HEADER} or between the members: the bytes before `{SEAL}` have SHA-256 "
                    f"{everything.hexdigest()}, which is not the one there"
                )
            everything.update(seal)
        if sha256 is not None and everything.hexdigest() != sha256.lower():
            raise BundleError(
                f"{self.path}: another bundle: expected SHA-256 {sha256.lower()}, got {everything.hexdigest()}"
            )

    def read(self, name: str) -> Iterator[bytes]:
        """The content of a member, in pieces."""
        left = next(each.size for each in self.contents.members if each.name == name)
        self._file.seek(self._at[name])
        while left:
            chunk = self._file.read(min(CHUNK_BYTES, left))
            if not chunk:
                raise BundleError(f"{self.path}: the file became shorter while it was read")
            left -= len(chunk)
            yield chunk

    def wheels_into(self, folder: Path, requirements: Path, python: str) -> None:
        """Write the packages into a folder, for a Python of this version (`3.11`) and this requirements.lock.

        Raises BundleError where the bundle's are for others.
        """
        if python not in self.contents.pythons:
            there = ", ".join(self.contents.pythons)
            raise BundleError(
                f"{self.path}: its Python packages are for Python {there}, and python3 is {python} here; "
                f"`make bundle PYTHONS='{there} {python}'`, where there is a network, makes one for both"
            )
        if self.contents.requirements != digest_of(requirements):
            raise BundleError(
                f"{self.path}: its Python packages are those of another requirements.lock than this checkout's; "
                f"the bundle was made from commit {self.contents.commit or 'unknown'}"
            )
        for each in self.contents.members:
            if each.name != IMAGES:
                with (folder / each.name.removeprefix("wheels/")).open("xb") as out:
                    out.writelines(self.read(each.name))


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Bundle]:
    """An open bundle. Raises BundleError for a file that is not one, or not whole, or of a later format."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from None
    with file:
        yield Bundle(path, file)


def _read_header(text: bytes, where: str) -> Contents:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{where}: altered: not JSON: {error}") from None
    number = document.get("format") if isinstance(document, dict) else None
    if type(number) is not int or number < 1:
        raise BundleError(f"{where}: `format`: expected a number from 1, got {number!r}")
    if number > FORMAT:
        raise BundleError(
            f"{where}: the bundle has format {number}, and this checkout reads format {FORMAT}: it was made by a later "
            "Faultwire; bring this checkout to the same commit, or make the bundle anew"
        )
    try:
        contents = Contents(
            made=_text(document, "made"),
            commit=_text(document, "commit"),
            platform=_text(document, "platform"),
            pythons=tuple(_list(document, "pythons", str)),
            requirements=_text(document, "requirements"),
            images=tuple(map(_image, _list(document, "images", dict))),
            members=tuple(map(_member, _list(document, "members", dict))),
            size=_size(document, "size"),
        )
    except BundleError as error:
        raise BundleError(f"{where}: {error}") from None
    names = [each.name for each in contents.members]
    *wheels, last = names or [""]
    strange = [name for name in wheels if not WHEEL.fullmatch(name)] or [name for name in [last] if name != IMAGES]
    if strange or len({*names}) < len(names) or len(names) > MOST_MEMBERS:
        what = f"{strange[0]!r} is not one" if strange else f"{len(names)}, some of them twice or too many"
        raise BundleError(f"{where}: `members`: expected wheels/….whl, then {IMAGES}: {what}")
    return contents


def _of(document: Mapping[str, object], key: str, kind: type) -> Any:
    if type(found := document.get(key)) is not kind:
        raise BundleError(f"`{key}`: expected {kind.__name__}, got {found!r:.80}")
    return found


def _text(document: Mapping[str, object], key: str) -> str:
    return str(_of(document, key, str))


def _size(document: Mapping[str, object], key: str) -> int:
    if not 0 <= (found := int(_of(document, key, int))) <= MOST_BYTES:
        raise BundleError(f"`{key}`: expected 0 to {MOST_BYTES} bytes, got {found}")
    return found


def _list(document: Mapping[str, object], key: str, kind: type) -> list[Any]:
    found: list[Any] = _of(document, key, list)
    for each in found:
        if type(each) is not kind:
            raise BundleError(f"`{key}`: expected a list of {kind.__name__}, got {each!r:.80} in it")
    return found


def _image(document: Mapping[str, object]) -> Image:
    inputs = None if document.get("inputs") is None else _text(document, "inputs")
    return Image(_text(document, "tag"), _text(document, "id"), inputs, tuple(_list(document, "layers", str)))


def _member(document: Mapping[str, object]) -> Member:
    return Member(_text(document, "name"), _size(document, "size"), _text(document, "sha256"))


def main(argv: Sequence[str]) -> int:
    """`wheels BUNDLE FOLDER REQUIREMENTS`: verify the bundle, and write its packages into a folder. For setup.sh."""
    _, path, folder, requirements = argv
    python = ".".join(map(str, sys.version_info[:2]))
    try:
        with opened(Path(path)) as bundle:
            bundle.verify(in_lines(lambda text: print(f"bundle: {text}", flush=True)))
            bundle.wheels_into(Path(folder), Path(requirements), python)
    except BundleError as error:
        print(f"cannot: {error}", file=sys.stderr)
        return os.EX_USAGE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
