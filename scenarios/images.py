"""The images: what each is made from, whether it is fresh, and building those that are not.

An image carries, as a label, the digest of everything that goes into it (its folder under images/, the services that it
holds, and the image that it stands on). Nothing is built when the label agrees, without asking the builder.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from docker.errors import APIError, ImageNotFound

from scenarios import engine
from scenarios.topology import ROOT

INPUTS_LABEL = "faultwire.inputs"
DEBIAN = "faultwire/debian:trixie"
BUILD_TIMEOUT_S = 1800


@dataclass(frozen=True, slots=True)
class Recipe:
    """An image of ours. `base` is the recipe that it stands on (None: Debian itself).

    Its Dockerfile is in images/<name>/, and the repository is the build's context; or both are `folder`, of a service
    that brings its own programs. `also` are files elsewhere in the repository that go into it.
    """

    name: str
    base: str | None
    holds_services: bool = False
    folder: Path | None = None
    also: tuple[str, ...] = ()

    @property
    def tag(self) -> str:
        return f"faultwire/{self.name}"

    @property
    def dockerfile(self) -> Path:
        return (self.folder or ROOT / "images" / self.name) / "Dockerfile"


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("base", None),
        Recipe("host", "base", holds_services=True),
        Recipe("bigendian", "base", holds_services=True),
        Recipe("bigendian64", "base", holds_services=True, also=("images/bigendian/smoke.py",)),
        Recipe("firewall", "base"),
        Recipe("names", "base"),
        Recipe("web", "base"),
    )
}


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _files_of_ours(services: Path) -> Iterator[Path]:
    """What the hosts run of the services: not what is read outside them, nor what has an image of its own."""
    guests = {path.parent for path in services.glob("*/Dockerfile")}
    for path in _files(services):
        if path.name != "service.yaml" and not guests & set(path.parents):
            yield path


def inputs_digest(recipe: Recipe, debian_id: str) -> str:
    """The digest, in hexadecimal, of all that this image is made from; `debian_id` is the id of the image DEBIAN."""
    digest = hashlib.sha256()
    digest.update(inputs_digest(RECIPES[recipe.base], debian_id).encode() if recipe.base else debian_id.encode())
    inputs: list[tuple[Path, Callable[[Path], Iterator[Path]]]] = [(recipe.dockerfile.parent, _files)]
    if recipe.holds_services:
        inputs.append((ROOT / "services", _files_of_ours))
    for folder, files in inputs:
        for path in files(folder):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(folder)}\0{path.stat().st_mode & 0o111}\0{len(content)}\0".encode())
            digest.update(content)
    for name in recipe.also:
        digest.update(f"{name}\0".encode() + (ROOT / name).read_bytes())
    return digest.hexdigest()


def recipes_of(tags: Collection[str]) -> dict[str, Recipe]:
    """The recipes of these images, and of those that they stand on."""
    named = {name: recipe for name, recipe in RECIPES.items() if recipe.tag in tags}
    stood_on = {recipe.base for recipe in named.values()}
    return {name: recipe for name, recipe in RECIPES.items() if name in named or name in stood_on}


def _label(tag: str, label: str) -> str | None:
    try:
        return engine.client().images.get(tag).labels.get(label)
    except ImageNotFound:
        return None


def service_recipe(service: str, folder: Path) -> Recipe:
    """The recipe of a service that brings its own programs: the Dockerfile in its folder, which stands on our base."""
    return Recipe(f"service-{service}", "base", folder=folder)


def stale(recipes: Mapping[str, Recipe] = RECIPES) -> dict[str, str]:
    """The recipes whose image is missing or older than its inputs, by name, each with the reason."""
    debian = engine.image_id(DEBIAN)
    if debian is None:
        return dict.fromkeys(recipes, "not built")
    reasons = {}
    for name, recipe in recipes.items():
        built_from = _label(recipe.tag, INPUTS_LABEL)
        if built_from is None:
            reasons[name] = "not built"
        elif built_from != inputs_digest(recipe, debian):
            reasons[name] = "older than its files"
    return reasons


def _build(recipe: Recipe, debian: str) -> float:
    started = time.monotonic()
    engine.docker_command(
        *("build", "--quiet", "--tag", recipe.tag, "--file", str(recipe.dockerfile)),
        *("--label", f"{INPUTS_LABEL}={inputs_digest(recipe, debian)}"),
        *("--label", f"{engine.IMAGE_LABEL}={recipe.name}", str(recipe.folder or ROOT)),
        timeout_s=BUILD_TIMEOUT_S,
        cwd=ROOT,
    )
    return time.monotonic() - started


def build(say: Callable[[str], None], recipes: Mapping[str, Recipe] = RECIPES) -> None:
    """Build what is stale, the independent images side by side. Raises CommandFailed with the builder's own words."""
    if not stale(recipes):
        return
    if engine.image_id(DEBIAN) is None:
        subprocess.run([ROOT / "scenarios" / "setup.sh", "base-image"], check=True, timeout=BUILD_TIMEOUT_S)
    debian = engine.image_id(DEBIAN)
    if debian is None:
        raise engine.CommandFailed(f"{DEBIAN} is still missing after `scenarios/setup.sh base-image`")
    to_build = stale(recipes)
    for depth in (None, "base"):  # base first, then all that stand on it
        batch = [recipe for name, recipe in recipes.items() if recipe.base == depth and name in to_build]
        for recipe in batch:
            say(f"building {recipe.tag} ({to_build[recipe.name]})")
        with ThreadPoolExecutor() as pool:
            for recipe, seconds in zip(batch, pool.map(lambda r: _build(r, debian), batch), strict=True):
                say(f"built {recipe.tag} in {seconds:.0f} s")
    prune()


def prune() -> None:
    """Remove what a rebuilt image left without a name, where no container uses it."""
    with contextlib.suppress(APIError):  # 409: somebody else prunes at this moment
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
