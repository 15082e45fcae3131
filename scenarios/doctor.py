"""What this machine has of what the lab needs: a line each, and how to get what is missing."""

from __future__ import annotations

import enum
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docker.errors import DockerException

from scenarios import engine, images
from scenarios.lab import labs_in_use
from scenarios.topology import LAB_NUMBERS, ROOT, topology

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


class State(enum.Enum):
    GOOD = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, and (where it is missing) how to get it."""

    what: str
    state: State
    seen: str
    cure: str = ""


def _engine() -> Finding:
    try:
        version = engine.client().version()
    except engine.NoEngine as error:
        return Finding("Docker Engine", State.MISSING, str(error), "make setup")
    api = tuple(int(part) for part in version["ApiVersion"].split("."))
    seen = f"{version['Version']}, API {version['ApiVersion']}"
    if api < OLDEST_API:
        return Finding("Docker Engine", State.MISSING, seen, "Engine 20.10 or later is needed (API 1.41)")
    return Finding("Docker Engine", State.GOOD, seen)


def _plugin(name: str) -> Finding:
    try:
        seen = engine.docker_command(name, "version", timeout_s=20).strip().splitlines()[0]
    except (engine.CommandFailed, FileNotFoundError):  # the plugin is not there, or docker itself is not
        return Finding(f"docker {name}", State.MISSING, "not installed", "make setup")
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
        yield Finding(f"image {recipe.tag}", state, reason or "fresh", "make images" if reason else "")


def _kernel() -> Iterator[Finding]:
    if "firewall" in images.stale():
        yield Finding("kernel features", State.MISSING, "cannot be asked without the firewall's image", "make images")
        return
    script = "\n".join(f"({probe}) >/dev/null 2>&1; echo $?" for probe in PROBES.values())
    try:
        said = engine.client().containers.run(
            "faultwire/firewall", ["-c", script], entrypoint="sh", remove=True, network_mode="none",
            cap_drop=["ALL"], cap_add=["NET_ADMIN", "NET_RAW"], init=True, mem_limit="256m",
            labels={engine.LAB_LABEL: "-1"}, sysctls={"net.ipv6.conf.lo.disable_ipv6": "0"},
        )  # fmt: skip
    except DockerException as error:
        yield Finding("kernel features", State.MISSING, f"a container to ask in did not run: {error}")
        return
    for what, status in zip(PROBES, said.decode().split(), strict=True):
        if status == "0":
            yield Finding(what, State.GOOD, f"works on kernel {platform.release()}")
        else:
            yield Finding(
                what,
                State.MISSING,
                f"refused by kernel {platform.release()}",
                "a kernel that has it; see docs/decisions.md",
            )


def _lab_numbers() -> Finding:
    taken = sorted(labs_in_use())
    free = len(LAB_NUMBERS) - len(taken)
    seen = f"{free} of {LAB_NUMBERS[0]} to {LAB_NUMBERS[-1]} are free" + (f"; in use: {taken}" if taken else "")
    return Finding("lab numbers", State.GOOD if free else State.MISSING, seen, "" if free else "make clean")


def _disk() -> Finding:
    try:
        root = Path(str(engine.client().info()["DockerRootDir"]))
    except engine.NoEngine:
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
    yield _plugin("compose")
    yield _plugin("buildx")
    yield from _images()
    yield from _kernel()
    yield from _machine_settings()
    yield _lab_numbers()
    yield _disk()
