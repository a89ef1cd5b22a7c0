"""Records of money: what was paid in and out, and what funding and the end of a contract settled."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from engine.codes import Asset, EventKind
from gateway.read_model.event_fold import COLLATERAL_KIND, DELIVERY_KIND, FUNDING_KIND, MONEY_KIND
from gateway.read_model.history import History
from gateway.read_model.history_store import Own, Part
from gateway.wire.views import MovementView, SettlementView, Span

_SETTLING = {EventKind.FUNDING_PAID: "settlement", EventKind.POSITION_SETTLED: "delivery"}

_ROW_KINDS = {"settlement": FUNDING_KIND, "delivery": DELIVERY_KIND}
_DELIVERED_NS = 86_400 * 10**9
"""A delivery pays its positions one by one, and within a day."""


class MoneyRecords:
    """Answers from the history's rows of money. Each record has a number, which only grows; the newest come first."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._sums: dict[int, SettlementView] = {}

    # --- movements ------------------------------------------------------------------------------------------------

    def movements(self, account_slot: int, command: int, asset: int, span: Span) -> tuple[list[MovementView], int]:
        """Deposits, withdrawals or transfers (by their command) of an asset: those in the span, and how many in all."""

        def wanted(rows: Any) -> Any:
            """Money rows keep the command in `flags`; those of collateral are a kind of their own."""
            named = rows["flags"] == command
            if asset != Asset.SETTLEMENT:
                return named & (rows["kind"] == COLLATERAL_KIND) & (rows["tif"] == asset)
            return named & (rows["kind"] == MONEY_KIND) & (rows["reason"] == EventKind.CASH_CHANGED)

        rows = self._newest(account_slot, (MONEY_KIND, COLLATERAL_KIND), wanted)
        found = [_movement(number, row) for number, row in rows]
        return found[span.offset : span.offset + span.count], len(found)

    # --- settlements ----------------------------------------------------------------------------------------------

    def own_settlements(
        self, account_slot: int, slots: frozenset[int], kind: str | None, span: Span
    ) -> tuple[list[SettlementView], int]:
        """What was settled for an account up to the span's end and last number, and the number to continue with."""

        def wanted(rows: Any) -> Any:
            return _reasons(rows, kind)

        found = (_own(number, row) for number, row in self._newest(account_slot, (MONEY_KIND,), wanted))
        return _page((view for view in found if view.contract_slot in slots), span)

    def settlements(self, slots: frozenset[int], kind: str | None, span: Span) -> tuple[list[SettlementView], int]:
        """What was settled in some contracts, added up over all accounts. What nobody had a position in is left out."""
        kinds = tuple(row_kind for name, row_kind in _ROW_KINDS.items() if kind in (None, name))

        def wanted(rows: Any) -> Any:
            paid = (rows["kind"] == DELIVERY_KIND) | (rows["change_micros"] != 0)
            return paid & np.isin(rows["contract_slot"], list(slots))

        views = (self._sum(number, row) for number, row in self._newest(None, kinds, wanted))
        return _page((view for view in views if view.position_lots), span)

    def _sum(self, number: int, row: Any) -> SettlementView:
        """The payments of one settlement added up, kept once time has gone on. They follow its row in the history."""
        known = self._sums.get(number)
        if known is not None:
            return known
        kind = "settlement" if row["kind"] == FUNDING_KIND else "delivery"
        contract_slot, time_ns = int(row["contract_slot"]), int(row["time_ns"])
        position = change = longs = 0
        paid_ns = time_ns if kind == "settlement" else time_ns + _DELIVERED_NS
        span = Span(end_ns=paid_ns, first_place=number, ascending=True)
        for segment, first, end in self._history.ranges("paid", (contract_slot,), span):
            if segment.first + end < number:
                continue
            rows = segment.legs[max(number - segment.first, first) : end]
            mine = (rows["kind"] == MONEY_KIND) & (rows["contract_slot"] == contract_slot) & _reasons(rows, kind)
            paid = rows[mine & (rows["time_ns"] <= paid_ns)]
            lots, micros = paid["position_lots"], paid["fee_micros"]
            position, change = position + int(lots[lots > 0].sum()), change + int(micros.sum())
            longs -= int(micros[lots > 0].sum())
            if segment.used and segment.time_ns(segment.used - 1) > paid_ns:
                break
        view = SettlementView(
            number, contract_slot, time_ns, kind, position, int(row["mark_subticks"]), int(row["index_subticks"]),
            change, longs if kind == "settlement" else 0,
        )  # fmt: skip
        if self._history.newest_ns() > paid_ns:
            self._sums[number] = view
        return view

    def deliveries(self, slots: frozenset[int]) -> list[tuple[int, int, int]]:
        """(contract slot, time in ns, price in subticks) of the contracts that have ended."""

        def wanted(rows: Any) -> Any:
            return np.isin(rows["contract_slot"], list(slots))

        return [
            (int(row["contract_slot"]), int(row["time_ns"]), int(row["mark_subticks"]))
            for _, row in self._newest(None, (DELIVERY_KIND,), wanted)
        ]

    def _newest(
        self, account_slot: int | None, kinds: tuple[int, ...], wanted: Callable[[Any], Any]
    ) -> Iterator[tuple[int, Any]]:
        """(number, row) of the rows of some kinds that are wanted, newest first; numbers begin at 1.

        Without an account, those of the contracts. Only rows of these kinds are read: a history is mostly others.
        """
        if account_slot is None:
            parts = self._settled(kinds)
        else:
            parts = self._history.own_parts(account_slot, Own(kinds))
        for segment, places in parts:
            if not len(places):
                continue
            places = places[np.isin(segment.legs["kind"][places], kinds)]
            rows = segment.legs[places]
            for index in reversed(np.flatnonzero(wanted(rows)).tolist()):
                yield segment.first + int(places[index]) + 1, rows[index]

    def _settled(self, kinds: tuple[int, ...]) -> Iterator[Part]:
        """Where settlements of some kinds are, newest first."""
        wanted = "delivered" if kinds == (DELIVERY_KIND,) else "settled"
        for segment, first, end in self._history.ranges(wanted, (), Span()):
            places = segment.settlements()
            yield segment, places[(places >= first) & (places < end)]


def _reasons(rows: Any, kind: str | None) -> Any:
    return np.isin(rows["reason"], [int(event) for event, name in _SETTLING.items() if kind in (None, name)])


def _movement(number: int, row: Any) -> MovementView:
    amount = int(row["change_micros"])
    return MovementView(number, int(row["time_ns"]), amount, int(row["contract_slot"]))


def _own(number: int, row: Any) -> SettlementView:
    change, kind = int(row["fee_micros"]), _SETTLING[EventKind(int(row["reason"]))]
    return SettlementView(
        number, int(row["contract_slot"]), int(row["time_ns"]), kind, int(row["position_lots"]),
        int(row["mark_subticks"]), int(row["index_subticks"]), change, -change if kind == "settlement" else 0,
    )  # fmt: skip


def _page(views: Iterator[SettlementView], span: Span) -> tuple[list[SettlementView], int]:
    """The first `count` views of the span, and the number of the next one, 0 without."""
    inside = (view for view in views if view.number <= span.last_id and view.time_ns <= span.end_ns)
    found = list(islice(inside, span.count + 1))
    return found[: span.count], found[span.count].number if len(found) > span.count else 0
