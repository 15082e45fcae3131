"""Programs that nobody here wrote join with a folder: redis, socat and Caddy, from the distribution's packages."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.errors import NotFound

from scenarios.calls import contract
from scenarios.calls.caller import Caller
from scenarios.calls.serving import call, serving
from scenarios.lab import engine
from scenarios.lab.box import Box
from scenarios.lab.errors import LabProblem
from scenarios.lab.guest import GUEST_LABEL
from scenarios.lab.lab import Lab
from scenarios.lab.topology import Family
from scenarios.lab.waiting import wait_for
from scenarios.run.exchange import exchange, leg_checks
from scenarios.spec.outcome import Outcome
from scenarios.spec.scaffold import initiate
from scenarios.spec.service import SERVICES, Service, load_service, resolve, services
from scenarios.verdict.check import Verdict
from tests.services.running import eventually


@pytest.fixture(scope="module", autouse=True)
def their_images() -> None:
    contract.ready([resolve(name).service for name in ("redis", "socat", "caddy")], print)


def box_of(name: str) -> Box:
    """The box of a server, with nothing in it but its image."""
    image = resolve(name).server_image
    assert image
    return Box(image)


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_its_ordinary_client_is_answered_across_the_firewall(lab: Lab, family: Family) -> None:
    client, server = lab.topology.hosts["client"], lab.topology.hosts["server"]
    made = exchange(lab, resolve("redis"), client, server, family, print)
    assert (made.call.status, made.call.stdout) == (0, "OK\n")
    assert {each.holds for each in leg_checks(made)} == {Verdict.PASS}
    carried = b"".join(frame.payload for frame in made.frames["server-leg"])
    assert b"Follow the white rabbit." in carried


def test_it_has_no_more_rights_than_a_program_of_the_host_and_goes_with_it(lab: Lab) -> None:
    server = lab.topology.hosts["server"]
    labels = (GUEST_LABEL, f"{engine.LAB_LABEL}={lab.number}")
    with serving(lab, resolve("redis"), server, "ipv4"):
        (guest,) = engine.containers(*labels)  # it may listen before it counts as begun
        settings = guest.attrs["HostConfig"]
        assert (settings["CapDrop"], settings["CapAdd"], settings["ReadonlyRootfs"]) == (["ALL"], None, True)
        assert guest.attrs["Config"]["User"] == "1000"
        assert call(lab, resolve("redis", "ping"), lab.topology.hosts["client"], server, "ipv4").stdout == "PONG\n"
    assert engine.containers(*labels) == []


def test_its_wrong_outcome_is_told_from_its_right_one(lab: Lab) -> None:
    server = lab.topology.hosts["server"]
    with serving(lab, resolve("redis"), server, "ipv4"):
        wrong = call(lab, resolve("redis", "wrong"), lab.topology.hosts["client"], server, "ipv4")
    assert wrong.status == resolve("redis", "wrong").client.status == 1
    assert "unknown command" in wrong.printed


@pytest.mark.parametrize(
    ("name", "source", "printed", "carried"),
    [
        ("socat", "client-be", "Received b'Hello, world'", b"Hello, world"),
        ("caddy", "client", "Follow the white rabbit.", b"GET / HTTP/1.1"),
    ],
)
def test_a_server_in_c_and_one_in_go_answer_across_the_firewall(
    lab: Lab, name: str, source: str, printed: str, carried: bytes
) -> None:
    client, server = lab.topology.hosts[source], lab.topology.hosts["server"]
    made = exchange(lab, resolve(name), client, server, "ipv4", print)
    assert made.call.status == 0
    assert printed in made.call.stdout
    assert {each.holds for each in leg_checks(made)} == {Verdict.PASS}
    assert carried in b"".join(frame.payload for frame in made.frames["server-leg"])


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """What `init` writes, as a service whose image is built."""
    made = initiate("mine_of_a_test", root=tmp_path_factory.mktemp("services"))
    contract.ready([made], print)
    yield made
    assert made.image is not None
    engine.client().images.remove(made.image, force=True)


def test_what_init_writes_is_answered_at_once_over_both_families(lab: Lab, mine: Service) -> None:
    chosen = resolve("mine_of_a_test", known={mine.service: mine})
    client, server = lab.topology.hosts["client"], lab.topology.hosts["server"]
    families: tuple[Family, ...] = ("ipv4", "ipv6")
    for family in families:
        with serving(lab, chosen, server, family):
            answered = call(lab, chosen, client, server, family)
        assert (answered.status, answered.stdout) == (0, "hello\n")


def test_a_call_is_told_and_timed_without_the_making_of_its_container(lab: Lab, mine: Service) -> None:
    assert mine.image
    box = Box(mine.image, {"FAULTWIRE_ASK": "hello"})
    with Caller(lab) as caller:
        began_s = time.time()
        made = caller.start("client", ["env"], timeout_s=20, box=box).wait()
        took_s = time.time() - began_s
    assert "FAULTWIRE_ASK=hello" in made.stdout.splitlines()
    assert made.outcome is Outcome.ANSWERED
    assert made.duration_s is not None
    assert made.started_s is not None
    assert 0 <= made.duration_s < 0.9 * took_s
    assert began_s - 0.1 <= made.started_s <= began_s + took_s


def test_a_client_without_a_clock_of_its_own_is_ended_and_hung(lab: Lab) -> None:
    with Caller(lab) as caller:
        made = caller.call("client", ["sleep", "60"], timeout_s=1.5, box=box_of("socat"))
    assert made.outcome is Outcome.HUNG
    assert made.duration_s is not None
    assert 1.4 < made.duration_s < 6
    assert guests_of(lab) == []


def test_a_volume_that_an_image_declares_goes_with_the_container(lab: Lab) -> None:
    tag = "faultwire/volume-of-a-test"
    recipe = io.BytesIO(b"FROM faultwire/host\nVOLUME /data\n")
    engine.client().images.build(fileobj=recipe, tag=tag, rm=True, forcerm=True)
    try:
        with Caller(lab) as caller:
            pending = caller.start("client", ["sleep", "60"], timeout_s=60, box=Box(tag))
            wait_for(lambda: guests_of(lab), "the call to begin", within_s=20)
            (guest,) = engine.containers(GUEST_LABEL, f"{engine.LAB_LABEL}={lab.number}")
            (volume,) = (each["Name"] for each in guest.attrs["Mounts"] if each["Destination"] == "/data")
            pending.cancel()
        with pytest.raises(NotFound):
            engine.client().volumes.get(volume)
    finally:
        engine.client().images.remove(tag, force=True)


def guests_of(lab: Lab) -> list[str]:
    return [str(each.name) for each in engine.containers(GUEST_LABEL, f"{engine.LAB_LABEL}={lab.number}")]


def test_a_call_that_is_cancelled_ends_at_once_and_one_that_is_left_is_ended_with_its_caller(lab: Lab) -> None:
    box = box_of("socat")
    with Caller(lab) as caller:
        pending = caller.start("client", ["sleep", "60"], timeout_s=60, box=box)
        eventually(lambda: bool(guests_of(lab)), "the guest's container", 10)
        time.sleep(1)  # it may have been made, and not begun
        pending.cancel()
        assert pending.wait().outcome is Outcome.CANCELLED
        assert guests_of(lab) == []
        began_s = time.monotonic()
        caller.start("client", ["sleep", "60"], timeout_s=60, box=box)
    assert time.monotonic() - began_s < 10
    assert guests_of(lab) == []


def test_a_server_that_does_not_come_to_listen_is_told_with_what_it_printed(lab: Lab, mine: Service) -> None:
    chosen = resolve("mine_of_a_test", known={mine.service: mine})
    server = lab.topology.hosts["server"]
    second = serving(lab, chosen, server, "ipv4")
    with serving(lab, chosen, server, "ipv4"), pytest.raises(LabProblem, match="Address already in use"):
        second.__enter__()


LIAR = """
service: liar
about: claims to keep the contract
port: 4000
image: {image}
servers:
  one: {{run: "true", about: none}}
clients:
  ask: {{run: "sh -c 'exit {status}'", about: always the same, contract: true}}
"""


def written(folder: Path, image: str, status: int) -> Service:
    (folder / "liar").mkdir()
    (folder / "liar" / "service.yaml").write_text(LIAR.format(image=image, status=status), encoding="utf-8")
    return load_service(folder / "liar")


def test_a_client_that_says_yes_to_everything_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"clients\.ask\.contract: asked for 'nonsense-") as raised:
        contract.ready([written(tmp_path, "faultwire/base", 0)], print)
    assert "expected status 77 (unsupported), got status 0" in str(raised.value)
    assert str(tmp_path / "liar" / "service.yaml") in str(raised.value)


def test_one_that_says_that_it_does_not_know_the_nonsense_is(tmp_path: Path) -> None:
    contract.ready([written(tmp_path, "faultwire/base", 77)], print)


def test_an_image_that_is_not_here_is_told_with_the_command_that_gets_it(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="image: 'faultwire/nobody-has-it:7' is not here; `docker pull faultwire/nobody"
    ):
        contract.ready([written(tmp_path, "faultwire/nobody-has-it:7", 77)], print)


def test_every_service_that_speaks_as_another_is_one_of_ours_or_a_program_of_an_image() -> None:
    speaking = {name: each for name, each in services(SERVICES).items() if each.speaks}
    assert "socat" in speaking
    assert all(each.image for each in speaking.values())


NAMED = """
service: named
about: an image that is here already, by its name
port: 4100
image: faultwire/service-redis
servers:
  late:
    run: sh -c "sleep 2; exec redis-server --bind {bind} --port {port} --dir /tmp --protected-mode no"
    about: takes its time
clients:
  ping: {run: "redis-cli -h {host} -p {port} PING", about: asks, prints: PONG}
"""


def test_an_image_by_name_is_used_as_it_is_and_a_server_without_a_ready_line_is_found_by_its_socket(
    lab: Lab, tmp_path: Path
) -> None:
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / "service.yaml").write_text(NAMED, encoding="utf-8")
    service = load_service(tmp_path / "named")
    contract.ready([service], print)
    chosen = resolve("named", known={"named": service})
    client, server = lab.topology.hosts["client"], lab.topology.hosts["server"]
    with serving(lab, chosen, server, "ipv4"):
        assert call(lab, chosen, client, server, "ipv4").stdout == "PONG\n"


ONE_FAMILY = """
service: alone
about: a server that listens on every address of one family
port: 4101
image: faultwire/host
servers:
  alone:
    run: >-
      python3 -c "{program}"
    about: one family
    ready: ^listens
clients:
  ask: {{run: "true", about: nothing}}
"""
LISTENS_ALONE = (
    "import asyncio; loop = asyncio.new_event_loop(); "
    "loop.run_until_complete(loop.create_server(asyncio.Protocol, '{bind}', 4101)); "
    "print('listens', flush=True); loop.run_forever()"
)


@pytest.mark.parametrize(
    ("bind", "over", "says"),
    [
        ("::", "ipv4", r"listens on \[::\] alone, port 4101: over IPv4 nobody reaches it there.*asyncio does"),
        ("0.0.0.0", "ipv6", r"listens on 0\.0\.0\.0 alone, port 4101: over IPv6 nobody reaches it there"),  # noqa: S104
        ("::", "ipv6", ""),
        ("0.0.0.0", "ipv4", ""),  # noqa: S104
    ],
)
def test_a_server_that_listens_on_the_other_family_alone_is_told_so(
    lab: Lab, tmp_path: Path, bind: str, over: Family, says: str
) -> None:
    (tmp_path / "alone").mkdir()
    written = ONE_FAMILY.format(program=LISTENS_ALONE.replace("{bind}", bind))
    (tmp_path / "alone" / "service.yaml").write_text(written, encoding="utf-8")
    chosen = resolve("alone", known={"alone": load_service(tmp_path / "alone")})
    expected = pytest.raises(LabProblem, match=says) if says else contextlib.nullcontext()
    with expected, serving(lab, chosen, lab.topology.hosts["server"], over) as program:
        assert program
        assert not says
