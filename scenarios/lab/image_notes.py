"""Which image a name stood for when this process had it ready: every program is started from that one, by its id.

Two repositories on one engine, or two checkouts, may have services of one name. Each run puts its own image behind that
name, also while another run goes on. So a run notes the id of an image that is right, and asks the name no more.

An image of ours that has lost its name would be removed by whoever prunes next. So a process holds those that it noted,
each by one more tag (`faultwire/in-use:…`). The tag goes with the process; that of a process that was killed goes when
it is a week old, or with `make clean`. No lock would do: a run in a container of its own, or on another machine, has
the same engine and sees no file of ours.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import threading
import time
from typing import Final

import requests
from docker.errors import APIError, DockerException, NotFound

from scenarios.lab import engine
from scenarios.lab.errors import CommandFailed, NoEngine
from scenarios.lab.valueclass import valueclass

BAD_REQUEST: Final = 400  # Docker Engine API, "Inspect an image"
REPOSITORY: Final = "faultwire/in-use"
HELD_FOR_S: Final = 7 * 86400  # no run is as long; then a tag is of one that was killed
RENEWED_AFTER_S: Final = 86400  # in a process that goes on for days, as a worker of a cluster


@valueclass
class Note:
    """The id of an image, and the digest of all that it was built from; that is empty for one that somebody brought."""

    id: str
    inputs: str


class Notes:
    """What one process has noted, and the tags by which it holds it."""

    def __init__(self) -> None:
        self._by_name: dict[str, Note] = {}
        self._tags: dict[str, list[str]] = {}  # by the id of the image; the newest is the last
        self._lock = threading.Lock()
        self._process = os.getpid()

    def id_of(self, name: str) -> str:
        """What the image of this name is started by: its id; the name itself where none was noted."""
        found = self._by_name.get(name)
        return found.id if found else name

    def reference(self, name: str) -> str:
        """What a Dockerfile can call the image of this name: the tag that holds it, for it takes no id."""
        found = self._by_name.get(name)
        tags = self._tags.get(found.id) if found else None
        return tags[-1] if tags else name

    def is_noted(self, name: str, inputs: str) -> bool:
        """Whether an image of this name that was built from these inputs is noted, and is still here."""
        found = self._by_name.get(name)
        if found is None or found.inputs != inputs or engine.image_id(found.id) is None:
            return False
        with contextlib.suppress(NotFound):
            self._hold(found.id, is_ours=found.id in self._tags)
            return True
        return False

    def note(self, name: str, inputs: str = "") -> bool:
        """Note which image this name stands for now; False where there is none, or it was built from other inputs.

        Without `inputs` it is what somebody brought. One that was noted with its inputs stays then, for the name is one
        of ours, and may be another run's by now.
        """
        earlier = self._by_name.get(name)
        if earlier and earlier.inputs and not inputs and self.is_noted(name, earlier.inputs):
            return True
        try:
            with engine.request(f"look for the image {name}"):
                found = engine.client().images.get(name)
                if inputs and found.labels.get(engine.INPUTS_LABEL) != inputs:
                    return False
                # What is not ours nobody prunes, and to remove the last tag of it would remove it.
                self._hold(str(found.id), is_ours=engine.IMAGE_LABEL in found.labels)
        except NotFound:  # also where it was removed meanwhile
            return False
        except APIError as error:
            if error.status_code == BAD_REQUEST:  # no image can be called so
                return False
            raise
        self._by_name[name] = Note(str(found.id), inputs)
        return True

    def _hold(self, image: str, *, is_ours: bool) -> None:
        """Have a tag of this process on an image, and a new one where that is a day old. Raises NotFound."""
        with self._lock:
            tags = self._tags.get(image, [])
            if not is_ours or (tags and time.time() - _made_s(tags[-1]) < RENEWED_AFTER_S):
                return
            tag = f"{time.time():.0f}-{secrets.token_hex(4)}"
            engine.client().api.tag(image, REPOSITORY, tag)
            if not self._tags:
                self._process = os.getpid()
                atexit.register(self.release)
            self._tags[image] = [*tags, f"{REPOSITORY}:{tag}"]

    def release(self) -> None:
        """Remove the tags of this process; what has no other name goes with them."""
        tags, self._tags = self._tags, {}
        if os.getpid() != self._process:
            return
        with contextlib.suppress(CommandFailed, NoEngine, DockerException, requests.RequestException):
            for tag in (each for of_image in tags.values() for each in of_image):
                _remove(tag)


NOTES: Final = Notes()


def _made_s(tag: str) -> float:
    """When a tag was made; long ago for one that is not as ours are."""
    made, _, _ = tag.removeprefix(f"{REPOSITORY}:").partition("-")
    return float(made) if made.isdecimal() else 0.0


def _remove(tag: str) -> None:
    with contextlib.suppress(APIError), engine.request(f"remove {tag}"):  # it is gone; 409: a container is of it
        engine.client().api.remove_image(tag)


def drop(older_than_s: float = HELD_FOR_S) -> None:
    """Remove the tags of all processes that are older than this: of such as were killed."""
    with engine.request("list the images in use"):
        found = engine.client().api.images(name=REPOSITORY)
    for tag in (each for image in found for each in image["RepoTags"] or ()):
        if tag.startswith(f"{REPOSITORY}:") and time.time() - _made_s(tag) >= older_than_s:
            _remove(tag)
