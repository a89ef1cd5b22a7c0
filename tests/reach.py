"""What a run of the money flow has exercised: rows of the ladder and branches of the rulebook's sections 6 to 11.

The model counts the branches that it takes (`Model.reach`); the rest is counted from the reports. `Reach` adds up runs,
prints the table, and names what was never reached.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from engine.codes import EventFlag, EventKind, MarketState, Reason
from engine.schema import EVENT, NOTICE

_NOTICE_NAMES = [name for name in NOTICE.names if name not in ("pad", "spare")]
_KIND, _REASON, _FLAGS, _FEE = (EVENT.names.index(name) for name in ("kind", "reason", "flags", "fee_micros"))
_CODE, _NOTICE_REASON = _NOTICE_NAMES.index("code"), _NOTICE_NAMES.index("reason")
_TOLD_BY = EventFlag.TAKER | EventFlag.FORCED | EventFlag.DELEVERAGING | EventFlag.MADE_REDUCE_ONLY | EventFlag.SLID
Key = tuple[int, int, int, int]
"""Of an event: kind, reason, flags, sign of the fee. Of a notice: kind, reason, code, 0."""

LADDER = {
    17: (Reason.REFERENCE_PRICE_UNAVAILABLE,),
    18: (Reason.PRICE_OUT_OF_BAND, Reason.ORDER_VALUE_LIMIT),
    19: (
        Reason.TOO_MANY_ORDERS,
        Reason.POSITION_LIMIT,
        Reason.GROUP_POSITION_LIMIT,
        Reason.EXPOSURE_LIMIT,
        Reason.OPEN_INTEREST_CAP,
        Reason.LEVERAGE_LIMIT,
    ),
    20: (Reason.REDUCE_ONLY_WOULD_INCREASE,),
    21: (Reason.POST_ONLY_WOULD_CROSS, Reason.FOK_CANNOT_FILL),
    22: (Reason.INSUFFICIENT_MARGIN,),
}
"""Rows of the ladder and the reasons with which each refuses."""

REFUSALS = (
    Reason.WITHDRAWAL_LIMIT,
    Reason.ACCOUNT_IN_LIQUIDATION,
    Reason.INSUFFICIENT_MARGIN,
    Reason.LEVERAGE_LIMIT,
    Reason.HAS_POSITION,
    Reason.COLLATERAL_NOT_ACCEPTED,
    Reason.CONCENTRATION_CAP,
    Reason.HAIRCUT_TOO_LOW,
    Reason.STALE_PRICE,
    Reason.PRICE_IMPLAUSIBLE,
    Reason.UNKNOWN_SOURCE,
    Reason.SETTLEMENT_UNDER_WAY,
    Reason.REFERENCE_PRICE_UNAVAILABLE,
)
"""Refusals of commands about money, prices and states."""

NOTICES = {
    EventKind.INDEX_CHANGED: "7 index moves",
    EventKind.MARK_CHANGED: "7 mark moves",
    EventKind.PREMIUM_SAMPLED: "7 sample taken",
    EventKind.FUNDING_PAID: "10 funding paid",
    EventKind.LIQUIDATION_FLAGGED: "4 flagged at a tick",
    EventKind.LIQUIDATION_CURED: "11 cured",
    EventKind.LIQUIDATION_FEE: "11.5 liquidation fee",
    EventKind.FUND_PAID: "11.7 fund paid",
    EventKind.DELEVERAGED: "11.6 deleveraged",
    EventKind.DELEVERAGING_EXHAUSTED: "11.6 nobody left: the contract halts",
    EventKind.COLLATERAL_TAKEN: "9 collateral taken",
    EventKind.POSITION_SETTLED: "2 position settled",
    EventKind.LEVERAGE_CHANGED: "8 leverage changed",
    EventKind.MARGIN_MODE_CHANGED: "8 margin mode changed",
    EventKind.CASH_CHANGED: "8 money in or out",
    EventKind.FUND_CHANGED: "11 fund seeded",
}

BRANCHES = """
2 isolated position settled
2 settlement covered by the fund
2 settlement left an account liquidatable
2 settlement price is a mean
2 settlement price is the mark: no sample
2 settlement sample
2 settlement waited for money
3 limit of a reducing order
4 funding missed in an outage, paid once
4 many accounts flagged and waiting
4 sample intervals skipped
4 sample skipped after an outage
4 second account flagged and waiting
7 even count of sources
7 impact price
7 live again, not long enough
7 lock while locked
7 mark clamped from above
7 mark clamped from below
7 mark is P1
7 mark is P2
7 mark is P3
7 no sample while the mark is frozen
7 side too thin
7 source clamped from above
7 source clamped from below
7 stale source dropped
7 valued at a frozen mark and not closed
8 amended order
8 beyond the first bracket
8 buy above the mark
8 chosen leverage
8 closing goes on as reduce-only
8 isolated order
8 isolated round beside cross positions
8 isolated: a part closed, money back pro rata
8 isolated: flat or turned, all money back
8 isolated: money in for what opens
8 isolated: turned
8 not within what may be closed
8 order of the other side beyond the position
8 order of the other side within the position
8 order of the position's side
8 sell below the mark
8 the bracket caps the chosen leverage
9 carried by collateral
9 the fund takes all there is
9 the fund takes collateral
10 a long pays
10 a short pays
10 an isolated position pays or gets
10 clamped to avg + 0.05 %
10 clamped to avg - 0.05 %
10 equal weights
10 interest within the clamp
10 premium above the index
10 premium below the index
10 rate at its cap
10 rate at its floor
10 settled while halted
10 weights 1 to n
11 long closed
11 nothing closable
11 owes without a position
11 round on a cross pool
11 round on an isolated position
11 short closed
11 still liquidatable after its round
11 switched off
11.1 cured before anything is closed
11.1 untriggered order cancelled
11.2 a later day: the tenth begins anew
11.2 no help is needed
11.2 the fund has given all that it may today
11.2 the fund is near 0
11.2 the fund helps with all that is missing
11.2 the fund's daily tenth is the bound
11.3 exactly half of MM
11.3 partial
11.3 partial across brackets
11.3 partial takes all
11.3 remainder of the minimum or a little more
11.3 the book takes a part of a partial
11.3 the book takes all of a partial
11.3 the book takes none of a partial
11.4 all of it to deleveraging
11.4 full
11.4 full, solvent
11.4 full, under water
11.4 remainder to deleveraging
11.4 second position of a pool
11.4 the book takes all
11.5 fee in full
11.5 fee is what is left
11.5 nothing left for the fee
11.6 giver gives all
11.6 giver gives what leaves its equity >= 0
11.6 giver in loss
11.6 giver in profit
11.6 giver's opening orders are cancelled
11.6 isolated giver
11.6 light 5
11.6 light below 5
11.6 passed over: nothing to give at this price
11.6 ranked again behind another
11.6 ranking serves a second position
11.6 tie of scores
11.6 tie of scores and ages: by slot
11.7 the fund pays a part
11.7 the fund settles an account
11.7 the fund settles an isolated position
22 carried with nothing to spare
""".strip().splitlines()
"""What the model counts."""


def rows_of(key: Key) -> Iterable[str]:
    """The rows of the table that a report is about."""
    kind, reason, flags, sign = key
    if kind in NOTICES:
        yield NOTICES[kind]
    if kind in (EventKind.REJECTED, EventKind.CANCELLED):
        for row, reasons in LADDER.items():
            if reason in reasons and kind == EventKind.REJECTED:
                yield f"{row} {Reason(reason).name}"
    if kind == EventKind.REFUSED and reason in REFUSALS:
        yield f"money: {Reason(reason).name}"
    yield from _of_orders(kind, reason, flags, sign)
    yield from _of_states(kind, reason, flags)


def _of_orders(kind: int, reason: int, flags: int, sign: int) -> Iterable[str]:
    if kind == EventKind.FILL and flags & EventFlag.DELEVERAGING:
        yield "6 deleveraging fill without fee"
    elif kind == EventKind.FILL and flags & EventFlag.FORCED:
        yield "6 forced fill without fee"
    elif kind == EventKind.FILL:
        side = "taker" if flags & EventFlag.TAKER else "maker"
        yield f"6 {side} {('gets a rebate', 'without fee', 'pays')[sign + 1]}"
    if kind == EventKind.CANCELLED and reason == Reason.INSUFFICIENT_MARGIN:
        yield "3 a fill that margin does not carry"
    if kind == EventKind.CANCELLED and reason == Reason.LIQUIDATION:
        yield "11.1 order cancelled"
    if kind == EventKind.ACCEPTED and flags & EventFlag.MADE_REDUCE_ONLY:
        yield "22 admitted as reduce-only"
    if kind == EventKind.ACCEPTED and flags & EventFlag.SLID:
        yield "3 limit slid or tightened"


def _of_states(kind: int, reason: int, code: int) -> Iterable[str]:
    if kind == EventKind.CONTRACT_STATE_CHANGED and reason == Reason.REFERENCE_PRICE_UNAVAILABLE:
        yield f"7 locked: {MarketState(code).name}"
    if kind == EventKind.CONTRACT_STATE_CHANGED and code == MarketState.SETTLED:
        yield "2 settlement begins or its price is fixed"
    if kind == EventKind.MARGIN_CALL:
        yield f"8 margin call {code}"
    if kind == EventKind.FUNDING_RATE:
        yield "10 rate fixed" if code else "10 too few samples"
    if kind == EventKind.LIQUIDATION_STARTED:
        yield "11.4 forced order of a full round" if code else "11.3 forced order of a partial round"


OPTIONAL = {"2 settlement left an account liquidatable", "11.6 ranked again behind another"}
"""Rows that may stay empty: the first takes a funding payment at the instant of a settlement, by an account at an edge;
the second an order of a ranked account that is hit between two gives."""


def all_rows() -> list[str]:
    """Every row of the table."""
    rows = [f"{row} {reason.name}" for row, reasons in LADDER.items() for reason in reasons]
    rows += [f"money: {reason.name}" for reason in REFUSALS] + list(NOTICES.values()) + BRANCHES
    rows += [f"6 {side} {what}" for side in ("taker", "maker") for what in ("without fee", "pays")]
    rows += ["6 maker gets a rebate", "6 forced fill without fee", "6 deleveraging fill without fee"]
    rows += ["3 a fill that margin does not carry", "11.1 order cancelled", "22 admitted as reduce-only"]
    rows += ["3 limit slid or tightened", "7 locked: REDUCE_ONLY", "7 locked: HALTED", "8 margin call 1"]
    rows += ["8 margin call 2", "10 rate fixed", "10 too few samples", "2 settlement begins or its price is fixed"]
    rows += ["11.4 forced order of a full round", "11.3 forced order of a partial round"]
    return sorted(set(rows) - OPTIONAL, key=lambda row: (float(row.split()[0]) if row[0].isdigit() else 99, row))


class Reach:
    """Counts of some runs."""

    def __init__(self) -> None:
        self.reports: Counter[Key] = Counter()
        self.branches: Counter[str] = Counter()

    def look(self, reports: Iterable[tuple[Any, ...]]) -> None:
        """Count the reports of a command."""
        counts = self.reports
        for row in reports:
            if row[_KIND] < EventKind.NOTICE_FIRST:
                fee = row[_FEE]
                counts[row[_KIND], row[_REASON], row[_FLAGS] & _TOLD_BY, (fee > 0) - (fee < 0)] += 1
            else:
                counts[row[_KIND], row[_NOTICE_REASON], row[_CODE], 0] += 1

    def add(self, other: "Reach") -> None:
        """Add another run."""
        self.reports.update(other.reports)
        self.branches.update(other.branches)

    def table(self) -> Counter[str]:
        """How often each row was reached."""
        counts = Counter(self.branches)
        for key, times in self.reports.items():
            for row in rows_of(key):
                counts[row] += times
        return counts

    def missing(self) -> list[str]:
        """Rows that were never reached."""
        counts = self.table()
        return [row for row in all_rows() if not counts[row]]

    def text(self) -> str:
        """The table."""
        counts = self.table()
        return "\n".join(f"{counts[row]:>10,}  {row}" for row in all_rows())
