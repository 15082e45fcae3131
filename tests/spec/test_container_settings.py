"""What a program of an image is given: an image of its own, an environment, files; and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.calls import boxes
from scenarios.lab.box import Box
from scenarios.lab.guest import environment_of, guest_words
from scenarios.lab.process import BoundedOutput, Printed
from scenarios.lab.topology import topology
from scenarios.spec.command_line import problems_of_command, words
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.program_ends import default_pairs
from scenarios.spec.service import Service, load_service, resolve
from tests.mistakes import changed, each_mistake, refusal

MINE = """
service: mine
about: two servers and two clients, each of an image of its own
port: 8080
image: usual:1
environment: {LEVEL: info, WHO: all}
files: {common.conf: /etc/common.conf}
servers:
  nginx:
    image: nginx:1
    run: nginx -c /etc/nginx.conf
    about: the first
    ports: [8443]
    environment: {LISTEN: "{bind}:{port}", WHO: nginx, CHAIN: "{cert}"}
    files: {nginx.conf: /etc/nginx.conf}
    starts_within: 1min
    setup: [nginx -t]
    teardown: ["cat /tmp/access.log"]
  usual: {run: "usual {bind} {port}", about: the second}
clients:
  curl:
    image: curl:1
    run: curl -w '%{{http_code}}' http://{host}:{port}/
    about: asks
    credentials: {TOKEN: white-rabbit}
  tls: {dockerfile: tls.Dockerfile, run: "tls {host}:{port} --ca {ca}", about: asks over TLS, port: 8443}
"""


def folder_of(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir(exist_ok=True)
    (folder / "service.yaml").write_text(text, encoding="utf-8")
    for name in ("common.conf", "nginx.conf"):
        (folder / name).write_text("# empty\n", encoding="utf-8")
        (folder / name).chmod(0o644)
    (folder / "tls.Dockerfile").write_text("FROM faultwire/base\n", encoding="utf-8")
    return folder


@pytest.fixture
def mine(tmp_path: Path) -> Service:
    return load_service(folder_of(tmp_path, MINE))


def test_each_server_and_each_client_can_have_an_image_of_its_own(mine: Service) -> None:
    assert [mine.server_image(each) for each in mine.servers] == ["nginx:1", "usual:1"]
    assert [mine.image_of(each) for each in mine.clients] == ["curl:1", "faultwire/service-mine-tls"]
    assert mine.images == ("nginx:1", "usual:1", "curl:1", "faultwire/service-mine-tls")
    assert mine.dockerfiles == {"faultwire/service-mine-tls": mine.folder / "tls.Dockerfile"}


def test_a_client_calls_the_port_that_it_names_and_only_servers_that_have_it(mine: Service) -> None:
    assert mine.callers("nginx") == ["curl", "tls"]
    assert mine.callers("usual") == ["curl"]
    chosen = resolve("mine/nginx:tls", known={"mine": mine})
    assert (chosen.port, chosen.server_port, chosen.name, chosen.label) == (8443, 8080, "mine/nginx", "mine/nginx:tls")
    assert default_pairs(chosen) == ("le-le",)


def test_a_server_s_box_has_what_the_service_says_and_what_it_says_itself_and_the_certificates(mine: Service) -> None:
    host = topology(7).hosts["server"]
    box = boxes.of_server(resolve("mine", known={"mine": mine}), host, "198.18.7.138")
    assert box
    assert box.image == "nginx:1"
    told = dict(box.environment)
    assert (told["LEVEL"], told["WHO"], told["LISTEN"]) == ("info", "nginx", "198.18.7.138:8080")
    assert told["CHAIN"] == told["FAULTWIRE_CERT"] == told["FAULTWIRE_KEY"] == "/run/keys/server.pem"
    assert told["SSL_CERT_FILE"] == told["FAULTWIRE_CA"] == "/run/authority/ca.pem"
    assert box.files == {
        mine.folder / "common.conf": "/etc/common.conf",
        mine.folder / "nginx.conf": "/etc/nginx.conf",
    }
    assert (box.before, box.after) == ((("nginx", "-t"),), (("cat", "/tmp/access.log"),))  # noqa: S108
    usual = boxes.of_server(resolve("mine/usual", known={"mine": mine}), host, "::")
    assert usual
    assert (usual.environment["WHO"], usual.image, usual.before) == ("all", "usual:1", ())


def test_a_client_s_box_has_the_authority_and_no_key(mine: Service) -> None:
    box = boxes.of_client(mine, "tls", "server", 8443, 20)
    assert box
    assert box.environment["FAULTWIRE_CA"] == "/run/authority/ca.pem"
    assert "FAULTWIRE_KEY" not in box.environment
    assert boxes.client_words(mine.clients["tls"].run, "server", 8443) == [
        "tls",
        "server:8443",
        "--ca",
        "/run/authority/ca.pem",
    ]


def test_what_a_person_says_goes_before_what_the_lab_would_say_but_for_the_contract(tmp_path: Path) -> None:
    text = MINE.replace("WHO: all", "SSL_CERT_FILE: /etc/other.pem")
    box = boxes.of_client(load_service(folder_of(tmp_path, text)), "curl", "server", 8080, 20)
    assert box
    assert box.environment["SSL_CERT_FILE"] == "/etc/other.pem"
    assert box.environment["CURL_CA_BUNDLE"] == "/run/authority/ca.pem"


def test_a_credential_is_in_no_command_line_and_in_nothing_that_is_kept_of_what_a_program_prints() -> None:
    box = Box("image", {"A": "b"}, {"TOKEN": "white-rabbit"}, {Path("/there/a.conf"): "/etc/a.conf"})
    words_of_docker = guest_words(7, box, ["a", "program"], "name")
    assert "white-rabbit" not in " ".join(words_of_docker)
    assert environment_of(box)["TOKEN"] == box.credentials["TOKEN"]
    assert words_of_docker[words_of_docker.index("TOKEN") - 1] == "--env"
    assert words_of_docker[words_of_docker.index("/there/a.conf:/etc/a.conf:ro") - 1] == "--volume"
    kept, printed = BoundedOutput(hide=box.hide), Printed(box.hide)
    kept.take(b"follow the white-")
    kept.take(b"rabbit")
    for piece in ("follow the white-", "rabbit\nwhite-rab", "bit"):
        printed.take(piece)
    printed.end()
    assert kept.text() == "follow the (hidden)"
    assert printed.lines == ["follow the (hidden)", "(hidden)"]


def test_a_credential_is_hidden_where_the_middle_of_a_long_output_is_cut_out() -> None:
    kept = BoundedOutput(64, Box("image", credentials={"TOKEN": "white-rabbit"}).hide)
    kept.take(b"white-rabbit" + b"." * 100 + b"white-rabbit")
    assert "rabbit" not in kept.text()
    assert "its output was cut" in kept.text()


WRONG = {
    "image: nginx:1": {
        "image: 'no image'": ":10: servers.nginx.image: expected the name of an image",
        "image: a\n    dockerfile: tls.Dockerfile": "dockerfile: use either `dockerfile` or `image`",
    },
    "dockerfile: tls.": {
        "dockerfile: none.": "clients.tls.dockerfile: no file 'none.Dockerfile'",
    },
    "dockerfile: tls.Dockerfile": {
        "dockerfile: Dockerfile": "expected a file of this folder as curl.Dockerfile",
    },
    "environment: {LEVEL": {
        "environment: {FAULTWIRE_X: y, LEVEL": "environment.FAULTWIRE_X: the variables that",
        "environment: {2LEVEL: y, LEVEL": "environment: expected the name of a variable",
    },
    "{cert}": {
        "{crt}": ":14: servers.nginx.environment.CHAIN: unknown placeholder {crt}; did you mean 'cert'?",
    },
    "white-rabbit": {
        "rabbit": "clients.curl.credentials.TOKEN: expected 8 characters or more",
    },
    "files: {nginx.conf": {
        "files: {ngnx.conf": "servers.nginx.files.ngnx.conf: no file or folder",
        "files: {../mine.conf": "expected a path inside this folder, got '../mine.conf'",
    },
    "nginx.conf: /etc/nginx.conf": {
        "nginx.conf: etc/nginx.conf": "expected an absolute path, at which",
        "nginx.conf: /tmp": "nothing can be put at /tmp",
        "nginx.conf: /run/keys/x": "nothing can be put at /run/keys/x",
        "nginx.conf: '/etc/a:b'": "expected a path without a comma, a colon or a quote",
    },
    "port: 8443": {
        "port: 8444": "clients.tls.port: no server has port 8444; there are: 8080, 8443",
    },
    "ports: [8443]": {
        "ports: [0]": "servers.nginx.ports.1: expected 1 to 65535, got 0",
    },
    "starts_within: 1min": {
        "starts_within: 11min": "'11min' is more than 600s",
        "starts_within: 0s": "servers.nginx.starts_within: expected more than 0",
        "starts_in: 1min": "unknown key 'starts_in'; did you mean 'starts_within'?",
    },
    "setup: [nginx -t]": {
        "setup: ['nginx -t && true']": "servers.nginx.setup.1: `&&` is for a shell",
        "setup: nginx -t": "servers.nginx.setup: expected a sequence, got 'nginx -t'",
    },
}


@each_mistake(WRONG)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert told in str(refusal(load_service, folder_of(tmp_path, changed(MINE, old, new))))


def test_a_file_that_the_program_could_not_read_is_told_with_the_cure(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, MINE)
    (folder / "nginx.conf").chmod(0o600)
    with pytest.raises(DeclarationError, match=r"the program runs as user 1000, who cannot read it; `chmod a\+r nginx"):
        load_service(folder)


def test_every_error_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    text = MINE.replace("port: 8080", "port: 0").replace("image: usual:1", "image: '?'").replace("nginx -t", "a | b")
    text = text.replace("files: {common.conf", "files: {common.conf: /etc/x, none")
    with pytest.raises(DeclarationError) as raised:
        load_service(folder_of(tmp_path, text))
    assert [error.key for error in raised.value.all] == ["port", "image", "servers.nginx.setup.1"]
    with pytest.raises(DeclarationError) as raised:
        load_service(folder_of(tmp_path, text.replace("a | b", "nginx -t")))
    assert {error.key for error in raised.value.all} >= {"port", "image"}
    wrong = MINE.replace("usual {bind}", "usual {bnd} | x").replace(
        "about: asks over", "status: 300, timeout_s: 0, about:"
    )
    with pytest.raises(DeclarationError) as raised:
        load_service(folder_of(tmp_path, wrong))
    assert [error.key for error in raised.value.all] == [
        "servers.usual.run",
        "servers.usual.run",
        "clients.tls.timeout_s",
        "clients.tls.status",
    ]


def test_braces_of_a_program_s_own_are_written_twice() -> None:
    assert words("curl -w '%{{http_code}}' {host}", host="h") == ["curl", "-w", "%{http_code}", "h"]
    assert words("""ask '{"a": {"b": 1}}' {{}}""", host="h") == ["ask", '{"a": {"b": 1}}', "{{}}"]
    (told,) = problems_of_command("curl -w '%{http_code}'", "run")
    assert told.startswith("run: unknown placeholder {http_code}. Expected one of: host, port, bind")
    assert told.endswith("`{{http_code}}` gives the program {http_code} as it stands here")


@pytest.mark.parametrize("command", ["x {h\\t}", "x {h''t}", 'x "{h"t}', "x '{'ht}"])
def test_a_placeholder_is_looked_for_in_the_words_and_not_before_they_are_cut(command: str) -> None:
    assert words("x {h''ost}", host="there") == ["x", "there"]
    (told,) = problems_of_command(command, "run")
    assert told.startswith("run: unknown placeholder {ht}; did you mean 'host'?")


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("a | b", "|"),
        ("a|b", "|"),
        ("a > /tmp/x", ">"),
        ("a 2>&1", ">"),
        ("a < x", "<"),
        ("a && b", "&&"),
        ("a || b", "||"),
        ("a; b", ";"),
        ("a ; b", ";"),
        ("a &", "&"),
        ("a $(b)", "$( )"),
        ('a "$(b)"', "$( )"),
        ("a `b`", "`"),
        ("a $HOME", "$HOME"),
        ('a "${HOME}/x"', "${HOME}"),
    ],
)
def test_a_word_of_a_shell_is_refused_with_the_cure(command: str, word: str) -> None:
    told, *_ = problems_of_command(command, "run")
    assert told.startswith(f"run: `{word}` is for a shell, and no shell reads this: write `sh -c '…'`")


@pytest.mark.parametrize(
    "command",
    [
        "sh -c 'a | b > c; d && e $(f) $g'",
        "grep 'a|b'",
        'nginx -g "daemon off;"',
        "curl http://h/?a=1&b=2",
        "awk '{print $1}'",
        r"a \| b",
        "a '$( )' \"|\"",
        "ask costs 5$",
    ],
)
def test_what_stands_in_quotes_is_the_program_s_own(command: str) -> None:
    assert list(problems_of_command(command, "run")) == []


def test_an_assignment_before_a_command_is_refused_with_the_cure() -> None:
    (told,) = problems_of_command("A=b program", "run")
    assert told == "run: `A=…` before a command is for a shell, and no shell reads this: use the key `environment`"
