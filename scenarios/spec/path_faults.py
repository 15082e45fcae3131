"""The words of a path between two hosts: one that has a name (paths.toml), or one by a trace file."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cache
from pathlib import Path as File
from typing import Any, Literal, get_args

from images.firewall.inject import declared as injected
from images.firewall.inject.path_words import QUEUE_BYTES, Path, opportunities
from scenarios.lab.topology import Family
from scenarios.spec.declaration import declaration
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.file_text import file_text
from scenarios.spec.roles import HostRole, Role, check_crosses, role_label
from scenarios.spec.units import Seconds

PROFILES = File(__file__).with_name("paths.toml")
Profile = Literal["wifi", "4g", "satellite", "adsl", "datacentre", "lossy-mobile"]


@cache
def profiles() -> Mapping[Profile, Mapping[str, Any]]:
    """Those that have a name: about, source, ours, and up and down as words of the injector."""
    read = tomllib.loads(PROFILES.read_text(encoding="utf-8"))
    assert set(read) == set(get_args(Profile)), "a path stands in paths.toml or in Profile only"  # noqa: S101
    return read  # type: ignore[return-value]  # the line above


def _path(numbers: Mapping[str, float]) -> Path:
    words = dict(numbers)
    delay_s, jitter_s = words.pop("delay_ms") / 1000, words.pop("jitter_ms", 0.0) / 1000
    return Path(delay_s, jitter_s, bits_per_s=round(words.pop("kbit_s") * 1000), **words)  # type: ignore[arg-type]


@declaration
class PathBetween:
    """All packets between two hosts go by a path that is `like` one of paths.toml, or has the times of a `trace`.

    `from` is the user's side. A trace is a file in mahimahi's format, beside the drill's own: a line for each time, in
    milliseconds, at which 1500 bytes may be sent; behind its last line it begins anew. `trace_back` is for the way
    back, else it is the same. With a trace go `delay`, each way, and `queue`, how many bytes may wait. Hits are the
    packets of both ways.
    """

    like: Profile | None = None
    trace: str | None = None
    trace_back: str | None = None
    delay: Seconds | None = None
    queue: int | None = None
    from_: HostRole = "client"
    to: HostRole = "server"
    family: Family | None = None
    traces: tuple[str, str] = field(default=("", ""), init=False, repr=False)  # what stands in the files

    def __post_init__(self) -> None:
        check_crosses(self.from_, self.to, "to")
        if (self.like is None) == (self.trace is None):
            raise ValueError(f"like: expected either like, one of {', '.join(get_args(Profile))}, or trace, a file")
        for key in ("trace_back", "delay", "queue"):
            if self.like is not None and getattr(self, key) is not None:
                raise ValueError(f"{key}: it goes with a `trace`; a path with a name has its own")
        if self.queue is not None and not QUEUE_BYTES[0] <= self.queue <= QUEUE_BYTES[1]:
            raise ValueError(f"queue: expected {QUEUE_BYTES[0]} to {QUEUE_BYTES[1]} bytes, got {self.queue}")

    def read_traces(self, folder: File) -> None:
        """Read its files, which are beside the drill's own. Raises ValueError that begins with the key."""
        found = []
        for key, name in (("trace", self.trace), ("trace_back", self.trace_back or self.trace)):
            if name is None:
                return
            try:
                text = file_text(folder / name)
            except DeclarationError as error:
                raise ValueError(f"{key}: {error}") from error
            try:
                opportunities(text)
            except ValueError as error:
                raise ValueError(f"{key}: {folder / name}: {error}") from error
            found.append(" ".join(text.split()))
        object.__setattr__(self, "traces", tuple(found))

    @property
    def files(self) -> dict[str, str]:
        """What stands in its files, by their names; nothing of a path with a name."""
        if self.trace is None:
            return {}
        return {self.trace: self.traces[0], self.trace_back or self.trace: self.traces[1]}

    @property
    def action(self) -> injected.Action:
        """What is done to the packets on the way there, for the injector."""
        return self._way("up", self.traces[0])

    @property
    def action_back(self) -> injected.Action:
        """What is done to those that come back."""
        return self._way("down", self.traces[1])

    def _way(self, way: str, trace: str) -> Path:
        if self.like is not None:
            return _path(profiles()[self.like][way])
        return Path(float(self.delay or 0), trace=trace, queue_bytes=self.queue or QUEUE_BYTES[1])

    def pick(self, address: Callable[[Role], str]) -> injected.Pick:
        """The packets there."""
        return injected.Pick(address(self.from_), address(self.to))

    def pick_back(self, address: Callable[[Role], str]) -> injected.Pick:
        """The packets back."""
        return injected.Pick(address(self.to), address(self.from_))

    @property
    def says(self) -> str:
        ends = f"between {role_label(self.from_)} and {role_label(self.to)}"
        if self.like is None:
            return f"packets {ends} go by a link with the times of {self.trace}"
        up, down = (_describe(self._way(way, "")) for way in ("up", "down"))
        return f"packets {ends} go by a path like {self.like}: {up} there, {down} back"


def _describe(path: Path) -> str:
    jitter = f" ± {path.jitter_s * 1000:g}" if path.jitter_s else ""
    lost = 100 * path.worsens / (path.worsens + path.recovers) if path.worsens else 0
    loss = f", {lost:.2g} percent lost in bursts of {100 / path.recovers:.2g}" if lost else ""
    return f"{path.delay_s * 1000:g}{jitter} ms and {path.bits_per_s / 1e6:g} Mbit/s{loss}"
