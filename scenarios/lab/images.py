"""The images: what each is made from, whether it is fresh, and building those that are not.

An image carries, as a label, the digest of everything that goes into it (its folder under images/, the services that it
holds, and the image that it stands on). Nothing is built when the label agrees, without asking the builder.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import shutil
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path

from docker.errors import APIError, ImageNotFound

from scenarios.lab import build_output, endpoint, engine, image_notes
from scenarios.lab.aloud import aloud
from scenarios.lab.cpus import CPUS, Cpu
from scenarios.lab.errors import CommandFailed, UsageError
from scenarios.lab.heartbeat import under_way
from scenarios.lab.image_notes import NOTES
from scenarios.lab.places import LOGS, ROOT, SETUP
from scenarios.lab.topology import ARCHITECTURES, NATIVE_IMAGE
from scenarios.lab.valueclass import valueclass

DEBIAN = "faultwire/debian:trixie"
NATIVE = "native"  # what faultwire/cross calls the CPU of this machine
BUILD_TIMEOUT_S = 1800
NOTE_TRIES = 5  # so often an image is built anew where another run moves its name before it is noted
FROM_OURS = re.compile(
    r"^\s*FROM\s+(?:--\S+\s+)*faultwire/([a-z0-9-]+)(?::latest)?(?:\s|$)", re.IGNORECASE | re.MULTILINE
)
PROXIES = (
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
)  # the builder knows these names


@valueclass
class Recipe:
    """An image of ours. `stands_on` are the recipes that its Dockerfile begins with; none: Debian itself.

    Its Dockerfile is in images/<made_in>/ (images/<name>/ where that is empty), and the repository is the build's
    context; or both are `folder`, of a service that brings its own programs. `arguments` are those of the build. An
    `optional` image is built only when it is asked for.
    """

    name: str
    stands_on: tuple[str, ...] = ()
    made_in: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    holds_services: bool = False
    optional: bool = False
    folder: Path | None = None
    file: str = "Dockerfile"

    @property
    def tag(self) -> str:
        return f"faultwire/{self.name}"

    @property
    def dockerfile(self) -> Path:
        return (self.folder or ROOT / "images" / (self.made_in or self.name)) / self.file


def _of_cpu(cpu: Cpu) -> tuple[Recipe, Recipe]:
    """The Python of a CPU, which takes minutes, and the host that has it and the services.

    They are two images, so that a machine which got them by a bundle makes a host with an edited service in a second,
    without a network.
    """
    arguments = {
        "TRIPLET": cpu.triplet,
        "DEBIAN_CPU": cpu.libc,
        "EMULATOR": cpu.emulator,
        "OPENSSL_TARGET": cpu.openssl,
        "MACHINE": cpu.machine,
        "BITS": str(cpu.bits),
    }
    python = Recipe(f"python-{cpu.name}", ("base",), "bigendian", arguments, optional=cpu.optional)
    return python, _host(f"host-{cpu.name}", python)


def _host(name: str, python: Recipe) -> Recipe:
    below = tuple(dict.fromkeys(("python", python.name)))
    return Recipe(name, below, "host", {"PYTHON": python.tag}, holds_services=True, optional=python.optional)


_PYTHON = Recipe("python", ("base",))
_COMPILERS = " ".join(package for cpu in CPUS.values() for package in cpu.compilers)
_OURS = ARCHITECTURES[NATIVE_IMAGE][1].cpu
_COMPILED_FOR = " ".join(
    [f"{NATIVE}={_OURS}-linux-gnu=", *(f"{cpu.name}={cpu.triplet}={cpu.emulator}" for cpu in CPUS.values())]
)
# By name; each after those that it stands on.
RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("base"),
        _PYTHON,
        _host("host", _PYTHON),
        *(recipe for cpu in CPUS.values() for recipe in _of_cpu(cpu)),
        Recipe("firewall", ("base",)),
        Recipe("names", ("base",)),
        Recipe("web", ("base",)),
        Recipe("meter", ("python",)),
        Recipe("browser", ("base",), optional=True),  # for the tests of the report
        Recipe("cross", ("base",), arguments={"PACKAGES": _COMPILERS, "CPUS": _COMPILED_FOR}, optional=True),
        Recipe("cross-go", ("cross",), optional=True),
    )
}
EVERY_LAB: Mapping[str, Recipe] = {name: recipe for name, recipe in RECIPES.items() if not recipe.optional}
# They decide where a source comes from, and whether another CPU exists; nothing of them is in an image that is there.
NOT_IN_AN_IMAGE = (ROOT / "images" / "bigendian" / "sources.toml", ROOT / "images" / "bigendian" / "cpus.toml")
SOURCES_VARIABLE = "FAULTWIRE_SOURCES"
NO_CACHE_VARIABLE = "FAULTWIRE_NO_BUILD_CACHE"  # set: every step of a build is done anew
SOURCE_FILE = re.compile(r"\.(dsc|tar\.\w+|asc)$")
OWN_SOURCES = ROOT / "images" / "bigendian" / ".sources"  # where SOURCES=folder is copied to for the time of a build


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _files_of_ours(services: Path) -> Iterator[Path]:
    """What the hosts run of the services: not what is read outside them, nor what has an image of its own.

    Else a new program of a person's would have every host's image built anew, and every lab restarted.
    """
    guests = {path.parent for path in services.glob("*/Dockerfile")}
    for path in _files(services):
        if path.name != "service.yaml" and not guests & set(path.parents):
            yield path


def inputs_digest(recipe: Recipe, debian: str) -> str:
    """The digest, in hexadecimal, of all that this image is made from; `debian` are the layers of the image DEBIAN."""
    digest = hashlib.sha256()
    for below in recipe.stands_on:
        digest.update(inputs_digest(RECIPES[below], debian).encode())
    if not recipe.stands_on:
        digest.update(debian.encode())
    for name, value in sorted(recipe.arguments.items()):
        digest.update(f"{name}={value}\0".encode())
    inputs: list[tuple[Path, Callable[[Path], Iterator[Path]]]] = [(recipe.dockerfile.parent, _files)]
    if recipe.holds_services:
        inputs.append((ROOT / "services", _files_of_ours))
    for folder, files in inputs:
        for path in files(folder):
            if path in NOT_IN_AN_IMAGE or OWN_SOURCES in path.parents:
                continue
            content = path.read_bytes()
            digest.update(f"{path.relative_to(folder)}\0{path.stat().st_mode & 0o111}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


def with_what_they_stand_on(names: Iterable[str]) -> dict[str, Recipe]:
    """The recipes of these names, and all that they stand on, each after those that it stands on. Raises KeyError."""
    wanted = set(names)
    for name in reversed([*RECIPES]):
        if name in wanted:
            wanted.update(RECIPES[name].stands_on)
    if unknown := wanted - RECIPES.keys():
        raise KeyError(*sorted(unknown))
    return {name: recipe for name, recipe in RECIPES.items() if name in wanted}


def recipes_of(tags: Collection[str]) -> dict[str, Recipe]:
    """The recipes of these images, and of those that they stand on."""
    return with_what_they_stand_on(name for name, recipe in RECIPES.items() if recipe.tag in tags)


def _label(tag: str, label: str) -> str | None:
    try:
        return engine.client().images.get(tag).labels.get(label)
    except ImageNotFound:
        return None


def service_recipe(tag: str, dockerfile: Path) -> Recipe:
    """The recipe of an image that a service brings: by a Dockerfile in its folder, which stands on images of ours."""
    text = dockerfile.read_text(encoding="utf-8", errors="replace")
    below = tuple(dict.fromkeys(name for name in FROM_OURS.findall(text) if name in RECIPES)) or ("base",)
    return Recipe(tag.removeprefix("faultwire/"), below, folder=dockerfile.parent, file=dockerfile.name)


def stale(recipes: Mapping[str, Recipe] = EVERY_LAB) -> dict[str, str]:
    """The recipes whose image is missing or older than its inputs, by name, each with the reason."""
    debian = engine.image_layers(DEBIAN)
    if debian is None:
        return dict.fromkeys(recipes, "not built")
    reasons = {}
    for name, recipe in recipes.items():
        built_from = _label(recipe.tag, engine.INPUTS_LABEL)
        if built_from is None:
            reasons[name] = "not built"
        elif built_from != inputs_digest(recipe, debian):
            reasons[name] = "older than its files"
    return reasons


def _argument(name: str, value: str) -> str:
    """An argument of a build; an image of ours that was noted is called by its tag of this process."""
    return f"{name}={NOTES.reference(value)}"


def _build(recipe: Recipe, debian: str, stop: threading.Event) -> float:
    words = [
        *("--tag", recipe.tag, "--file", str(recipe.dockerfile)),
        *("--label", f"{engine.INPUTS_LABEL}={inputs_digest(recipe, debian)}"),
        *("--label", f"{engine.IMAGE_LABEL}={recipe.name}"),
        *(word for name, value in recipe.arguments.items() for word in ("--build-arg", _argument(name, value))),
        *(word for name in PROXIES if name in os.environ for word in ("--build-arg", name)),
        *(["--no-cache"] if os.environ.get(NO_CACHE_VARIABLE) else []),
        str(recipe.folder or ROOT),
    ]
    with under_way(f"building {recipe.tag}") as task:
        return build_output.build(recipe.tag, words, within_s=BUILD_TIMEOUT_S, tell=task.is_at, stop=stop)


@contextlib.contextmanager
def _user_sources() -> Iterator[None]:
    """For the time of the block the builds have the sources in the user's folder too (`make images SOURCES=folder`).

    Raises UsageError where there is no such folder.
    """
    named = os.environ.get(SOURCES_VARIABLE, "")
    folder = Path(named)
    if not named:
        yield
        return
    if not folder.is_dir():
        raise UsageError(f"SOURCES: no such folder: {folder}")
    shutil.rmtree(OWN_SOURCES, ignore_errors=True)
    OWN_SOURCES.mkdir()
    try:
        for path in sorted(folder.iterdir()):
            if path.is_file() and SOURCE_FILE.search(path.name):
                shutil.copyfile(path, OWN_SOURCES / path.name)
        yield
    finally:
        shutil.rmtree(OWN_SOURCES, ignore_errors=True)


def build(say: Callable[[str], None], recipes: Mapping[str, Recipe] = EVERY_LAB) -> None:
    """Build what is stale, each image as soon as those that it stands on are there; the others side by side.

    Raises CommandFailed, which says why and where. The builds beside the one that failed are ended then.
    """
    to_build = stale(recipes)
    if not to_build:
        return
    if engine.image_layers(DEBIAN) is None:
        environment = endpoint.build_environment(FAULTWIRE_LOGS=str(LOGS))
        aloud(f"making {DEBIAN}", ["sh", SETUP, "base-image"], environment=environment)
    found = engine.image_layers(DEBIAN)
    if found is None:
        raise CommandFailed(f"{DEBIAN} is still missing after `{SETUP} base-image`")
    debian = found
    to_build = stale(recipes)

    def make(recipe: Recipe, stop: threading.Event) -> None:
        say(f"building {recipe.tag} ({to_build[recipe.name]})")
        say(f"built {recipe.tag} in {_build(recipe, debian, stop):.0f} s")

    jobs = {name: functools.partial(make, recipe) for name, recipe in recipes.items() if name in to_build}
    with _user_sources():
        build_output.side_by_side(jobs, {name: recipe.stands_on for name, recipe in recipes.items()})
    prune()


def build_and_note(say: Callable[[str], None], recipes: Mapping[str, Recipe], tags: Collection[str]) -> None:
    """Build what is stale of these, and note the images of these tags, from which programs of this process are started.

    Raises CommandFailed, as `build` does, and where another run always has its own image behind a name.
    """
    wanted = [recipe for recipe in recipes.values() if recipe.tag in tags]
    tries = 0
    while left := {recipe.name: recipe for recipe in wanted if not _is_noted(recipe)}:
        if tries == NOTE_TRIES:
            names = " and ".join(recipe.tag for recipe in left.values())
            raise CommandFailed(f"{names}: another run builds it from other files all the time; try after it")
        noted = {recipe.name for recipe in wanted} - left.keys()
        build(say, {name: recipe for name, recipe in recipes.items() if name not in noted})
        tries += 1


def _is_noted(recipe: Recipe) -> bool:
    """Whether the image of a recipe as its files are now is noted, or could be."""
    if (debian := engine.image_layers(DEBIAN)) is None:
        return False
    inputs = inputs_digest(recipe, debian)
    return NOTES.is_noted(recipe.tag, inputs) or NOTES.note(recipe.tag, inputs)


def prune(held_for_s: float = image_notes.HELD_FOR_S) -> None:
    """Remove what a rebuilt image left without a name, where no container uses it, and no process of this time."""
    with contextlib.suppress(APIError):  # 409: somebody else prunes at this moment
        image_notes.drop(held_for_s)
        engine.client().images.prune(filters={"dangling": True, "label": engine.IMAGE_LABEL})


def remove() -> list[str]:
    """Remove every image of ours, Debian's too; their tags. Containers that use them must be gone."""
    ours = engine.client().images.list(filters={"label": engine.IMAGE_LABEL})
    tags = [tag for image in ours for tag in image.tags] + [DEBIAN]
    removed = []
    for tag in tags:
        with contextlib.suppress(ImageNotFound):
            engine.client().images.remove(tag, force=True)
            removed.append(tag)
    return removed
