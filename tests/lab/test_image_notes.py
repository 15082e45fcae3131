"""A run starts its programs from the images that it had ready, whatever another run has behind their names since."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from docker.errors import APIError, ImageNotFound

from scenarios.calls import contract, on_cpus
from scenarios.lab import build_output, engine, image_notes, images
from scenarios.lab.box import Box
from scenarios.lab.errors import CommandFailed, UsageError
from scenarios.lab.guest import guest_words, run_guest
from scenarios.lab.image_notes import NOTES, REPOSITORY
from scenarios.lab.images import DEBIAN, inputs_digest
from scenarios.spec.service import Service, load_service

LAYERS = "sha256:debian"
MINE = "faultwire/service-mine"
SERVICE = """
service: mine
about: a program
port: 4000
servers: {one: {run: "serve {bind}", about: answers}}
clients: {ask: {run: "ask {host}", about: asks}}
"""


class Engine:
    """Stands in for the engine: images by their id, and names that can be moved."""

    def __init__(self) -> None:
        self.labels: dict[str, Mapping[str, str]] = {}
        self.names: dict[str, str] = {}
        self.in_containers: set[str] = set()

    def has(self, name: str, image: str, **labels: str) -> None:
        """An image stands behind this name from now on; `inputs` are those of one of ours."""
        ours = {engine.INPUTS_LABEL: labels["inputs"], engine.IMAGE_LABEL: name} if "inputs" in labels else {}
        self.labels[image], self.names[name] = ours, image

    @property
    def images(self) -> Any:
        return SimpleNamespace(get=self._get, prune=self._prune)

    @property
    def api(self) -> Any:
        return SimpleNamespace(tag=self._tag, remove_image=self._remove_image, images=self._listed)

    def _get(self, name: str) -> SimpleNamespace:
        if (found := self.names.get(name, name)) not in self.labels and name != DEBIAN:
            raise ImageNotFound(name)
        return SimpleNamespace(
            id=found, labels=self.labels.get(found), attrs={"RootFS": {"Layers": LAYERS.split()}, "Id": found}
        )

    def _prune(self, filters: Mapping[str, object]) -> None:
        assert filters == {"dangling": True, "label": engine.IMAGE_LABEL}
        for image in {*self.labels} - {*self.names.values()}:
            if self.labels[image]:
                del self.labels[image]

    def _tag(self, image: str, repository: str, tag: str) -> None:
        self.names[f"{repository}:{tag}"] = self._get(image).id

    def _remove_image(self, tag: str) -> None:
        if tag in self.in_containers:
            raise APIError("409: a container is of it")
        image = self.names.pop(tag)
        if image not in self.names.values():
            del self.labels[image]

    def _listed(self, name: str) -> list[Mapping[str, Any]]:
        return [{"RepoTags": [each]} for each in self.names if each.startswith(f"{name}:")]

    @property
    def held(self) -> list[str]:
        """The images that a tag of a process holds."""
        return [image for name, image in self.names.items() if name.startswith(f"{REPOSITORY}:")]


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The engine, of a process that has noted nothing."""
    found = Engine()
    monkeypatch.setattr(engine, "client", lambda: found)
    monkeypatch.setattr(NOTES, "_by_name", {})
    monkeypatch.setattr(NOTES, "_tags", {})
    return found


def mine(folder: Path, more: str = "", dockerfile: str = "FROM faultwire/base\n") -> Service:
    """A service whose image is built from its folder."""
    (folder / "mine").mkdir(parents=True, exist_ok=True)
    (folder / "mine" / "service.yaml").write_text(SERVICE + more, "utf-8")
    if dockerfile:
        (folder / "mine" / "Dockerfile").write_text(dockerfile, "utf-8")
    return load_service(folder / "mine")


def inputs_of(service: Service, tag: str = MINE) -> str:
    (recipe,) = (each for each in on_cpus.native_recipes(service).values() if each.tag == tag)
    return inputs_digest(recipe, LAYERS)


def started_from(image: str) -> str:
    """What a program of this image is started from."""
    return guest_words(85, Box(image), ["serve"], "a-guest")[-2]


def builds(monkeypatch: pytest.MonkeyPatch, stand_in: Engine, *others: str) -> list[Sequence[str]]:
    """The words of each build. Behind the name stands the new image then, or first, each in its turn, another run's."""
    built: list[Sequence[str]] = []

    def build(tag: str, words: Sequence[str], **_: object) -> float:
        built.append(words)
        label = next(each for each in words if each.startswith(f"{engine.INPUTS_LABEL}="))
        stand_in.has(tag, f"sha256:{tag}-{len(built)}", inputs=label.partition("=")[2])
        if len(built) <= len(others):
            stand_in.has(tag, f"sha256:others-{len(built)}", inputs=others[len(built) - 1])
        return 1.0

    monkeypatch.setattr(build_output, "build", build)
    for below in ("base", "python"):
        recipe = images.RECIPES[below]
        stand_in.has(recipe.tag, f"sha256:{below}", inputs=inputs_digest(recipe, LAYERS))
    return built


def test_a_program_is_started_from_the_image_that_was_ready_though_another_run_took_its_name(
    tmp_path: Path, stand_in: Engine
) -> None:
    service = mine(tmp_path)
    stand_in.has(MINE, "sha256:ours", inputs=inputs_of(service))
    contract.ready([service], print)
    stand_in.has(MINE, "sha256:theirs", inputs="others")
    images.prune()  # as the other run does
    assert started_from(MINE) == "sha256:ours"
    assert "sha256:ours" in stand_in.labels
    NOTES.release()
    assert {*stand_in.labels} == {"sha256:theirs"}
    assert stand_in.held == []


def test_what_is_noted_is_not_built_again_because_its_name_was_taken_but_when_its_files_change(
    tmp_path: Path, stand_in: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = builds(monkeypatch, stand_in)
    service = mine(tmp_path)
    contract.ready([service], print)
    assert started_from(MINE) == f"sha256:{MINE}-1"
    stand_in.has(MINE, "sha256:theirs", inputs="others")
    contract.ready([service], print)
    assert len(built) == 1
    assert started_from(MINE) == f"sha256:{MINE}-1"
    contract.ready([mine(tmp_path, dockerfile="FROM faultwire/base\nUSER 1000\n")], print)
    assert started_from(MINE) == f"sha256:{MINE}-2"


def test_an_image_whose_name_is_taken_before_it_is_noted_is_built_again(
    tmp_path: Path, stand_in: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = builds(monkeypatch, stand_in, "others")
    contract.ready([mine(tmp_path)], print)
    assert len(built) == 2
    assert started_from(MINE) == f"sha256:{MINE}-2"


def test_a_name_that_another_run_always_takes_ends_the_run_with_a_word_of_it(
    tmp_path: Path, stand_in: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = builds(monkeypatch, stand_in, *["others"] * images.NOTE_TRIES)
    with pytest.raises(CommandFailed, match=f"^{MINE}: another run builds it from other files all the time"):
        contract.ready([mine(tmp_path)], print)
    assert len(built) == images.NOTE_TRIES


def test_an_image_that_somebody_brought_is_noted_and_not_held_and_a_missing_one_is_told(
    tmp_path: Path, stand_in: Engine
) -> None:
    service = mine(tmp_path, "image: nginx:1\n", dockerfile="")
    with pytest.raises(UsageError, match="'nginx:1' is not here"):
        contract.ready([service], print)
    stand_in.has("nginx:1", "sha256:first")
    contract.ready([service], print)
    stand_in.has("nginx:1", "sha256:second")
    assert started_from("nginx:1") == "sha256:first"
    assert stand_in.held == []
    contract.ready([service], print)  # as the next test of a person's own does
    assert started_from("nginx:1") == "sha256:second"
    assert started_from("redis:8") == "redis:8"


def test_an_image_of_ours_that_another_service_names_stays_the_one_that_was_built(
    tmp_path: Path, stand_in: Engine
) -> None:
    service = mine(tmp_path)
    stand_in.has(MINE, "sha256:ours", inputs=inputs_of(service))
    contract.ready([service], print)
    stand_in.has(MINE, "sha256:theirs", inputs="others")
    contract.ready([mine(tmp_path / "beside", f"image: {MINE}\n", dockerfile="")], print)
    assert started_from(MINE) == "sha256:ours"


def test_a_folder_of_an_image_of_ours_is_taken_from_the_image_that_was_noted(
    tmp_path: Path, stand_in: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = mine(tmp_path, "python: /app\n")
    stand_in.has(MINE, "sha256:ours", inputs="")
    built = builds(monkeypatch, stand_in)
    on_cpus._build_sources(service, print)
    noted = NOTES.id_of(MINE)
    stand_in.has(MINE, "sha256:theirs", inputs="others")
    on_cpus.build_native(service, print)
    _, of_folder = built
    (given,) = (each for each in of_folder if each.startswith("IMAGE="))
    assert stand_in.names[given.removeprefix("IMAGE=")] == noted == f"sha256:{MINE}-1"
    assert f"MADE_FROM={noted}" in of_folder


def test_the_tag_of_a_process_that_was_killed_goes_when_it_is_old_or_all_are_removed(stand_in: Engine) -> None:
    now = time.time()
    of_now, of_old = (f"{REPOSITORY}:{now - age:.0f}-0a" for age in (3600, image_notes.HELD_FOR_S + 60))
    stand_in.has(of_now, "sha256:now", inputs="1")
    stand_in.has(of_old, "sha256:old", inputs="2")
    images.prune()
    assert stand_in.held == ["sha256:now"]
    images.prune(held_for_s=0)
    assert stand_in.labels == {}


def test_a_process_that_goes_on_for_days_holds_by_a_new_tag_and_leaves_none(
    tmp_path: Path, stand_in: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = mine(tmp_path)
    stand_in.has(MINE, "sha256:ours", inputs=inputs_of(service))
    contract.ready([service], print)
    contract.ready([service], print)
    assert len(stand_in.held) == 1
    later = time.time() + image_notes.RENEWED_AFTER_S + 60
    monkeypatch.setattr(image_notes, "time", SimpleNamespace(time=lambda: later))
    contract.ready([service], print)
    assert stand_in.held == ["sha256:ours"] * 2
    NOTES.release()
    assert [*stand_in.names] == [MINE]


def test_a_container_that_cannot_be_made_is_told_with_the_name_of_its_image(
    tmp_path: Path, stand_in: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = mine(tmp_path)
    stand_in.has(MINE, "sha256:ours", inputs=inputs_of(service))
    contract.ready([service], print)

    def fails(*words: str, **_: object) -> str:
        raise CommandFailed(f"`docker {' '.join(words)}` ended with status 1")

    monkeypatch.setattr(engine, "docker_command", fails)
    monkeypatch.setattr("scenarios.lab.guest.remove_guest", lambda _: None)
    box = Box(MINE)
    words = guest_words(85, box, ["serve"], "a-guest")
    with pytest.raises(CommandFailed) as failed:
        run_guest("a-guest", words, ["serve"], 1, box)
    assert f" {MINE} serve`" in str(failed.value)
    assert "sha256:" not in str(failed.value)


@pytest.mark.parametrize("status", [400, 500])
def test_a_name_that_no_image_can_have_is_of_none_and_another_answer_is_an_error(
    monkeypatch: pytest.MonkeyPatch, stand_in: Engine, status: int
) -> None:
    def get(_: str) -> None:
        response = requests.Response()
        response.status_code = status
        raise APIError("invalid reference format", response)

    monkeypatch.setattr(stand_in, "_get", get)
    if status == 400:
        assert not NOTES.note("Bad Name")
    else:
        with pytest.raises(APIError):
            NOTES.note("Bad Name")
