"""The links of machines: what changed since before, in words."""

from __future__ import annotations

from scenarios.lab.links import changes


def test_what_changed_is_told_of_the_links_that_were_there_and_of_no_other() -> None:
    before = {"eth0": 2, "eth1": 2, "eth2": 2, "eth3": 2}
    after = {"eth0": 2, "eth1": 3, "eth2": 6, "eth9": 1}
    assert changes("firewall", before, after) == [
        "eth1 of firewall lost or got its carrier 1 time",
        "eth2 of firewall lost or got its carrier 4 times",
        "eth3 of firewall is gone",
    ]
