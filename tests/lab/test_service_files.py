"""Every service.yaml of ours is right, and a wrong one is told where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.declaration import DeclarationError
from scenarios.service import load_service, named, services, words

GOOD = """
service: mine
about: a service of the test
port: 4000
servers:
  one: {run: "mined {bind} -p {port}", about: the only one}
clients:
  ask: {run: "mine {host} {port} hello", about: says hello, prints: hello}
"""


def service_of(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir(exist_ok=True)
    (folder / "service.yaml").write_text(text, encoding="utf-8")
    return folder


def test_every_service_of_the_lab_is_read() -> None:
    found = services()
    assert {"search"} <= set(found)
    for name, service in found.items():
        assert service.folder.name == name
        servers = [server.run for server in service.servers.values() if server.run is not None]
        for command in servers + [client.run for client in service.clients.values()]:
            assert words(command, bind="b", host="h", port=1)


def test_a_service_of_somebody_else_is_a_folder_more(tmp_path: Path) -> None:
    service_of(tmp_path, GOOD)
    chosen = named("mine", known=services(tmp_path))
    assert (chosen.name, chosen.client_name) == ("mine/one", "ask")
    assert words(chosen.client.run, host="198.18.1.138", port=4000) == ["mine", "198.18.1.138", "4000", "hello"]


@pytest.mark.parametrize(
    ("change", "line", "told"),
    [
        (("service: mine", "service: yours"), 1, "the folder is 'mine'"),
        (("port: 4000", "port: 70000"), 4, "not in 1 to 65535"),
        (("prints: hello", "print: hello"), 8, "did you mean 'prints'?"),
        (("{host} {port}", "{hots} {port}"), 8, "did you mean 'host'?"),
        (("prints: hello", 'prints: "["'), 8, "not a regular expression"),
        (("says hello,", "says hello, timeout_s: 0,"), 8, "not in 0 to 600"),
        (('"mined {bind} -p {port}"', '"mined \'"'), 6, "cannot be cut into words"),
        (('run: "mined {bind} -p {port}"', "port: 1"), 6, "either `run`"),
        (("prints: hello", "servers: [two]"), 8, "there is no server 'two'"),
        (("about: the only", "runs_on: web, about: the only"), 6, "either `run`"),
        (("clients:\n  ask: {run", "clients: {}\nx:\n  ask: {run"), 8, "no key 'x'"),
    ],
)
def test_a_wrong_service_file_is_told_where(tmp_path: Path, change: tuple[str, str], line: int, told: str) -> None:
    assert change[0] in GOOD
    folder = service_of(tmp_path, GOOD.replace(*change))
    with pytest.raises(DeclarationError) as raised:
        load_service(folder)
    assert told in str(raised.value)
    assert str(raised.value).startswith(f"{folder}/service.yaml:{line}: ")


BOTH = GOOD.replace("servers:\n", "servers:\n  two: {run: dgram, about: by datagrams, transport: udp}\n").replace(
    "clients:\n", "clients:\n  send: {run: dgram-ask, about: a datagram, transport: udp}\n"
)


def test_a_client_is_chosen_that_speaks_what_the_server_does(tmp_path: Path) -> None:
    service_of(tmp_path, BOTH)
    known = services(tmp_path)
    assert (named("mine/two", known=known).client_name, named("mine/two", known=known).transport) == ("send", "udp")
    assert (named("mine/one", known=known).client_name, named("mine/one", known=known).transport) == ("ask", "tcp")
    with pytest.raises(ValueError, match="'send' is no client for mine/one"):
        named("mine/one", "send", known)


def test_a_server_that_no_client_can_call_is_an_error(tmp_path: Path) -> None:
    folder = service_of(tmp_path, GOOD.replace("about: the only one", "about: the only one, transport: udp"))
    with pytest.raises(DeclarationError, match=r"servers\.one: no client fits it and speaks udp"):
        load_service(folder)


@pytest.mark.parametrize(
    ("name", "client", "told"),
    [
        ("mien", None, "did you mean 'mine/one'?"),
        ("mine/two", None, "There are: mine/one"),
        ("mine", "aks", "did you mean 'ask'?"),
    ],
)
def test_a_wrong_name_lists_the_right_ones_nearest_first(
    tmp_path: Path, name: str, client: str | None, told: str
) -> None:
    service_of(tmp_path, GOOD)
    with pytest.raises(ValueError, match="There are") as raised:
        named(name, client, services(tmp_path))
    assert told in str(raised.value)


def test_a_word_with_spaces_stays_one_word() -> None:
    assert words("say 'two words' {host}", host="h") == ["say", "two words", "h"]
