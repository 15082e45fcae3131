"""What `make bundle` and `make load` refuse before they begin, and what a loaded bundle is held against. No engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from scenarios.calls import bundle
from scenarios.cli import main as command_line
from scenarios.lab import bundle_writing, engine, images
from scenarios.lab.bundle_format import BundleError, Contents, Image
from scenarios.lab.errors import CommandFailed, NoEngine, UsageError
from scenarios.lab.topology import topology
from scenarios.report.console import EX_UNAVAILABLE, EX_USAGE


def quiet(*_: object) -> AbstractContextManager[None]:
    """Nobody listens."""
    return nullcontext()


def say(_: str) -> None:
    """Nobody listens."""


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise NoEngine("these tests have none")

    monkeypatch.setattr(engine, "client", none)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"names": ["hosst"]}, r"IMAGES: unknown image 'hosst'; did you mean 'host'\?"),
        ({"pythons": ["3.11", "python3"]}, r"PYTHONS: expected versions like 3\.\d+, got 'python3'"),
        (
            {"destination": Path("/nowhere/lab.tar")},
            r"DEST: expected the name of a file in a folder that exists, got",
        ),
        ({"destination": Path("/")}, r"DEST: expected the name of a file in a folder that exists, got '/'"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_built(
    tmp_path: Path, wrong: Mapping[str, object], says: str
) -> None:
    meant: dict[str, object] = {"destination": tmp_path / "lab.tar", "names": ["host"], "pythons": ["3.11"]}
    with pytest.raises(UsageError, match=says):
        bundle.write(**{**meant, **wrong}, say=say, under_way=quiet)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--image", "nosuch", "lab.tar"], "unknown image 'nosuch'"),
        (["--python", "3", "lab.tar"], "expected versions like"),
        (["."], "expected the name of a file in a folder"),
    ],
    ids=["image", "python", "file"],
)
def test_a_wrong_word_of_bundle_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    """Each ended in a traceback with status 1, as a bug does."""
    monkeypatch.chdir(tmp_path)
    assert command_line.main(["bundle", *words]) == EX_USAGE
    assert says in " ".join(capsys.readouterr().out.split())


def test_the_images_that_are_chosen_bring_all_that_they_stand_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "image_id", lambda _: None)
    recipes, foreign = bundle._chosen(["host-ppc", "socat"], say)
    assert list(recipes) == ["base", "python", "python-ppc", "host-ppc", "service-socat"]
    assert foreign == []


def test_all_images_are_those_that_a_lab_is_made_of_and_those_of_the_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "image_id", lambda _: None)
    recipes, _ = bundle._chosen([], say)
    assert recipes.keys() >= images.EVERY_LAB.keys() | {"service-caddy", "service-redis", "service-socat"}
    assert not {name for name in recipes if name in images.RECIPES} - images.EVERY_LAB.keys()
    assert "service-gallery" not in recipes
    assert "service-gallery" in bundle._chosen(["gallery"], say)[0]
    with_more, _ = bundle._chosen(["all", "host-m68k"], say)
    assert with_more.keys() - recipes.keys() == {"python-m68k", "host-m68k"}


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("faultwire/host", "faultwire/host:latest"),
        ("redis:8", "redis:8"),
        ("registry:5000/mine", "registry:5000/mine:latest"),
        ("registry:5000/mine:1", "registry:5000/mine:1"),
    ],
)
def test_an_image_is_saved_by_its_tag_and_not_with_all_of_them(image: str, tag: str) -> None:
    assert bundle._with_tag(image) == tag


def write_bundle(path: Path, platform: str = "linux/amd64") -> Path:
    about = Contents("2026-11-26T19:00:00Z", "c290f35", platform, ("3.11",), "", (), (), 0)
    bundle_writing.write(path, about, [], [b"images"], quiet)
    return path


def test_a_bundle_for_another_kind_of_machine_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "_platform", lambda: "linux/arm64")
    with pytest.raises(BundleError, match="expected images for linux/arm64, which this engine runs, got linux/amd64"):
        bundle.load(write_bundle(tmp_path / "lab.tar"), None, say, quiet)


def test_what_is_altered_is_refused_before_the_engine_has_got_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bundle, "_platform", lambda: "linux/amd64")
    monkeypatch.setenv("PATH", "")  # no docker command can be run
    path = write_bundle(tmp_path / "lab.tar")
    assert command_line.main(["load", str(path), "--sha256", "0" * 64]) == EX_USAGE
    content = bytearray(path.read_bytes())
    content[content.index(b"images.tar.gz\0") + 520] ^= 1
    path.write_bytes(content)
    assert command_line.main(["load", str(path)]) == EX_USAGE
    told = capsys.readouterr().out
    assert "another bundle: expected SHA-256" in told
    assert "images.tar.gz is altered" in told


def test_without_an_engine_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["load", str(write_bundle(tmp_path / "lab.tar"))]) == EX_UNAVAILABLE
    assert "these tests have none" in capsys.readouterr().out


HELD = ("faultwire/debian:trixie", "faultwire/base:latest", "faultwire/host:latest")


@pytest.mark.parametrize(
    ("stale", "status", "says"),
    [
        ({}, 0, ["they are what this checkout wants: nothing is to be built"]),
        (
            {"host": "older than its files"},
            0,
            ["this checkout has other files than commit c290f35", "faultwire/host is older than its files"],
        ),
        (
            {"base": "older than its files", "host": "older than its files", "names": "not built"},
            1,
            ["faultwire/base is older than its files; the next command that needs it builds it (needs a network)"],
        ),
    ],
)
def test_a_loaded_bundle_is_held_against_the_checkout(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stale: dict[str, str],
    status: int,
    says: list[str],
) -> None:
    asked: list[str] = []

    def which_are_stale(recipes: Mapping[str, images.Recipe]) -> dict[str, str]:
        asked.extend(recipes)
        return stale

    monkeypatch.setattr(images, "stale", which_are_stale)
    held = tuple(Image(tag, "sha256:1", None, ()) for tag in (*HELD, "faultwire/service-socat:latest"))
    contents = Contents("2026-11-26T19:00:00Z", "c290f35", "linux/amd64", ("3.11",), "", held, (), 0)
    loaded = bundle._held_against_the_checkout(contents)
    every = topology()
    of_every_lab = images.recipes_of({every.machines[name] for name in every.machines_of()})
    assert set(asked) == {*of_every_lab, "service-socat"}
    monkeypatch.setattr(bundle, "load", lambda *_: loaded)
    assert command_line.main(["load", "lab.tar"]) == status
    told = capsys.readouterr().out
    for each in says:
        assert each in told


def image_is(image: Image) -> Callable[[str], Image]:
    return lambda _: image


def test_an_image_that_is_another_than_the_bundle_s_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "_platform", lambda: "linux/amd64")
    monkeypatch.setattr(bundle, "_give_to_the_engine", lambda *_: None)
    monkeypatch.setattr(bundle, "_image", image_is(Image("faultwire/base:latest", "sha256:1", "other", ("a",))))
    of_base = (Image("faultwire/base:latest", "sha256:1", "inputs", ("a",)),)
    about = Contents("2026-11-26T19:00:00Z", "c290f35", "linux/amd64", ("3.11",), "", of_base, (), 0)
    bundle_writing.write(tmp_path / "lab.tar", about, [], [b"images"], quiet)
    with pytest.raises(CommandFailed, match="faultwire/base:latest is another image than the bundle's"):
        bundle.load(tmp_path / "lab.tar", None, say, quiet)
