"""What two kernels of the lab hold when nothing is read: fill's own report beside what `ss` shows on both hosts."""

from __future__ import annotations

import re
from typing import Literal

import pytest

from scenarios.evidence.record import Socket
from scenarios.evidence.sockets import sockets
from scenarios.lab.lab import Lab

PORT = 9009
NUMBER = r"[\d,]+"


def reported(printed: str) -> dict[str, int]:
    """The numbers of fill's report, by what they are of."""
    found = re.fullmatch(
        rf"written until EWOULDBLOCK +({NUMBER}) bytes, in \d+ writes\n"
        rf"this kernel holds +({NUMBER}) bytes; its Send-Q is ({NUMBER})\n"
        rf"the other kernel took +({NUMBER}) bytes; its Recv-Q, while nothing is read",
        printed,
    )
    assert found, printed
    numbers = (int(number.replace(",", "")) for number in found.groups())
    return dict(zip(("written", "held", "send_q", "took"), numbers, strict=True))


def connection(lab: Lab, host: str) -> Socket:
    """The one established socket of this host that has the sink's port."""
    port = re.compile(rf":{PORT}$")
    (found,) = (
        each
        for each in sockets(lab)
        if each.host == host and each.state == "ESTABLISHED" and (port.search(each.local) or port.search(each.peer))
    )
    return found


@pytest.mark.parametrize(
    ("client", "server", "family"),
    [
        ("client", "server", "ipv6"),
        ("client", "server-be", "ipv4"),
        ("client-be", "server", "ipv4"),
        ("client-be", "server-be", "ipv6"),
    ],
)
def test_both_sides_of_the_report_agree_with_ss_on_both_hosts(
    lab: Lab, client: str, server: str, family: Literal["ipv4", "ipv6"]
) -> None:
    address = lab.topology.hosts[server].address(family)
    with lab.running(server, ["python", "-m", "services.sink.server_poll", address, str(PORT)]) as sink:
        sink.wait_for_line("listening on")
        fill = ["python", "-m", "services.sink.fill", address, str(PORT), "--hold", "30"]
        with lab.running(client, fill) as filling:
            filling.wait_for_line("the other kernel took", within_s=20)
            near, far = connection(lab, client), connection(lab, server)
            report = reported(filling.printed)
    assert report["written"] == report["held"] + report["took"]
    assert (report["send_q"], near.send_q, near.recv_q) == (report["held"], report["held"], 0)
    assert (far.recv_q, far.send_q) == (report["took"], 0)
    assert report["held"] > 0 < report["took"]
    # When fill was ended, its kernel reset the connection; or SIGTERM came first. Either way the line has the bytes.
    assert re.search(rf": (ECONNRESET|server stopped); {report['took']} bytes in, 0 bytes out, ", sink.printed)
