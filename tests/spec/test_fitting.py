"""Which services a drill fits: those that it names, a kind, and what speaks as one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.spec.catalogue import choose, chosen_service, drills, fitting, load_drill
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.drill import Drill
from scenarios.spec.service import SERVICES, read_service, resolve, services
from tests.spec.test_drill_files import RIGHT, written
from tests.spec.test_service_files import GOOD, service_of

KNOWN = services()


def drill(tmp_path: Path, change: tuple[str, str] = ("", ""), fits: str = "[]") -> Drill:
    text = RIGHT.replace("service: search/selectors\n", f"service: search/selectors\nfits: {fits}\n")
    assert change[0] in text
    return load_drill(written(tmp_path, text.replace(*change)), KNOWN)


def names(found: Drill) -> set[str]:
    return {each.name for each in fitting(found, KNOWN)}


def test_a_drill_fits_its_own_service_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    assert names(drill(tmp_path)) == {"search/selectors"}
    assert names(drill(tmp_path, fits="['search/*']")) == {"search/selectors", "search/asyncio"}


def test_a_kind_is_every_service_of_it_also_one_that_came_later(tmp_path: Path) -> None:
    of_tcp, once, request = (names(drill(tmp_path, fits=f"[{kind}]")) for kind in ("tcp", "connects-once", "request"))
    assert {"redis/redis", "socat/pipe", "caddy/respond", "daytime/tcp", "sink/poll", "web/nginx"} <= of_tcp
    assert not {"qotd/udp", "daytime/udp"} & of_tcp
    assert of_tcp - once == {"redis/redis", "gallery/redis", "gallery/bind-tcp"}
    assert {"redis/redis", "socat/pipe", "caddy/respond", "echo/select"} <= request
    assert not {"daytime/tcp", "sink/poll", "web/nginx"} & request
    assert names(drill(tmp_path, fits="[udp]")) == {
        "search/selectors",
        "qotd/udp",
        "daytime/udp",
        "gallery/bind-udp",
        "tutorial/udp",
    }


def test_each_client_of_the_gallery_has_the_kind_that_the_packets_of_its_call_showed() -> None:
    """Who spoke first, and how often the client asked on one connection."""
    talk = {"request", "greeting", "exchanges", "stays"}
    clients = KNOWN["gallery"].clients
    of_kind = {
        "greeting": {"ssh", "rsync", "ftp-curl", "lftp"},
        "exchanges": {"psql", "mosquitto-sub", "mosquitto-pub"},
        "request": {"curl", "wget", "node", "go", "java", "redis-cli", "pymemcache", "dig-tcp"},
    }
    for kind, names_of in of_kind.items():
        for name in (each for each in clients if each.removesuffix("-timeout") in names_of):
            server = (clients[name].servers or ())[0]
            assert resolve(f"gallery/{server}", name, KNOWN).kinds & talk == {kind}, name


def test_a_conversation_is_what_the_client_says_of_itself_and_else_what_the_service_says() -> None:
    kinds = {name: resolve("echo", name, KNOWN).kinds for name in KNOWN["echo"].clients}
    assert kinds["blocking"] >= {"tcp", "request"}
    assert {"exchanges"} == kinds["paced"] & {"request", "greeting", "exchanges", "stays"}
    assert {"stays"} == kinds["idle"] & {"request", "greeting", "exchanges", "stays"}
    assert not kinds["large"] & {"request", "greeting", "exchanges", "stays"}
    assert "greeting" in resolve("daytime/tcp", None, KNOWN).kinds
    assert resolve("daytime/udp", None, KNOWN).kinds == {"udp"}


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [("exchange", "exchanges"), ("stay", "stays"), ("greetings", "greeting"), ("tpc", "tcp"), ("requests", "request")],
)
def test_a_kind_that_there_is_not_is_told_with_the_nearest(tmp_path: Path, wrong: str, nearest: str) -> None:
    with pytest.raises(DeclarationError, match=f"fits.1: '{wrong}' is neither service/server nor a kind.*'{nearest}'"):
        drill(tmp_path, fits=f"[{wrong}]")


@pytest.mark.parametrize("conversation", ["exchanges", "stays", "greeting"])
def test_a_client_of_a_kind_is_found_by_the_drills_of_that_kind(tmp_path: Path, conversation: str) -> None:
    text = GOOD.replace("says hello,", f"says hello, conversation: {conversation},")
    known = {**KNOWN, "mine": read_service(service_of(tmp_path, text), KNOWN)}
    found = {name for name, each in drills(known=KNOWN).items() if not each.misfit(resolve("mine", None, known))}
    every = {name for name, each in drills(known=KNOWN).items() if conversation in each.fits}
    assert every
    assert every <= found


def test_what_speaks_as_a_service_fits_what_that_one_fits(tmp_path: Path) -> None:
    found = drill(tmp_path, ("service: search/selectors", "service: echo/selectors"))
    assert names(found) == {"echo/selectors", "socat/pipe"}


def test_but_not_a_drill_that_looks_for_its_port_or_needs_another_family(tmp_path: Path) -> None:
    echo = ("service: search/selectors", "service: echo/selectors\nserver: {bind: all}")
    assert names(drill(tmp_path, echo)) == {"echo/selectors"}
    text = RIGHT.replace("search/selectors", "echo/selectors").replace(
        "where: tcp.flags", "where: tcp.dstport == 7007 && tcp.flags", 1
    )
    with pytest.raises(ValueError, match="it looks for port 7007 in the packets, and socat/pipe listens on 7"):
        chosen_service(load_drill(written(tmp_path, text), KNOWN), "socat", KNOWN)


def test_but_not_a_drill_that_knows_more_of_its_server_than_the_protocol(tmp_path: Path) -> None:
    echo = "service: echo/selectors"
    knowing = [
        f"{echo}\nserver: {{args: --idle-timeout 2}}",
        f"{echo}\nserver: {{on: [server, other-server]}}",
    ]
    for each in knowing:
        found = drill(tmp_path, ("service: search/selectors", each))
        assert names(found) == {"echo/selectors"}
    with pytest.raises(ValueError, match="it gives the server words that only echo/selectors knows: --idle-timeout 2"):
        chosen_service(drill(tmp_path, ("service: search/selectors", knowing[0])), "socat", KNOWN)


def test_a_drill_that_knows_the_client_is_run_with_the_client_of_ours(tmp_path: Path) -> None:
    found = load_drill(
        written(
            tmp_path,
            RIGHT.replace("search/selectors", "echo/selectors").replace(
                "{name: hello}", "{name: hello, args: --timeout 1}"
            ),
        ),
        KNOWN,
    )
    chosen = chosen_service(found, "socat", KNOWN)
    assert (chosen.client_name, chosen.image) == ("blocking", None)
    with pytest.raises(ValueError, match="does not fit redis/redis: it is for echo/selectors"):
        chosen_service(found, "redis", KNOWN)


def test_a_service_with_a_client_of_its_own_is_called_by_it_but_where_the_drill_knows_ours(tmp_path: Path) -> None:
    (tmp_path / "echo").symlink_to(SERVICES / "echo")
    (tmp_path / "mine").mkdir()
    text = GOOD + "speaks: echo\n"
    (tmp_path / "mine" / "service.yaml").write_text(text, encoding="utf-8")
    known = services(tmp_path)
    plain = RIGHT.replace("search/selectors", "echo/selectors")
    general = load_drill(written(tmp_path, plain), known)
    assert (chosen_service(general, "mine", known).client_name, chosen_service(general, "mine", known).image) == (
        "ask",
        "mined",
    )
    knowing = load_drill(written(tmp_path, plain.replace("{name: hello}", "{name: hello, args: --timeout 1}")), known)
    chosen = chosen_service(knowing, "mine", known)
    assert (chosen.client_name, chosen.image) == ("blocking", None)
    naming = plain.replace("service: echo/selectors", "service: echo/selectors\nclient: large")
    named = load_drill(written(tmp_path, naming), known)
    assert named.client == "large"
    assert chosen_service(named, "mine", known).client_name == "ask", "ours of that name takes its place nowhere"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("{name: hello}", "{name: hello, args: --timeout 1}"), "it relies on more than the client's protocol"),
        (("tags: [reaching]", "tags: [reaching]\nserver: {args: -x}"), "it gives the server words that only"),
        (
            ("control:", "  - log: {of: server, line: served}\ncontrol:"),
            "it reads what only search/selectors prints",
        ),
    ],
)
def test_a_drill_that_knows_a_program_cannot_be_for_a_kind(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    with pytest.raises(DeclarationError, match="fits: it cannot fit every service of the kind tcp") as raised:
        drill(tmp_path, change, fits="[tcp]")
    assert told in str(raised.value)
    assert ":7: " in str(raised.value) or ":8: " in str(raised.value)


def test_a_misspelt_kind_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"fits\.1: 'requst' is neither .*did you mean 'request'"):
        drill(tmp_path, fits="[requst]")


def test_what_always_runs_is_not_for_drills_that_end_or_replace_it(tmp_path: Path) -> None:
    kill = ("drop: {first: 1, of: syn, from: client, to: server}", "kill: {who: server}")
    assert "web/nginx" not in names(drill(tmp_path, kill, fits="[tcp]"))
    assert "web/threads" in names(drill(tmp_path, kill, fits="[tcp]"))


@pytest.mark.parametrize("name", ["any-mtu-hole-back", "mss-clamped", "sequence-shifted"])
def test_another_server_of_the_service_is_called_by_the_client_that_the_drill_names(name: str) -> None:
    """With the usual one, which says little, the control of such a drill could not go well."""
    assert chosen_service(drills()[name], "echo/threads").client_name == "large"


def test_a_client_that_a_person_asks_for_is_that_which_calls() -> None:
    assert chosen_service(drills()["any-mtu-hole-back"], "echo/threads:chunks").client_name == "chunks"


def test_a_server_that_ends_after_its_first_client_takes_no_drill_whose_control_is_answered_twice() -> None:
    for name in ("any-killed-after-answer", "any-name-moved", "any-same-bytes"):
        found, why = choose(drills()[name], "echo/once")
        assert (found.name, why) == (
            "echo/once",
            "its control is answered 2 times, and echo/once ends after its first client",
        )
        assert choose(drills()[name], "echo/blocking")[1] == ""
    assert choose(drills()["any-refused"], "echo/once")[1] == ""


def test_many_drills_of_the_catalogue_fit_programs_that_nobody_here_wrote() -> None:
    every = drills(known=KNOWN).values()
    fits = {name: sum(name in names(each) for each in every) for name in ("socat/pipe", "caddy/respond", "redis/redis")}
    assert fits["socat/pipe"] >= 30
    assert fits["caddy/respond"] >= 15
    assert fits["redis/redis"] >= 8


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("any-aborts", "another program stands in the server's place, and the client is the lab's own too"),
        ("any-never-answers", "another program stands in the server's place, and the client is the lab's own too"),
        # in the control the server itself would have to print the lab's line
        ("restart-with-reuseaddr", "it reads what only echo/selectors prints"),
    ],
)
def test_a_drill_in_which_nothing_of_a_service_would_run_or_its_log_is_another_does_not_fit_it(
    name: str, told: str
) -> None:
    """Their column said what the lab's server and the lab's client do, or was never proven."""
    assert choose(drills()[name], "socat", KNOWN)[1] == told
    assert choose(drills()[name], "echo/selectors", KNOWN)[1] == ""
    has_client = "caddy/respond"
    assert choose(drills()["any-aborts"], has_client, KNOWN)[1] == "", "its client meets the lab's server there"


@pytest.mark.parametrize(
    ("name", "client"),
    [
        ("any-exchange-closed", "paced"),  # for clients that ask again: the usual one asks once
        ("any-mtu-hole-there", "large"),  # it takes a large message to meet it
        ("any-lost-answer", "blocking"),
    ],
)
def test_a_service_that_speaks_as_another_is_called_by_that_ones_client_that_the_drill_asks_for(
    name: str, client: str
) -> None:
    asked = drills()[name]
    assert asked.fits_service(KNOWN["socat"].speaks or ""), "the drill's own service"
    assert chosen_service(asked, "socat", KNOWN).client_name == client
    assert chosen_service(asked, "socat:multi", KNOWN).client_name == "multi", "one that was asked for stays"
