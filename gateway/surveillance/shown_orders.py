"""What each order shows in the book: every change of it with its cause, what stands now, and who quotes both sides."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from engine.code_values import FLAG_RESTING, FLAG_TAKER, FLAG_UNTRIGGERED
from engine.codes import EventKind, ExecInst, Reason, Side
from engine.schema import record
from gateway.surveillance.activity import NS_PER_S, Rows

SHOWN, FILLED, CANCELLED, EXPIRED, AMENDED, FORCED = range(1, 7)
"""Why the shown quantity changed. FORCED: by the venue."""
WITHDRAWN = (CANCELLED, EXPIRED, AMENDED)
CHANGE = record(
    [
        ("seq", "i8"),
        ("time_ns", "i8"),
        ("order_id", "i8"),
        ("owner", "i8"),
        ("lots", "i8"),  # more (positive) or less (negative) is shown
        ("price_ticks", "i8"),
        ("since_ns", "i8"),  # since when it stood at its price
        ("account_slot", "i4"),
        ("contract_slot", "i4"),
        ("side", "i1"),
        ("cause", "i1"),
        ("pad", "i1", (6,)),
    ]
)
_STANDING = record(
    [
        ("order_id", "i8"),
        ("owner", "i8"),
        ("lots", "i8"),
        ("price_ticks", "i8"),
        ("since_ns", "i8"),
        ("account_slot", "i4"),
        ("contract_slot", "i4"),
        ("side", "i1"),
        ("pad", "i1", (7,)),
    ]
)
MOST_STANDING = 1 << 20
"""The most orders that are followed; of more, the oldest are forgotten."""
_ORDER_KINDS = (
    EventKind.ACCEPTED, EventKind.FILL, EventKind.RESTED, EventKind.CANCELLED, EventKind.AMENDED, EventKind.REDUCED,
)  # fmt: skip
_BY_OWNER = (Reason.BY_CLIENT, Reason.MASS_CANCEL, Reason.AMENDED_AWAY, Reason.DISCONNECT, Reason.SELF_TRADE)
"""Cancellations that the owner has caused; stopping itself from trading with itself is one."""
MOST_OWNERS, FAINT = 1 << 16, 1e-3
"""Of more owners than that, those whose quoting has faded away are forgotten."""
SMALLER_SIDE_PARTS = 50
"""Both sides count as quoted while the smaller one is at least this part of the larger."""


class ShownOrders:
    """The orders that stand in the books, as the events tell it. Of icebergs nothing counts as shown."""

    def __init__(self) -> None:
        self.standing = np.zeros(0, _STANDING)

    def apply(self, rows: Rows) -> Rows:
        """Apply events in their order; returns the changes of what is shown, in the same order."""
        rows = rows[np.isin(rows["kind"], _ORDER_KINDS) & (rows["order_id"] != 0)]
        if not len(rows):
            return np.zeros(0, CHANGE)
        stood = self.standing[np.isin(self.standing["order_id"], rows["order_id"])]
        ids = np.concatenate([stood["order_id"], rows["order_id"]])
        order = np.argsort(ids, kind="stable")
        joined = _joined(stood, rows)[order]
        first = np.ones(len(order), bool)
        first[1:] = joined["order_id"][1:] != joined["order_id"][:-1]
        lots = np.where(_known(joined, first), joined["lots"], 0)
        before = np.where(first, 0, np.roll(lots, 1))
        renewed = np.maximum.accumulate(np.where(joined["renews"] | first, np.arange(len(order)), 0))
        since_ns, price = joined["time_ns"][renewed], joined["price_ticks"]
        earlier = np.maximum(np.arange(len(order)) - 1, 0)
        less = lots < before
        changes = np.zeros(len(order), CHANGE)
        for name in ("seq", "time_ns", "order_id", "owner", "account_slot", "contract_slot", "side"):
            changes[name] = joined[name]
        changes["lots"] = lots - before
        changes["price_ticks"] = np.where(less, price[earlier], price)
        changes["since_ns"] = np.where(less, since_ns[earlier], since_ns)
        changes["cause"] = np.where(less, joined["cause"], SHOWN)
        last = np.ones(len(order), bool)
        last[:-1] = first[1:]
        self._keep(rows, joined, lots, since_ns, last)
        place = np.argsort(order[changes["lots"] != 0], kind="stable")
        found = changes[changes["lots"] != 0][place]
        return found[found["seq"] > 0]

    def _keep(self, rows: Rows, joined: Rows, lots: Rows, since_ns: Rows, last: Rows) -> None:
        left = last & (lots > 0)
        kept = np.zeros(int(left.sum()), _STANDING)
        for name in ("order_id", "owner", "price_ticks", "account_slot", "contract_slot", "side"):
            kept[name] = joined[name][left]
        kept["lots"], kept["since_ns"] = lots[left], since_ns[left]
        others = self.standing[~np.isin(self.standing["order_id"], rows["order_id"])]
        self.standing = np.concatenate([others, kept])[-MOST_STANDING:]


_JOINED = record(
    [
        *((name, "i8") for name in ("seq", "time_ns", "order_id", "owner", "lots", "price_ticks")),
        *((name, "i4") for name in ("account_slot", "contract_slot")),
        *((name, "i1") for name in ("side", "cause")),
        ("opens", "?"),
        ("renews", "?"),
        ("pad", "i1", (4,)),
    ]
)


def _joined(stood: Rows, rows: Rows) -> Rows:
    """What stood before, then the events: of each the lots that are shown after it."""
    joined = np.zeros(len(stood) + len(rows), _JOINED)
    old, new = joined[: len(stood)], joined[len(stood) :]
    for name in ("order_id", "owner", "lots", "price_ticks", "account_slot", "contract_slot", "side"):
        old[name] = stood[name]
    old["time_ns"] = stood["since_ns"]
    old["opens"] = old["renews"] = True
    for name in ("seq", "time_ns", "order_id", "owner", "price_ticks", "account_slot", "contract_slot", "side"):
        new[name] = rows[name]
    kind, flags = rows["kind"], rows["flags"]
    placed = np.isin(kind, (EventKind.ACCEPTED, EventKind.AMENDED)) & (flags & FLAG_RESTING != 0)
    placed |= kind == EventKind.RESTED
    placed &= flags & (FLAG_UNTRIGGERED | int(ExecInst.ICEBERG)) == 0
    traded = (kind == EventKind.FILL) & (flags & FLAG_TAKER == 0) | (kind == EventKind.REDUCED)
    new["lots"] = np.where(placed | traded, rows["leaves_lots"], 0)
    new["opens"] = placed
    new["renews"] = placed & (kind != EventKind.AMENDED)
    by_owner = np.isin(rows["reason"], _BY_OWNER)
    new["cause"] = FORCED
    new["cause"][kind == EventKind.FILL] = FILLED
    new["cause"][kind == EventKind.AMENDED] = AMENDED
    new["cause"][(kind == EventKind.CANCELLED) & by_owner] = CANCELLED
    new["cause"][(kind == EventKind.CANCELLED) & (rows["reason"] == Reason.EXPIRED)] = EXPIRED
    return joined


def _known(joined: Rows, first: Rows) -> Rows:
    """Whether an order has been seen coming into the book; of one from before the beginning nothing is known."""
    opened = np.cumsum(joined["opens"])
    start = np.maximum.accumulate(np.where(first, np.arange(len(joined)), 0))
    return opened - opened[start] + joined["opens"][start] > 0


# --- who quotes both sides ----------------------------------------------------------------------------------------


class Habit(NamedTuple):
    """How an owner quotes a contract: parts of the time, and lots filled on the side it showed more of, or less of."""

    quoting: float = 0.0
    both: float = 0.0
    heavy_lots: float = 0.0
    light_lots: float = 0.0

    @property
    def both_percent(self) -> float:
        """The share of the quoting time in which both sides were shown."""
        return 100 * self.both / self.quoting if self.quoting else 0.0

    @property
    def is_earnest(self) -> bool:
        """Whether the side that it shows more of is traded as well, not only the other one."""
        return 3 * self.heavy_lots >= self.heavy_lots + self.light_lots


Key = tuple[int, ...]
"""A contract and an owner."""


class Habits:
    """Averages of what each owner shows, in which the past fades."""

    def __init__(self, window_s: int) -> None:
        self.window_s = window_s
        self._now_ns = 0
        self._shown: dict[Key, tuple[int, int]] = {}
        self._means: dict[Key, tuple[int, Habit]] = {}

    @property
    def _fade_ns(self) -> int:
        return self.window_s * NS_PER_S

    def shown(self, key: Key, side: int) -> int:
        """What an owner shows on a side now, in lots."""
        buy, sell = self._shown.get(key, (0, 0))
        return buy if side == Side.BUY else sell

    def of(self, key: Key) -> Habit:
        """An owner's habit in a contract."""
        at_ns, mean = self._means.get(key, (0, Habit()))
        faded = math.exp((at_ns - self._now_ns) / self._fade_ns)
        quoting, both = _looks(np.array([self._shown.get(key, (0, 0))]))[0].tolist()
        now = quoting * (1 - faded), both * (1 - faded), 0.0, 0.0
        return Habit(*(old * faded + new for old, new in zip(mean, now, strict=True)))

    def is_maker(self, key: Key, percent: int) -> bool:
        """Whether an owner shows both sides for so much of its quoting time, and each in earnest."""
        habit = self.of(key)
        return habit.both_percent >= percent and habit.is_earnest

    def follow(self, groups: Mapping[Key, Rows], end_ns: int) -> None:
        """Move on to an instant, with the changes of each owner since the last one."""
        for key, changes in groups.items():
            self._move(key, changes, end_ns)
        self._now_ns = end_ns
        if len(self._means) > MOST_OWNERS:
            for key in [key for key in self._means if key not in self._shown or self._means[key][1].quoting < FAINT]:
                self._means.pop(key)
                self._shown.pop(key, None)

    def _move(self, key: Key, changes: Rows, end_ns: int) -> None:
        at_ns, mean = self._means.get(key, (int(changes["time_ns"][0]), Habit()))
        sides = [np.where(changes["side"] == side, changes["lots"], 0) for side in (Side.BUY, Side.SELL)]
        lots = np.cumsum(np.concatenate([[self._shown.get(key, (0, 0))], np.stack(sides, 1)]), 0)
        times = np.concatenate([[at_ns], changes["time_ns"], [end_ns]])
        weights = np.diff(np.exp((times - end_ns) / self._fade_ns))
        new = (weights[:, None] * _looks(lots)).sum(0).tolist()
        new += _filled(changes, lots[:-1], np.exp((changes["time_ns"] - end_ns) / self._fade_ns))
        faded = math.exp((at_ns - end_ns) / self._fade_ns)
        self._means[key] = end_ns, Habit(*(old * faded + item for old, item in zip(mean, new, strict=True)))
        buy, sell = lots[-1].tolist()
        self._shown[key] = max(buy, 0), max(sell, 0)


def _looks(lots: Rows) -> Rows:
    """Of lots by side: whether any are shown, and whether both sides are."""
    small, large = lots.min(1), lots.max(1)
    both = (small > 0) & (small * SMALLER_SIDE_PARTS >= large)
    return np.stack([large > 0, both], 1).astype(float)


def _filled(changes: Rows, before: Rows, weights: Rows) -> list[float]:
    """Lots filled on the side that showed more at that moment, and on the other."""
    fills = changes["cause"] == FILLED
    own, other = np.where(changes["side"] == Side.BUY, before.T, before.T[::-1])
    lots, heavy = -changes["lots"] * weights, own >= other
    return [float(lots[fills & heavy].sum()), float(lots[fills & ~heavy].sum())]
