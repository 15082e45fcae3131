"""A client of the shop's orders."""

from orders.client import Orders, ShopUnreachable

__all__ = ("Orders", "ShopUnreachable")
