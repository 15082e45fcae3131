"""Display filters, compiled by Wireshark's own compiler in the firewall's image: no lab is needed, but the image is."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from docker.errors import DockerException

from scenarios.evidence.tshark import COMPILER, compiler_input, compiler_refused
from scenarios.lab import endpoint, engine
from scenarios.lab.errors import LabProblem, NoEngine
from scenarios.lab.places import typed

IMAGE = "faultwire/firewall"
WITHIN_S = 60.0
ALONE = (
    "--network",
    "none",
    "--read-only",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
    "--pull",
    "never",
)


class NoCompiler(Exception):
    """Nothing here can compile display filters; the message says what is missing, and how to get it."""


def refused(filters: Sequence[str]) -> dict[str, str]:
    """The filters that Wireshark does not take, with what is wrong.

    Raises NoCompiler where there is no engine or no image, and LabProblem where the compiler does not answer.
    """
    try:
        if engine.image_id(IMAGE) is None:
            raise NoCompiler(f"the image {IMAGE} is not here; `{typed('images')}` builds it")
    except (NoEngine, DockerException, OSError) as error:
        raise NoCompiler(str(error)) from error
    program, *words = COMPILER
    command = ["docker", "run", "--rm", "--interactive", *ALONE, "--entrypoint", program, IMAGE, *words]
    try:
        ran = subprocess.run(
            command, input=compiler_input(filters), capture_output=True, timeout=WITHIN_S, check=False,
            env=endpoint.environment(),
        )  # fmt: skip
    except FileNotFoundError as error:
        raise NoCompiler(f"no such program: 'docker'; `{typed('setup')}` installs it") from error
    except subprocess.TimeoutExpired as error:
        raise LabProblem(f"sharkd did not compile {len(filters)} display filters within {WITHIN_S:g} s") from error
    return compiler_refused(filters, ran.stdout, ran.stderr.decode("utf-8", "replace"))
