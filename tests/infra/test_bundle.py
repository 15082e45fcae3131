"""`make bundle` here, `make load` there: a machine whose engine has no image, and no way out, gets a working lab.

The Python packages that the lab's program needs travel, and not those of the tests (Playwright alone has 50 MiB): the
test's checkouts have a shorter requirements.lock. The images are those of the demonstration.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from scenarios.lab.images import DEBIAN, recipes_of
from scenarios.lab.topology import topology
from tests import processes
from tests.bundling import bundled, checkout
from tests.conftest import free_lab
from tests.second_engine import SecondEngine, second_engine, why_not
from tests.services.running import eventually

A_SERVICE: Final = Path("services/search/answers.py")
WITHIN_S: Final = 1800.0  # for a command that would hang; a busy machine takes minutes


@dataclass(frozen=True, slots=True)
class There:
    """A machine without a network: an engine, and a checkout. `said`: what `make load` printed."""

    engine: SecondEngine
    checkout: Path
    said: str

    def make(self, *words: str) -> tuple[int, str]:
        ran = self.engine.run(["make", *words], cwd=self.checkout, timeout_s=WITHIN_S)
        return ran.returncode, ran.stdout


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the demonstration needs, in a file."""
    if reason := why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("here")
    file = folder / "lab.tar"
    every = topology()
    of_the_demo = recipes_of({every.machines[name] for name in every.machines_of()})
    command = bundled(file, list(of_the_demo))
    ran = subprocess.run(
        command, cwd=checkout(folder / "checkout"), capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    yield file
    file.unlink()


@pytest.fixture(scope="module")
def there(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    """The machine, with the bundle loaded."""
    folder = checkout(tmp_path_factory.mktemp("there"))
    with second_engine() as engine:
        assert engine.images() == set()
        status, said = There(engine, folder, "").make("load", f"BUNDLE={bundle}")
        assert status == 0, said
        yield There(engine, folder, said)
    shutil.rmtree(folder)


@pytest.fixture
def number(there: There) -> Iterator[int]:
    """The number of a lab, which is taken down afterwards."""
    found = free_lab().number
    yield found
    status, said = there.make("down", f"LAB={found}")
    assert status == 0, said


def test_a_machine_without_a_network_has_what_the_checkout_wants(there: There) -> None:
    every = topology()
    wanted = {recipe.tag for recipe in recipes_of({every.machines[name] for name in every.machines_of()}).values()}
    assert there.engine.images() == {DEBIAN, *(f"{tag}:latest" for tag in wanted)}
    assert (there.checkout / ".venv" / "lock.sha256").exists()
    assert "every digest is right" in there.said
    assert "they are what this checkout wants: nothing is to be built" in there.said


def test_the_demonstration_passes_there_and_builds_and_fetches_nothing(there: There, number: int) -> None:
    status, said = there.make("demo", f"LAB={number}")
    assert status == 0, said
    assert re.search(r"^pass: client-be \(big-endian\) was answered", said, re.MULTILINE)
    assert "images:" not in said
    assert "setup:" not in said


def test_an_edited_service_is_built_there(there: There, number: int) -> None:
    edited = there.checkout / A_SERVICE
    before = edited.read_text()
    edited.write_text(before + "# edited\n")
    try:
        status, said = there.make("demo", f"LAB={number}")
    finally:
        edited.write_text(before)
    assert status == 0, said
    assert set(re.findall(r"building (\S+)", said)) == {"faultwire/host", "faultwire/host-ppc"}
    assert re.search(r"^pass: ", said, re.MULTILINE)


def test_an_altered_bundle_leaves_nothing_there(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "lab.tar"
    shutil.copyfile(bundle, copy)
    with copy.open("r+b") as file:
        file.seek(-4096, os.SEEK_END)
        byte = file.read(1)
        file.seek(-4096, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))
    with second_engine() as engine:
        machine = There(engine, checkout(tmp_path / "there"), "")
        status, said = machine.make("load", f"BUNDLE={copy}")
        assert status != 0
        assert "images.tar.gz is altered: expected SHA-256" in said
        with copy.open("r+b") as file:
            file.truncate(1 << 20)
        status, said = machine.make("load", f"BUNDLE={copy}")
        assert status != 0
        assert "the file is cut off: 1048576 bytes are there, expected" in said
        assert engine.images() == set()
        assert not (machine.checkout / ".venv").exists()
    copy.unlink()


def test_an_interrupted_bundle_leaves_no_file(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "here")
    files = tmp_path / "files"
    files.mkdir()
    process = processes.start(bundled(files / "lab.tar", ["base"]), cwd=folder)
    try:
        eventually(lambda: process.poll() is not None or any(files.iterdir()), "a file", within_s=WITHIN_S)
        assert process.poll() is None, process.communicate()[0]
        assert [each.name for each in files.iterdir()] == [f".lab.tar.{process.pid}.partial"]
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert not list(files.iterdir())
