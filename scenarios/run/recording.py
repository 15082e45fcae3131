"""The packets of a script, and the stalls of its machines: recorded while it runs, decoded after it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping

from scenarios.evidence.capture import Capture
from scenarios.evidence.frame import Frame
from scenarios.evidence.inside import within
from scenarios.evidence.nat_frames import behind_translations
from scenarios.evidence.pauses import Pause
from scenarios.evidence.record import LegCapture
from scenarios.evidence.stalls import Stalls
from scenarios.evidence.tshark import by_leg
from scenarios.evidence.tshark_fields import KEPT
from scenarios.run.script_run import ScriptRun
from scenarios.spec import roles
from scenarios.spec.units import so_many


class Recording:
    """The captures of the legs, and the metering of the machines beside them."""

    def __init__(self, run: ScriptRun) -> None:
        self.run = run
        self.captures: Mapping[str, LegCapture] = {}
        self.frames: Mapping[str, list[Frame]] = {}
        self.stalls: Stalls | None = None  # from when the metering has ended
        self.captured_until_ns = 0
        self._capture: Capture | None = None

    def meter(self, undo: contextlib.ExitStack) -> None:
        """Meter, and capture nothing; `undo` ends it. `stop_metering` gives what was found."""
        self._begin_metering(undo)
        self.run.stage.metering.wait()

    def _begin_metering(self, undo: contextlib.ExitStack) -> None:
        metering = self.run.stage.metering
        metering.begin(with_guests=self._with_guests)
        undo.callback(metering.give_up)

    def stop_metering(self, pauses: Iterable[Pause]) -> Stalls:
        """The stalls since `meter`, of another client's machine too, without the pauses of the script."""
        metering = self.run.stage.metering
        metering.stop(with_guests=self._with_guests)
        return metering.end([*pauses], {*self._in_play(), self.run.cast.host("bystander").name})

    def begin(self, undo: contextlib.ExitStack) -> None:
        """Begin to capture and to meter. Raises LabProblem; `undo` ends what has begun."""
        stage = self.run.stage
        self._begin_metering(undo)
        with self.run.timed("capture"):
            self._capture = undo.enter_context(stage.capturing.capture(self.run.cast.legs))
        with self.run.timed("metering"):
            stage.metering.wait()

    @property
    def _with_guests(self) -> bool:
        """Whether programs of other images may run."""
        service = self.run.cell.chosen.service
        return bool(service.images or service.compose)

    def end(self, pauses: Iterable[Pause]) -> None:
        """End the captures, and the metering beside them; `pauses` are those that the script itself made."""
        if self.stalls is not None or self._capture is None:  # both were ended, and the script breaks off after it
            return
        metering = self.run.stage.metering
        self.captured_until_ns = time.time_ns()
        metering.stop(with_guests=self._with_guests)
        try:
            with self.run.timed("capture"):
                self.captures = self._capture.stop()
        finally:
            with self.run.timed("metering"):
                self.stalls = metering.end([*pauses], self._in_play())

    def _in_play(self) -> set[str]:
        """The machines on which the script rests."""
        drill, cast = self.run.drill, self.run.cast
        calls = [step.call or step.start for step in drill.script if step.call or step.start]
        needed: set[roles.Role] = {"client", "server", "names", *drill.server.on}
        needed |= {each.from_ for each in calls if each} | ({"backend"} if cast.backend else set())
        needed |= {each.to for each in calls if each and roles.is_host(each.to)}
        return {"firewall", *(cast.host(role).name for role in needed)}

    def decode(self) -> None:
        """Decode the captures into frames; once, for what begins in a capture is told from what earlier ones had."""
        if self.frames:  # the script breaks off after it
            return
        dissector, marks = self.run.stage.dissector, self.run.drill.filters
        with self.run.timed("decode"):
            frames = by_leg(self.captures, lambda pcapng: dissector.frames(pcapng, KEPT, marks))
            self.frames = self._of_this_run(self._behind_nat(self._of_this_service(self._inside(frames))))

    def _inside(self, frames: dict[str, list[Frame]]) -> dict[str, list[Frame]]:
        """The frames without what services of a composition and the world say to each other, by the way out.

        Such a packet is on one leg alone, and neither lost nor made at the firewall.
        """
        if not self.run.cell.chosen.service.outside:
            return frames
        networks = self.run.stage.lab.topology.networks.values()
        kept = within(frames, [subnet for both in networks for subnet in both])
        return self._noted(frames, kept, "between the {leg} and the world outside")

    def _of_this_service(self, frames: dict[str, list[Frame]]) -> dict[str, list[Frame]]:
        """The frames without what a program in the middle, of a service that is not under drill, asks of its backend.

        Such a packet is on one of the legs that are captured, and neither lost nor made at the firewall.
        """
        others = self.run.cast.backends_of_others
        kept = {
            leg: [each for each in of_leg if not {each.source, each.destination} & others]
            for leg, of_leg in frames.items()
        }
        return self._noted(frames, kept, "of the backend of another service on the {leg}")

    def _behind_nat(self, frames: dict[str, list[Frame]]) -> dict[str, list[Frame]]:
        """The frames, with who is behind the firewall's own address, or a virtual one."""
        cast, faults = self.run.cast, self.run.drill.faults
        is_behind_nat, has_vip = any(fault.nat for fault in faults), any(fault.vip for fault in faults)
        return behind_translations(
            frames,
            cast.translations("client") if is_behind_nat else (),
            cast.addresses("nobody") if has_vip else (),
        )

    def _of_this_run(self, frames: Mapping[str, list[Frame]]) -> dict[str, list[Frame]]:
        """The frames without what the connections of earlier scripts still send."""
        kept = self.run.stage.flows.of_script(frames)
        return self._noted(frames, kept, "of earlier connections on the {leg}")

    def _noted(
        self, frames: Mapping[str, list[Frame]], kept: dict[str, list[Frame]], which: str
    ) -> dict[str, list[Frame]]:
        """The frames that are kept; how many others there were on each leg is an event of the run."""
        for leg, of_leg in frames.items():
            if left_out := len(of_leg) - len(kept[leg]):
                self.run.note(f"left out: {so_many(left_out, 'frame')} {which.format(leg=leg)}")
        return kept
