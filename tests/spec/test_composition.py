"""A composition of the user's own: what a lab cannot honour is refused with its line, and what it makes of the rest."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from scenarios.faults.idle_timeout import IdleTimeout
from scenarios.lab.lab import Lab
from scenarios.lab.seats import Member, Plan, extended, hosts, image_of, programs_document, seats_document
from scenarios.lab.topology import LAB_NUMBERS, topology
from scenarios.spec.cast import Cast
from scenarios.spec.catalogue import chosen_service, drills
from scenarios.spec.cell import Cell
from scenarios.spec.compose_rules import aloud, check_resolved, names_of, refusals, sides
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.host_addresses import SecondAddress
from scenarios.spec.kernel_faults import Rate
from scenarios.spec.mapping_faults import Vip
from scenarios.spec.neighbour_faults import ForgedNeighbour
from scenarios.spec.packet_expectations import Packets
from scenarios.spec.program_ends import default_pairs
from scenarios.spec.service import Service, load_service, resolve, services
from tests.mistakes import changed, each_mistake, refusal

DRILLS = drills()
COMPOSE = """\
services:
  web:
    image: faultwire/host
    depends_on: [db]
  db:
    image: faultwire/host
"""
SERVICE = """\
service: mine
about: two services of a composition
compose: my/compose.yaml
client_side: [web]
server_side: [db]
families: [ipv4]
port: 5432
conversation: other
servers:
  db: {in: db, about: a database}
clients:
  ask: {in: web, run: "ask db {port}", about: asks, prints: "^yes"}
"""


def folder_of(tmp_path: Path, service: str = SERVICE, compose: str = COMPOSE) -> Path:
    folder = tmp_path / "mine"
    (folder / "my").mkdir(parents=True, exist_ok=True)
    (folder / "service.yaml").write_text(service, encoding="utf-8")
    (folder / "my" / "compose.yaml").write_text(compose, encoding="utf-8")
    return folder


@pytest.fixture
def mine(tmp_path: Path) -> Service:
    return load_service(folder_of(tmp_path))


def test_a_service_of_a_composition_has_machines_of_its_own_for_both_ends(mine: Service) -> None:
    chosen = resolve("mine/db", known={"mine": mine})
    drill = DRILLS["any-lost-syn"]
    cell = Cell(drill, chosen, "le-le")
    assert cell.machines == ("mine-db", "mine-web", None)
    assert default_pairs(chosen) == ("le-le",)
    cast = Cast(extended(topology(7), plan()), "le-le", "ipv4", *cell.machines)
    assert (cast.client.ipv4, cast.server.ipv4) == ("198.18.7.32", "198.18.7.160")
    assert {cast.client.ipv4, cast.client.ipv6} <= cast.client_side
    assert cast.server.ipv4 not in cast.client_side


def test_drills_of_every_kind_fit_it_but_those_that_need_another_program_in_its_place_or_a_name(mine: Service) -> None:
    known = {**services(), "mine": mine}
    chosen = resolve("mine/db", known=known)
    fitting = {name for name, each in DRILLS.items() if not each.misfit(chosen)}
    assert {"any-lost-syn", "any-paused", "any-restarted-between"} <= fitting
    assert len(fitting) > 50
    reason = DRILLS["any-name-silent"].misfit(chosen)
    assert reason == "it asks the lab's name server, and mine/db is found by /etc/hosts"
    assert chosen_service(DRILLS["any-paused"], "mine/db", known)


WRONG_SERVICE = {
    "in: db": {
        "in: dp": "servers.db.in: unknown service 'dp' of server_side; did you mean 'db'?",
    },
    "[web]": {
        "[web, wep]": "client_side: the composition has no service 'wep'; did you mean 'web'?",
    },
    "client_side: [web]": {
        "client_side: [web, db]": "client_side: 'db' stands on the server's side too",
    },
    "my/compose.yaml": {
        "my/none.yaml": "compose: no file",
    },
    "compose: my/compose.yaml\n": {
        "": "client_side: it is for a composition, and no `compose` names its file",
        "outside: true\n": "outside: it is for a composition, and no `compose` names its file",
    },
    "server_side: [db]\n": {
        "": "server_side: expected one or more services of the composition",
    },
    "in: db,": {
        "in: db, environment: {A: b},": "servers.db.environment: it is for programs that the lab starts",
        "in: db, run: x,": "a server has one of `run`, its command, `runs_on`",
    },
    "[ipv4]": {
        "[ipv4, ipv6]": "clients.ask.run: expected {host} in it, for a name has addresses of both families",
    },
    "port: 5432": {
        "port: 5432\noutside: mine": "outside: expected true or false, got 'mine'",
    },
}


@each_mistake(WRONG_SERVICE)
def test_what_is_wrong_with_the_service_is_told_with_its_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    errors = refusal(load_service, folder_of(tmp_path, changed(SERVICE, old, new))).all
    assert told in "\n".join(map(str, errors))
    assert all(each.line for each in errors)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("services:\n  web: {image: one\n  db: {image: two}\n", 3, "did not find expected ',' or '}'"),
        ("services:\n  web:\n    image: one\n   db:\n", 4, "did not find expected key"),
        ("services:\n  web:\n\timage: one\n", 3, "found character that cannot start any token"),
        ("services:\n  web: {image: one, environment: {A: *none}}\n", 2, "found undefined alias"),
        ('services:\n  web: {image: "one\x01"}\n', 1, "control characters are not allowed"),
    ],
)
def test_a_composition_that_is_not_yaml_is_told_with_its_line_and_what_is_wrong(
    tmp_path: Path, text: str, line: int, told: str
) -> None:
    folder = folder_of(tmp_path, compose=text)
    (error,) = refusal(load_service, folder).all
    assert str(error).startswith(f"{folder / 'my' / 'compose.yaml'}:{line}: not YAML: ")
    assert told in str(error)


def resolved(**given: Any) -> dict[str, Any]:
    """A composition as Docker Compose resolves it, with more said of `web`."""
    default = {"networks": {"default": None}}
    web = {"image": "faultwire/host", "depends_on": {"db": {"condition": "service_started"}}, **default, **given}
    db = {"image": "faultwire/host", **default}
    return {"services": {"web": web, "db": db}, "networks": {"default": {"name": "x"}}, "volumes": {"data": {}}}


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ({"privileged": True}, "privileged"),
        ({"network_mode": "host"}, "network_mode"),
        ({"pid": "host"}, "pid"),
        ({"ipc": "host"}, "ipc"),
        ({"ipc": "service:db"}, "ipc"),
        ({"ipc": "container:theirs"}, "ipc"),
        ({"devices": ["/dev/kvm"]}, "devices"),
        ({"cap_add": ["NET_ADMIN"]}, "cap_add"),
        ({"security_opt": ["seccomp:unconfined"]}, "security_opt"),
        ({"networks": {"default": {"ipv4_address": "10.0.0.9"}}}, "networks.default.ipv4_address"),
        ({"deploy": {"replicas": 3}}, "deploy"),
        ({"volumes": [{"type": "bind", "source": "/var/run/docker.sock", "target": "/s"}]}, "volumes"),
        ({"image": None}, "image"),
    ],
)
def test_what_a_lab_cannot_honour_is_refused_with_its_cure(given: dict[str, Any], keys: str) -> None:
    assert [".".join(place) for place, _ in refusals(resolved(**given))] == [f"services.web.{keys}"]
    assert not list(refusals(resolved(cap_add=["CAP_CHOWN"], ipc="private", networks={"default": {"aliases": ["w"]}})))


@pytest.mark.parametrize("ipc", ["none", "private", "shareable"])
def test_shared_memory_that_reaches_no_other_service_is_taken(ipc: str) -> None:
    assert not list(refusals(resolved(ipc=ipc)))
    assert programs_document(plan(ipc=ipc), topology(7))["services"]["web"]["ipc"] == ipc


def test_a_refusal_names_file_and_line(tmp_path: Path) -> None:
    text = COMPOSE.replace("    depends_on: [db]\n", "    depends_on: [db]\n    network_mode: host\n")
    path = folder_of(tmp_path, compose=text) / "my" / "compose.yaml"
    with pytest.raises(DeclarationError) as error:
        check_resolved(resolved(network_mode="host"), (path,))
    assert str(error.value).startswith(
        f"{path}:5: services.web.network_mode: 'host' is not for a lab: each service has"
    )


def test_external_networks_and_volumes_are_refused() -> None:
    theirs = resolved() | {"networks": {"n": {"external": True}}, "volumes": {"v": {"external": True}}}
    assert [keys for keys, _ in refusals(theirs)] == [("networks", "n"), ("volumes", "v")]


def test_others_stand_beside_the_one_that_they_talk_to() -> None:
    one = resolved()
    one["services"] |= {
        "sidecar": {"image": "i", "networks": {"front": None}},
        "edge": {"image": "i", "networks": {"front": None}, "depends_on": {"web": {}}},
        "queue": {"image": "i"},
        "alone": {"image": "i"},
    }
    one["services"]["web"]["depends_on"]["queue"] = {}
    assert sides(one, ["web"], ["db"]) == {
        "web": "client",
        "db": "server",
        "queue": "client",
        "edge": "client",
        "sidecar": "client",
        "alone": "server",
    }


def test_a_service_is_called_by_every_name_that_it_has() -> None:
    one = resolved(links=["db:database"], networks={"default": {"aliases": ["shop"]}}, hostname="front")
    assert names_of("db", one) == ["db", "database"]
    assert names_of("web", one) == ["web", "front", "shop"]


def plan(**given: Any) -> Plan:
    members = (Member("web", "mine-web", "client", ("web", "shop")), Member("db", "mine-db", "server", ("db",)))
    return Plan("mine", members, resolved(**given), ("ipv4",))


def test_each_has_a_seat_behind_the_firewall_with_the_names_of_all() -> None:
    document = seats_document(plan(hostname="front", sysctls={"net.ipv4.tcp_sack": "0"}), topology(7))
    web, db = document["services"]["mine-web"], document["services"]["mine-db"]
    assert web["networks"] == {"client-net": {"ipv4_address": "198.18.7.32", "ipv6_address": "2001:db8:7:1::120"}}
    assert db["networks"] == {"server-net": {"ipv4_address": "198.18.7.160", "ipv6_address": "2001:db8:7:2::120"}}
    assert web["extra_hosts"] == [
        *("web=198.18.7.32", "shop=198.18.7.32", "mine-web=198.18.7.32", "db=198.18.7.160", "mine-db=198.18.7.160")
    ]
    assert (web["hostname"], db["hostname"]) == ("front", "db")
    assert (web["cap_drop"], web["image"]) == (["ALL"], "faultwire/host")
    assert (web["sysctls"]["net.ipv4.tcp_sack"], db["sysctls"]["net.ipv4.tcp_sack"]) == ("0", 1)
    taken = {host.ipv4 for host in topology(7).places.values()} | {"198.18.7.61", "198.18.7.62", "198.18.7.180"}
    assert not taken & {host.ipv4 for host in hosts(plan(), topology(7)).values()}


def test_a_program_of_it_is_bounded_where_the_file_sets_no_bound_and_changes_nothing_of_the_users() -> None:
    bind = {"type": "bind", "source": "/home/me/code", "target": "/code"}
    kept = {"environment": {"A": "b"}, "command": ["x"], "healthcheck": {"test": ["CMD", "true"]}}
    given = {"ports": [{"target": 80}], "restart": "always", "container_name": "w", "volumes": [bind], **kept}
    document = programs_document(plan(**given, mem_limit="1g"), topology(7))
    web, db = document["services"]["web"], document["services"]["db"]
    assert not {"ports", "networks", "container_name", "hostname", "extra_hosts"} & {*web}
    assert {key: web[key] for key in kept} == kept
    assert (web["network_mode"], web["restart"]) == ("container:faultwire-7-mine-web-1", "no")
    assert (web["mem_limit"], db["mem_limit"]) == ("1g", "512m")
    assert all(db[key] for key in ("pids_limit", "cpus", "logging"))
    assert web["volumes"] == [bind | {"read_only": True}]
    assert document["volumes"] == {"data": {"labels": {"faultwire.lab": "7", "faultwire.composition": "mine"}}}
    told = list(aloud(resolved(**given)))
    assert told[0] == "web: its ports are not published"
    assert told[1] == "web: /home/me/code is yours, so it is mounted read-only, at /code"


def built(folder: str, **more: Any) -> str:
    """The image that the lab builds for `web`, of a repository in this folder."""
    one = plan(image=None, build={"context": f"{folder}/web", "dockerfile": "Dockerfile", **more})
    web = programs_document(one, topology(7))["services"]["web"]
    assert web["image"] == image_of(one, "web")
    assert web["build"]["labels"] == {"faultwire.image": "composition-mine-web"}
    return image_of(one, "web")


def test_two_repositories_whose_services_are_called_the_same_build_images_of_their_own() -> None:
    mine = built("/home/me/shop")
    assert mine.startswith("faultwire/composition-mine-web:")
    assert mine == built("/home/me/shop", args={"TIME": "12:00"})
    assert len({mine, built("/home/you/shop"), built("/home/me/shop", target="test")}) == 3
    assert image_of(plan(), "web") == "faultwire/host"


def test_only_what_may_reach_the_world_has_the_gate_and_the_name_servers_of_the_machine() -> None:
    given = {"dns": ["192.0.2.53"], "extra_hosts": ["far=192.0.2.80"]}
    shut, opened = (seats_document(replace(plan(**given), outside=each), topology(7)) for each in (False, True))
    lab_s = {key: shut["services"]["mine-web"][key] for key in ("dns", "dns_search", "dns_opt")}
    assert lab_s == {"dns": ["198.18.7.140"], "dns_search": ["lab"], "dns_opt": ["ndots:1"]}
    assert "outside" not in {*shut["services"], *shut["networks"]}
    web, db, gate = (opened["services"][each] for each in ("mine-web", "mine-db", "outside"))
    assert web["dns"] == ["192.0.2.53"]
    assert not {"dns", "dns_search", "dns_opt"} & {*db}
    assert web["extra_hosts"] == [*shut["services"]["mine-web"]["extra_hosts"], "far=192.0.2.80"]
    assert [each for each in opened["services"] if "outside" in opened["services"][each]["networks"]] == ["outside"]
    assert (gate["cap_drop"], gate["cap_add"]) == (["ALL"], ["NET_ADMIN"])
    taken = {host.ipv4 for host in topology(7).places.values()} | {"198.18.7.61", "198.18.7.62", "198.18.7.180"}
    assert gate["networks"]["outside"]["ipv4_address"] not in taken


MIDDLE = (
    SERVICE.replace("server_side: [db]\n", "middle: [web]\nserver_side: [db]\n")
    .replace("client_side: [web]", "client_side: [curl]")
    .replace("{in: db, about: a database}", "{in: web, backend: db, about: a program with a database}")
    .replace("ask: {in: web", "ask: {in: curl")
)
MIDDLE_COMPOSE = COMPOSE + "  curl:\n    image: faultwire/host\n"


def test_a_server_in_the_middle_has_the_firewall_on_both_of_its_ways(tmp_path: Path) -> None:
    service = load_service(folder_of(tmp_path, MIDDLE, MIDDLE_COMPOSE))
    one = resolved()
    one["services"] |= {"curl": {"image": "i"}, "alone": {"image": "i"}}
    stand = sides(one, service.client_side, service.server_side, service.middle)
    assert stand == {"curl": "client", "web": "server", "db": "backend", "alone": "backend"}
    cell = Cell(DRILLS["any-lost-syn"], resolve("mine/db", known={"mine": service}), "le-le")
    assert cell.machines == ("mine-web", "mine-curl", "mine-db")
    members = tuple(Member(name, f"mine-{name}", side, (name,)) for name, side in stand.items())
    plan = Plan("mine", members, one, ("ipv4",))
    whole = extended(topology(7), plan)
    cast = Cast(whole, "le-le", "ipv4", *cell.machines)
    assert [cast.host(role).network for role in ("client", "server", "backend")] == [*whole.networks]
    assert {*cast.addresses("backend")} <= cast.backend_side
    assert not cast.backend_side & cast.client_side
    assert cast.legs == [*whole.legs] == ["client-leg", "server-leg", "backend-leg"]
    assert cast.gateway("backend") == "198.18.7.126"
    assert cast.backends_of_others == frozenset()


def test_only_a_program_in_the_middle_has_a_third_network_and_a_leg_on_it() -> None:
    two, app = plan(), {"app": {"image": "i"}}
    all_three = {**two.resolved, "services": {**two.resolved["services"], **app}}
    members = (*two.members, Member("app", "mine-app", "backend", ("app",)))
    one = replace(two, members=members, resolved=all_three)
    with_two, with_three = (extended(topology(7), each) for each in (plan(), one))
    assert ([*with_two.legs], [*with_two.networks]) == ([*topology(7).legs], [*topology(7).networks])
    assert ([*with_three.legs][2:], [*with_three.networks][2:]) == (["backend-leg"], ["backend-net"])
    shut, opened = (seats_document(each, topology(7)) for each in (plan(), one))
    assert {*opened["services"]} - {*shut["services"]} == {"mine-app", "backend-cables"}
    assert {*opened["networks"]} - {*shut["networks"]} == {"backend-net"}
    seat, cables, network = opened["services"]["mine-app"], opened["services"]["backend-cables"], opened["networks"]
    assert seat["networks"] == {"backend-net": {"ipv4_address": "198.18.7.96", "ipv6_address": "2001:db8:7:3::120"}}
    assert cables["entrypoint"][1:] == [network["backend-net"]["driver_opts"]["com.docker.network.bridge.name"]]
    labels = {"faultwire.lab": "7", "faultwire.composition": "mine"}
    assert (network["backend-net"]["labels"], cables["labels"]) == (labels, labels)
    assert "198.18.7.96" in " ".join(opened["services"]["mine-web"]["extra_hosts"])
    plain = Cast(with_three, "le-le", "ipv4")  # of a drill of another service while the composition is up
    assert (plain.legs, plain.backend_side) == (["client-leg", "server-leg"], frozenset())
    assert plain.backends_of_others == {"198.18.7.96", "2001:db8:7:3::120", "fe80::3:120"}


def test_no_two_networks_of_all_labs_have_an_address_in_common() -> None:
    every = [topology(lab) for lab in LAB_NUMBERS]
    found = [ip_network(each) for lab in every for both in lab.networks.values() for each in both]
    found += [ip_network(each) for lab in every for each in (*lab.backend.subnets, lab.outside.subnet)]
    for version in (4, 6):
        in_order = sorted((each for each in found if each.version == version), key=lambda each: each.network_address)
        assert not [one for one, other in itertools.pairwise(in_order) if one.overlaps(other)]
    assert max(len(lab.backend.bridge) for lab in every) <= 15  # IFNAMSIZ, without its end


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"at": "client-leg", "from_": "backend", "to": "server"}, "expected one of: backend-leg, server-leg"),
        (
            {"at": "client-leg", "from_": "backend"},
            "between backend and the server do not cross the client-leg",
        ),
        ({"at": "backend-leg", "from_": "client", "to": "server"}, "expected one of: client-leg, server-leg"),
        ({"at": "server-leg", "from_": "client", "to": "backend"}, "expected one of: client-leg, backend-leg"),
        ({"at": "backend-leg", "from_": "backend", "to": "server"}, ""),
        ({"at": "server-leg", "from_": "server", "to": "backend"}, ""),
        ({"at": "client-leg", "from_": "client", "to": "backend"}, ""),
        ({"at": "backend-leg", "from_": "firewall", "to": "backend"}, ""),
        ({"at": "server-leg", "from_": "server"}, ""),
        ({"at": "server-leg", "from_": "client", "to": "nobody"}, ""),
    ],
)
def test_packets_that_do_not_cross_a_leg_are_not_looked_for_there(words: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told) if told else contextlib.nullcontext():
        Packets(**words, where="tcp", exactly=1)


def test_a_backend_is_on_a_network_of_its_own_where_a_fault_is_of_a_network() -> None:
    with pytest.raises(ValueError, match="clients call, and they call no backend"):
        Vip(to="backend")
    with pytest.raises(ValueError, match="expected a host of the server's side, got backend"):
        SecondAddress(who="backend")
    with pytest.raises(ValueError, match="bystander is on another network than backend"):
        ForgedNeighbour(of="backend", taken_for="bystander")


def test_an_idle_timeout_of_datagrams_lets_a_program_in_the_middle_begin_with_its_backend() -> None:
    lab = Lab(7)
    (before,) = IdleTimeout(lab, "idle", 1, protocol="udp")._chains()
    lab.topology = extended(topology(7), replace(plan(), members=(Member("app", "mine-app", "backend", ("app",)),)))
    (behind,) = IdleTimeout(lab, "idle", 1, protocol="udp")._chains()
    more = [each for each in behind.rules if each not in before.rules]
    assert [each.partition(" meta")[0] for each in more] == [
        "ip saddr 198.18.7.128/26 ip daddr 198.18.7.64/26",
        "ip6 saddr 2001:db8:7:2::/64 ip6 daddr 2001:db8:7:3::/64",
    ]
    assert [each for each in before.rules if each not in behind.rules] == []


def test_a_drill_that_speaks_of_a_backend_is_for_a_server_that_has_one(mine: Service, tmp_path: Path) -> None:
    service = load_service(folder_of(tmp_path / "of-the-middle", MIDDLE, MIDDLE_COMPOSE))
    drill = DRILLS["any-lost-answer"]
    fault = next(step for step in drill.script if step.fault)
    assert fault.fault
    assert fault.fault.drop
    of_backend = replace(
        fault, fault=replace(fault.fault, drop=replace(fault.fault.drop, from_="backend", to="server"))
    )
    backend_s = replace(drill, script=tuple(of_backend if step is fault else step for step in drill.script))
    both = {name: resolve("mine/db", known={"mine": each}) for name, each in (("plain", mine), ("middle", service))}
    assert backend_s.cannot_run_with(both["plain"]).startswith("it speaks of the backend of a server in the middle")
    assert not backend_s.cannot_run_with(both["middle"])
    of_leg = replace(fault, fault=replace(fault.fault, drop=None, rate=Rate(at="backend-leg", bits_per_s=256_000)))
    at_leg = replace(drill, script=tuple(of_leg if step is fault else step for step in drill.script))
    assert at_leg.cannot_run_with(both["plain"]).startswith("it speaks of the backend of a server in the middle")
    assert not drill.cannot_run_with(both["plain"])


WRONG_MIDDLE = {
    "backend: db, ": {
        "": "servers.db: it stands in the middle; expected a `backend`",
    },
    "backend: db": {
        "backend: dp": "servers.db.backend: unknown service 'dp' of server_side; did you mean 'db'?",
    },
    "middle: [web]\n": {
        "": "servers.db.backend: it is for a server that stands in the middle",
    },
    "in: web, backend": {
        "in: wed, backend": "servers.db.in: unknown service 'wed' of middle; did you mean 'web'?",
    },
    "middle: [web]": {
        "middle: [web, db]": "middle: 'db' stands on the server's side too",
        "middle: [web, curl]": "middle: 'curl' stands on the client's side too",
        "middle: [web, wep]": "middle: the composition has no service 'wep'; did you mean 'web'?",
    },
}


@each_mistake(WRONG_MIDDLE)
def test_what_is_wrong_with_a_middle_is_told_with_its_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    errors = refusal(load_service, folder_of(tmp_path, changed(MIDDLE, old, new), MIDDLE_COMPOSE)).all
    assert told in "\n".join(map(str, errors))


def test_a_program_of_no_composition_has_no_middle(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError) as error:
        load_service(folder_of(tmp_path, MIDDLE.replace("compose: my/compose.yaml\n", "")))
    told = "\n".join(str(each) for each in error.value.all)
    assert "middle: it is for a composition, and no `compose` names its file; a proxy of an image of your own" in told


def test_a_proxy_of_an_image_without_a_composition_is_told_how_it_comes_to_stand_in_the_middle(tmp_path: Path) -> None:
    text = "service: mine\nabout: x\nport: 80\nimage: mine/proxy\n"
    text += (
        "servers:\n  proxy: {run: proxy, about: x, backend: app}\nclients:\n  ask: {run: ask, about: x, prints: x}\n"
    )
    with pytest.raises(DeclarationError) as error:
        load_service(folder_of(tmp_path, text))
    (told,) = error.value.all
    assert told.line == 6
    assert "servers.proxy.backend: it is for a server that stands in the middle" in str(told)
    assert "a compose.yaml of three services" in str(told)
