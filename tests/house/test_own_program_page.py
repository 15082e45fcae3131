"""docs/your-own-program.md says what the code does: its examples, its tables, and the words that it quotes."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from scenarios.calls.boxes import CA, CERT, KEY, environment
from scenarios.lab.topology import ROOT
from scenarios.spec.catalogue import chosen_service, drills
from scenarios.spec.container_settings import ContainerSettings
from scenarios.spec.outcome import OF_STATUS
from scenarios.spec.scaffold import TEMPLATES
from scenarios.spec.service import SERVICES, load_service, services
from scenarios.spec.service_programs import KINDS

PAGE = (ROOT / "docs" / "your-own-program.md").read_text(encoding="utf-8")
MINE, SOCAT, *RECIPES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def rows(heading: str) -> dict[str, str]:
    """The table under a heading, or after a text: its first column, and the rest of the row."""
    after = PAGE[PAGE.index(heading) :]
    lines = after[after.index("\n|") + 1 :].split("\n\n")[0].splitlines()[2:]
    cells = [line.strip("|").split("|", 1) for line in lines]
    return {first.strip(" `"): rest.strip() for first, rest in cells}


def test_its_first_example_is_a_service_in_ten_lines(tmp_path: Path) -> None:
    assert len(MINE.splitlines()) <= 10
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "service.yaml").write_text(MINE, encoding="utf-8")
    (folder / "Dockerfile").write_text("FROM faultwire/base\n", encoding="utf-8")
    assert load_service(folder).image == "faultwire/service-mine"


def test_its_second_example_is_the_whole_of_a_service_that_is_there() -> None:
    file = (SERVICES / "socat" / "service.yaml").read_text(encoding="utf-8")
    assert "".join(f"{line}\n" for line in file.splitlines() if not line.startswith("#")) == SOCAT


@pytest.mark.parametrize("text", RECIPES)
def test_each_of_its_recipes_is_a_service(tmp_path: Path, text: str) -> None:
    name = text.partition("\n")[0].removeprefix("service: ")
    folder = tmp_path / name
    folder.mkdir()
    (folder / "service.yaml").write_text(text, encoding="utf-8")
    for file in ("nginx.conf", "pg_hba.conf"):
        (folder / file).touch(0o644)
    if "image:" not in text:
        (folder / "Dockerfile").write_text("FROM faultwire/base\n", encoding="utf-8")
    made = load_service(folder)
    assert made.images
    assert all(made.callers(server) for server in made.servers)


def test_its_exit_statuses_are_those_that_are_read() -> None:
    told = {
        int(status): rest.split("|")[0].strip()
        for status, rest in rows("**A program that keeps the contract**").items()
    }
    assert told == {status: outcome.value for status, outcome in OF_STATUS.items()}


def test_its_environment_is_the_one_that_programs_get() -> None:
    told = {name for name in rows("## The contract") if name.startswith("FAULTWIRE_")}
    given = environment("server", "::", 1) | environment("client", "h", 1, 1)
    assert told == set(given)
    of_tls = {CA, CERT, KEY}  # which the tiny program has no use for
    assert {name for name in given if f'"{name}"' in (TEMPLATES / "program").read_text("utf-8")} == told - of_tls


def test_its_kinds_are_all_that_there_are() -> None:
    assert set(rows("## Which drills fit it")) == set(KINDS)


def test_the_words_that_it_quotes_are_said() -> None:
    known = services()
    with pytest.raises(ValueError, match="does not fit") as raised:
        chosen_service(drills(known=known)["silent-client"], "socat", known)
    assert f"`{raised.value}`" in PAGE


def test_every_key_of_its_last_table_is_one_that_is_read() -> None:
    keys = {key.strip(" `") for row in rows("## Keys that are for programs") for key in row.split(",")}
    of_the_service = {"speaks", "conversation", "may_differ"}
    of_a_client = {"says", "exits", "contract", "connects"}
    of_a_server = {"ports", "starts_within", "setup", "teardown"}
    assert keys == {field.name for field in fields(ContainerSettings)} | of_the_service | of_a_client | of_a_server
    services_page = (ROOT / "docs" / "services.md").read_text(encoding="utf-8")
    assert not [key for key in keys if f"| `{key}` |" in services_page]
