"""A user's program on every CPU: its image there, its emulator or interpreter, and what it was built for.

The image of this machine's CPU has the name that the service's image always has; that of another has `-on-CPU` behind
it, and a program in Python has the lab's Python of that CPU. Nothing is believed unasked: the emulator says what it is,
and the header of the program (elf(5)) for which machine it was built; for Python both are the interpreter's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, get_args

from scenarios.calls import elf
from scenarios.calls.elf import Built
from scenarios.lab import engine, images
from scenarios.lab.architecture import ASKS
from scenarios.lab.box import Box
from scenarios.lab.cpus import CPUS
from scenarios.lab.errors import CommandFailed, LabProblem, UsageError
from scenarios.lab.image_notes import NOTES
from scenarios.lab.images import Recipe
from scenarios.lab.topology import ARCHITECTURES, NATIVE_IMAGE, Machine
from scenarios.lab.valueclass import valueclass
from scenarios.spec import program_ends
from scenarios.spec.command_line import words
from scenarios.spec.errno_numbers import NATIVE
from scenarios.spec.program_ends import Side
from scenarios.spec.python_programs import PYTHON_IMAGE, python_programs
from scenarios.spec.service import Service, ServiceChoice

Say = Callable[[str], None]
PROBED_WITHIN_S: Final = 60
PROBES: Final = "/usr/local/lib/faultwire-probes"
_HEADER: Final = f'head -c {elf.HEADER_BYTES} "$(readlink -f "$(command -v "$1")")" | od -An -v -tx1'
_INTERPRETER: Final = (
    "for each in /usr/local/lib/python3*-foreign/python3* $(readlink -f $(command -v python3)); do "
    f'[ ! -f "$each" ] || {{ head -c {elf.HEADER_BYTES} "$each" | od -An -v -tx1; exit; }}; done'
)


@valueclass
class Found:
    """What the emulator of a program said that it is, and what the program (its interpreter) was built for."""

    machine_words: str
    built: Built


def promised(cpu: str) -> Machine:
    """What a CPU is, by its table."""
    return ARCHITECTURES[NATIVE_IMAGE][1] if cpu == NATIVE else Machine("big", CPUS[cpu].bits, CPUS[cpu].machine)


def image_on(chosen: ServiceChoice, side: Side, cpu: str) -> str:
    """The image of a side's program on a CPU."""
    image = program_ends.image(chosen, side)
    assert image is not None  # noqa: S101 (whoever asks knows that it moves)
    if cpu == NATIVE:
        return image
    if image == PYTHON_IMAGE:
        return f"{PYTHON_IMAGE}-{cpu}"
    return f"{image}-on-{cpu}"


def placed(chosen: ServiceChoice, side: Side, end: str, box: Box, argv: Sequence[str]) -> tuple[Box, list[str]]:
    """The box and the command line of a side's program on the machine of an end."""
    cpu = program_ends.cpu_of(end)
    if cpu == NATIVE or not program_ends.moves(chosen, side):
        return box, list(argv)
    prefix = ["on-cpu", cpu] if program_ends.is_cross(chosen, side) else []
    return replace(box, image=image_on(chosen, side, cpu)), [*prefix, *argv]


def native_recipes(service: Service) -> dict[str, Recipe]:
    """The recipes of a service's images on this machine."""
    return _with_below(recipe for image in service.images for recipe in _recipes(service, image, NATIVE))


def build_native(service: Service, say: Say) -> None:
    """Have a service's images here. Raises CommandFailed and UsageError."""
    _build_sources(service, say)
    if found := native_recipes(service):
        images.build_and_note(say, found, service.images)


def _build_sources(service: Service, say: Say) -> None:
    if sources := _sources(service):
        images.build_and_note(say, sources, service.dockerfiles)


def _sources(service: Service) -> dict[str, Recipe]:
    """The recipes of images of the service's own whose folders are programs in Python: they are built before those."""
    sources = {source for source, _ in python_programs(service).values()}
    return _with_below(images.service_recipe(tag, service.dockerfiles[tag]) for tag in sources & {*service.dockerfiles})


def recipes(chosen: ServiceChoice, side: Side, cpu: str) -> dict[str, Recipe]:
    """The recipes of the image of a side's program on a CPU."""
    image = program_ends.image(chosen, side)
    if image is None:
        return {}
    return _with_below(_recipes(chosen.service, image, cpu))


def _recipes(service: Service, image: str, cpu: str) -> Iterable[Recipe]:
    name = image.removeprefix("faultwire/")
    name = name if cpu == NATIVE else f"{name}-on-{cpu}"
    if image == PYTHON_IMAGE:
        yield images.RECIPES["python" if cpu == NATIVE else f"python-{cpu}"]
    elif image in (of_python := python_programs(service)):
        source, folder = of_python[image]
        below: tuple[str, ...] = ("python" if cpu == NATIVE else f"python-{cpu}",)
        if (made_from := engine.image_id(NOTES.id_of(source))) is None:
            raise UsageError(
                f"{service.folder / 'service.yaml'}: image: {source!r} is not here; `docker pull {source}` gets it"
            )
        # The last is no argument of the Dockerfile: another image behind the name is another digest.
        given = {"IMAGE": source, "FOLDER": folder, "PYTHON": f"faultwire/{below[0]}", "MADE_FROM": made_from}
        yield Recipe(name, below, "python-program", given, optional=True)
    elif image in service.dockerfiles:
        path = service.dockerfiles[image]
        plain = images.service_recipe(image, path)
        yield replace(plain, name=name, arguments={"CPU": cpu} if program_ends.cross_base(path) else {})


def _with_below(found: Iterable[Recipe]) -> dict[str, Recipe]:
    own = list(found)
    below = images.with_what_they_stand_on({name for recipe in own for name in recipe.stands_on})
    return {**below, **{recipe.name: recipe for recipe in own}}


def ready(cells: Iterable[tuple[ServiceChoice, str, str]], say: Say) -> None:
    """Have the programs of these services, each with the ends of client and server, here for those CPUs, and checked.

    Raises CommandFailed where one cannot be built, and UsageError for one that was built for another CPU.
    """
    wanted = {
        (chosen.name, chosen.client_name, side, program_ends.cpu_of(end)): chosen
        for chosen, client, server in cells
        for side, end in zip(get_args(Side), (client, server), strict=True)
        if program_ends.moves(chosen, side)
    }
    for service in {chosen.service.service: chosen.service for chosen in wanted.values()}.values():
        _build_sources(service, say)
    found: dict[str, Recipe] = {}
    for (_, _, side, cpu), chosen in wanted.items():
        found |= recipes(chosen, side, cpu)
    if found:
        images.build_and_note(say, found, {image_on(chosen, side, cpu) for (_, _, side, cpu), chosen in wanted.items()})
    for (_, _, side, cpu), chosen in wanted.items():
        checked(chosen, side, cpu)


def checked(chosen: ServiceChoice, side: Side, cpu: str) -> Found:
    """What runs a side's program on a CPU, and what that was built for.

    Raises UsageError for a program of another machine, and LabProblem where the emulator is another one.
    """
    image = image_on(chosen, side, cpu)
    run = chosen.client.run if side == "client" else chosen.server.run
    if program_ends.is_python(chosen, side):
        found = _of_interpreter(image, engine.image_id(NOTES.id_of(image)))
    else:
        found = _of_program(image, engine.image_id(NOTES.id_of(image)), cpu, _program(run or ""))
        if found.built != elf.expected_for(cpu):
            raise UsageError(
                f"{image}: {_program(run or '')} was built for {found.built}, expected {elf.expected_for(cpu)}"
            )
    if found.machine_words != str(promised(cpu)):
        raise LabProblem(f"the emulator of {cpu}: expected {str(promised(cpu))!r}, got {found.machine_words!r}")
    return found


def _program(command: str) -> str:
    return words(command, **dict.fromkeys(("host", "port", "bind", "ca", "cert", "key"), ""))[0]


# An image is asked once for all cells of a run; its id is among what is remembered, for it may be built anew.
@functools.cache
def _of_program(image: str, _id: str | None, cpu: str, program: str) -> Found:
    built = _header(image, _HEADER, program)
    said = _run(image, "cross", cpu, "sh", "-c", f"exec $EMULATOR {PROBES}/{cpu}").strip()
    return Found(said, built)


@functools.cache
def _of_interpreter(image: str, _id: str | None) -> Found:
    return Found(_run(image, "python", "-c", ASKS).strip(), _header(image, _INTERPRETER, "python"))


def _header(image: str, script: str, program: str) -> Built:
    try:
        header = bytes.fromhex("".join(_run(image, "sh", "-ec", script, "sh", program).split()))
    except CommandFailed as error:
        raise UsageError(f"{image}: no such program on its path: {program!r}: {error}") from error
    try:
        return elf.built_for(header)
    except ValueError as error:
        raise UsageError(f"{image}: {program}: {error}") from error


def _run(image: str, *argv: str) -> str:
    place = ("--rm", "--init", "--network", "none", "--label", f"{engine.LAB_LABEL}=-1", "--pull", "never")
    return engine.docker_command(
        "run", *place, "--entrypoint", "", NOTES.id_of(image), *argv, timeout_s=PROBED_WITHIN_S
    )


def machines(chosen: ServiceChoice, cpus: Sequence[str]) -> Mapping[str, str]:
    """What the emulator of each CPU says that it is, where both programs of a service run on each of them."""
    for cpu in cpus:
        checked(chosen, "server", cpu)
    return {cpu: checked(chosen, "client", cpu).machine_words for cpu in cpus}
