"""`make bundle` and `make load`: the lab carried to machines without a network. lab/bundle_file.py has the file's
format.

The images travel with all that they stand on, so that an edited service can be built there: what stands above the
Pythons is copied, not installed.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path

from docker.errors import ImageNotFound

from scenarios.lab import bundle_file, bundle_format, bundle_writing, engine, images
from scenarios.lab.bundle_file import opened
from scenarios.lab.bundle_format import BundleError, Contents, Image, Say, UnderWay, mebibytes
from scenarios.lab.bundle_writing import Written
from scenarios.lab.errors import CommandFailed, UsageError
from scenarios.lab.images import Recipe
from scenarios.lab.places import IS_INSTALLED, ROOT, either
from scenarios.lab.topology import topology
from scenarios.lab.valueclass import valueclass
from scenarios.spec.declaration_error import advice
from scenarios.spec.service import Service, services
from scenarios.version import VERSION

REQUIREMENTS = ROOT / "requirements.lock"
IMAGES = either("IMAGES", "--image")
ALL = "all"  # in IMAGES: what is carried where nothing is chosen
THIS_PYTHON = ".".join(map(str, sys.version_info[:2]))
PYTHON_VERSION = re.compile(r"3\.\d{1,2}")


def _with_tag(image: str) -> str:
    """`docker save` takes every tag of an image that is named without one."""
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"


def _recipes(known: Mapping[str, Service]) -> dict[str, Recipe]:
    """Every recipe that an image can be carried of: the lab's, and those of services that bring a Dockerfile."""
    brought = [images.service_recipe(tag, path) for each in known.values() for tag, path in each.dockerfiles.items()]
    return {**images.RECIPES, **{recipe.name: recipe for recipe in brought}}


def _chosen(names: Sequence[str], say: Say) -> tuple[dict[str, Recipe], list[str]]:
    """The recipes of these images, each after those that it stands on; and images that are here and have no recipe.

    A name is an image's or a service's. Raises UsageError for another one, and for an image that is not here.
    """
    of_services = services()
    every = _recipes(of_services)
    foreign = {each.service: each for each in of_services.values() if {*each.images} - {*each.dockerfiles}}
    own = {
        each.service: [tag.removeprefix("faultwire/") for tag in each.dockerfiles]
        for each in of_services.values()
        if each.dockerfiles
    }
    known = list(dict.fromkeys([ALL, *images.RECIPES, *own, *foreign]))
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"{IMAGES}: unknown image {unknown[0]!r}{advice(unknown[0], known)}")
    everything = ALL in names or not names
    wanted = {each for name in names for each in ([name] if name in every else own.get(name, []))}
    if everything:
        unasked = {name for name, each in of_services.items() if each.optional}
        wanted |= {*images.EVERY_LAB, *(each for name in own.keys() - unasked for each in own[name])}
    for name in list(wanted):
        wanted |= {*every[name].stands_on}
    below = images.with_what_they_stand_on(wanted & images.RECIPES.keys())
    recipes = {name: recipe for name, recipe in every.items() if name in below or name in wanted}
    carried = [each for each in foreign.values() if everything or each.service in names]
    return recipes, [tag for each in carried for tag in _foreign(each, say, must=each.service in names)]


def _foreign(service: Service, say: Say, must: bool) -> list[str]:
    """The images that a service names, as far as they are here and a tag names them."""
    found = []
    for image in (each for each in service.images if each not in service.dockerfiles):
        if engine.image_id(image) is None:
            why = f"the image {image} of the service {service.service} is not here; `docker pull {image}` gets it"
        elif "@" in image:
            why = f"the image {image} of the service {service.service} is named by its digest; use a name with a tag"
        else:
            found.append(image)
            continue
        if must:
            raise UsageError(f"{IMAGES}: {why}")
        say(f"left out: {why}")
    return found


def _image(tag: str) -> Image:
    """An image of this engine. Raises CommandFailed where there is none."""
    try:
        attributes = engine.client().images.get(tag).attrs
    except ImageNotFound:
        raise CommandFailed(f"the image {tag} is not here") from None
    labels = attributes["Config"].get("Labels") or {}
    layers = tuple(attributes["RootFS"].get("Layers") or ())
    return Image(tag, str(attributes["Id"]), labels.get(engine.INPUTS_LABEL), layers)


def _platform() -> str:
    version = engine.client().version()
    return f"{version['Os']}/{version['Arch']}"


def _commit() -> str:
    """The checkout's commit, with `-dirty` where it has changes; "" without git. Of a wheel, its version."""
    if IS_INSTALLED:
        return f"faultwire-{VERSION}"
    argv = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    return ""


@contextlib.contextmanager
def _command(*argv: str, reads: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command beside the `with` block. It `reads` what the block writes, or the block reads its output.

    Raises CommandFailed, with what it said, when it fails. It is killed when the block fails.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
            stdout=said if reads else subprocess.PIPE,
            stderr=said,
            start_new_session=True,  # Ctrl-C comes to us alone; we end the command
        )
        try:
            yield process
        except BrokenPipeError:
            pass  # it has ended, and says why
        except BaseException:
            process.kill()
            raise
        finally:
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(BrokenPipeError):
                    if pipe:
                        pipe.close()
            process.wait()
        if process.returncode:
            said.seek(0)
            tail = "\n".join(said.read().decode(errors="replace").strip().splitlines()[-10:])
            raise CommandFailed(f"`{' '.join(argv)}` ended with status {process.returncode}:\n{tail}")


def _download(python: str, folder: Path, under_way: UnderWay) -> None:
    """Have the packages of requirements.lock for this Python in a folder. Raises CommandFailed."""
    line = ""
    with (
        under_way(f"fetching the packages of requirements.lock for Python {python}", lambda: line),
        _command(
            *(sys.executable, "-m", "pip", "download", "--no-input", "--disable-pip-version-check", "--no-deps"),
            *("--require-hashes", "--only-binary", ":all:", "--progress-bar", "off", "--dest", str(folder)),
            *(() if python == THIS_PYTHON else ("--python-version", python)),
            *("--requirement", str(REQUIREMENTS)),
        ) as pip,
    ):
        assert pip.stdout is not None  # noqa: S101
        for raw in pip.stdout:
            line = raw.decode(errors="replace").strip()


def _saved(tags: Sequence[str]) -> Generator[bytes, None, None]:
    """What `docker save` prints of these images. Raises CommandFailed at its end."""
    with _command("docker", "save", *tags) as process:
        assert process.stdout is not None  # noqa: S101
        while chunk := process.stdout.read(bundle_format.CHUNK_BYTES):
            yield chunk


def write(destination: Path, names: Sequence[str], pythons: Sequence[str], say: Say, under_way: UnderWay) -> Written:
    """Write the bundle of these images (none: all) and of the packages for these Pythons; build what is stale before.

    Raises UsageError for what cannot be meant, CommandFailed for what did not work.
    """
    if wrong := [each for each in pythons if not PYTHON_VERSION.fullmatch(each)]:
        raise UsageError(f"{either('PYTHONS', '--python')}: expected versions like {THIS_PYTHON}, got {wrong[0]!r}")
    if destination.is_dir() or not destination.parent.is_dir():
        what = f"expected the name of a file in a folder that exists, got {str(destination)!r}"
        raise UsageError(f"{either('DEST', 'FILE')}: {what}")
    recipes, foreign = _chosen(names, say)
    images.build(say, recipes)
    tags = [images.DEBIAN, *(_with_tag(tag) for tag in (*(recipe.tag for recipe in recipes.values()), *foreign))]
    with tempfile.TemporaryDirectory(prefix="faultwire-wheels-") as folder:
        for python in pythons:
            _download(python, Path(folder), under_way)
        wheels = sorted(Path(folder).iterdir())
        about = Contents(
            made=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            commit=_commit(),
            platform=_platform(),
            pythons=tuple(pythons),
            requirements=bundle_format.digest_of(REQUIREMENTS) if pythons else "",
            images=tuple(map(_image, tags)),
            members=(),
            size=0,
        )
        say(f"packing {len(tags)} images and {len(wheels)} Python packages into {destination}")
        try:
            with contextlib.closing(_saved(tags)) as saved:
                return bundle_writing.write(destination, about, wheels, saved, under_way)
        except OSError as error:
            raise CommandFailed(f"{destination}: {error.strerror}") from error


@valueclass
class Loaded:
    """What `load` came to. `stale`: the images that this checkout wants otherwise, by tag, each with the reason."""

    contents: Contents
    stale: Mapping[str, str]
    want_a_network: Sequence[str]  # the tags among them that cannot be built without one


def load(path: Path, sha256: str | None, say: Say, under_way: UnderWay) -> Loaded:
    """Give the images of a bundle to the engine if every byte of it is right; say what this checkout wants otherwise.

    Raises BundleError before the engine has got anything, CommandFailed later.
    """
    with opened(path) as bundle:
        contents = bundle.contents
        if contents.platform != _platform():
            raise BundleError(
                f"{path}: expected images for {_platform()}, which this engine runs, got {contents.platform}"
            )
        say(f"{path} was made {contents.made} from commit {contents.commit or 'unknown'}; {mebibytes(contents.size)}")
        bundle.verify(under_way, sha256)
        say("every digest is right")
        _give_to_the_engine(bundle, under_way)
    for image in contents.images:
        came = _image(image.tag)
        if (came.layers, came.inputs) != (image.layers, image.inputs):
            raise CommandFailed(
                f"{image.tag} is another image than the bundle's: something else changed it meanwhile; load it again"
            )
    images.prune()  # what had these names before
    return _held_against_the_checkout(contents)


def _give_to_the_engine(bundle: bundle_file.Bundle, under_way: UnderWay) -> None:
    size = next(each.size for each in bundle.contents.members if each.name == bundle_format.IMAGES)
    sent = 0

    def at() -> str:
        return f"{mebibytes(sent)} of {mebibytes(size)}" if sent < size else "the engine unpacks them"

    with _command("docker", "load", "--quiet", reads=True) as process, under_way("giving the images to the engine", at):
        assert process.stdin is not None  # noqa: S101
        for chunk in bundle.read(bundle_format.IMAGES):
            process.stdin.write(chunk)
            sent += len(chunk)
        process.stdin.close()
        process.wait()


def _held_against_the_checkout(contents: Contents) -> Loaded:
    """What the checkout would build anew: of the bundle's own images, and of those that any lab needs."""
    carried = {image.tag for image in contents.images}
    whole = topology()
    of_every_lab = images.recipes_of({whole.machines[name] for name in whole.machines_of()})
    wanted = {
        name: recipe
        for name, recipe in _recipes(services()).items()
        if name in of_every_lab or _with_tag(recipe.tag) in carried
    }
    stale = images.stale(wanted)
    return Loaded(
        contents,
        {wanted[name].tag: reason for name, reason in stale.items()},
        [wanted[name].tag for name in stale if not wanted[name].holds_services],
    )
