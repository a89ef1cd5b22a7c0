"""Generated order flow: `synthetic:SEED:COUNT` is a recording like any other, the same for the same seed everywhere.

Orders rest at a distance from the middle that follows a power law, and stand for a time that follows one too; nearly
all of them end cancelled. Some are amended, some are immediate-or-cancel orders that take from the book, and the
middle wanders, with swings of up to a few thousand ticks that run through what rests. A cancel or an amend may come
when its order has just traded, as in life: it is refused. Whole numbers only, so that no platform rounds differently.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from engine.codes import CommandKind, ExecInst, OrdType, Side, TimeInForce
from engine.recordings.batches import Batch, ContractSpec
from engine.recordings.source import RecordingError
from engine.schema import COMMAND

PREFIX = "synthetic:"
MAX_SEED = (1 << 63) - 1
MAX_COUNT = 10**12
BLOCK_ORDERS = 1 << 15
"""Orders drawn at a time."""
START_NS = 1_767_225_600 * 10**9
"""2026-01-01T00:00:00Z."""
ORDER_NS = 2_000
"""One order enters in each such interval."""

CENTRE_TICKS, SPREAD_TICKS = 1 << 16, 2
IOC_PER_1024, AMENDS_PER_1024, REPRICED_PER_1024 = 16, 100, 512
WALKS_PER_1024 = 1
SWING_PERIOD, SWING_ORDERS, SWING_TICKS = 3, 512, 9
"""In about one of so many blocks the middle runs for a while, by up to so many ticks an order."""
DISTANCE_OCTAVES, LIFE_OCTAVES, SIZE_OCTAVES = 12, 22, 7

Column = np.ndarray[Any, Any]


def is_name(path: Path) -> bool:
    """Whether this names generated flow and no file."""
    return str(path).startswith(PREFIX)


def parse(path: Path) -> tuple[int, int]:
    """(seed, count) of a name. RecordingError names the part that is wrong."""
    parts = str(path).split(":")
    if len(parts) != 3:
        raise RecordingError(f"{path}: a generated stream is named synthetic:SEED:COUNT, such as synthetic:1:1000000")
    values = []
    for name, text, low, high in (("SEED", parts[1], 0, MAX_SEED), ("COUNT", parts[2], 1, MAX_COUNT)):
        if not (text.isascii() and text.isdecimal() and len(text) < 20 and low <= int(text) <= high):
            raise RecordingError(f"{path}: {name} {text!r} is not a whole number within {low} to {high}")
        values.append(int(text))
    return values[0], values[1]


class SyntheticReader:
    """`count` messages of generated flow; a shorter one is the beginning of a longer one with the same seed."""

    format = "synthetic"
    depth = 0
    is_log = False
    has_clock = True
    bad = 0

    def __init__(self, seed: int, count: int) -> None:
        self.seed, self.total = seed, count
        self.contract = ContractSpec("SYNTHETIC", max_price_ticks=2 * CENTRE_TICKS)

    def batches(self) -> Iterator[Batch]:
        """The whole stream, the messages around one block of orders a batch."""
        flow, read = _Flow(self.seed), 0
        while read < self.total:
            commands = flow.block()[: self.total - read]
            messages = np.arange(read + 1, read + 1 + len(commands), dtype=np.int64)
            read += len(commands)
            yield Batch(commands, messages, messages, read)


class _Flow:
    """Where the generator stands: orders drawn so far, the middle's walk, and what is scheduled for later."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.orders = 0
        self.walk_ticks = 0
        self.later = np.zeros(0, COMMAND)

    def block(self) -> Column:
        """The messages of the next BLOCK_ORDERS intervals in the order of their times."""
        orders = self._orders()
        rows = np.concatenate([self.later, orders, *self._ends(orders)])
        self.orders += BLOCK_ORDERS
        times = rows["time_ns"].copy()
        places = np.argsort(times, kind="stable")
        now = int(np.searchsorted(times[places], START_NS + self.orders * ORDER_NS))
        self.later = rows[places[now:]]
        return rows[places[:now]]

    def _orders(self) -> Column:
        """One new order for each interval: most rest around the middle, a few take."""
        rows = np.zeros(BLOCK_ORDERS, COMMAND)
        buys, takes = self._some(512), self._some(IOC_PER_1024)
        away = np.where(takes, -self._power_law(4, 1), self._power_law(DISTANCE_OCTAVES, 2) + SPREAD_TICKS // 2)
        places = np.arange(self.orders, self.orders + BLOCK_ORDERS)
        rows["kind"], rows["ord_type"] = CommandKind.NEW, OrdType.LIMIT
        rows["side"] = np.where(buys, Side.BUY, Side.SELL)
        rows["tif"] = np.where(takes, TimeInForce.IOC, TimeInForce.GTC)
        rows["cl_ord_id"] = places + 1
        rows["qty_lots"] = self._power_law(SIZE_OCTAVES, 2)
        rows["price_ticks"] = self._middle() - np.where(buys, away, -away)
        rows["time_ns"] = START_NS + places * ORDER_NS
        return rows

    def _ends(self, orders: Column) -> tuple[Column, Column]:
        """The amends of some resting orders and the cancels of all of them, each at its time."""
        life = self._power_law(LIFE_OCTAVES, 5)
        resting = orders["tif"] == TimeInForce.GTC
        cancels = np.zeros(BLOCK_ORDERS, COMMAND)
        cancels["kind"], cancels["cl_ord_id"] = CommandKind.CANCEL, orders["cl_ord_id"]
        cancels["time_ns"] = orders["time_ns"] + life * ORDER_NS
        amends = cancels.copy()
        amends["kind"], amends["flags"] = CommandKind.AMEND, ExecInst.QTY_IS_LEAVES
        amends["qty_lots"] = (orders["qty_lots"] + 1) // 2
        moved = orders["price_ticks"] + self.rng.integers(-4, 5, BLOCK_ORDERS)
        amends["price_ticks"] = np.where(self._some(REPRICED_PER_1024), moved, 0)
        amends["time_ns"] = orders["time_ns"] + life // 2 * ORDER_NS
        amended = self._some(AMENDS_PER_1024) & resting & (life > 1)
        return amends[amended], cancels[resting]

    def _middle(self) -> Column:
        """The middle at each order: a slow walk, with swings, folded so that it stays half and half again its start."""
        steps = self.rng.integers(-1, 2, BLOCK_ORDERS) * self._some(WALKS_PER_1024)
        begin = int(self.rng.integers(0, BLOCK_ORDERS - SWING_ORDERS))
        run_ticks = int(self.rng.integers(-SWING_TICKS, SWING_TICKS + 1))
        steps[begin : begin + SWING_ORDERS] += run_ticks * (int(self.rng.integers(0, SWING_PERIOD)) == 0)
        walk = self.walk_ticks + np.cumsum(steps)
        self.walk_ticks = int(walk[-1])
        folded = (walk + CENTRE_TICKS // 2) % (2 * CENTRE_TICKS)
        return CENTRE_TICKS // 2 + np.minimum(folded, 2 * CENTRE_TICKS - folded)

    def _some(self, per_1024: int) -> Column:
        """True for about this share of the orders."""
        return self.rng.integers(0, 1024, BLOCK_ORDERS) < per_1024

    def _power_law(self, octaves: int, halving: int) -> Column:
        """Whole numbers from 1 below 2^octaves; the chance of an octave halves every `halving` octaves."""
        weights = [1 << (octaves - octave) // halving for octave in range(octaves)]
        octave = np.searchsorted(np.cumsum(weights), self.rng.integers(0, sum(weights), BLOCK_ORDERS), "right")
        low = np.int64(1) << octave
        return low + self.rng.integers(0, low)
