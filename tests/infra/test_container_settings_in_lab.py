"""Programs of images of their own in a lab: each in its own image, with files, a second port, and the certificates."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scenarios.calls import contract
from scenarios.calls.serving import call, serving
from scenarios.lab import engine
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.process import Finished
from scenarios.run.exchange import exchange, leg_checks
from scenarios.spec.service import ServiceChoice, load_service, resolve
from scenarios.verdict.check import Verdict

CREDENTIAL = "knock-knock-neo"
SERVICE = f"""
service: mine
about: Caddy in clear and over TLS with the key of its host; clients of two images verify the chain
port: 8080
image: faultwire/service-caddy
families: [ipv4]
environment: {{ANSWER: Follow the white rabbit.}}
credentials: {{TOKEN: {CREDENTIAL}}}
files: {{Caddyfile: /etc/mine/Caddyfile}}
servers:
  caddy:
    run: caddy run --config /etc/mine/Caddyfile --adapter caddyfile
    about: a goroutine a connection
    ports: [8443]
    starts_within: 1min
    setup: ["sh -c 'sleep 1; echo made > /tmp/made'"]
    teardown: [cat /tmp/made, "sh -c 'echo the credential is $TOKEN'"]
  ill: {{run: caddy version, about: ends at once, setup: ["sh -c 'echo no key; exit 9'"]}}
  alone:
    run: caddy respond --listen 127.0.0.1:8080 no
    about: listens where nobody reaches it
clients:
  plain: {{run: "wget --tries=1 -O- http://{{host}}:{{port}}/", about: GET, prints: "^Follow the white rabbit\\\\."}}
  wget:
    run: wget --tries=1 -O- --ca-certificate={{ca}} https://{{host}}:{{port}}/
    about: GET over TLS; GnuTLS verifies the chain and the address
    port: 8443
    prints: ^Follow the white rabbit\\.
  socat:
    image: faultwire/service-socat
    run: sh -c 'printf "GET / HTTP/1.0\\r\\n\\r\\n" | socat - OPENSSL:$FAULTWIRE_HOST:$FAULTWIRE_PORT'
    about: GET over TLS by OpenSSL, that is told of no certificate
    port: 8443
    prints: Follow the white rabbit\\.
  stranger:
    image: faultwire/service-socat
    run: sh -c 'printf "GET / HTTP/1.0\\r\\n\\r\\n" | socat - OPENSSL:$FAULTWIRE_HOST:$FAULTWIRE_PORT'
    about: trusts nobody
    environment: {{SSL_CERT_FILE: /dev/null}}
    port: 8443
    status: 255
  teller: {{run: "sh -c 'echo $TOKEN; id -u; echo x > /etc/mine/Caddyfile'", about: tells a secret, status: 1}}
"""
CADDYFILE = """
{
	admin off
	auto_https off
	storage file_system /tmp/caddy
	default_sni server
}
http://:8080 {
	respond "{$ANSWER}"
}
https://:8443 {
	tls {$FAULTWIRE_CERT} {$FAULTWIRE_KEY}
	respond "{$ANSWER}"
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    contract.ready([resolve(name).service for name in ("socat", "caddy")], print)
    made = tmp_path_factory.mktemp("services") / "mine"
    made.mkdir()
    for name, text in (("service.yaml", SERVICE), ("Caddyfile", CADDYFILE)):
        (made / name).write_text(text, encoding="utf-8")
        (made / name).chmod(0o644)
    for each in (made, *made.parents[:3]):
        each.chmod(each.stat().st_mode | 0o055)
    return made


def chosen(folder: Path, text: str) -> ServiceChoice:
    return resolve(text, known={"mine": load_service(folder)})


def call_service(lab: Lab, which: ServiceChoice) -> Finished:
    return call(lab, which, lab.topology.hosts["client"], lab.topology.hosts["server"], "ipv4")


def test_programs_of_two_images_speak_tls_with_the_lab_s_own_authority_without_a_line_of_their_own(
    lab: Lab, folder: Path
) -> None:
    client, server = lab.topology.hosts["client"], lab.topology.hosts["server"]
    with serving(lab, chosen(folder, "mine/caddy"), server, "ipv4") as program:
        for name in ("plain", "wget", "socat"):
            ran = call_service(lab, chosen(folder, f"mine/caddy:{name}"))
            assert ran.status == 0, (name, ran.printed)
            assert "Follow the white rabbit." in ran.stdout, name
        refused = call_service(lab, chosen(folder, "mine/caddy:stranger"))
        assert refused.status == 255
        assert "certificate verify failed" in refused.printed
        told = call_service(lab, chosen(folder, "mine/caddy:teller"))
        assert told.stdout == "(hidden)\n1000\n"
        assert "Read-only file system" in told.stderr
    assert program
    assert "made" in program.lines
    assert "the credential is (hidden)" in program.lines
    assert not [line for line in program.lines if CREDENTIAL in line]
    made = exchange(lab, chosen(folder, "mine/caddy:wget"), client, server, "ipv4", print)
    assert {each.holds for each in leg_checks(made)} == {Verdict.PASS}
    carried = b"".join(frame.payload for frame in made.frames["client-leg"])
    assert carried
    assert b"Follow" not in carried


def test_a_command_before_the_server_that_fails_is_told_with_what_it_printed(lab: Lab, folder: Path) -> None:
    with (
        pytest.raises(LabProblem, match=r"\(status 70\)") as ended,
        serving(lab, chosen(folder, "mine/ill"), lab.topology.hosts["server"], "ipv4"),
    ):
        pass
    # The command's output and the lab's own line come by two pipes: which of them is first is not said.
    assert re.search(r"setup: sh -c .*: status 9", str(ended.value))
    assert re.search(r"(^|: )no key$", str(ended.value), re.MULTILINE)


def test_a_server_that_listens_on_loopback_alone_is_told_so(lab: Lab, folder: Path) -> None:
    with (
        pytest.raises(LabProblem, match=r"mine/alone listens on 127\.0\.0\.1 alone, port 8080: .* have it listen on"),
        serving(lab, chosen(folder, "mine/alone"), lab.topology.hosts["server"], "ipv4"),
    ):
        pass


def test_the_credential_is_in_no_container_s_command_line(lab: Lab, folder: Path) -> None:
    with serving(lab, chosen(folder, "mine/caddy"), lab.topology.hosts["server"], "ipv4"):
        guests = engine.containers(f"{engine.LAB_LABEL}={lab.number}", "faultwire.guest")
        assert guests
        assert not [each for each in guests if CREDENTIAL in " ".join([each.attrs["Path"], *each.attrs["Args"]])]
