"""A service of one's own is built for other CPUs, called across the firewall, and its first differing byte is named."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.byteorder import own_program
from scenarios.byteorder.own_program import Compared
from scenarios.lab import engine
from scenarios.lab.cpus import CPUS
from scenarios.lab.errors import UsageError
from scenarios.lab.images import NATIVE
from scenarios.lab.lab import Lab
from scenarios.spec.service import ServiceChoice, read_service
from scenarios.verdict.check import Verdict
from tests.infra.endian_talks import PROGRAMS
from tests.infra.test_cross import TAG, is_there

SERVICE = """
service: {name}
about: One of the programs of tests/endian_bugs.
port: 7010
families: [ipv4]
servers:
  program:
    run: padded server {{bind}} {{port}}
    about: one client after another
    ready: ^listening
    serves: one at a time
clients:
  ask: {{run: "padded client {{host}} {{port}}", about: "an order", prints: "^answered"}}
"""
DOCKERFILE = """
FROM faultwire/cross
ARG CPU=native
COPY --chown=lab . /home/lab/
RUN cross {cpu} sh -c '$CC -static -O1 {how} -o /programs/padded struct-with-padding.c'
"""


@pytest.fixture
def bring(tmp_path: Path) -> Iterator[Path]:
    """A folder for a service; the images that it leaves are removed."""
    if not is_there():
        pytest.skip(f"no image {TAG}: make images IMAGES=cross")
    yield tmp_path
    for cpu in (NATIVE, *CPUS):
        for name in ("endian_wrong", "endian_mended", "endian_same"):
            tag = f"faultwire/service-{name}" + (f"-on-{cpu}" if cpu != NATIVE else "")
            if engine.image_id(tag):
                engine.docker_command("image", "rm", tag, timeout_s=60)


def padded(folder: Path, name: str, how: str = "", cpu: str = "$CPU") -> ServiceChoice:
    place = folder / name
    place.mkdir()
    for each in ("talk.h", "struct-with-padding.c"):
        shutil.copy(PROGRAMS / each, place)
    (place / "Dockerfile").write_text(DOCKERFILE.format(how=how, cpu=cpu))
    (place / "service.yaml").write_text(SERVICE.format(name=name))
    return ServiceChoice(read_service(place, {}), "program", "ask")


def compared(lab: Lab, chosen: ServiceChoice, *cpus: str) -> Compared:
    machines = own_program.build(chosen, cpus, print)
    return own_program.compare(lab, chosen, cpus, machines, print)


def test_a_wrong_program_is_found_on_the_cpu_that_shows_it_and_named(bring: Path, lab: Lab) -> None:
    found = compared(lab, padded(bring, "endian_wrong"), "m68k")
    assert found.machines == {NATIVE: "little-endian, 64 bits, x86_64", "m68k": "big-endian, 32 bits, m68k"}
    assert found.verdict is Verdict.FAIL
    assert [row.pair for row in found.rows] == ["m68k-native", "native-m68k"]
    difference = found.rows[0].difference
    assert difference is not None
    assert difference.guess is not None
    assert difference.guess.kind == "padding"
    assert all((found.folder / "endian").rglob("client-leg.pcapng"))


@pytest.mark.long
def test_the_mended_program_sends_the_same_bytes_on_every_cpu(bring: Path, lab: Lab) -> None:
    found = compared(lab, padded(bring, "endian_mended", "-DMENDED"), *CPUS)
    assert {row.pair: row.says for row in found.rows if row.says != "the same bytes"} == {}
    assert (len(found.rows), found.verdict) == (2 * len(CPUS), Verdict.PASS)


def test_a_program_that_was_built_for_another_cpu_is_refused(bring: Path) -> None:
    chosen = padded(bring, "endian_same", cpu="native")
    with pytest.raises(UsageError, match=r"padded was built for native \(64 bits, little-endian\), expected m68k"):
        own_program.build(chosen, ["m68k"], print)


PYTHON_SERVICE = """
service: endian_python
about: A program in Python.
port: 7011
families: [ipv4]
python: program
servers:
  program: {run: "python -u server.py {bind} {port}", about: one at a time, ready: ^listening, serves: one at a time}
clients:
  ask: {run: "python client.py {host} {port}", about: a number, prints: "^answered"}
"""
SERVER = """
import socket, sys
with socket.create_server((sys.argv[1], int(sys.argv[2]))) as door:
    print("listening")
    while True:
        client, _ = door.accept()
        with client:
            if number := client.recv(4):
                client.sendall(number)
"""
CLIENT = """
import socket, struct, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as server:
    server.sendall(struct.pack("!I", 42))
    print("answered" if server.recv(4) == struct.pack("!I", 42) else "wrong")
"""


def in_python(folder: Path) -> ServiceChoice:
    place = folder / "endian_python"
    (place / "program").mkdir(parents=True)
    (place / "service.yaml").write_text(PYTHON_SERVICE)
    (place / "program" / "server.py").write_text(SERVER)
    (place / "program" / "client.py").write_text(CLIENT)
    return ServiceChoice(read_service(place, {}), "program", "ask")
