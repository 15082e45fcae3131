"""Everything of ours that is on this engine, found by its label, and removed."""

from __future__ import annotations

import contextlib

from docker.errors import APIError, NotFound

from scenarios.lab import engine
from scenarios.lab.errors import LabProblem

CLEANS_TIMES = 3


def clean() -> list[str]:
    """Remove every container, network and volume of every lab, found by label; what was removed, by name.

    Images stay: they are what the next lab comes up from. images.remove() is for them. Raises LabProblem when somebody
    brings labs up meanwhile.
    """
    removed: list[str] = []
    for _ in range(CLEANS_TIMES):
        try:
            _remove_all(removed)
        except APIError as error:  # of a network that has a machine again, say
            problem = error
        else:
            return removed
    raise LabProblem(f"not all could be removed, for something brings labs up meanwhile: {problem}")


def _remove_all(removed: list[str]) -> None:
    of_ours: dict[str, str | list[str] | bool] = {"label": engine.LAB_LABEL}
    for container in engine.containers(engine.LAB_LABEL):
        with contextlib.suppress(NotFound):
            container.remove(force=True, v=True)
            removed.append(container.name or container.short_id)
    for network in engine.client().networks.list(filters=of_ours):
        with contextlib.suppress(NotFound):
            network.remove()
            removed.append(network.name or network.short_id)
    for volume in engine.client().volumes.list(filters=of_ours):
        with contextlib.suppress(NotFound):
            volume.remove(force=True)
            removed.append(volume.name)


def labs_in_use() -> set[int]:
    """The numbers of the labs that have a network on this engine."""
    networks = engine.client().networks.list(filters={"label": engine.LAB_LABEL})
    return {int(network.attrs["Labels"][engine.LAB_LABEL]) for network in networks}
