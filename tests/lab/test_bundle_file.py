"""The file of `make bundle`: whole and unaltered it is read, and nothing else is. No engine."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scenarios.lab import bundle_file, bundle_format, bundle_writing
from scenarios.lab.bundle_file import opened
from scenarios.lab.bundle_format import HEADER, IMAGES, BundleError, Contents, Image
from scenarios.lab.bundle_writing import Written
from scenarios.lab.topology import ROOT
from tests.services.running import eventually

SAVED = bytes(range(256)) * 1000  # what `docker save` would print
WHEELS = {"one-1.0-py3-none-any.whl": b"first", f"two-1.0-{'x' * 100}.whl": os.urandom(1024), "three-3.whl": b""}
PYTHON = ".".join(map(str, sys.version_info[:2]))


def quiet(*_: object) -> AbstractContextManager[None]:
    """Nobody listens."""
    return nullcontext()


def written(destination: Path, images: Iterable[bytes] = (SAVED,)) -> Written:
    """A small bundle."""
    folder = destination.parent / "wheels"
    folder.mkdir(exist_ok=True)
    for name, content in WHEELS.items():
        (folder / name).write_bytes(content)
    lock = destination.parent / "requirements.lock"
    lock.write_text("one==1.0\n")
    about = Contents(
        made="2026-11-26T19:00:00Z",
        commit="c290f35",
        platform="linux/amd64",
        pythons=(PYTHON,),
        requirements=bundle_format.digest_of(lock),
        images=(Image("faultwire/base:latest", "sha256:1", "abc", ("sha256:2",)),),
        members=(),
        size=0,
    )
    wheels = [folder / name for name in WHEELS]
    return bundle_writing.write(destination, about, wheels, images, quiet)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "lab.tar"
    written(path)
    return path


def verified(path: Path, sha256: str | None = None) -> None:
    with opened(path) as bundle:
        bundle.verify(quiet, sha256)


def altered(whole: Path, tmp_path: Path, change: Callable[[bytearray], object]) -> Path:
    content = bytearray(whole.read_bytes())
    change(content)
    path = tmp_path / "altered.tar"
    path.write_bytes(content)
    return path


def with_header(whole: Path, tmp_path: Path, **changed: object) -> Path:
    """A bundle whose header says something else; in the same number of bytes."""
    header = json.loads(tarfile.open(whole).extractfile(HEADER).read())  # type: ignore[union-attr]  # noqa: SIM115
    text = json.dumps({**header, **changed}).encode()

    def change(content: bytearray) -> None:
        size = tarfile.open(whole).next().size  # type: ignore[union-attr]  # noqa: SIM115
        content[512 : 512 + size] = text.ljust(size)

    return altered(whole, tmp_path, change)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lab.tar"
    told = written(path)
    assert told == Written(path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
    with opened(path) as bundle:
        bundle.verify(quiet, told.sha256.upper())
        assert gzip.decompress(b"".join(bundle.read(IMAGES))) == SAVED
        assert bundle.contents.images == (Image("faultwire/base:latest", "sha256:1", "abc", ("sha256:2",)),)
        (tmp_path / "out").mkdir()
        bundle.wheels_into(tmp_path / "out", tmp_path / "requirements.lock", PYTHON)
    assert {each.name: each.read_bytes() for each in (tmp_path / "out").iterdir()} == WHEELS


def test_it_is_an_ordinary_archive_whose_members_can_be_taken_out_by_hand(whole: Path, tmp_path: Path) -> None:
    listed = subprocess.run(["tar", "tf", whole], check=True, capture_output=True, text=True).stdout.split()
    assert listed == [HEADER, *(f"wheels/{name}" for name in WHEELS), IMAGES, "sha256"]
    subprocess.run(["tar", "xf", whole, "-C", tmp_path], check=True)
    assert gzip.decompress((tmp_path / IMAGES).read_bytes()) == SAVED
    before = whole.read_bytes()[: -512 * 4]
    assert (tmp_path / "sha256").read_text() == hashlib.sha256(before).hexdigest() + "\n"


def test_a_bundle_of_nothing_but_images_is_one(tmp_path: Path) -> None:
    about = Contents("", "", "linux/amd64", (), "", (), (), 0)
    bundle_writing.write(tmp_path / "lab.tar", about, [], [], quiet)
    verified(tmp_path / "lab.tar")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("nothing", b"", "not a bundle of Faultwire: the file is empty"),
        ("a page", b"<html>not found</html>" * 100, "not a bundle of Faultwire: the file is not a tar archive"),
        ("zeros", bytes(10240), "not a bundle of Faultwire: the file is not a tar archive"),
        ("short", b"x", "not a bundle of Faultwire: the file is not a tar archive"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{name}: {says}"):
        verified(tmp_path / name)


def test_a_foreign_archive_is_refused_by_its_first_member(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "saved.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("manifest.json"))
    with pytest.raises(BundleError, match=r"expected 'faultwire-bundle.json' as its first member, got 'manifest.json'"):
        verified(tmp_path / "saved.tar")


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="none: No such file or directory"):
        verified(tmp_path / "none")
    with pytest.raises(BundleError, match="Is a directory"):
        verified(tmp_path)


def test_a_file_that_is_cut_off_is_refused_wherever_it_is_cut(whole: Path, tmp_path: Path) -> None:
    content = whole.read_bytes()
    path = tmp_path / "cut.tar"
    for size in {*range(2048), *range(0, len(content), 97), len(content) - 1}:
        path.write_bytes(content[:size])
        with pytest.raises(BundleError, match=r"cut off|not a bundle"):
            verified(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(BundleError, match=r"has something after its end: \d+ bytes are there, expected \d+"):
        verified(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(data=st.data())
def test_one_altered_bit_is_refused_wherever_it_is(whole: Path, tmp_path: Path, data: st.DataObject) -> None:
    bit = data.draw(st.integers(0, whole.stat().st_size * 8 - 1))

    def flip(content: bytearray) -> None:
        content[bit // 8] ^= 1 << bit % 8

    with pytest.raises(BundleError, match=r"altered\.tar: "):
        verified(altered(whole, tmp_path, flip))


def flipped_in(member: str, whole: Path, tmp_path: Path) -> Path:
    """A bundle of which a bit in this member is another."""
    at = next(each.offset_data for each in tarfile.open(whole).getmembers() if each.name == member)  # noqa: SIM115

    def flip(content: bytearray) -> None:
        content[at] ^= 1

    return altered(whole, tmp_path, flip)


@pytest.mark.parametrize("member", [*(f"wheels/{name}" for name, content in WHEELS.items() if content), IMAGES])
def test_an_altered_member_is_named(whole: Path, tmp_path: Path, member: str) -> None:
    with pytest.raises(BundleError, match=rf"{member} is altered: expected SHA-256 \w{{64}}, got \w{{64}}"):
        verified(flipped_in(member, whole, tmp_path))


def test_an_altered_header_is_told_from_an_altered_member(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"altered in faultwire-bundle.json or between the members"):
        verified(with_header(whole, tmp_path, commit="d290f35"))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"format": 2}, r"the bundle has format 2, and this checkout reads format 1: it was made by a later Faultwire"),
        ({"format": "1"}, r"`format`: expected a number from 1, got '1'"),
        ({"format": True}, r"`format`: expected a number from 1, got True"),
        ({"images": None}, r"`images`: expected list, got None"),
        ({"pythons": [3.11]}, r"`pythons`: expected a list of str, got 3.11 in it"),
        ({"members": [{"name": "x"}]}, r"`size`: expected int, got None"),
        (
            {"members": [{"name": "../../etc/x.whl", "size": 0, "sha256": ""}]},
            r"came|expected wheels/….whl, then images",
        ),
        ({"members": []}, r"`members`: expected wheels/….whl, then images.tar.gz"),
        ({"size": -1}, r"`size`: expected 0 to \d+ bytes, got -1"),
    ],
)
def test_a_header_with_something_else_in_it_is_refused_by_name(
    whole: Path, tmp_path: Path, changed: dict[str, object], says: str
) -> None:
    with pytest.raises(BundleError, match=rf"altered.tar: faultwire-bundle.json: .*{says}"):
        verified(with_header(whole, tmp_path, **changed))


@pytest.mark.parametrize(
    "name",
    ["wheels/../x.whl", "wheels/a/b.whl", "/x.whl", "wheels/.whl", "wheels/x.whl\n", "x.whl", IMAGES, "wheels/x"],
)
def test_a_name_that_leads_elsewhere_is_refused(whole: Path, tmp_path: Path, name: str) -> None:
    members = [{"name": each, "size": 0, "sha256": ""} for each in (name, IMAGES)]
    with pytest.raises(BundleError, match=r"`members`: expected wheels/….whl, then images\.tar\.gz"):
        verified(with_header(whole, tmp_path, members=members))


def test_a_header_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    for size in (0, bundle_format.MOST_HEADER_BYTES + 1):
        head = tarfile.TarInfo(HEADER)
        head.size = size
        (tmp_path / "long.tar").write_bytes(head.tobuf())
        with pytest.raises(BundleError, match=f"has {size} bytes; expected 1 to {bundle_format.MOST_HEADER_BYTES}"):
            verified(tmp_path / "long.tar")


def test_a_header_of_no_end_of_brackets_is_refused(tmp_path: Path) -> None:
    head = tarfile.TarInfo(HEADER)
    head.size = 1 << 19
    (tmp_path / "deep.tar").write_bytes(head.tobuf() + b"[" * head.size)
    with pytest.raises(BundleError, match="altered: not JSON"):
        verified(tmp_path / "deep.tar")


def test_another_bundle_than_the_one_told_of_is_refused(whole: Path) -> None:
    with pytest.raises(BundleError, match=rf"another bundle: expected SHA-256 {'0' * 64}, got \w{{64}}"):
        verified(whole, "0" * 64)


def ends_with(error: BaseException) -> Iterator[bytes]:
    """A part, and then this."""
    yield SAVED
    raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("No space left on device")], ids=repr)
def test_what_is_interrupted_leaves_the_file_as_it_was_and_no_other(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "lab.tar"
    for before in (None, b"earlier"):
        if before:
            path.write_bytes(before)
        with pytest.raises(type(error)):
            written(path, ends_with(error))
        there = {each.name for each in tmp_path.iterdir()} - {"wheels", "requirements.lock"}
        assert there == ({"lab.tar"} if before else set())
        assert not before or path.read_bytes() == before


def test_while_it_is_written_it_has_another_name(tmp_path: Path) -> None:
    path, seen = tmp_path / "lab.tar", list[set[str]]()

    def looks() -> Iterator[bytes]:
        yield SAVED
        seen.append({each.name for each in tmp_path.iterdir()} - {"wheels", "requirements.lock"})

    written(path, looks())
    assert seen
    assert all(names and "lab.tar" not in names for names in seen)


def for_setup(whole: Path, folder: Path, lock: Path) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    argv = [
        sys.executable,
        "-S",
        "-m",
        "scenarios.lab.bundle_file",
        "wheels",
        *map(str, (whole, folder, lock)),
    ]  # -S: no package at all
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_the_packages_are_had_before_any_package_is_there(whole: Path, tmp_path: Path) -> None:
    ran = for_setup(whole, tmp_path / "out", whole.parent / "requirements.lock")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert {each.name: each.read_bytes() for each in (tmp_path / "out").iterdir()} == WHEELS


def test_packages_for_another_lock_or_another_python_are_refused(whole: Path, tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("one==1.1\n")
    ran = for_setup(whole, tmp_path / "out", lock)
    assert ran.returncode == os.EX_USAGE
    assert (
        "those of another requirements.lock than this checkout's; the bundle was made from commit c290f35" in ran.stderr
    )
    assert not list((tmp_path / "out").iterdir())
    with (
        opened(whole) as bundle,
        pytest.raises(BundleError, match=rf"are for Python {PYTHON}, and python3 is 3\.99 here"),
    ):
        bundle.wheels_into(tmp_path, lock, "3.99")


def test_an_altered_bundle_gives_no_package(whole: Path, tmp_path: Path) -> None:
    path = flipped_in(IMAGES, whole, tmp_path)
    ran = for_setup(path, tmp_path / "out", whole.parent / "requirements.lock")
    assert ran.returncode == os.EX_USAGE
    assert "images.tar.gz is altered" in ran.stderr
    assert not list((tmp_path / "out").iterdir())


def test_a_long_step_is_told_of_while_it_goes_on_and_no_longer() -> None:
    said: list[str] = []
    with bundle_file.in_lines(said.append, every_s=0.001)("counting", lambda: f"{len(said)} lines"):
        eventually(lambda: len(said) > 2, "three lines")
    assert said[:3] == ["counting: 0 lines", "counting: 1 lines", "counting: 2 lines"]
    assert "bundle" not in {each.name for each in threading.enumerate()}
