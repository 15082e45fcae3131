"""What a run leaves on a lab and on this machine, told as lines: those of before beside those of after.

A lab that is up and idle looks the same before and after a run, however the run ended: the same containers, and on each
machine the same processes, files, links, addresses, routes, rules and queueing disciplines. What differs is left over.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from docker.errors import DockerException
from docker.models.containers import Container

from scenarios.evidence import run_folder
from scenarios.lab import engine, locks
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab

WITHIN_S: Final = 20
# Without counters, which go on by themselves. Every machine has these folders; only the firewall has nft and iptables.
# iptables makes its tables when it is first used, and leaves them empty: of those their rules alone. Of an address, not
# who gave it (the kernel, or a fault that put it back, and then without looking for a duplicate): no packet meets that.
# nstat(8) keeps its history in /tmp; the drill that calls it writes it anew each time.
FILES: Final = "find /tmp /run /dev/shm -xdev ! -type d ! -name '.nstat.u*' 2>/dev/null | sort"
NETWORK: Final = r"""
ip -o link show | sed 's/^[0-9]*: //'
ip -o address show | sed 's/^[0-9]*: //; s/ nodad//; s/ proto [a-z_]*//'
ip route show table all | sed 's/ expires [0-9a-z]*//'
ip -6 route show table all | sed 's/ expires [0-9a-z]*//'
tc qdisc show
nft list tables | grep -vE '^table ip6? (raw|mangle|nat|filter|security)$' | while read -r _ family name; do
    nft --stateless list table "$family" "$name"
done
for table in raw mangle nat filter security; do
    iptables-save -t $table
    ip6tables-save -t $table
done | grep -v '^[#:*]\|^COMMIT$'
sysctl -a 2>/dev/null | grep -E '^net\.(netfilter\..*timeout|ipv[46]\.(icmp|conf\..*\.(forwarding|rp_filter)))'
"""
LOOKS: Final[Mapping[str, str]] = {"firewall": f"{{ {NETWORK} }} 2>&1\n{FILES}\ntrue"}
# The engine's own, which starts in the firewall again and again (compose.yaml); in brackets once it has ended.
HEALTH_CHECK: Final = re.compile(r"test -e /run/ready |\[test\]( <defunct>)?$")
ON_THE_MACHINE: Final = "cables"  # it is in the network of this machine, which others use too: what is of this lab
OF_THIS_MACHINE: Final = r"""
for bridge in "fw$1-client" "fw$1-server" "fw$1-backend"; do
    [ -d "/sys/class/net/$bridge" ] || continue
    ip -o address show dev "$bridge" | sed 's/^[0-9]*: //; s/ nodad//; s/ proto [a-z_]*//'
    ip -4 route show dev "$bridge"
    ip -6 route show dev "$bridge"
done
nft list tables | grep -w "faultwire_here_$1"
true
"""


def of_lab(lab: Lab) -> list[str]:
    """Return what there is of a lab now. Raise LabProblem, or CommandFailed, where it cannot be asked."""
    states = lab.states()
    with ThreadPoolExecutor() as pool:
        looked = list(pool.map(lambda machine: _of_machine(lab, machine), states))
    found = [line for lines in looked for line in lines]
    label = f"{engine.LAB_LABEL}={lab.number}"
    with engine.request("list what a lab has"):
        found += [_container(each) for each in engine.containers(label)]
        found += [f"network {each.name}" for each in engine.client().networks.list(filters={"label": label})]
        found += [f"volume {each.name}" for each in engine.client().volumes.list(filters={"label": label})]
    return found


def _container(container: Container) -> str:
    """A container, and from which image and since when it runs: one made anew has much that differs, and says so."""
    image, since = container.attrs["Image"], container.attrs["State"]["StartedAt"]
    return f"container {container.name} {container.short_id} of {image[:19]}, started {since}"


def _of_machine(lab: Lab, machine: str) -> list[str]:
    found = [f"process {each}" for each in _processes(lab, machine)]
    look = OF_THIS_MACHINE if machine == ON_THE_MACHINE else LOOKS.get(machine, FILES)
    said = lab.run(machine, ["sh", "-c", look, "look", str(lab.number)], timeout_s=WITHIN_S, mark=False)
    found += (said.stdout + said.stderr).splitlines()
    return [f"{machine}: {line.strip()}" for line in found if line.strip()]


def _processes(lab: Lab, machine: str) -> list[str]:
    """The command lines on a machine, as the engine has them: looking starts no process there."""
    name = lab.container(machine)
    try:
        with engine.request(f"list the processes of {name}"):
            listed = engine.client().api.top(name, ps_args="-eo pid,args")
    except DockerException as error:
        raise LabProblem(f"the processes of {name} could not be listed: {error}") from error
    at = listed["Titles"].index("COMMAND")
    return [each[at] for each in listed["Processes"] or () if not HEALTH_CHECK.match(each[at])]


def differences(before: Iterable[str], after: Iterable[str]) -> list[str]:
    """Return what is there now and was not, as `left: …`, and what was there and is not, as `gone: …`."""
    was, is_now = Counter(before), Counter(after)
    left = [f"left: {line}" for line in sorted((is_now - was).elements())]
    return left + [f"gone: {line}" for line in sorted((was - is_now).elements())]


def processes_with(variable: str) -> list[str]:
    """Return the processes of this machine whose environment has `name=value`, as `PID command`; but not this one."""
    wanted, found = variable.encode(), []
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal() or int(process.name) == os.getpid():
            continue
        try:
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                found.append(f"{process.name} {words.strip()}")
        except OSError:  # it ended meanwhile, or is another user's
            continue
    return found


def of_machine(lab: int, run_folders: Iterable[str], temporary: Path) -> Iterator[str]:
    """Yield what is left on this machine of runs that are over: locks, temporary files, and files of half a result.

    `run_folders` are the names of their folders, and `temporary` was their TMPDIR.
    """
    for what in ("lock", "lent"):
        path = locks.path_of(lab, what)
        if path.exists():
            try:
                os.close(locks.take(path))
            except (BlockingIOError, LabProblem) as error:
                yield f"left: the lock {path}: {error or 'a process holds it'}"
    if locks.path_of(lab, "lent").exists():
        yield f"left: {locks.path_of(lab, 'lent')}"
    for path in sorted(temporary.rglob("*")):
        yield f"left: the temporary file {path.relative_to(temporary)}"
    for name in run_folders:
        for path in sorted((run_folder.RUNS / name).rglob(".*")):
            yield f"left: runs/{path.relative_to(run_folder.RUNS)}"
    for path in sorted(run_folder.RUNS.glob(".latest-*")):
        yield f"left: runs/{path.name}"
