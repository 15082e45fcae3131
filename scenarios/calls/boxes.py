"""The command line, the environment and the files of each program of an image. docs/your-own-program.md.

The certificate of the lab's authority is in every box, and in a server's the certificate and the key of its host: so a
program that speaks TLS needs no line of its own for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from scenarios.lab.box import AUTHORITY_FOLDER, KEYS_FOLDER, PREFIX, Box
from scenarios.lab.topology import Host
from scenarios.spec.command_line import filled_mapping, words
from scenarios.spec.container_settings import ContainerSettings
from scenarios.spec.python_programs import begins_in, folder_to_mount
from scenarios.spec.service import Service, ServiceChoice

# The environment of the contract.
ROLE, BIND, HOST, PORT, DEADLINE_S, ASK, CA, CERT, KEY = (
    f"{PREFIX}{each}" for each in ("ROLE", "BIND", "HOST", "PORT", "DEADLINE_S", "ASK", "CA", "CERT", "KEY")
)
ORDINARY: Final = "hello"  # what a client is asked for: its ordinary request
AUTHORITY: Final = f"{AUTHORITY_FOLDER}/ca.pem"
# Where programs look that are not told whom to trust: OpenSSL, and with it Python's ssl, Ruby and wget2, and Go
# (SSL_CERT_FILE), curl (CURL_CA_BUNDLE), requests (REQUESTS_CA_BUNDLE), Node.js (NODE_EXTRA_CA_CERTS), git.
TRUSTING: Final = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO")


def environment(
    role: Literal["server", "client"], address: str, port: int, within_s: float = 0, key: str = ""
) -> dict[str, str]:
    """What a program is told beside its command line. `address` is where a server listens and whom a client calls.

    `within_s` is for a client; `key`, the file with its host's certificate and key, for a server.
    """
    told = {ROLE: role, PORT: str(port), BIND if role == "server" else HOST: address, CA: AUTHORITY}
    if role == "server":
        return told | {CERT: key, KEY: key}
    return told | {DEADLINE_S: f"{within_s:g}", ASK: ORDINARY}


def key_of(host: Host) -> str:
    """Where a server finds the certificate of its host, and in the same file its key (images/names/authority)."""
    return f"{KEYS_FOLDER}/{host.name}.pem"


def places(address: str, port: int, key: str = "") -> Mapping[str, object]:
    """What stands for the placeholders of a command line; without a `key`, those of a client."""
    return {"host": address, "bind": address, "port": port, "ca": AUTHORITY, "cert": key, "key": key}


def given_to(service: Service, program: ContainerSettings) -> ContainerSettings:
    """What a program of its own is given, with what all of the service's are."""
    return ContainerSettings(
        environment={**service.environment, **program.environment},
        credentials={**service.credentials, **program.credentials},
        files={**service.files, **program.files, **folder_to_mount(service, program)},
    )


def _mounted(service: Service, given: ContainerSettings) -> Mapping[Path, str]:
    """The files that a program is given, each with its place there."""
    return {(service.folder / name).resolve(): place for name, place in given.files.items()}


def of_server(chosen: ServiceChoice, host: Host, address: str) -> Box | None:
    """The box of a server that listens on this address of a host; None for one of ours."""
    image, server = chosen.server_image, chosen.server
    if image is None:
        return None
    key = key_of(host)
    told = environment("server", address, chosen.server_port, key=key)
    filling = places(address, chosen.server_port, key)
    given = given_to(chosen.service, server)
    return Box(
        image,
        {**dict.fromkeys(TRUSTING, AUTHORITY), **filled_mapping(given.environment, **filling), **told},
        given.credentials,
        _mounted(chosen.service, given),
        tuple(tuple(words(each, **filling)) for each in server.setup),
        tuple(tuple(words(each, **filling)) for each in server.teardown),
        folder=begins_in(chosen.service, server),
    )


def of_client(service: Service, client: str, address: str, port: int, within_s: float) -> Box | None:
    """The box of a client that calls an address or a name; None for one of ours."""
    image = service.image_of(client)
    if image is None:
        return None
    given = given_to(service, service.clients[client])
    named = filled_mapping(given.environment, **places(address, port))
    told = environment("client", address, port, within_s)
    return Box(
        image,
        {**dict.fromkeys(TRUSTING, AUTHORITY), **named, **told},
        given.credentials,
        _mounted(service, given),
        folder=begins_in(service, service.clients[client]),
    )


def server_words(chosen: ServiceChoice, command: str, host: Host, address: str) -> list[str]:
    """The words of a server's command line, on this address of a host."""
    return words(command, **places(address, chosen.server_port, key_of(host)))


def client_words(command: str, address: str, port: int) -> list[str]:
    """The words of a client's command line."""
    return words(command, **places(address, port))
