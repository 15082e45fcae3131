"""images/bigendian/sources against an archive of our own on loopback: one that lacks, errs, breaks off, or is slow."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scenarios.lab.topology import ROOT

PROGRAM = ROOT / "images" / "bigendian" / "sources"
NEEDED = ["apt-get", "apt-cache", "dpkg", "/usr/lib/apt/apt-helper"]
ENDS_WITHIN_S = 60  # the issue's own bound of a run that finds nothing
PACKAGE = "tiny"
NAMES = {
    version: [f"tiny_{version}.dsc", f"tiny_{version[:-2]}.orig.tar.gz"] for version in ("1.0-1", "2.0-1", "3.0-1")
}
POOL = "/debian/pool/main/t/tiny/"

pytestmark = pytest.mark.skipif(
    not all(shutil.which(program) for program in NEEDED), reason=f"no apt here: {', '.join(NEEDED)} are needed"
)


def content(name: str) -> bytes:
    """What a file of the archive holds; no two alike, and none small."""
    return (f"{name}\n" * 4000).encode()


def digest(held: bytes) -> str:
    return hashlib.sha256(held).hexdigest()


class Archive:
    """An archive with one source package; `ways` says of a file's name how it is served, where that is not whole."""

    def __init__(self, folder: Path, offers: list[str]) -> None:
        self.ways: dict[str, str | Callable[[BaseHTTPRequestHandler, bytes], None]] = {}
        self.asked: list[str] = []
        self.files = {f"{POOL}{name}": content(name) for names in NAMES.values() for name in names}
        index = "\n".join(self._paragraph(version) for version in offers).encode()
        release = f"Suite: test\nComponents: main\nSHA256:\n {digest(index)} {len(index)} main/source/Sources\n"
        self.files["/debian/dists/test/main/source/Sources"] = index
        self.files["/debian/dists/test/Release"] = release.encode()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.replace("%2b", "+")
                outer.asked.append(path)
                held, way = outer.files.get(path), outer.ways.get(path.rpartition("/")[2])
                if held is None or way == "absent":
                    self.send_error(404)
                    return
                if callable(way):
                    way(self, held)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(held)))
                self.end_headers()
                self.wfile.write(held)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/debian"
        self.folder = folder
        (folder / "sources").write_text(f"deb-src [trusted=yes] {self.address} test main\n", encoding="utf-8")
        for name in ("lists/partial", "cache/archives/partial", "empty"):
            (folder / name).mkdir(parents=True)
        (folder / "apt.conf").write_text(
            f'Dir::Etc::SourceList "{folder}/sources";\nDir::Etc::SourceParts "{folder}/empty";\n'
            f'Dir::State::Lists "{folder}/lists";\nDir::Cache "{folder}/cache";\nAPT::Sandbox::User "root";\n'
            "Acquire::Languages \"none\";\nAcquire::http::Proxy \"DIRECT\";\n",
            encoding="utf-8",
        )  # fmt: skip

    @staticmethod
    def _paragraph(version: str) -> str:
        sums = "\n".join(f" {digest(content(name))} {len(content(name))} {name}" for name in NAMES[version])
        return (
            f"Package: tiny\nBinary: tiny\nVersion: {version}\nDirectory: pool/main/t/tiny\nChecksums-Sha256:\n{sums}\n"
        )

    @property
    def environment(self) -> Mapping[str, str]:
        return {**os.environ, "APT_CONFIG": str(self.folder / "apt.conf"), "LC_ALL": "C"}

    def update(self) -> None:
        subprocess.run(
            ["apt-get", "update"], env=self.environment, check=True, capture_output=True, timeout=ENDS_WITHIN_S
        )

    def list_of(self, versions: list[str], wrong: str = "") -> None:
        """Write a sources.toml beside a copy of the program, with these versions."""
        lines: list[str] = []
        for version in versions:
            lines += [f'[["{PACKAGE}"]]', f'version = "{version}"', f'["{PACKAGE}".files]']
            lines += [f'"{name}" = "{wrong or digest(content(name))}"' for name in NAMES[version]]
        (self.folder / "sources.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def fetch(self, *words: str) -> subprocess.CompletedProcess[str]:
        shutil.copy(PROGRAM, self.folder / "program")
        (self.folder / "sources.toml").touch()
        program = self.folder / "program"
        return subprocess.run(
            [sys.executable, str(program), "fetch", PACKAGE, str(self.sources), *words],
            env=self.environment, capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=False,
        )  # fmt: skip

    @property
    def sources(self) -> Path:
        return self.folder / "got"

    def has(self, version: str) -> bool:
        """Whether just the files of this version are there, as they should be."""
        return {path.name: path.read_bytes() for path in self.sources.iterdir()} == {
            name: content(name) for name in NAMES[version]
        }


@contextlib.contextmanager
def archive_of(folder: Path, offers: list[str]) -> Iterator[Archive]:
    archive = Archive(folder, offers)
    thread = threading.Thread(target=archive.server.serve_forever, daemon=True)
    thread.start()
    try:
        archive.update()
        yield archive
    finally:
        archive.server.shutdown()
        archive.server.server_close()
        thread.join(ENDS_WITHIN_S)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """An archive whose index offers 3.0 and 2.0, and whose pool has 1.0 too."""
    with archive_of(tmp_path, ["2.0-1", "3.0-1"]) as found:
        yield found


def test_the_newest_that_the_index_offers_is_taken(archive: Archive) -> None:
    ran = archive.fetch()
    assert (ran.returncode, archive.has("3.0-1")) == (0, True), ran.stdout + ran.stderr
    assert "tiny 3.0-1 (the archive's index): all 2 files, verified" in ran.stdout


@pytest.mark.parametrize("absent", NAMES["3.0-1"])
def test_where_the_pool_lacks_a_file_of_the_newest_the_next_is_taken_and_the_line_says_what_was_not_there(
    archive: Archive, absent: str
) -> None:
    archive.ways[absent] = "absent"
    ran = archive.fetch()
    assert (ran.returncode, archive.has("2.0-1")) == (0, True), ran.stdout + ran.stderr
    assert f"tiny 3.0-1 (the archive's index): {absent} is not in {archive.address}/pool/main/t/tiny" in ran.stdout


def test_where_the_pool_lacks_all_that_the_index_offers_the_list_is_gone_through(archive: Archive) -> None:
    archive.ways = {NAMES["3.0-1"][0]: "absent", NAMES["2.0-1"][0]: "absent"}
    archive.list_of(["2.0-1", "1.0-1"])
    ran = archive.fetch()
    assert (ran.returncode, archive.has("1.0-1")) == (0, True), ran.stdout + ran.stderr
    assert "tiny 1.0-1 (sources.toml): all 2 files, verified" in ran.stdout
    assert ran.stdout.count("tiny 2.0-1") == 1, "what the index and the list both have is tried once"


def test_a_version_of_the_list_is_looked_for_in_the_pool_of_the_security_archive_too(archive: Archive) -> None:
    archive.ways = {name: "absent" for version in ("3.0-1", "2.0-1") for name in NAMES[version]}
    for name in NAMES["1.0-1"]:
        archive.files[f"/debian/pool/updates/main/t/tiny/{name}"] = archive.files.pop(f"{POOL}{name}")
    archive.list_of(["1.0-1"])
    ran = archive.fetch()
    assert (ran.returncode, archive.has("1.0-1")) == (0, True), ran.stdout + ran.stderr


def test_an_archive_that_lacks_all_is_a_clear_end_that_lists_what_was_tried_and_what_to_do(archive: Archive) -> None:
    archive.ways = {name: "absent" for names in NAMES.values() for name in names}
    archive.list_of(["1.0-1"])
    ran = archive.fetch()
    assert ran.returncode == 1
    assert "no source of tiny is to be had" in ran.stderr
    for version in NAMES:
        assert f"  tiny {version}" in ran.stderr
    assert "make sources" in ran.stderr
    assert "SOURCES=folder" in ran.stderr
    assert list(archive.sources.iterdir()) == []


def test_a_file_of_another_content_is_refused_by_its_name_and_the_next_version_taken(archive: Archive) -> None:
    name = NAMES["3.0-1"][1]
    archive.files[f"{POOL}{name}"] = content("of another file.")[: len(content(name))]
    ran = archive.fetch()
    assert (ran.returncode, archive.has("2.0-1")) == (0, True), ran.stdout + ran.stderr
    assert f"tiny 3.0-1 (the archive's index): {name} from {archive.address}/pool/main/t/tiny: refused:" in ran.stdout


def test_a_file_of_the_list_whose_digest_is_another_is_refused(archive: Archive) -> None:
    """The digest is what counts, whoever serves the file: here the list is wrong, and the file is not."""
    archive.ways = {name: "absent" for version in ("3.0-1", "2.0-1") for name in NAMES[version]}
    archive.list_of(["1.0-1"], wrong="0" * 64)
    ran = archive.fetch()
    assert ran.returncode == 1
    assert list(archive.sources.iterdir()) == []


def broken_off(times: int) -> Callable[[BaseHTTPRequestHandler, bytes], None]:
    """Serve half of a file and close the connection, so many times; after that all of it."""
    left = [times]

    def serve(handler: BaseHTTPRequestHandler, held: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(held)))
        handler.end_headers()
        left[0] -= 1
        handler.wfile.write(held[: len(held) // 2] if left[0] >= 0 else held)
        handler.close_connection = True

    return serve


def test_a_transfer_that_breaks_off_in_the_middle_is_tried_again(archive: Archive) -> None:
    name = NAMES["3.0-1"][1]
    archive.ways[name] = broken_off(1)
    ran = archive.fetch()
    assert (ran.returncode, archive.has("3.0-1")) == (0, True), ran.stdout + ran.stderr
    assert archive.asked.count(f"{POOL}{name}") == 2


def test_a_transfer_that_breaks_off_every_time_is_given_up_for_the_next_version(archive: Archive) -> None:
    name = NAMES["3.0-1"][1]
    archive.ways[name] = broken_off(1000)
    ran = archive.fetch()
    assert (ran.returncode, archive.has("2.0-1")) == (0, True), ran.stdout + ran.stderr
    assert any(name in line for line in ran.stdout.splitlines())
    assert 1 < archive.asked.count(f"{POOL}{name}") < 20


def slowly(handler: BaseHTTPRequestHandler, held: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(held)))
    handler.end_headers()
    for at in range(0, len(held), len(held) // 10 + 1):
        handler.wfile.write(held[at : at + len(held) // 10 + 1])
        handler.wfile.flush()
        time.sleep(0.2)


def test_a_slow_archive_is_waited_for(archive: Archive) -> None:
    archive.ways[NAMES["3.0-1"][1]] = slowly
    ran = archive.fetch()
    assert (ran.returncode, archive.has("3.0-1")) == (0, True), ran.stdout + ran.stderr


def test_an_archive_that_does_not_answer_is_asked_once_and_the_users_folder_taken(tmp_path: Path) -> None:
    with archive_of(tmp_path, ["3.0-1"]) as archive:
        archive.list_of(["1.0-1"])
    own = tmp_path / "own"
    own.mkdir()
    for name in NAMES["1.0-1"]:
        (own / name).write_bytes(content(name))
    ran = archive.fetch("--own", str(own))
    assert (ran.returncode, archive.has("1.0-1")) == (0, True), ran.stdout + ran.stderr
    assert ran.stdout.count("is not reached") == 1
    assert "tiny 1.0-1 (sources.toml): all 2 files from the folder SOURCES, verified" in ran.stdout


def test_a_wrong_file_in_the_users_folder_is_refused_by_its_name(archive: Archive, tmp_path: Path) -> None:
    archive.ways = {name: "absent" for names in NAMES.values() for name in names}
    own = tmp_path / "own"
    own.mkdir()
    for name in NAMES["3.0-1"]:
        (own / name).write_bytes(content(name)[1:])
    ran = archive.fetch("--own", str(own))
    assert ran.returncode == 1
    assert f"{NAMES['3.0-1'][0]} of the folder SOURCES is refused: expected SHA-256" in ran.stdout
    assert "has no version whole" in ran.stderr
    assert list(archive.sources.iterdir()) == []


def test_a_list_that_cannot_be_read_is_told_with_its_place(archive: Archive) -> None:
    archive.list_of(["1.0-1"], wrong="not a digest")
    ran = archive.fetch()
    assert ran.returncode == 1
    assert "sources.toml: tiny, entry 1: the SHA-256 of tiny_1.0-1.dsc is not 64 hexadecimal digits" in ran.stderr
    (archive.folder / "sources.toml").write_text("[[tiny]\n", encoding="utf-8")
    ran = archive.fetch()
    assert ran.returncode == 1
    assert "sources.toml" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_list_of_the_repository_has_at_least_three_versions_of_each_source() -> None:
    listed = tomllib.loads((PROGRAM.parent / "sources.toml").read_text(encoding="utf-8"))
    assert set(listed) == {"zlib", "openssl", "python3.13"}
    for package, versions in listed.items():
        assert len({entry["version"] for entry in versions}) >= 3, package
        for entry in versions:
            assert any(name.endswith(".dsc") for name in entry["files"]), (package, entry["version"])
            assert any(".orig.tar" in name for name in entry["files"]), (package, entry["version"])


def test_a_wrong_command_line_is_a_usage_error() -> None:
    ran = subprocess.run([sys.executable, str(PROGRAM), "get"], capture_output=True, timeout=60, check=False)
    assert ran.returncode == 64
