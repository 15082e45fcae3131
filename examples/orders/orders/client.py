"""Ask the shop about orders, over a network that fails now and then."""

from __future__ import annotations

import time
from typing import Any, Self

import httpx

TRIES = 3
TRY_S = 1.5  # for each step of a try: to connect, to send, and between two pieces of the answer
PAUSE_S = 0.1  # after the first try, and twice as long after the second


class ShopUnreachable(Exception):
    """No try was answered; the message has the last try's reason."""


class Orders:
    """The orders of a shop. Reading is tried again, for it may be done twice; placing an order is not."""

    def __init__(self, url: str, *, try_s: float = TRY_S) -> None:
        self._client = httpx.Client(base_url=url, timeout=try_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def state(self, order: int) -> str:
        """Return the state of an order. Raise ShopUnreachable after three tries."""
        for number in range(TRIES):
            try:
                return str(self._answer(self._client.get(f"/orders/{order}"))["state"])
            except httpx.TransportError as error:
                last = error
                if number < TRIES - 1:
                    time.sleep(PAUSE_S * 2**number)
        raise ShopUnreachable(f"{TRIES} tries: {type(last).__name__}") from last

    def place(self) -> int:
        """Place an order, and return its number. Raise ShopUnreachable: then it may have been placed, or not."""
        try:
            return int(self._answer(self._client.post("/orders"))["order"])
        except httpx.TransportError as error:
            raise ShopUnreachable(f"it may have been placed: {type(error).__name__}") from error

    def _answer(self, response: httpx.Response) -> dict[str, Any]:
        answer: dict[str, Any] = response.raise_for_status().json()
        return answer
