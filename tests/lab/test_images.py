"""The images' recipes: what stands on what, what a CPU's line decides, what makes one stale, and in which order."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace

import pytest

from scenarios.lab import engine, images
from scenarios.lab.cpus import CPUS
from scenarios.lab.errors import CommandFailed, UsageError
from scenarios.lab.images import EVERY_LAB, RECIPES, Recipe, inputs_digest, recipes_of, with_what_they_stand_on
from scenarios.lab.topology import ARCHITECTURES, ROOT, topology

DEBIAN = "sha256:0"
BIGENDIAN = ROOT / "images" / "bigendian"


def test_each_recipe_comes_after_those_that_it_stands_on() -> None:
    names = list(RECIPES)
    for name, recipe in RECIPES.items():
        assert all(names.index(below) < names.index(name) for below in recipe.stands_on), name


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: str(recipe.name))
def test_a_recipe_stands_on_what_its_dockerfile_begins_with(recipe: Recipe) -> None:
    text = recipe.dockerfile.read_text(encoding="utf-8")
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))
    starts = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    filled = [
        re.sub(r"\$\{(\w+)\}", lambda found: {**defaults, **recipe.arguments}[found[1]], start) for start in starts
    ]
    ours = {start.removeprefix("faultwire/") for start in filled if start.startswith("faultwire/")} - {"debian:trixie"}
    assert ours == set(recipe.stands_on)


@pytest.mark.parametrize("name", ["python-ppc", "host-ppc", "cross"])
def test_a_build_is_given_every_argument_that_its_dockerfile_wants(name: str) -> None:
    text = RECIPES[name].dockerfile.read_text(encoding="utf-8")
    assert set(re.findall(r"^ARG (\w+)", text, re.MULTILINE)) == set(RECIPES[name].arguments)


def test_every_cpu_of_the_table_has_a_python_and_a_host_and_compilers_in_cross() -> None:
    for name, cpu in CPUS.items():
        assert {f"python-{name}", f"host-{name}"} <= RECIPES.keys()
        assert ARCHITECTURES[f"faultwire/host-{name}"][0] == cpu.end
        assert set(cpu.compilers) <= set(RECIPES["cross"].arguments["PACKAGES"].split())
    assert len({cpu.end for cpu in CPUS.values()}) == len(CPUS), "a pair names one CPU"


def test_no_place_but_the_table_knows_a_cpu() -> None:
    """A compiler's triplet, an emulator or OpenSSL's word for a CPU would be a second place to change."""
    words = {word for cpu in CPUS.values() for word in (cpu.triplet, cpu.openssl) if word != "linux-latomic"}
    words |= {f"{cpu.emulator} " for cpu in CPUS.values()} | {f"{cpu.emulator}-static" for cpu in CPUS.values()}
    named = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, sorted(words)))})")
    places = [ROOT / "Makefile", ROOT / "compose.yaml", *(ROOT / "scenarios").rglob("*.py"), *ROOT.glob("images/*/*")]
    for path in (place for place in places if place.is_file() and place.name != "cpus.toml"):
        assert named.findall(path.read_text(encoding="utf-8")) == [], path


def test_what_is_optional_is_built_for_no_ordinary_lab() -> None:
    usual = topology().machines_of(topology().usual_profiles)
    assert set(recipes_of({topology().machines[name] for name in usual})) == set(EVERY_LAB)
    assert "host-m68k" not in EVERY_LAB
    assert "cross" not in EVERY_LAB
    assert list(with_what_they_stand_on(["host-m68k"])) == ["base", "python", "python-m68k", "host-m68k"]
    with pytest.raises(KeyError, match="host-z80"):
        with_what_they_stand_on(["host-z80"])


def digests(names: Collection[str] = tuple(RECIPES)) -> dict[str, str]:
    return {name: inputs_digest(RECIPES[name], DEBIAN) for name in names}


@pytest.mark.parametrize("name", ["cpus.toml", "sources.toml"])
def test_a_line_more_in_a_table_makes_no_image_stale(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digests()
    read = Path.read_bytes
    changed = BIGENDIAN / name
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"more" if path == changed else read(path))
    assert digests() == before


def test_a_changed_service_makes_the_thin_images_stale_and_no_slow_one(monkeypatch: pytest.MonkeyPatch) -> None:
    before = digests()
    read = Path.read_bytes
    changed = ROOT / "services" / "echo" / "client_blocking.py"
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"more" if path == changed else read(path))
    stale = {name for name, digest in digests().items() if digest != before[name]}
    assert stale == {name for name in RECIPES if name.partition("-")[0] == "host"}


def test_another_argument_is_another_image() -> None:
    ppc, m68k = RECIPES["python-ppc"], RECIPES["python-m68k"]
    assert ppc.dockerfile == m68k.dockerfile
    assert inputs_digest(ppc, DEBIAN) != inputs_digest(m68k, DEBIAN)


class Carried:
    """An engine to which the images were carried: it calls them by other ids, and their layers are the same."""

    def __init__(self, layers: str) -> None:
        self.layers = layers

    @property
    def images(self) -> Carried:
        return self

    def get(self, tag: str) -> SimpleNamespace:
        recipe = RECIPES.get(tag.removeprefix("faultwire/"))
        labels = {engine.INPUTS_LABEL: inputs_digest(recipe, DEBIAN)} if recipe else {}
        return SimpleNamespace(id=f"sha256:{secrets.token_bytes(4).hex()}", labels=labels, attrs=self.attrs)

    @property
    def attrs(self) -> dict[str, object]:
        return {"RootFS": {"Layers": self.layers.split()}}


def test_an_image_is_as_fresh_on_an_engine_that_has_other_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "client", lambda: Carried(DEBIAN))
    assert images.stale(EVERY_LAB) == {}
    monkeypatch.setattr(engine, "client", lambda: Carried("sha256:1"))
    assert images.stale(EVERY_LAB) == dict.fromkeys(EVERY_LAB, "older than its files")


class Builder:
    """Stands in for the builder: notes the order, and holds each build until all that can run beside it have begun."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stale: Collection[str], fails: str = "") -> None:
        self.begun: list[str] = []
        self.done: list[str] = []
        self.fails = fails
        self.lock = threading.Lock()
        monkeypatch.setattr(images, "stale", lambda recipes: {name: "not built" for name in recipes if name in stale})
        monkeypatch.setattr(engine, "image_layers", lambda _: DEBIAN)
        monkeypatch.setattr(images, "prune", lambda: None)
        monkeypatch.setattr(images, "_build", self.build)

    def build(self, recipe: Recipe, _: str, *__: object) -> float:
        with self.lock:
            self.begun.append(recipe.name)
            assert {below for below in recipe.stands_on if below in self.wanted} <= set(self.done), recipe.name
        if recipe.name == self.fails:
            raise CommandFailed("the compiler died")
        with self.lock:
            self.done.append(recipe.name)
        return 1.0

    wanted: Collection[str] = ()


def test_an_image_is_built_after_those_that_it_stands_on(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = with_what_they_stand_on(["host-ppc", "host", "firewall"])
    builder = Builder(monkeypatch, wanted)
    builder.wanted = wanted
    images.build(lambda _: None, wanted)
    assert sorted(builder.done) == sorted(wanted)


def test_what_stands_on_an_image_that_failed_is_not_built_and_the_reason_is_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = with_what_they_stand_on(["host-ppc", "firewall"])
    builder = Builder(monkeypatch, wanted, fails="python-ppc")
    builder.wanted = wanted
    with pytest.raises(CommandFailed, match="the compiler died"):
        images.build(lambda _: None, wanted)
    assert "host-ppc" not in builder.begun


def test_the_users_sources_are_in_the_context_for_the_time_of_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zlib_1.dsc").write_text("a source", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("no source", encoding="utf-8")
    wanted = with_what_they_stand_on(["base"])
    builder = Builder(monkeypatch, wanted)
    monkeypatch.setenv(images.SOURCES_VARIABLE, str(tmp_path))
    monkeypatch.setattr(images, "OWN_SOURCES", tmp_path / "context")
    seen: list[str] = []

    def build(*_: object) -> float:
        seen.extend(path.name for path in images.OWN_SOURCES.iterdir())
        return 1.0

    monkeypatch.setattr(images, "_build", build)
    images.build(lambda _: None, wanted)
    assert seen == ["zlib_1.dsc"]
    assert not images.OWN_SOURCES.exists()
    assert builder.begun == []
    monkeypatch.setenv(images.SOURCES_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="SOURCES: no such folder"):
        images.build(lambda _: None, wanted)
