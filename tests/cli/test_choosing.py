"""What is run where a person names a service, its clients, pairs and labs, or names none of them; and what fits."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import pytest

from scenarios.cli import main as command_line
from scenarios.cli import service_files as cli_known
from scenarios.spec.catalogue import architectures, choose, drills
from scenarios.spec.json_schema import service_schema
from scenarios.spec.program_ends import default_pairs
from scenarios.spec.service import ServiceChoice, Services, resolve, services

MINE = """
service: mine
about: a server of one image, and clients of another
port: 4000
image: mined
servers:
  one: {run: "mined {bind}", about: the first}
  two: {run: "mined {bind}", about: the second, transport: udp}
clients:
  curl: {run: "curl {host}", about: asks, image: "curls:1"}
  wget: {run: "wget {host}", about: asks too}
  dig: {run: "dig {host}", about: asks by datagrams, transport: udp}
"""
BROKEN = MINE.replace("service: mine", "service: broken").replace("port: 4000", "prot: 4000\nand: more")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The services of the lab, and two more, one of them with a wrong file."""
    for folder in services().values():
        (tmp_path / folder.service).symlink_to(folder.folder)
    for name, text in (("mine", MINE), ("broken", BROKEN)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "service.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(cli_known, "services", partial(services, tmp_path))
    return tmp_path


@pytest.fixture
def known(root: Path) -> Services:
    return services(root)


def run_command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    status = command_line.main(words)
    return status, capsys.readouterr().out


def test_without_a_pair_a_program_runs_in_those_that_it_can_run_in(known: Services) -> None:
    assert default_pairs(resolve("echo", known=known)) == ("le-le", "be-le")
    assert default_pairs(resolve("mine", known=known)) == ("le-le",)
    assert default_pairs(resolve("socat", known=known)) == ("le-le", "be-le")  # its clients are ours


@pytest.mark.usefixtures("root")
def test_the_matrix_of_a_program_of_an_image_has_no_cell_that_cannot_run(capsys: pytest.CaptureFixture[str]) -> None:
    status, told = run_command(capsys, "run", "any-lost-syn", "--service", "mine/one", "--dry-run")
    assert (status, told.count("any-lost-syn · mine/one · ")) == (0, 1)
    assert "unsupported" not in told
    assert "any-lost-syn · mine/one · le-le" in told
    status, told = run_command(capsys, "run", "any-lost-syn", "--service", "mine/one", "--pair", "be-le", "--dry-run")
    assert status == 64
    assert "cannot be run with mine/one: the client of mine is a program of its own image" in told
    assert "It can run clients on le and servers on le" in told
    _, told = run_command(capsys, "run", "any-lost-syn", "--service", "mine/one", "--pair", "all", "--dry-run")
    assert "unsupported: the client of mine is a program of its own image" in told
    _, told = run_command(capsys, "run", "lost-syn", "--dry-run", "--one-pair")
    assert "lost-syn · search/selectors · be-le\n1 cell" in told


@pytest.mark.usefixtures("root")
def test_a_client_is_chosen_by_its_name_in_a_run_and_in_a_matrix(capsys: pytest.CaptureFixture[str]) -> None:
    _, told = run_command(capsys, "run", "any-lost-syn", "--service", "mine/one", "--client", "wget", "--dry-run")
    assert "any-lost-syn · mine/one:wget · le-le" in told
    status, told = run_command(
        capsys, "matrix", "any-lost-syn", "--service", "mine", "--client", "curl,wget", "--dry-run"
    )
    assert status == 0
    assert "2 cells, of 2 architectures" in told
    status, told = run_command(capsys, "matrix", "any-lost-syn", "--service", "mine", "--client", "crul", "--dry-run")
    assert status == 64
    assert "mine has no client 'crul'; did you mean 'curl'?" in told


def test_each_client_that_is_asked_for_is_a_column_and_a_folder_of_its_own(known: Services) -> None:
    assert architectures(["mine"], known, ["curl", "wget"]) == ["mine/one:curl", "mine/one:wget"]
    assert architectures(["mine"], known, ["all"]) == ["mine/one:curl", "mine/one:wget", "mine/two:dig"]
    assert architectures(["mine"], known) == ["mine/one", "mine/two"]
    chosen = resolve("mine/one:wget", known=known)
    assert (chosen.label, chosen.folder_name) == ("mine/one:wget", "mine-one+wget")
    with pytest.raises(ValueError, match="mine/one has no client 'dig'"):
        architectures(["mine/one"], known, ["dig"])
    with pytest.raises(ValueError, match="names a client already"):
        architectures(["mine/one:curl"], known, ["wget"])


def test_a_drill_that_knows_its_client_is_not_run_with_another_that_is_asked_for(known: Services) -> None:
    drill = next(each for each in drills(known=known).values() if each.knows_client and each.fits_service("echo/once"))
    usual = drill.client or known["echo"].callers("once")[0]
    other = next(each for each in known["echo"].callers("once") if each != usual)
    assert choose(drill, f"echo/once:{usual}", known)[1] == ""
    chosen, why = choose(drill, f"echo/once:{other}", known)
    assert isinstance(chosen, ServiceChoice)
    assert why == f"it relies on more than the client's protocol; expected the client {usual}, got {other}"


@pytest.mark.usefixtures("root")
def test_the_list_says_which_drills_fit_a_service_and_why_others_do_not(capsys: pytest.CaptureFixture[str]) -> None:
    status, told = run_command(capsys, "list", "--service", "mine/one", "--client", "curl")
    assert status == 0
    lines = {line.split()[0]: line.split()[1] for line in told.splitlines() if re.match(r"[a-z-]+ +(fits|no) ", line)}
    assert (lines["any-lost-syn"], lines["udp-reordered"]) == ("fits", "no")
    assert "it is for qotd/udp" in told
    assert "fit mine/one:curl, with the client curl, in le-le" in told
    status, told = run_command(capsys, "list", "any-lost-syn", "--service", "mine/one", "--json")
    (made,) = [each for each in map(json.loads, told.splitlines()) if each["drill"] == "any-lost-syn"]
    assert (made["fits"], made["pairs"]) == (True, ["le-le"])
    assert (made["drill"], made["service"], made["client"]) == ("any-lost-syn", "mine/one", "curl")
    status, told = run_command(capsys, "list", "any-lost-syn", "--service", "mine/two", "--json")
    (made,) = [each for each in map(json.loads, told.splitlines()) if each["drill"] == "any-lost-syn"]
    assert (status, made["fits"], made["pairs"]) == (1, False, [])
    assert made["why_not"].startswith("it is for ")


@pytest.mark.usefixtures("root")
def test_a_wrong_service_file_stops_no_other_service_and_every_error_of_it_is_told_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, told = run_command(capsys, "run", "any-lost-syn", "--service", "redis", "--dry-run")
    assert status == 0
    assert "any-lost-syn · redis/redis · le-le" in told
    for error in ("unknown key 'prot'; did you mean 'port'?", "unknown key 'and'"):
        assert told.count(error) == 1
    assert told.count("so the service broken is left out") == 1
    status, told = run_command(capsys, "run", "any-lost-syn", "--service", "broken/one", "--dry-run")
    assert status == 64
    for error in ("unknown key 'prot'; did you mean 'port'?", "unknown key 'and'"):
        assert told.count(error) == 1


def test_a_drill_whose_own_service_is_wrong_stops_no_other_drill(tmp_path: Path, known: Services) -> None:
    (tmp_path / "redis").unlink()
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "service.yaml").write_text("service: redis\n", encoding="utf-8")
    now = services(tmp_path)
    assert set(now.wrong) == {"broken", "redis"}
    assert set(drills(known=now)) <= set(drills(known=known))
    assert "lost-syn" in drills(known=now)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("labs", "told"),
    [("3,x", "got 'x'"), ("3,256", "got '256'"), ("", "got ''"), (",".join(map(str, range(17))), "at most 16 labs")],
)
def test_labs_are_named_by_their_numbers(labs: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command_line.main(["run", "lost-syn", "--labs", labs, "--dry-run"])
    assert told in capsys.readouterr().err


def test_the_schema_of_a_service_has_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    status, told = run_command(capsys, "schema", "service")
    assert (status, json.loads(told)) == (0, service_schema())
    schema = service_schema()
    of_client = schema["$defs"]["service_programs.Client"]["properties"]
    assert {"image", "dockerfile", "environment", "credentials", "files", "port", "exits"} <= set(of_client)
    assert {"setup", "teardown", "starts_within", "ports"} <= set(
        schema["$defs"]["service_programs.Server"]["properties"]
    )


def test_where_a_drill_of_a_pattern_does_not_fit_it_is_said_what_takes_those_that_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = command_line.main(["run", "any-*", "--service", "qotd/udp", "--dry-run"])
    told = " ".join("".join(capsys.readouterr()).split())
    assert status == 64
    assert "does not fit qotd/udp" in told
    assert "`make matrix SERVICE=qotd/udp` runs those that fit, and `make list SERVICE=qotd/udp` says which do" in told
    assert command_line.main(["run", "lost-syn", "--service", "qotd/udp", "--dry-run"]) == 64
    assert "runs those that fit" not in "".join(capsys.readouterr())
