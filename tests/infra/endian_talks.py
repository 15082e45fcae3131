"""The programs of tests/endian_bugs, built and run on many CPUs in one container, and the bytes that they exchange.

Client and server are in the container of faultwire/cross, which has no network but its loopback; between them is a
relay in Python, in a container of its own in the same network, that notes what goes by.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scenarios.lab.cpus import CPUS
from scenarios.lab.images import NATIVE, RECIPES
from scenarios.spec.errno_numbers import names_on
from scenarios.verdict.fields import Sender
from scenarios.verdict.guess import Exchange, Message

PROGRAMS = Path(__file__).parents[1] / "endian_bugs"
CROSS, PYTHON = RECIPES["cross"].tag, RECIPES["python"].tag
WITHIN_S = 600
# A conversation a line: number program client-cpu server-cpu. The relay listens at 10000 + number.
TALKS = r"""
set -eu
while read -r number program how client server; do
    for cpu in "$client" "$server"; do
        made=/tmp/$program$how-$cpu
        [ -e "$made" ] || cross "$cpu" sh -c "\$CC -static -O1 -Wall -Wextra -Werror $how -o $made /src/$program.c"
    done
    serves="/tmp/$program$how-$server server 127.0.0.1 $((20000 + number))"
    calls="/tmp/$program$how-$client client 127.0.0.1 $((10000 + number))"
    cross "$server" sh -c "exec \$EMULATOR $serves" >/tmp/out &
    until grep -q listening /tmp/out; do
        kill -0 $!
        sleep 0.02
    done
    status=0
    cross "$client" sh -c "exec \$EMULATOR $calls" >/dev/null || status=$?
    kill $!
    wait $! || :
    echo "$number $status"
    : >/tmp/out
done
"""
RELAY = r"""
import json, select, socket, sys
doors = {}
for number in range(int(sys.argv[1])):
    door = socket.create_server(("127.0.0.1", 10000 + number))
    doors[door] = number
print("listening", flush=True)
while True:
    ready = select.select([*doors, sys.stdin], [], [])[0]
    if sys.stdin in ready:
        break
    client, _ = ready[0].accept()
    number = doors[ready[0]]
    server = socket.create_connection(("127.0.0.1", 20000 + number))
    messages, ends = [], {client: ("client", server), server: ("server", client)}
    while ends:
        for end in select.select([*ends], [], [])[0]:
            who, other = ends[end]
            try:
                content = end.recv(65536)
            except ConnectionResetError:
                content = b""
            try:
                if content:
                    other.sendall(content)
                else:
                    other.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            if not content:
                del ends[end]
            elif messages and messages[-1][0] == who:
                messages[-1][1] += content.hex()
            else:
                messages.append([who, content.hex()])
    client.close()
    server.close()
    print(json.dumps([number, messages]), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Talk:
    """A program, wrong or mended, and the CPUs of its client and its server."""

    program: str
    client: str
    server: str
    mended: bool = False

    @property
    def line(self) -> str:
        return f"{self.program} {'-DMENDED' if self.mended else '-DUNMENDED'} {self.client} {self.server}"


@dataclass(frozen=True, slots=True)
class Heard:
    """How its client ended, and what was sent."""

    status: int
    exchange: Exchange


def sender(cpu: str) -> Sender:
    """What the table of the CPUs says of one."""
    if cpu == NATIVE:
        return Sender(cpu, "little", 64, errnos=names_on())
    found = CPUS[cpu]
    return Sender(cpu, "big", found.bits, found.aligned, names_on(cpu))


@contextlib.contextmanager
def _box() -> Iterator[str]:
    """A container of the compilers and emulators; its id."""
    words = ["docker", "run", "--rm", "--detach", "--init", "--network=none", "--label=faultwire.lab=-1"]
    place = [f"--volume={PROGRAMS}:/src:ro", "--tmpfs=/tmp:exec,size=512m", "--pids-limit=128", "--memory=1g"]
    made = subprocess.run([*words, *place, CROSS, "sleep", str(WITHIN_S)], capture_output=True, text=True, check=True)
    box = made.stdout.strip()
    try:
        yield box
    finally:
        subprocess.run(["docker", "kill", box], capture_output=True, check=False)


def hold(talks: Sequence[Talk]) -> Mapping[Talk, Heard]:
    """Hold these conversations, one after another."""
    with _box() as box:
        words = ["docker", "run", "--rm", "--init", "--interactive", f"--network=container:{box}"]
        argv = [*words, "--label=faultwire.lab=-1", PYTHON, "python", "-c", RELAY, str(len(talks))]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as relay:
            assert relay.stdout is not None
            try:
                assert relay.stdout.readline() == "listening\n"
                lines = "".join(f"{number} {talk.line}\n" for number, talk in enumerate(talks))
                ran = subprocess.run(
                    ["docker", "exec", "--interactive", box, "sh", "-c", TALKS],
                    input=lines,
                    capture_output=True,
                    text=True,
                    timeout=WITHIN_S,
                    check=False,
                )
            finally:
                said, _ = relay.communicate(timeout=60)
    assert ran.returncode == 0, ran.stderr
    statuses = {int(number): int(status) for number, status in map(str.split, ran.stdout.splitlines())}
    heard = dict(json.loads(line) for line in said.splitlines())
    found = {}
    for number, talk in enumerate(talks):
        messages = tuple(Message(by, bytes.fromhex(content)) for by, content in heard[number])
        found[talk] = Heard(statuses[number], Exchange(sender(talk.client), sender(talk.server), messages))
    return found
