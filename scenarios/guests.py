"""Programs that nobody here wrote: what they are told, and what became of their calls. docs/your-own-program.md.

They run in an image of their own, beside a host and in its network. What they are told is in their command line and
their environment. How a call ended is read from the exit status and from what was printed, for they have no words of
ours; only a client that keeps the contract is read by its exit status alone, and that is not believed unasked.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

from scenarios import engine, images
from scenarios.heartbeat import under_way
from scenarios.outcome import OF_STATUS, Outcome, told_errno
from scenarios.programs import Finished
from scenarios.service import Client, Service, words

# The environment of the contract.
ROLE, BIND, HOST, PORT, DEADLINE_S, ASK = (
    f"FAULTWIRE_{each}" for each in ("ROLE", "BIND", "HOST", "PORT", "DEADLINE_S", "ASK")
)
ORDINARY: Final = "hello"  # what a client is asked for: its ordinary request
UNSUPPORTED: Final = 77
PROBED_WITHIN_S: Final = 30.0

# The outcome that an errno is.
OF_ERRNO: Final[Mapping[str, Outcome]] = {
    "ECONNREFUSED": Outcome.REFUSED,
    "ECONNRESET": Outcome.RESET,
    "EPIPE": Outcome.RESET,
    "ETIMEDOUT": Outcome.TIMED_OUT,
    "EHOSTUNREACH": Outcome.UNREACHABLE,
    "ENETUNREACH": Outcome.UNREACHABLE,
    "EACCES": Outcome.UNREACHABLE,
    "EHOSTDOWN": Outcome.UNREACHABLE,
    "ENONET": Outcome.UNREACHABLE,
    "ENOPROTOOPT": Outcome.UNREACHABLE,
}
# What the C library says of each (strerror(3)), which most programs print.
STRERROR: Final[Mapping[str, str]] = {os.strerror(getattr(errno, name)): name for name in OF_ERRNO}
_ERRNO: Final = re.compile("|".join(map(re.escape, STRERROR)), re.IGNORECASE)
_BY_LOWER: Final = {text.lower(): name for text, name in STRERROR.items()}


def all_interfaces(service: Service) -> str:
    """What a server is to bind for every interface, in every family that it speaks; "" is for programs of ours."""
    if service.image is None:
        return ""
    return "::" if "ipv6" in service.families else "0.0.0.0"  # noqa: S104 (in a lab of no one else's)


def environment(role: Literal["server", "client"], address: str, port: int, within_s: float = 0) -> dict[str, str]:
    """What a program is told beside its command line. `address` is where a server listens and whom a client calls."""
    told = {ROLE: role, PORT: str(port), BIND if role == "server" else HOST: address}
    return told | ({DEADLINE_S: f"{within_s:g}", ASK: ORDINARY} if role == "client" else {})


def ended(client: Client, ran: Finished, *, hung: bool) -> tuple[Outcome, str | None]:
    """How a call of this client ended, and the errno by name, where it told one. `hung`: the lab had to end it."""
    text = f"{ran.stdout}\n{ran.stderr}"
    if client.contract:
        outcome = Outcome.HUNG if hung else OF_STATUS.get(ran.status, Outcome.CRASHED)
        return outcome, told_errno(ran.stderr) if ran.status else None
    found = list(_ERRNO.finditer(text))
    name = _BY_LOWER[found[-1][0].lower()] if found else None
    if hung:
        return Outcome.HUNG, name
    for word, pattern in client.says.items():
        if re.search(pattern, text, re.MULTILINE):
            return Outcome(word), name
    for word in client.exits:
        if ran.status in client.statuses(word):
            return Outcome(word), name
    if ran.status == client.status:
        right = re.search(client.prints, text, re.MULTILINE)
        return (Outcome.ANSWERED if right else Outcome.WRONG_ANSWER), None
    if name is not None:
        return OF_ERRNO[name], name
    return (Outcome.CRASHED if ran.status > 128 else Outcome.FAILED), None


def ready(services: Iterable[Service], say: Callable[[str], None]) -> None:
    """Have the images of these services here, built where they have a Dockerfile, and their clients probed.

    Raises ValueError for an image that is not here, and for a client that does not keep the contract it claims to.
    """
    for service in {each.service: each for each in services}.values():
        if service.image is None:
            continue
        if service.dockerfile:
            recipe = images.service_recipe(service.service, service.folder)
            images.build(say, {recipe.name: recipe})
        elif engine.image_id(service.image) is None:
            raise ValueError(
                f"{service.folder / 'service.yaml'}: image: {service.image!r} is not here; "
                f"`docker pull {service.image}` gets it, where it is to be had"
            )
        for name, client in service.clients.items():
            if client.contract and service.image_of(name):
                with under_way(f"{service.service}, client {name}, is asked for what nobody has"):
                    _probe(service, name)


def _probe(service: Service, name: str) -> None:
    """Ask a client for what nobody can have. Raises ValueError unless it says that it does not support that."""
    client, nonsense = service.clients[name], f"nonsense-{secrets.token_hex(4)}"
    told = environment("client", "127.0.0.1", service.port, client.timeout_s) | {ASK: nonsense}
    argv = words(client.run, host="127.0.0.1", bind="127.0.0.1", port=service.port)
    guest = f"faultwire-probe-{secrets.token_hex(4)}"
    # In no network: only its own mind can answer this.
    limits = ("--network", "none", "--read-only", "--cap-drop", "ALL", "--pull", "never", "--entrypoint", "")
    variables = [word for key, value in told.items() for word in ("--env", f"{key}={value}")]
    assert service.image is not None  # noqa: S101 (ready asks)
    command = ["docker", "run", "--rm", "--init", "--name", guest, *limits, *variables, service.image, *argv]
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, errors="backslashreplace", timeout=PROBED_WITHIN_S, check=False
        )
        came = f"status {ran.returncode}"
    except subprocess.TimeoutExpired:
        engine.docker_command("kill", "--signal", signal.SIGKILL.name, guest, timeout_s=10)
        ran, came = None, f"no answer within {PROBED_WITHIN_S:g} s"
    if ran is None or ran.returncode != UNSUPPORTED:
        raise ValueError(
            f"{service.folder / 'service.yaml'}: clients.{name}.contract: asked for {nonsense!r} ({ASK}), which nobody "
            f"has, it answered with {came} and not with {UNSUPPORTED} (unsupported): its exit statuses are not believed"
            ". Mend it, or leave `contract` out and say with `exits`, `says` and `prints` how its calls end"
        )
