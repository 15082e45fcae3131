"""The client of the shop, in this process, with the shop behind a firewall that loses, refuses and swallows packets."""

from __future__ import annotations

import time

import pytest
from orders import Orders, ShopUnreachable

ASKED = {"from_": "client", "to": "server"}
ANSWERED = {"from_": "server", "to": "client"}
SYN = "tcp.flags.syn == 1 && tcp.flags.ack == 0"


@pytest.fixture(scope="module")
def shop(lab):
    with lab.serve(service="shop") as server:
        yield server


@pytest.fixture
def orders(lab, shop):
    with lab.host("client"), Orders(lab.url("server", shop.port)) as orders:
        yield orders


def test_a_lost_syn_costs_a_second_and_no_try(lab, orders):
    with lab.recording() as packets, lab.fault(drop="syn", first=1, **ASKED) as lost:
        assert orders.state(7) == "shipped"
    assert lost.hits == 1
    packets.on("client-leg").expect(where=SYN, exactly=2)
    packets.on("server-leg").expect(where="http.request", exactly=1)


def test_a_connection_that_is_cut_is_tried_again(lab, orders):
    with lab.recording() as packets, lab.fault(cut="data", nth=1, at=20, then="rst", **ANSWERED) as cut:
        assert orders.state(7) == "shipped"
    assert cut.hits == 1
    packets.on("server-leg").expect(where="http.request", exactly=2)


def test_silence_ends_after_three_tries_and_in_time(lab, orders):
    def ask():
        began_s = time.monotonic()
        with lab.fault(silence="data", **ANSWERED):
            try:
                return orders.state(7), time.monotonic() - began_s
            except ShopUnreachable as error:
                return str(error), time.monotonic() - began_s

    def answered(came):
        assert came[0] == "shipped"

    with lab.recording() as packets:
        _, (told, took_s) = lab.control(ask, answered)
    assert told == "3 tries: ReadTimeout"
    assert took_s < 10
    packets.on("server-leg").expect(where="http.request", exactly=4)  # one of them in the control


def test_an_order_is_not_placed_twice(lab, shop, orders):
    before = len(shop.lines)
    with lab.fault(silence="data", **ANSWERED), pytest.raises(ShopUnreachable, match="may have been placed"):
        orders.place()
    assert [line for line in shop.lines[before:] if line.startswith("POST")] == ["POST /orders"]
