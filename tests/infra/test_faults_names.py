"""The name server that lies, and the one that is not heard, as a host on the other side of the firewall gets it."""

from __future__ import annotations

import json

import pytest

from scenarios.faults.dns_answer import Answer
from scenarios.faults.nft_rules import Rules, Selection, Silence
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab

# What the name server goes by, and what is left of a change of it.
ZONE = "cat /run/zone; ls /run/zone*; ls -A /run/faults 2>/dev/null || true"
# What the resolver says of each name.
RESOLVE = """
import json, socket, sys
said = {}
for name in sys.argv[1:]:
    try:
        said[name] = [row[4][0] for row in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)]
    except socket.gaierror as error:
        said[name] = [{value: name for name, value in vars(socket).items() if name.startswith("EAI_")}[error.errno]]
print(json.dumps(said))
"""


pytestmark = pytest.mark.usefixtures("no_orphans")


def resolve(lab: Lab, *names: str, within_s: float = 20) -> dict[str, list[str]] | None:
    """What the client's resolver says of names; None if it said nothing in time."""
    ran = lab.run("client", ["python", "-c", RESOLVE, *names], timeout_s=within_s)
    assert ran.status in (0, 124), ran.printed
    return json.loads(ran.stdout) if ran.status == 0 else None


def zone(lab: Lab) -> str:
    return lab.run("names", ["sh", "-c", ZONE], timeout_s=5).stdout


def test_a_name_has_other_addresses_while_the_fault_is_in_force(lab: Lab) -> None:
    before, right, dead = zone(lab), resolve(lab, "server.lab"), "198.18.255.1"
    with Answer(lab, "liar", "server", dead) as liar:
        assert liar.hits() == 0
        assert resolve(lab, "server.lab", "web.lab") == {"server.lab": [dead], **(resolve(lab, "web.lab") or {})}
        assert liar.hits() == 2, "one answer for A, one for AAAA, and none of another name"
    assert resolve(lab, "server.lab") == right
    assert zone(lab) == before


def test_two_names_lie_and_are_healed_apart(lab: Lab) -> None:
    before, right = zone(lab), resolve(lab, "server.lab", "web.lab")
    assert right is not None
    long = "a" * 40
    with Answer(lab, "gone", "web") as gone:
        with Answer(lab, "new", long, "198.18.255.2") as new:
            assert resolve(lab, f"{long}.lab", "web.lab") == {
                f"{long}.lab": ["198.18.255.2"],
                "web.lab": ["EAI_NONAME"],
            }
            assert (new.hits(), gone.hits()) == (2, 2)
        assert resolve(lab, "server.lab", "web.lab") == {**right, "web.lab": ["EAI_NONAME"]}
        with pytest.raises(LabProblem, match="the-answer-for-web is in the hands of the fault gone"):
            Answer(lab, "again", "web").__enter__()
    assert resolve(lab, "server.lab", "web.lab") == right
    assert zone(lab) == before


def test_a_name_server_that_is_not_heard_keeps_the_resolver_waiting(lab: Lab) -> None:
    client, names = lab.topology.hosts["client"], lab.topology.standing["names"]
    questions = [Selection(client, names, kind, 53) for kind in ("udp", "tcp")]
    with Rules(lab, "names-silent", Silence(), *questions) as silent:
        assert resolve(lab, "server.lab", within_s=1) is None
        assert silent.hits() >= 2
    assert resolve(lab, "server.lab") is not None, "the control"


@pytest.mark.parametrize("host", ["", "server.lab", "Server", "a b", "-a", "a" * 64])
def test_what_is_not_a_label_is_refused(lab: Lab, host: str) -> None:
    with pytest.raises(ValueError, match=r"without \.lab"):
        Answer(lab, "liar", host)
