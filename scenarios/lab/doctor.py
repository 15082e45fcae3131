"""What this machine has of what the lab needs, and what a lab may do here; a line each, with how to get the rest."""

from __future__ import annotations

import enum
import grp
import os
import platform
import pwd
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docker.errors import DockerException

from scenarios.lab import endpoint, engine, images
from scenarios.lab.cleanup import labs_in_use
from scenarios.lab.errors import CommandFailed, NoEngine
from scenarios.lab.places import ROOT, typed
from scenarios.lab.pool import MEMORY_A_LAB, default_jobs
from scenarios.lab.topology import LAB_NUMBERS, topology
from scenarios.lab.valueclass import valueclass

OLDEST_API = (1, 41)  # Engine 20.10
DISK_NEEDED_GIB = 3
# Asked inside a firewall container, with no network, because the kernel answers for the container's own namespace.
PROBES = {
    "NFQUEUE (packets held, copied, altered)": (
        "iptables -A OUTPUT -p tcp --dport 9 -j NFQUEUE && ip6tables -A OUTPUT -p tcp --dport 9 -j NFQUEUE"
    ),
    "nftables (dropped, refused, reset)": "nft add table inet probe && nft list table inet probe",
    "connection tracking (forgotten, rebound)": "conntrack --count",
    "IPv6 in containers": "ping -c 1 -W 1 ::1",
    "tc tbf (slow links)": "tc qdisc add dev lo root tbf rate 1mbit burst 10kb latency 50ms",
}
# What a lab does without, and what it does instead.
DISPENSABLE = {
    "tc netem": (
        "tc qdisc replace dev lo root netem delay 1ms",
        "the injector delays, reorders, copies and alters instead",
    ),
    "nftables ct count (a firewall that is full)": (
        "nft 'add table inet probe; add chain inet probe one { type filter hook forward priority 0; }; "
        "add rule inet probe one ct count over 1 drop'",
        "a `limit: {connections: …}` is unsupported",
    ),
    "nftables synproxy (SYNs answered by the firewall)": (
        "nft 'add table inet probe; add chain inet probe two { type filter hook forward priority 0; }; "
        "add rule inet probe two tcp flags syn synproxy mss 1460'",
        "a `syn_proxy` is unsupported",
    ),
}
LIMITS = {"MemoryLimit": "memory", "PidsLimit": "processes", "CpuCfsQuota": "processor time"}  # of `docker info`
BINFMT = Path("/proc/sys/fs/binfmt_misc/status")
MEMINFO = Path("/proc/meminfo")
NAMED = 6  # users, in a line


class State(enum.Enum):
    GOOD = "ok"
    NOTE = "note"
    MISSING = "missing"


@valueclass
class Finding:
    """One line: what was looked at, how it is, and (where it is missing) how to get it."""

    what: str
    state: State
    seen: str
    cure: str = ""


def _engine() -> Finding:
    try:
        version = engine.client().version()
    except NoEngine as error:
        cure = "" if endpoint.chosen_context() else typed("setup")  # it starts the machine's own
        return Finding("Docker Engine", State.MISSING, str(error), cure)
    api = tuple(int(part) for part in version["ApiVersion"].split("."))
    seen = f"{version['Version']}, API {version['ApiVersion']}"
    if api < OLDEST_API:
        return Finding("Docker Engine", State.MISSING, seen, "Engine 20.10 or later is needed (API 1.41)")
    return Finding("Docker Engine", State.GOOD, seen)


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"


def rights(uid: int, groups: Mapping[int, str], address: str) -> Finding:
    """By what right this user speaks to the engine, which is asked already. `groups`: names by number."""
    what = "rights"
    if uid == 0:
        return Finding(what, State.GOOD, "root: the lab may do everything on this machine; it gives no program a right")
    if "docker" in groups.values():
        seen = f"{_user()} is in the group docker, which is as much as root; no program of a lab is given a right"
        return Finding(what, State.GOOD, seen)
    return Finding(what, State.NOTE, f"{_user()} is neither root nor in the group docker, and reaches {address}")


def others(address: str) -> Finding:
    """Who else on this machine can reach the engine: whoever can, can do everything that root can."""
    what = "who else reaches the engine"
    if not address.startswith("unix://"):
        seen = f"whoever reaches {address}, unless it asks for a certificate; that is as much as root on its machine"
        return Finding(what, State.NOTE, seen)
    path = Path(address.removeprefix("unix://"))
    try:
        status = path.stat()
    except OSError as error:
        return Finding(what, State.NOTE, f"{path} cannot be looked at: {error.strerror}")
    if status.st_mode & stat.S_IWOTH:
        seen = f"every user of this machine: {path} may be written to by all, which is as much as root"
        return Finding(what, State.NOTE, seen, f"chmod o-rw {path}")
    names = {_name(status.st_uid), *(_members(status.st_gid) if status.st_mode & stat.S_IWGRP else ())}
    found = sorted(names - {"root", _user()})
    if not found:
        return Finding(what, State.GOOD, "nobody but root and you")
    shown = ", ".join(found[:NAMED]) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")
    return Finding(what, State.NOTE, f"{shown}: they may end your lab, and do what root can")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _members(gid: int) -> set[str]:
    """The users of a group: those that it names, and those whose first group it is."""
    named = {each.pw_name for each in pwd.getpwall() if each.pw_gid == gid}
    try:
        return named | {*grp.getgrgid(gid).gr_mem}
    except KeyError:
        return named


def _groups() -> dict[int, str]:
    found = {}
    for gid in {os.getegid(), *os.getgroups()}:
        try:
            found[gid] = grp.getgrgid(gid).gr_name
        except KeyError:
            continue
    return found


def limits(info: Mapping[str, Any]) -> Finding:
    """Whether the engine can bound what the programs of a lab use up."""
    lacking = [what for key, what in LIMITS.items() if not info.get(key)]
    if not lacking:
        return Finding("bounds on programs", State.GOOD, f"{', '.join(LIMITS.values())}: the engine enforces them")
    seen = f"the engine cannot bound {' and '.join(lacking)}: run no program here that you distrust"
    return Finding("bounds on programs", State.NOTE, seen, "a kernel with these cgroup controllers")


def _rights() -> Iterator[Finding]:
    address = endpoint.address()
    yield rights(os.geteuid(), _groups(), address)
    yield others(address)
    yield limits(engine.client().info())


def _plugin(name: str) -> Finding:
    try:
        seen = engine.docker_command(name, "version", timeout_s=20).strip().splitlines()[0]
    except (CommandFailed, FileNotFoundError):  # the plugin is not there, or docker itself is not
        return Finding(f"docker {name}", State.MISSING, "not installed", typed("setup"))
    return Finding(f"docker {name}", State.GOOD, seen)


def _setting(path: str, what: str, meaning: dict[str, str]) -> Finding:
    try:
        value = Path(path).read_text(encoding="ascii").strip()
    except OSError:
        value = "absent"
    return Finding(what, State.NOTE, f"{value}: {meaning.get(value, 'not a value that we know')}")


def _machine_settings() -> Iterator[Finding]:
    bridged = {
        "1": "frames on a bridge pass the machine's iptables; Docker's own rules let the lab's through",
        "0": "frames on a bridge do not pass the machine's iptables",
        "absent": "frames on a bridge do not pass the machine's iptables (br_netfilter is not loaded)",
    }
    yield _setting("/proc/sys/net/bridge/bridge-nf-call-iptables", "bridge-nf-call-iptables", bridged)
    forwards = {
        "1": "the machine itself forwards, as Docker sets it; the lab's packets are forwarded by its firewall alone",
        "0": "the machine itself does not forward; images cannot be built until it does, labs can run",
    }
    yield _setting("/proc/sys/net/ipv4/ip_forward", "forwarding on the machine", forwards)


def _images() -> Iterator[Finding]:
    stale = images.stale()
    whole = topology()
    of_every_lab = images.recipes_of({whole.machines[name] for name in whole.machines_of()})
    for name, recipe in images.EVERY_LAB.items():
        reason = stale.get(name)
        if reason and name not in of_every_lab:
            profiles = {whole.profiles[each] for each, tag in whole.machines.items() if tag == recipe.tag}
            seen = f"{reason}; it is built when {' or '.join(sorted(profiles))} is asked for"
            yield Finding(f"image {recipe.tag}", State.NOTE, seen)
            continue
        state = State.MISSING if reason else State.GOOD
        yield Finding(f"image {recipe.tag}", state, reason or "fresh", typed("images") if reason else "")


def _kernel() -> Iterator[Finding]:
    if "firewall" in images.stale():
        yield Finding("kernel features", State.MISSING, "cannot be asked without the firewall's image", typed("images"))
        return
    probes = {**PROBES, **{what: probe for what, (probe, _) in DISPENSABLE.items()}}
    script = "\n".join(f"({probe}) >/dev/null 2>&1; echo $?" for probe in probes.values())
    try:
        said = engine.client().containers.run(
            "faultwire/firewall", ["-c", script], entrypoint="sh", remove=True, network_mode="none",
            cap_drop=["ALL"], cap_add=["NET_ADMIN", "NET_RAW"], init=True, mem_limit="256m",
            labels={engine.LAB_LABEL: "-1"}, sysctls={"net.ipv6.conf.lo.disable_ipv6": "0"},
        )  # fmt: skip
    except DockerException as error:
        yield Finding("kernel features", State.MISSING, f"a container to ask in did not run: {error}")
        return
    for what, status in zip(probes, said.decode().split(), strict=True):
        if status == "0":
            yield Finding(what, State.GOOD, f"works on kernel {platform.release()}")
        elif what in DISPENSABLE:
            seen = f"not on kernel {platform.release()}, and not needed: {DISPENSABLE[what][1]}"
            yield Finding(what, State.NOTE, seen)
        else:
            yield Finding(
                what,
                State.MISSING,
                f"refused by kernel {platform.release()}",
                "a kernel that has it: Debian's and Ubuntu's do",
            )


def binfmt(status: Path = BINFMT) -> Finding:
    """Whether the kernel starts programs of other CPUs by itself; the images of the lab do not rest on it."""
    try:
        seen = status.read_text("ascii").strip()
    except OSError:
        seen = "absent"
    return Finding("binfmt_misc", State.NOTE, f"{seen}, and not needed: an image starts its emulator by itself")


def memory(meminfo: Path = MEMINFO) -> Finding:
    """Whether there is memory for a lab, and for how many."""
    fields = dict(line.split(":", 1) for line in meminfo.read_text("ascii").splitlines())
    free = int(fields["MemAvailable"].split()[0]) << 10
    seen = f"{free / 2**30:.1f} GiB free of {(int(fields['MemTotal'].split()[0]) << 10) / 2**30:.1f}"
    if free < MEMORY_A_LAB:
        return Finding("memory", State.MISSING, seen, f"a lab needs {MEMORY_A_LAB / 2**30:.1f} GiB")
    jobs = default_jobs()
    return Finding("memory", State.GOOD, f"{seen}: with the processors here, enough for JOBS={jobs} labs side by side")


def _lab_numbers() -> Finding:
    taken = sorted(labs_in_use())
    free = len(LAB_NUMBERS) - len(taken)
    seen = f"{free} of {LAB_NUMBERS[0]} to {LAB_NUMBERS[-1]} are free" + (f"; in use: {taken}" if taken else "")
    return Finding("lab numbers", State.GOOD if free else State.MISSING, seen, "" if free else typed("clean"))


def _disk() -> Finding:
    try:
        root = Path(str(engine.client().info()["DockerRootDir"]))
    except NoEngine:
        root = ROOT
    place = root if root.exists() else ROOT
    free = shutil.disk_usage(place).free / 2**30
    enough = free >= DISK_NEEDED_GIB
    return Finding("disk", State.GOOD if enough else State.MISSING, f"{free:.0f} GiB free at {place}",
                   "" if enough else f"{DISK_NEEDED_GIB} GiB are needed")  # fmt: skip


def examine() -> Iterator[Finding]:
    """Every finding, in the order in which things depend on each other. A drill can run when none is MISSING."""
    found = _engine()
    yield found
    if found.state is State.MISSING:
        return
    yield from _rights()
    yield _plugin("compose")
    yield _plugin("buildx")
    yield from _images()
    yield from _kernel()
    yield from _machine_settings()
    yield binfmt()
    yield _lab_numbers()
    yield memory()
    yield _disk()
