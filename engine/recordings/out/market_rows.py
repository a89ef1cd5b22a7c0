"""Follows the engine's events: mark and index, last price and open interest at each mark tick, and funding rates."""

from typing import Any, NamedTuple

import numpy as np

from engine.code_values import EVENT_FILL, FLAG_TAKER, SIDE_BUY
from engine.codes import EventKind
from engine.schema import MAX_CONTRACTS, NOTICE

Rows = np.ndarray[Any, Any]
TICKER = np.dtype(
    [
        ("seq", "<i8"),
        ("time_ns", "<i8"),
        ("mark_subticks", "<i8"),
        ("index_subticks", "<i8"),  # 0: none
        ("last_price_ticks", "<i8"),  # 0: none yet
        ("open_interest_lots", "<i8"),
        ("funding_rate_ppb", "<i8"),  # of the last settled interval
        ("has_rate", "u1"),
        ("contract", "<i4"),
    ]
)
FUNDING = np.dtype(
    [
        ("seq", "<i8"),
        ("time_ns", "<i8"),
        ("rate_ppb", "<i8"),
        ("average_premium_ppb", "<i8"),
        ("samples", "<i8"),
        ("mark_subticks", "<i8"),
        ("index_subticks", "<i8"),
        ("is_paid", "u1"),
        ("contract", "<i4"),
    ]
)
_KINDS = (
    EVENT_FILL, EventKind.MARK_CHANGED, EventKind.INDEX_CHANGED, EventKind.FUNDING_RATE, EventKind.POSITION_SETTLED,
)  # fmt: skip


class MarketRows(NamedTuple):
    """TICKER rows, one for each change of a mark, and FUNDING rows, one for each interval that ends."""

    ticker: Rows
    funding: Rows


class MarketFollower:
    """Follows all contracts from their beginning."""

    def __init__(self) -> None:
        self._now = np.zeros(MAX_CONTRACTS, TICKER)

    def follow(self, events: Rows) -> MarketRows:
        """What the next events say."""
        rows = events[np.isin(events["kind"], _KINDS)]
        ticks = [self._ticker(contract, rows) for contract in np.unique(rows["contract_slot"]).tolist()]
        ticker = np.concatenate([np.zeros(0, TICKER), *ticks])
        notices = rows[rows["kind"] == EventKind.FUNDING_RATE].view(NOTICE)
        return MarketRows(ticker[np.argsort(ticker["seq"], kind="stable")], _funding(notices))

    def _ticker(self, contract: int, rows: Rows) -> Rows:
        """One contract's rows; what is known now is kept for the next events."""
        rows, now = rows[rows["contract_slot"] == contract], self._now[contract]
        kind, notices = rows["kind"], rows.view(NOTICE)
        fills, settled = kind == EVENT_FILL, kind == EventKind.POSITION_SETTLED
        bought = np.where(rows["side"] == SIDE_BUY, rows["last_lots"], -rows["last_lots"])
        after = rows["position_lots"]
        more = np.where(fills, np.maximum(after, 0) - np.maximum(after - bought, 0), 0)
        more -= np.where(settled, np.maximum(notices["position_lots"], 0), 0)
        found = np.zeros(len(rows), TICKER)
        found["open_interest_lots"] = now["open_interest_lots"] + np.cumsum(more)
        is_taker = fills & (rows["flags"] & FLAG_TAKER != 0)
        for name, at, values in (
            ("last_price_ticks", is_taker, rows["price_ticks"]),
            ("mark_subticks", kind == EventKind.MARK_CHANGED, notices["new_value"]),
            ("index_subticks", kind == EventKind.INDEX_CHANGED, notices["new_value"]),
            ("funding_rate_ppb", kind == EventKind.FUNDING_RATE, notices["rate_ppb"]),
            ("has_rate", kind == EventKind.FUNDING_RATE, np.ones(len(rows), np.int64)),
        ):
            found[name] = _kept(int(now[name]), at, values)
        found["seq"], found["time_ns"], found["contract"] = rows["seq"], rows["time_ns"], contract
        if len(found):
            self._now[contract] = found[-1]
        return found[kind == EventKind.MARK_CHANGED]


def _kept(before: int, at: Rows, values: Rows) -> Rows:
    """At each row the last value that was set up to it."""
    places = np.maximum.accumulate(np.where(at, np.arange(1, len(at) + 1), 0))
    kept: Rows = np.concatenate([[before], values])[places]
    return kept


def _funding(notices: Rows) -> Rows:
    rows = np.zeros(len(notices), FUNDING)
    for name, of in (
        ("seq", "seq"), ("time_ns", "time_ns"), ("rate_ppb", "rate_ppb"), ("average_premium_ppb", "old_value"),
        ("samples", "new_value"), ("mark_subticks", "price_subticks"), ("index_subticks", "other_price_subticks"),
        ("is_paid", "code"), ("contract", "contract_slot"),
    ):  # fmt: skip
        rows[name] = notices[of]
    return rows
