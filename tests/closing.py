"""Closing orders of generated flow, judged beside the engine in plain Python, and a second engine told `reduce_only`.

`twins` gives two engines the same commands, but where plain Python says that margin carries an order only as a closing
one the second is given it with the reduce-only flag. From there on everything must be the same in both.
"""

from collections import Counter
from typing import Any

import numpy as np

from engine import host, invariants, step
from engine.codes import CommandKind as K
from engine.codes import EventFlag, EventKind, ExecInst, MarginMode, OrdType, Reason, Side, TimeInForce
from engine.schema import EVENT, LADDERS_PER_CONTRACT
from tests import build
from tests.model.margin import Held, Margin, Open, Pool, Terms, closable, judge, loss_of
from tests.perpetual import withdrawable
from tests.risk_flow import MAKERS, flow, start

Rows = np.ndarray[Any, Any]
NIL, PPB = -1, 10**9
GAMBLERS = 8
STAKE_MICROS = 150_000_000
MADE = int(EventFlag.MADE_REDUCE_ONLY)
MARKETS = (OrdType.MARKET, OrdType.STOP_MARKET, OrdType.TAKE_MARKET, OrdType.TRAILING_STOP)
BY_MARGIN = (Reason.INSUFFICIENT_MARGIN, Reason.FOK_CANNOT_FILL, Reason.CAPACITY)
"""What an order can be refused for once it is judged as a closing one."""


# --- an account of the state as plain values ------------------------------------------------------------------------


def _terms(contract: Any) -> Terms:
    count = int(contract["brackets"])
    brackets = zip(contract["bracket_floor_micros"].tolist(), contract["bracket_leverage"].tolist(), strict=True)
    return Terms(
        int(contract["micros_per_tick_lot"]),
        int(contract["mark_subticks"]),
        int(contract["taker_fee_ppb"]),
        list(brackets)[:count],
    )


def _orders(state: Any, position: Any, without: int) -> list[Open]:
    """A position's orders on the book."""
    found, slot = [], int(position["own_head_slot"])
    while slot != NIL:
        row = state["orders"][slot]
        flags = int(row["flags"])
        if not flags & ExecInst.CONDITIONAL and slot != without:
            side, lots, price = (int(row[name]) for name in ("side", "leaves_lots", "price_ticks"))
            found.append(Open(side, lots, price, int(row["loss_subticks"]), bool(flags & ExecInst.REDUCE_ONLY)))
        slot = int(state["own"][slot]["next_slot"])
    return found


def _worth(state: Any, account: Any) -> int:
    """Cash, and collateral at its value."""
    total = int(account["cash_micros"])
    for place, units in enumerate(account["collateral_units"].tolist()):
        row = state["collateral"][place]
        worth = units * int(row["coin_micros"]) // 10**8 * int(row["weight_ppb"]) // PPB
        total += min(worth, int(row["limit_micros"])) if units else 0
    return total


def pool_of(state: Any, account: int, contract: int, without: int = NIL) -> tuple[Pool, Held]:
    """An account with all its positions, and the one in a contract; one order is left out."""
    rows = state["positions"][: int(state["positions_used"])]
    named = Held(_terms(state["contracts"][contract]))
    pool = Pool(_worth(state, state["accounts"][account]), [])
    for row in rows[rows["account_slot"] == account]:
        held = Held(
            _terms(state["contracts"][int(row["contract_slot"])]),
            int(row["size_lots"]),
            int(row["entry_cost_micros"]),
            int(row["leverage"]),
            int(row["margin_mode"]) == MarginMode.ISOLATED,
            _orders(state, row, without),
        )
        pool.held.append(held)
        named = held if int(row["contract_slot"]) == contract else named
    if named not in pool.held:
        pool.held.append(named)
    return pool, named


# --- what plain Python says of an order -------------------------------------------------------------------------------


def working_price(state: Any, contract_slot: int, side: int, ord_type: int, price: int, flags: int) -> int:
    """A market order's limit is the band's edge; a post-only order slides behind the best price of the other side."""
    contract = state["contracts"][contract_slot]
    if ord_type in MARKETS:
        edge = int(contract["max_buy_ticks"] if side == Side.BUY else contract["min_sell_ticks"])
        return max(1, min(edge, int(contract["max_price_ticks"])))
    ladder = state["ladders"][contract_slot * LADDERS_PER_CONTRACT + 2 - side]
    best = int(ladder["first_key"]) if int(ladder["first_slot"]) != NIL else 0
    if flags & ExecInst.POST_ONLY and best and (price >= best if side == Side.BUY else price <= best):
        return best - 1 if side == Side.BUY else best + 1
    return price


def said(state: Any, row: Any) -> Margin | None:
    """What margin says of a NEW or of an AMEND that loses its place; None where margin is not asked."""
    account = int(row["account_slot"])
    if not 0 <= account < int(state["accounts_used"]):
        return None
    if int(row["kind"]) == K.AMEND:
        return _of_amended(state, row, account)
    contract, flags, side = (int(row[name]) for name in ("contract_slot", "flags", "side"))
    if flags & ExecInst.REDUCE_ONLY or int(row["ord_type"]) > OrdType.LIMIT:
        return None
    pool, held = pool_of(state, account, contract)
    price = working_price(state, contract, side, int(row["ord_type"]), int(row["price_ticks"]), flags)
    return judge(pool, held, Open(side, int(row["qty_lots"]), price, loss_of(held.terms, side, price)))


def _of_amended(state: Any, row: Any, account: int) -> Margin | None:
    for position in state["positions"][: int(state["positions_used"])]:
        slot = int(position["own_head_slot"]) if int(position["account_slot"]) == account else NIL
        while slot != NIL:
            order = state["orders"][slot]
            if int(order["cl_ord_id"]) == int(row["cl_ord_id"]):
                return _after(state, row, order, slot, int(position["contract_slot"]))
            slot = int(state["own"][slot]["next_slot"])
    return None


def _after(state: Any, row: Any, order: Any, slot: int, contract: int) -> Margin | None:
    """The order as it would be: its old part is no other order of its side."""
    flags, side, old = int(order["flags"]), int(order["side"]), int(order["price_ticks"])
    price, lots = int(row["price_ticks"]) or old, int(row["qty_lots"]) - int(order["filled_lots"])
    if flags & (ExecInst.REDUCE_ONLY | ExecInst.CONDITIONAL) or lots <= 0:
        return None
    if price == old and lots <= int(order["leaves_lots"]):
        return None
    pool, held = pool_of(state, int(row["account_slot"]), contract, slot)
    price = working_price(state, contract, side, int(order["ord_type"]), price, flags)
    return judge(pool, held, Open(side, lots, price, loss_of(held.terms, side, price)))


# --- running ----------------------------------------------------------------------------------------------------------


class Venue:
    """An engine of generated flow; what is due is done before each command, so the state is what it is judged on."""

    def __init__(self) -> None:
        self.root = start()
        self.ring = np.zeros(1 << 12, EVENT)

    @property
    def state(self) -> Any:
        """The state record."""
        return self.root[0]

    def apply(self, row: Rows) -> Rows:
        """One command and all that it causes."""
        row["seq"] = int(self.state["last_seq"]) + 1
        done, found = 0, []
        while not done:
            done, written = step.apply_batch(self.root, row, self.ring)
            found.append(self.ring[:written].copy())
        return np.concatenate(found)

    def wait(self, time_ns: int) -> Rows:
        """Everything that is due at a time."""
        found = [self.apply(build.command(K.TIME, time_ns=time_ns))]
        while int(self.state["next_due_ns"]) <= time_ns:
            found.append(self.apply(build.command(K.TIME, time_ns=time_ns)))
        return np.concatenate(found)


def answer_of(events: Rows) -> Any:
    """The event that answers an order command."""
    kinds = (EventKind.ACCEPTED, EventKind.AMENDED, EventKind.REJECTED, EventKind.REPEATED, EventKind.CANCELLED)
    return events[np.isin(events["kind"], kinds)][0]


def agrees(expected: Margin | None, answer: Any, flags: int) -> str:
    """What became of an order, when it is what margin says of it. AssertionError when it is not."""
    kind, reason, made = int(answer["kind"]), int(answer["reason"]), bool(int(answer["flags"]) & MADE)
    if kind in (EventKind.REPEATED, EventKind.CANCELLED) or (kind == EventKind.AMENDED and expected is None):
        return "not judged"
    if kind == EventKind.REJECTED:
        assert not made
        if reason == Reason.INSUFFICIENT_MARGIN:
            assert expected in (Margin.SHORT, Margin.CLOSES, None), expected
            return "not fillable" if expected == Margin.CLOSES else "short"
        return "refused otherwise"
    assert made == (expected == Margin.CLOSES), (expected, answer)
    assert expected != Margin.SHORT, answer
    if made:
        assert int(answer["flags"]) & ExecInst.REDUCE_ONLY and not flags & ExecInst.REDUCE_ONLY
        return "closes"
    return "carried"


def drawn_down(seed: int, count: int) -> Rows:
    """Generated flow of few gamblers, who use up what they have; the makers quote more than they are asked for."""
    rows = flow(seed, count)
    new = rows["kind"] == K.NEW
    gambles = new & (rows["account_slot"] >= MAKERS)
    rows["account_slot"] = np.where(gambles, MAKERS + rows["account_slot"] % GAMBLERS, rows["account_slot"])
    rows["qty_lots"] = np.where(new & ~gambles, rows["qty_lots"] * 4, rows["qty_lots"])
    rows["cl_ord_id"] = np.where(rows["kind"] == K.NEW, 1 + np.arange(count) % 300, rows["cl_ord_id"])
    return rows


def _client_ids(state: Any, account: int, contract: int) -> list[int]:
    """The client's ids of an account's open orders in a contract."""
    rows, found = state["positions"][: int(state["positions_used"])], []
    for row in rows[(rows["account_slot"] == account) & (rows["contract_slot"] == contract)]:
        slot = int(row["own_head_slot"])
        while slot != NIL:
            found.append(int(state["orders"][slot]["cl_ord_id"]))
            slot = int(state["own"][slot]["next_slot"])
    return found


def _money(kind: int, account: int, micros: int, time_ns: Any) -> Rows:
    return build.directive(kind, account_slot=account, amount_micros=micros, time_ns=time_ns)


class Aim:
    """Turns some orders into closing ones around what the position leaves to close, into withdrawals, or repeats."""

    def __init__(self, seed: int, amends: bool = False) -> None:
        self.rng = np.random.default_rng(seed + 2000)
        self.amends = amends
        self.last: Any = None

    def __call__(self, root: Rows, row: Rows) -> Rows:
        """What to send instead, given the state of the moment."""
        state, account, rng = root[0], int(row["account_slot"][0]), self.rng
        if row["kind"][0] != K.NEW or account < MAKERS:
            return row
        if self.last is not None and rng.random() < 0.1:
            again = self.last.copy()
            again["time_ns"] = row["time_ns"]
            return again
        pool, held = pool_of(state, account, int(row["contract_slot"][0]))
        if not any(other.size for other in pool.held) and pool.money < STAKE_MICROS:
            return _money(K.DEPOSIT, account, STAKE_MICROS, row["time_ns"])
        if self.amends and rng.random() < 0.3:
            return self._amend(state, row, held) or row
        if held.size and rng.random() < 0.15:
            spare = int(withdrawable(root, account))
            return _money(K.WITHDRAW, account, spare, row["time_ns"]) if spare else row
        if held.size and rng.random() < 0.6:
            self._close(row, held)
        self.last = row.copy()
        return row

    def _amend(self, state: Any, row: Rows, held: Held) -> Rows | None:
        """Another price or quantity for one of the position's orders that may open."""
        names = _client_ids(state, int(row["account_slot"][0]), int(row["contract_slot"][0]))
        if not names or not held.orders:
            return None
        price, lots = held.terms.mark // 1000 + int(self.rng.integers(-30, 31)), int(self.rng.integers(1, 150))
        given = {"cl_ord_id": self.rng.choice(names), "qty_lots": lots, "price_ticks": max(price, 1)}
        return build.amend(int(row["account_slot"][0]), time_ns=row["time_ns"], **given)

    def _close(self, row: Rows, held: Held) -> None:
        side, rng = (Side.SELL if held.size > 0 else Side.BUY), self.rng
        left = max(closable(held, side), 1)
        row["side"], row["flags"], row["display_lots"] = side, 0, 0
        row["qty_lots"] = rng.choice([left, max(left - 1, 1), left + 1, rng.integers(1, left + 1), abs(held.size)])
        row["ord_type"] = rng.choice([OrdType.LIMIT, OrdType.MARKET])
        row["tif"] = rng.choice([TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK], p=[0.7, 0.15, 0.15])
        away = rng.integers(-40, 41)
        row["price_ticks"] = max(held.terms.mark // 1000 + away, 1) if row["ord_type"][0] == OrdType.LIMIT else 0
        if row["ord_type"][0] == OrdType.LIMIT and row["tif"][0] == TimeInForce.GTC:
            row["flags"] = rng.choice([0, ExecInst.POST_ONLY, ExecInst.ICEBERG], p=[0.6, 0.2, 0.2])
            row["display_lots"] = -(-row["qty_lots"] // 3) if row["flags"][0] == ExecInst.ICEBERG else 0


def without_marks(root: Rows) -> str:
    """The state's digest without the marks of orders that the venue made reduce-only."""
    marks = root[0]["details"]["made_reduce_only"]
    used = int(root[0]["orders_used"])
    kept = marks[:used].copy()
    marks[:used] = 0
    found = host.digest(root)
    marks[:used] = kept
    return found


def foretold(seed: int, count: int) -> Counter[str]:
    """Run flow with amendments in one engine: each answer is what plain Python says; how many orders became what."""
    venue, tally, aim = Venue(), Counter[str](), Aim(seed, amends=True)
    for row in drawn_down(seed, count).reshape(-1, 1):
        venue.wait(int(row["time_ns"][0]))
        row = aim(venue.root, row)
        kind = int(row["kind"][0])
        expected = said(venue.state, row[0]) if kind in (K.NEW, K.AMEND) else None
        events = venue.apply(row.copy())
        if kind in (K.NEW, K.AMEND):
            tally[f"{K(kind).name} {agrees(expected, answer_of(events), int(row['flags'][0]))}"] += 1
        invariants.check(venue.root)
    return tally


def twins(seed: int, count: int) -> Counter[str]:
    """Run flow in two engines as described above; how many orders became what."""
    ours, theirs, tally, aim = Venue(), Venue(), Counter[str](), Aim(seed)
    for row in drawn_down(seed, count).reshape(-1, 1):
        time_ns = int(row["time_ns"][0])
        assert _same(ours.wait(time_ns), theirs.wait(time_ns))
        row = aim(ours.root, row)
        expected = said(ours.state, row[0]) if row["kind"][0] == K.NEW else None
        events, twin = ours.apply(row.copy()), row.copy()
        if row["kind"][0] == K.NEW:
            answer = answer_of(events)
            outcome = agrees(expected, answer, int(row["flags"][0]))
            tally[outcome] += 1
            reduces = expected == Margin.CLOSES and int(answer["reason"]) in BY_MARGIN
            reduces = reduces or int(answer["flags"]) & ExecInst.REDUCE_ONLY
            twin["flags"] |= ExecInst.REDUCE_ONLY if reduces else 0
        assert _same(events, theirs.apply(twin)), (row, events)
        invariants.check(ours.root)
    assert without_marks(ours.root) == without_marks(theirs.root)
    return tally


def _same(events: Rows, twin: Rows) -> bool:
    """Whether reports are the same but for who made an order reduce-only."""
    if len(events) != len(twin):
        return False
    events, twin = events.copy(), twin.copy()
    order = events["kind"] < EventKind.NOTICE_FIRST
    events["flags"] &= np.where(order, ~MADE, -1)
    refused = order & (events["kind"] == EventKind.REJECTED)
    for rows in (events, twin):
        rows["flags"] &= np.where(refused, ~int(ExecInst.REDUCE_ONLY), -1)
    return bool(np.array_equal(events.view(np.uint8), twin.view(np.uint8)))
