"""What a lab can honour of a composition: which keys are refused, and where each of its services stands.

The composition comes as `docker compose config --format json` resolves it. A program of the user's never weakens the
lab: no rights beyond the engine's own, no way past the firewall, nothing of the user's own that it could change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from scenarios.spec.composition import SERVICES_AT_MOST, place_in
from scenarios.spec.declaration_error import DeclarationError, quoted

# What the engine gives a container by itself (moby, oci/caps/defaults.go): to add one of these adds nothing.
USUAL_CAPABILITIES: Final = frozenset(
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID "
    "SYS_CHROOT".split()
)
ENGINE_SOCKETS: Final = ("/var/run/docker.sock", "/run/docker.sock")
# Keys that no lab honours, each with the cure.
_REFUSED: Final = {
    "privileged": "a program has no rights over the machine in a lab; leave it out",
    "network_mode": "each service has a place of its own behind the firewall; leave it out, and call others by name",
    "pid": "each service has processes of its own in a lab; leave it out",
    "ipc": "each service has shared memory of its own in a lab; leave it out, or write `private`",
    "userns_mode": "each service has users of its own in a lab; leave it out",
    "uts": "each service has a host name of its own in a lab; leave it out",
    "cgroup_parent": "the lab bounds what its programs use; leave it out",
    "devices": "no device of the machine is given to a program in a lab; leave it out",
    "external_links": "nothing outside of the composition is linked; put that service into a compose file",
    "volumes_from": "write the volumes of each service under the service itself",
}
OWN_IPC: Final = ("none", "private", "shareable")  # `shareable` too: whoever would share it is refused
Refusal = tuple[tuple[str, ...], str]


def refusals(resolved: Mapping[str, Any]) -> Iterator[Refusal]:
    """Each thing that a lab does not honour: the keys that lead to it, and what is wrong, with the cure."""
    services: Mapping[str, Any] = resolved.get("services") or {}
    if len(services) > SERVICES_AT_MOST:
        yield ("services",), f"a lab has room for {SERVICES_AT_MOST} services, and there are {len(services)}"
    for name, service in services.items():
        for key, what in _of_service(service):
            yield ("services", name, *key.split(".")), what
    for name, network in (resolved.get("networks") or {}).items():
        if network and network.get("external"):
            yield ("networks", name), "an external network would be a way past the firewall; leave `external` out"
    for kind in ("volumes", "secrets", "configs"):
        for name, each in (resolved.get(kind) or {}).items():
            if each and each.get("external"):
                yield (kind, name), "it is external, and so yours: a drill could change it; leave `external` out"


def _of_service(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, cure in _REFUSED.items():
        if service.get(key) and not (key == "ipc" and service[key] in OWN_IPC):
            yield key, f"{quoted(str(service[key]))} is not for a lab: {cure}"
    for capability in service.get("cap_add") or ():
        if capability.upper().removeprefix("CAP_") not in USUAL_CAPABILITIES:
            yield "cap_add", f"{capability} is not given in a lab: with it a program could undo the network's faults"
    for option in service.get("security_opt") or ():
        if "unconfined" in option or "disable" in option:
            yield "security_opt", f"{quoted(option)} is not for a lab: a program stays confined; leave it out"
    for network, given in (service.get("networks") or {}).items():
        for key in ("ipv4_address", "ipv6_address"):
            if given and given.get(key):
                what = f"{given[key]} cannot be had in a lab, which has addresses of its own"
                yield f"networks.{network}.{key}", f"{what}; leave it out, and call the service by its name"
    replicas = (service.get("deploy") or {}).get("replicas", service.get("scale", 1))
    if replicas not in (None, 0, 1):
        yield "deploy", f"{replicas} replicas: a drill is between two programs; expected one"
    for volume in service.get("volumes") or ():
        if volume.get("type") == "bind" and volume.get("source") in ENGINE_SOCKETS:
            yield "volumes", "the engine's socket is the whole machine: no program of a lab has it; leave it out"
    if not service.get("image") and not service.get("build"):
        yield "image", "the service has neither `image` nor `build`"


def check_resolved(resolved: Mapping[str, Any], files: tuple[Path, ...]) -> None:
    """Raise DeclarationError, with file, line and cure, for what a lab cannot honour; all of it is told at once."""
    errors = []
    for keys, what in refusals(resolved):
        path, line = place_in(files, *keys)
        errors.append(DeclarationError(path, line, what, ".".join(keys)))
    if errors:
        first, *others = sorted(errors, key=lambda error: (str(error.path), error.line or 0))
        first.others = tuple(others)
        raise first


def sides(
    resolved: Mapping[str, Any], client_side: Sequence[str], server_side: Sequence[str], middle: Sequence[str] = ()
) -> dict[str, str]:
    """Each service with the side of the firewall on which it stands: `client`, `server`, or `backend`.

    Those in the middle have the server's side for themselves, and the others of `server_side` a third one: so what they
    say to either end crosses the firewall.

    One that is not named stands beside a service that depends on it, else beside one on which it depends, else beside
    one that is on a network of its own; else on the side of `server_side`.
    """
    services: Mapping[str, Any] = resolved["services"]
    far = "backend" if middle else "server"
    found = dict.fromkeys(client_side, "client") | dict.fromkeys(server_side, far)
    found |= dict.fromkeys(middle, "server")
    left = [name for name in services if name not in found]
    for beside in (_depends, lambda services, one, other: _depends(services, other, one), _shares):
        placed = True
        while placed:
            placed = False
            for name in list(left):
                if near := next((each for each in found if beside(services, each, name)), None):
                    found[name] = found[near]
                    left.remove(name)
                    placed = True
    return found | dict.fromkeys(left, far)


def _depends(services: Mapping[str, Any], one: str, other: str) -> bool:
    return other in (services.get(one, {}).get("depends_on") or {})


def _shares(services: Mapping[str, Any], one: str, other: str) -> bool:
    both = [set(services.get(each, {}).get("networks") or {}) - {"default"} for each in (one, other)]
    return bool(both[0] & both[1])


def names_of(name: str, resolved: Mapping[str, Any]) -> list[str]:
    """Every name under which the others of its composition may call a service."""
    services: Mapping[str, Any] = resolved["services"]
    service = services[name]
    found = [name, service.get("container_name"), service.get("hostname")]
    for network in (service.get("networks") or {}).values():
        found += (network or {}).get("aliases") or ()
    for other in services.values():
        for link in other.get("links") or ():
            linked, _, alias = str(link).partition(":")
            found += [alias] if linked == name and alias else []
    return list(dict.fromkeys(each for each in found if each))


def aloud(resolved: Mapping[str, Any]) -> Iterator[str]:
    """What a lab does otherwise than the composition says, for a person."""
    for name, service in resolved["services"].items():
        if service.get("ports"):
            yield f"{name}: its ports are not published"
        for volume in service.get("volumes") or ():
            if volume.get("type") == "bind" and not volume.get("read_only"):
                yield f"{name}: {volume['source']} is yours, so it is mounted read-only, at {volume['target']}"
        if (logging := service.get("logging")) and logging.get("driver") not in (None, "json-file", "local"):
            yield f"{name}: its log goes to the lab, and not to {logging['driver']}"
        if any(key.startswith("net.") for key in service.get("sysctls") or {}):
            yield f"{name}: its network has the sysctls of the file, and not those on which the drills' claims rest"
