"""What a cluster is made of, without one: addresses, cards, plans, evidence on its way, keys, shares of `unproven`."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from scenarios.cli.main import main
from scenarios.cluster import card, evidence, keys, plan, version
from scenarios.cluster.address import Address, Local, parse
from scenarios.cluster.card import Card
from scenarios.cluster.plan import Plan
from scenarios.cluster.share import FEWEST, Shares
from scenarios.cluster.work import CANNOT, Worker
from scenarios.evidence.run_folder import StorageProblem
from scenarios.lab.errors import UsageError
from scenarios.run import fingerprint
from scenarios.run.patience import patient
from scenarios.spec.catalogue import chosen_service, find_drills
from scenarios.spec.cell import Cell
from scenarios.spec.service import services
from scenarios.spec.units import Seconds
from tests.run.faking import FakeLab

KNOWN = services()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("local:3", Local(3)),
        ("tcp://head:8786", Address("tcp", "head", 8786)),
        ("tls://head", Address("tls", "head", 8786)),
        ("tcp://[::1]:1", Address("tcp", "::1", 1)),
    ],
)
def test_a_cluster_is_an_address_or_so_many_workers_here(text: str, found: object) -> None:
    assert parse(text) == found


@pytest.mark.parametrize("text", ["", "local:0", "local:17", "local", "head:8786", "udp://head", "tcp://head:65536"])
def test_what_is_no_cluster_is_told_with_what_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected .*local:"):
        parse(text)


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("head", False),
        ("::", False),
        ("0.0.0.0", False),  # noqa: S104
        ("127.0.0.1.example", False),
    ],
)
def test_only_an_address_of_this_machine_itself_needs_no_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, is_loopback: bool
) -> None:
    monkeypatch.setattr(keys, "FOLDER", tmp_path / "none")
    address = Address("tcp", host, 1)
    assert address.is_loopback is is_loopback
    if is_loopback:
        assert keys.security(address, None, keys.WORKER) == (str(address), None)
        address = replace(address, scheme="tls")
    with pytest.raises(UsageError, match=r"a worker runs any program that it is sent.*need keys.*cluster keys"):
        keys.security(address, None, keys.WORKER)


def test_with_keys_another_machine_is_reached_over_tls_alone(tmp_path: Path) -> None:
    assert [each.name for each in keys.make(tmp_path / "keys")] == ["ca.pem", "worker.pem"]
    for side in (keys.HEAD, keys.WORKER):
        address, found = keys.security(Address("tcp", "head", 8786), tmp_path / "keys", side)
        assert address == "tls://head:8786"
        assert found is not None
        assert found.require_encryption
        assert found.get_connection_args("worker")["ssl_context"].verify_mode.name == "CERT_REQUIRED"
        assert (tmp_path / "keys" / f"{side}.pem").stat().st_mode & 0o077 == 0
    with pytest.raises(UsageError, match="exists already; remove it"):
        keys.make(tmp_path / "keys")
    with pytest.raises(UsageError, match=r"--keys: no such file: .*ca\.pem; "):
        keys.security(Address("tls", "head", 1), tmp_path / "other", keys.HEAD)


def test_without_keys_no_worker_joins_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(keys, "FOLDER", tmp_path)
    for words in (["worker", "tcp://head:8786"], ["cluster", "scheduler", "tcp://0.0.0.0:8786"]):
        assert main(words) == 64
        assert "so connections between machines need keys" in " ".join(capsys.readouterr().out.split())


def test_a_worker_of_another_version_is_known_by_what_differs() -> None:
    ours = version.rests_on()
    assert {"compose.yaml", "scenarios", "services", "images", "drills", "scenarios/cluster", "version"} == set(ours)
    assert card.differences(ours, dict(ours)) == []
    assert card.differences(ours, {**ours, "images": "x", "new": "1"}) == ["images", "new"]
    told = Card("a", 2, ours, {"kernel": "6"})
    assert Card.read(told.as_plain()) == told
    for other in (None, "x", {}, {**told.as_plain(), "labs": "many"}, {**told.as_plain(), "rests_on": 3}):
        assert Card.read(other) is None


@pytest.mark.parametrize("patience", [Seconds(0), Seconds(20)])
def test_a_cell_is_the_same_cell_on_another_machine(patience: Seconds) -> None:
    """Every drill, with its own service and with one that it fits."""
    for drill in find_drills(["all"], KNOWN):
        given = patient(drill, patience)
        cell = Cell(given, chosen_service(drill, None, KNOWN), "be-le", 7, 2, patience)
        there = Plan(**plan.as_plain(Plan.of(cell, patience))).cell(KNOWN)
        assert there == cell
        assert (there.title, there.drill.text, there.drill.path) == (cell.title, cell.drill.text, cell.drill.path)
    with_client = chosen_service(find_drills(["any-late-answer"], KNOWN)[0], "gallery/nginx:curl", KNOWN)
    cell = Cell(find_drills(["any-late-answer"], KNOWN)[0], with_client, "le-le")
    assert Plan.of(cell, Seconds(0)).cell(KNOWN) == cell


def test_a_worker_whose_service_differs_or_is_missing_runs_no_cell_of_it() -> None:
    cell = Cell(
        find_drills(["lost-syn"], KNOWN)[0], chosen_service(find_drills(["lost-syn"], KNOWN)[0], None, KNOWN), "le-le"
    )
    wanted = [Plan.of(cell, Seconds(0))]
    assert plan.own_services(wanted, KNOWN) == plan.services_of([cell])
    told = Worker([FakeLab(1)]).prepare(wanted, {"search": "of another file"})
    assert told == {CANNOT: "other services than those of the head: search"}
    told = Worker([FakeLab(1)]).prepare([replace(wanted[0], service="mine/a")], {"mine": fingerprint.of_lab()})
    assert told == {CANNOT: "other services than those of the head: mine; the worker has no mine"}


def test_evidence_comes_home_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "cell"
    (folder / "fault").mkdir(parents=True)
    (folder / "fault" / "client-leg.pcapng").write_bytes(os.urandom(100_000))
    (folder / "result.json").write_text("{}\n", "utf-8")
    evidence.unpack(evidence.pack(folder), tmp_path / "home" / "cell")
    for name in ("fault/client-leg.pcapng", "result.json"):
        here, home = folder / name, tmp_path / "home" / "cell" / name
        assert home.read_bytes() == here.read_bytes()
        assert abs(home.stat().st_mtime - here.stat().st_mtime) < 1e-3


def hostile(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, link
        archive.addfile(member, io.BytesIO(b""))
    return out.getvalue()


@pytest.mark.parametrize(
    "archive",
    [
        b"",
        b"no archive",
        hostile("../outside"),
        hostile("link", tarfile.SYMTYPE, "/etc/passwd"),
        hostile("link", tarfile.LNKTYPE, "../../outside"),
        hostile("device", tarfile.CHRTYPE),
    ],
    ids=["empty", "other", "outside", "link", "hard link", "device"],
)
def test_an_archive_that_is_none_or_leaves_its_folder_is_refused_and_leaves_nothing(
    tmp_path: Path, archive: bytes
) -> None:
    with pytest.raises(ValueError, match="not an archive of evidence"):
        evidence.unpack(archive, tmp_path / "runs" / "cell")
    assert [*tmp_path.rglob("*")] == [tmp_path / "runs"]


def test_an_archive_is_unpacked_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cell"
    folder.mkdir()
    (folder / "large").write_bytes(bytes(1000))
    packed = evidence.pack(folder)
    monkeypatch.setattr(evidence, "MOST_UNPACKED_BYTES", 1000)
    evidence.unpack(packed, tmp_path / "a")
    monkeypatch.setattr(evidence, "MOST_UNPACKED_BYTES", 999)
    with pytest.raises(ValueError, match="at most 999 bytes unpacked"):
        evidence.unpack(packed, tmp_path / "b")
    monkeypatch.setattr(evidence, "MOST_BYTES", len(packed) - 1)
    with pytest.raises(ValueError, match=r"expected at most \d+ bytes, got"):
        evidence.unpack(packed, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_that_evidence_finds_no_room_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "cell").mkdir()
    packed = evidence.pack(tmp_path / "cell")
    (tmp_path / "file").touch()
    with pytest.raises(StorageProblem, match="could not be written"):
        evidence.unpack(packed, tmp_path / "file" / "cell")


def shares(*of: tuple[str, int, int]) -> Shares:
    found = Shares()
    for machine, ran, unproven in of:
        for number in range(ran):
            found.add(machine, is_unproven=number < unproven)
    return found


def test_a_machine_that_gives_more_than_its_share_of_unproven_is_set_aside() -> None:
    ill = shares(("a", 10, 6), ("b", 40, 1))
    assert ill.too_many("a") == "6 of its 10 cells are unproven, 1 of 40 elsewhere"
    assert ill.too_many("b") == ""


@pytest.mark.parametrize(
    "of",
    [
        [("a", 10, FEWEST - 1), ("b", 40, 0)],  # too few to say
        [("a", 40, FEWEST), ("b", 40, 0)],  # an eighth of its own
        [("a", 10, 6), ("b", 10, 2)],  # thrice as many, and not more
        [("a", 10, 10)],  # nobody to compare with
        [("a", 10, 9), ("b", 10, 9)],  # a cause in common
    ],
)
def test_a_machine_is_not_set_aside_for_less(of: list[tuple[str, int, int]]) -> None:
    assert shares(*of).too_many("a") == ""
