"""Everything of ours that is on this engine, found by its label, and removed."""

from __future__ import annotations

import contextlib

from docker.errors import APIError, NotFound
from docker.models.networks import Network

from scenarios.lab import engine
from scenarios.lab.errors import LabProblem

CLEANS_TIMES = 3


def clean() -> list[str]:
    """Remove every container, network and volume of every lab, found by label; what was removed, by name.

    Images stay: they are what the next lab comes up from. images.remove() is for them. Raises LabProblem, with all else
    removed, when somebody brings labs up meanwhile, and when the engine does not let a network go that nobody uses.
    """
    removed: list[str] = []
    for _ in range(CLEANS_TIMES):
        kept = _remove_all(removed)
        if not kept:
            return removed
    raise LabProblem(f"not all could be removed: {'; '.join(map(why_kept, kept))}")


def why_kept(network: Network) -> str:
    """Why the engine does not remove a network: what is in it, or a fault of the engine.

    It may keep an endpoint of a container that is gone, where some end side by side (moby/moby#43286).
    """
    with contextlib.suppress(NotFound):
        network.reload()
    inside = sorted(each["Name"] for each in (network.attrs.get("Containers") or {}).values())
    if inside:
        return f"{network.name} has {' and '.join(inside)} in it: something uses it, or brings it up meanwhile"
    return (
        f"the engine keeps {network.name} for a container that is gone: a fault of the engine, whose restart mends it"
    )


def _remove_all(removed: list[str]) -> list[Network]:
    """Remove what can be; the networks that could not."""
    kept: list[Network] = []
    of_ours: dict[str, str | list[str] | bool] = {"label": engine.LAB_LABEL}
    for container in engine.containers(engine.LAB_LABEL):
        with contextlib.suppress(NotFound):
            container.remove(force=True, v=True)
            removed.append(container.name or container.short_id)
    for network in engine.client().networks.list(filters=of_ours):
        try:
            network.remove()
            removed.append(network.name or network.short_id)
        except NotFound:
            continue
        except APIError:  # it has a machine again, say
            kept.append(network)
    for volume in engine.client().volumes.list(filters=of_ours):
        with contextlib.suppress(NotFound):
            volume.remove(force=True)
            removed.append(volume.name)
    return kept


def labs_in_use() -> set[int]:
    """The numbers of the labs that have a network on this engine."""
    networks = engine.client().networks.list(filters={"label": engine.LAB_LABEL})
    return {int(network.attrs["Labels"][engine.LAB_LABEL]) for network in networks}
