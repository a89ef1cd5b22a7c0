"""A naive follower of order lives: what rests by the rows alone, to compare with the book that they were made of."""

from typing import Any

import numpy as np

from engine.codes import Side
from engine.recordings.batches import Book
from engine.recordings.order_lives import LifeAction


class Rested:
    """Orders by (contract, id) as [side, price, size], in the order of their coming."""

    def __init__(self) -> None:
        self.orders: dict[tuple[int, int], list[int]] = {}

    def apply(self, row: np.void | Any) -> None:
        """One LIFE row."""
        contract, order_id, action = int(row["contract"]), int(row["order_id"]), row["action"]
        price, size, key = int(row["price_ticks"]), int(row["size_lots"]), (contract, order_id)
        if action == LifeAction.ADD:
            assert key not in self.orders
            self.orders[key] = [int(row["side"]), price, size]
        elif action in (LifeAction.EXECUTE, LifeAction.REDUCE):
            self.orders[key][2] -= size
            assert self.orders[key][2] >= 0
            if not self.orders[key][2]:
                del self.orders[key]
        elif action == LifeAction.RESIZE:
            self.orders[key][1:] = price or self.orders[key][1], size
        elif action == LifeAction.DELETE:
            del self.orders[key]
        elif action == LifeAction.CLEAR:
            self.orders = {key: order for key, order in self.orders.items() if key[0] != contract}
        else:
            assert action == LifeAction.TRADE

    def book(self, contract: int) -> Book:
        """Both sides as (price, size), best first."""
        bids, asks = ({}, {})  # type: dict[int, int], dict[int, int]
        for (of, _), (side, price, size) in self.orders.items():
            if of == contract:
                levels = bids if side == Side.BUY else asks
                levels[price] = levels.get(price, 0) + size
        return sorted(bids.items(), reverse=True), sorted(asks.items())
