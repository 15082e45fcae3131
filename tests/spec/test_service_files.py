"""Every service.yaml of ours is right, and a wrong one is told where it is wrong."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from scenarios.cli import files
from scenarios.cli import main as command_line
from scenarios.spec.catalogue import DRILLS
from scenarios.spec.command_line import words
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.service import load_service, resolve, services
from tests.mistakes import changed, each_mistake, refusal

GOOD = """
service: mine
about: a service of the test
port: 4000
servers:
  one: {run: "mined {bind} -p {port}", about: the only one}
clients:
  ask: {run: "mine {host} {port} hello", about: says hello, prints: hello}
image: mined
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
            assert words(command, bind="b", host="h", port=1, ca="c", cert="c", key="k")


def test_a_service_of_somebody_else_is_a_folder_more(tmp_path: Path) -> None:
    service_of(tmp_path, GOOD)
    chosen = resolve("mine", known=services(tmp_path))
    assert (chosen.name, chosen.client_name) == ("mine/one", "ask")
    assert words(chosen.client.run, host="198.18.1.138", port=4000) == ["mine", "198.18.1.138", "4000", "hello"]


WRONG = {
    "service: mine": {
        "service: yours": "2: service: the folder is 'mine'",
    },
    "port: 4000": {
        "port: 70000": "4: port: expected 1 to 65535, got 70000",
    },
    "prints: hello": {
        "print: hello": "8: clients.ask: unknown key 'print'; did you mean 'prints'?",
        'prints: "["': "8: clients.ask.prints: '[' is not a regular expression",
        "servers: [two]": "8: clients.ask.servers: unknown server 'two'",
    },
    "{host} {port}": {
        "{hots} {port}": "8: clients.ask.run: unknown placeholder {hots}; did you mean 'host'?",
    },
    "says hello,": {
        "says hello, timeout_s: 0,": "8: clients.ask.timeout_s: expected more than 0, at most 600 seconds, got 0",
    },
    '"mined {bind} -p {port}"': {
        '"mined \'"': '6: servers.one.run: "mined \'" cannot be split into words: no closing quotation',
    },
    'run: "mined {bind} -p {port}"': {
        "port: 1": "6: servers.one: a server has one of `run`",
    },
    "about: the only": {
        "runs_on: web, about: the only": "6: servers.one: a server has one of `run`",
    },
    "clients:\n  ask: {run": {
        "clients: {}\nx:\n  ask: {run": "8: unknown key 'x'",
    },
}


@each_mistake(WRONG)
def test_a_wrong_service_file_is_told_where(tmp_path: Path, old: str, new: str, told: str) -> None:
    folder = service_of(tmp_path, changed(GOOD, old, new))
    assert str(refusal(load_service, folder)).startswith(f"{folder}/service.yaml:{told}")


def test_validate_tells_every_wrong_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (("mine", GOOD), ("late", "port: 0"), ("yours", GOOD)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "service.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(files, "services", partial(services, tmp_path))
    assert command_line.main(["validate"]) == 64
    said = capsys.readouterr().out
    assert f"{tmp_path}/late/service.yaml:" in said
    assert f"{tmp_path}/yours/service.yaml:2: service: the folder is 'yours'" in said
    assert "2 services with errors; no drill was read" in said


BOTH = GOOD.replace("servers:\n", "servers:\n  two: {run: dgram, about: by datagrams, transport: udp}\n").replace(
    "clients:\n", "clients:\n  send: {run: dgram-ask, about: a datagram, transport: udp}\n"
)


def test_a_client_is_chosen_that_speaks_what_the_server_does(tmp_path: Path) -> None:
    service_of(tmp_path, BOTH)
    known = services(tmp_path)
    assert (resolve("mine/two", known=known).client_name, resolve("mine/two", known=known).transport) == ("send", "udp")
    assert (resolve("mine/one", known=known).client_name, resolve("mine/one", known=known).transport) == ("ask", "tcp")
    with pytest.raises(ValueError, match="mine/one has no client 'send'"):
        resolve("mine/one", "send", known)


def test_a_server_that_no_client_can_call_is_an_error(tmp_path: Path) -> None:
    folder = service_of(tmp_path, GOOD.replace("about: the only one", "about: the only one, transport: udp"))
    with pytest.raises(DeclarationError, match=r"servers\.one: no client fits it and speaks udp"):
        load_service(folder)


@pytest.mark.parametrize(
    ("name", "client", "told"),
    [
        ("mien", None, "did you mean 'mine/one'?"),
        ("mine/two", None, "Expected one of: mine/one"),
        ("mine", "aks", "did you mean 'ask'?"),
    ],
)
def test_a_wrong_name_lists_the_right_ones_nearest_first(
    tmp_path: Path, name: str, client: str | None, told: str
) -> None:
    service_of(tmp_path, GOOD)
    with pytest.raises(ValueError, match="Expected one of") as raised:
        resolve(name, client, services(tmp_path))
    assert told in str(raised.value)


def test_a_word_with_spaces_stays_one_word() -> None:
    assert words("say 'two words' {host}", host="h") == ["say", "two words", "h"]


ECHO = """
service: echo
about: what comes goes back
port: 7
image: ours
servers:
  all: {run: echod, about: the only one}
clients:
  blocking: {run: "echo-ask {host}", about: asks, prints: Received}
  stream: {run: "echo-stream {host}", about: a stream, transport: udp}
"""
SPEAKS = GOOD[: GOOD.index("clients:")] + "image: mined\nspeaks: echo\n"
OURS = GOOD.replace("mined {bind} -p {port}", "python -m services.mine.server")
ANSWER = "prints: hello"


def message_about(tmp_path: Path, text: str) -> str:
    """What is said of a folder `mine` with this file, beside a service `echo`."""
    service_of(tmp_path, text)
    (tmp_path / "echo").mkdir(exist_ok=True)
    (tmp_path / "echo" / "service.yaml").write_text(ECHO, encoding="utf-8")
    with pytest.raises(DeclarationError) as raised:
        resolve("mine", known=services(tmp_path))
    return str(raised.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    ("text", "old", "new", "told"),
    [
        (GOOD, "image: mined\n", "", "6: servers.one.run: 'mined' is not a program of the lab's"),
        (GOOD, "image: mined", "imag: mined", "9: unknown key 'imag'; did you mean 'image'?"),
        (
            *(GOOD, "image: mined", "image: 'no image'"),
            "9: image: expected the name of an image, as in `docker images`, got 'no image'",
        ),
        (GOOD, GOOD[GOOD.index("clients:") :], "", "2: clients: expected one or more; or `speaks`"),
        (OURS, "image: mined", "", "6: servers.one.run: no such file: mine/server.py"),
        (SPEAKS, "echo", "ecko", "8: speaks: unknown service 'ecko'; did you mean 'echo/all'?"),
        (
            *(SPEAKS, "echo\n", "echo\nclients:\n  blocking: {run: mine, about: its own}\n"),
            "10: clients.blocking: echo has a client of this name; give it another",
        ),
        (GOOD, ANSWER, "says: {refusd: no}", "8: clients.ask.says: unknown outcome 'refusd'; did you mean 'refused'?"),
        (GOOD, ANSWER, "says: {reset: '['}", "8: clients.ask.says.reset: '[' is not a regular"),
        (GOOD, ANSWER, "exits: {reset: 256}", "8: clients.ask.exits.reset: expected an exit status, 0 to 255, got 256"),
        (GOOD, ANSWER, "contract: true, exits: {reset: 7}", "8: clients.ask.exits: use either `contract`"),
        (GOOD, ANSWER, "connects: twice", "8: clients.ask.connects: unknown word 'twice'"),
    ],
)
def test_an_error_in_the_folder_of_a_newcomer_is_told_with_its_place(
    tmp_path: Path, text: str, old: str, new: str, told: str
) -> None:
    assert message_about(tmp_path, text.replace(old, new)).startswith(f"mine/service.yaml:{told}")


@pytest.mark.parametrize(
    ("dockerfile", "told"),
    [
        ("", "mine/Dockerfile:1: the file is empty; it begins with `FROM faultwire/base`"),
        (
            "# mine\n\nRUN make\nFROM faultwire/base\n",
            "mine/Dockerfile:3: expected `FROM IMAGE` before all else, got 'RUN make'",
        ),
        ("ARG FROM=x\nCOPY a b\n", "mine/Dockerfile:2: expected `FROM IMAGE` before all else"),
    ],
)
def test_a_dockerfile_that_builds_on_nothing_is_told(tmp_path: Path, dockerfile: str, told: str) -> None:
    folder = service_of(tmp_path, GOOD.replace("image: mined\n", ""))
    (folder / "Dockerfile").write_text(dockerfile, encoding="utf-8")
    assert message_about(tmp_path, GOOD.replace("image: mined\n", "")).startswith(told)


def test_an_image_by_name_and_a_dockerfile_cannot_both_be_meant(tmp_path: Path) -> None:
    folder = service_of(tmp_path, GOOD)
    (folder / "Dockerfile").write_text("ARG VERSION=1\nFROM faultwire/base\n", encoding="utf-8")
    assert message_about(tmp_path, GOOD).startswith("mine/service.yaml:9: image: the folder has a Dockerfile too")
    service_of(tmp_path, GOOD.replace("image: mined\n", ""))
    assert services(tmp_path)["mine"].image == "faultwire/service-mine"


def test_one_that_speaks_as_another_has_its_clients_of_that_transport_which_run_where_ours_do(tmp_path: Path) -> None:
    service_of(tmp_path, SPEAKS)
    (tmp_path / "echo").mkdir()
    (tmp_path / "echo" / "service.yaml").write_text(ECHO, encoding="utf-8")
    chosen = resolve("mine", known=services(tmp_path))
    assert (chosen.client_name, chosen.image, chosen.service.image) == ("blocking", None, "mined")
    assert list(chosen.service.clients) == ["blocking"]
    assert chosen.service.speaks == "echo/all"


def test_the_kinds_of_a_service_follow_from_what_it_says_of_itself(tmp_path: Path) -> None:
    def kinds(text: str) -> frozenset[str]:
        service_of(tmp_path, text)
        return resolve("mine", known=services(tmp_path)).kinds

    assert kinds(GOOD) == {"tcp", "connects-once", "request"}
    assert kinds(GOOD.replace("prints: hello", "connects: again")) == {"tcp", "request"}
    assert kinds(GOOD + "conversation: greeting\n") == {"tcp", "connects-once", "greeting"}
    assert kinds(GOOD + "transport: udp\n") == {"udp"}


def test_validate_reads_a_service_file_or_its_folder_as_a_service(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = service_of(tmp_path, GOOD)
    for file in (folder / "service.yaml", folder):
        assert command_line.main(["validate", str(file)]) == 0
        assert "1 service and 0 drills read; 0 wrong" in capsys.readouterr().out
    service_of(tmp_path, GOOD.replace("port: 4000", "prot: 4000").replace("prints: hello", "status: 256"))
    for file in (folder / "service.yaml", folder):
        assert command_line.main(["validate", str(file)]) == 64
        said = capsys.readouterr().out
        assert f"{folder}/service.yaml:4: unknown key 'prot'; did you mean 'port'?" in said
        assert f"{folder}/service.yaml:8: clients.ask.status: expected an exit status, 0 to 255, got 256" in said
        assert "1 service and 0 drills read; 1 wrong" in said
    monkeypatch.chdir(folder)
    assert command_line.main(["validate", "service.yaml"]) == 64
    assert f"{folder}/service.yaml:4: unknown key" in capsys.readouterr().out
    service_of(tmp_path, SPEAKS.replace("speaks: echo", "speaks: ecko"))
    assert command_line.main(["validate", "service.yaml"]) == 64
    assert f"{folder}/service.yaml:8: speaks: unknown service 'ecko'" in capsys.readouterr().out


def test_a_wrong_service_hides_neither_another_s_errors_nor_a_drill_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (("mine", GOOD), ("echo", ECHO), ("broken", "port: 0"), ("parrot", SPEAKS)):
        (tmp_path / name).mkdir()
        text = text.replace("service: mine", f"service: {name}")
        (tmp_path / name / "service.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "mine" / "service.yaml").write_text(GOOD.replace("image: mined", "speaks: broken"), encoding="utf-8")
    monkeypatch.setattr(files, "services", partial(services, tmp_path))
    known = services(tmp_path)
    assert set(known) == {"echo", "parrot"}
    assert list(known.wrong) == ["broken", "mine"]
    monkeypatch.setattr("scenarios.evidence.display_filters.refused", lambda _: {})
    drill = tmp_path / "lost-syn.yaml"
    text = (DRILLS / "lost-syn.yaml").read_text("utf-8").replace("service: search/selectors", "service: parrot/one")
    drill.write_text(text, encoding="utf-8")
    assert command_line.main(["validate", str(drill)]) == 0, capsys.readouterr().out


NAMES = ["../../x", "a/b", "two words", "Big", ""]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", ["one: {run", "ask: {run"])
def test_the_name_of_a_server_or_a_client_can_be_that_of_a_folder(tmp_path: Path, what: str, name: str) -> None:
    folder = service_of(tmp_path, GOOD.replace(what, f"'{name}': {{run"))
    with pytest.raises(DeclarationError, match=r"(servers|clients): expected a name of small letters, digits, - and _"):
        load_service(folder)


@pytest.mark.parametrize("pattern", ["a{99999999999}", "[[a]", "(" * 5000 + ")" * 5000, "(?P<1>a)"])
def test_a_pattern_that_python_cannot_compile_or_will_read_otherwise_is_told(tmp_path: Path, pattern: str) -> None:
    folder = service_of(tmp_path, GOOD.replace("prints: hello", f"prints: '{pattern}'"))
    with pytest.raises(DeclarationError, match=r":8: clients\.ask\.prints: .* is not a regular expression"):
        load_service(folder)


@pytest.mark.parametrize(
    ("of_server", "second"),
    [
        ('run: "mined | cat"', "servers.one.run: "),
        ('run: "mined {bind}", starts_within: 1d', "servers.one.starts_within: "),
        ('run: "mined {bind}", reddy: "^up"', "servers.one: unknown key 'reddy'"),
        ("", "servers.one: a server has one of `run`"),
    ],
)
def test_what_is_wrong_with_a_service_is_told_beside_what_is_wrong_with_its_server(
    tmp_path: Path, of_server: str, second: str
) -> None:
    text = GOOD.replace('run: "mined {bind} -p {port}"', of_server or "port: 5000").replace("port: 4000", "port: 70000")
    with pytest.raises(DeclarationError) as raised:
        load_service(service_of(tmp_path, text.replace("image: mined", "image: Mined image")))
    told = {f"{each.key}: {each.what}" for each in raised.value.all}
    assert {each.split(":")[0] for each in told} >= {"port", "image"}
    assert "port: expected 1 to 65535, got 70000" in told
    assert any(each.startswith(second) for each in told), told
    assert len(told) == 3


def test_of_a_server_each_key_that_is_wrong_is_told(tmp_path: Path) -> None:
    one = 'run: "mined | cat", port: 70000, ready: "[", starts_within: soon'
    with pytest.raises(DeclarationError) as raised:
        load_service(service_of(tmp_path, GOOD.replace('run: "mined {bind} -p {port}"', one)))
    keys = [each.key.removeprefix("servers.one.") for each in raised.value.all]
    assert sorted(keys) == ["port", "ready", "run", "starts_within"]


def test_of_a_key_that_may_be_misspelt_it_is_not_said_that_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError) as raised:
        load_service(service_of(tmp_path, GOOD.replace("clients:", "clinets:")))
    assert [each.what.split(";")[0] for each in raised.value.all] == ["unknown key 'clinets'"]
