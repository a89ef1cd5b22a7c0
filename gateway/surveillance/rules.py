"""The rules: each a pure function from a window of activity to alerts.

They find what a person should review; none of them proves intent.
"""

from collections.abc import Callable, Iterator

import numpy as np

from engine.code_values import (
    EVENT_ACCEPTED,
    EVENT_AMENDED,
    EVENT_RESTED,
    FLAG_INVOLUNTARY_BITS,
    FLAG_RESTING,
    FLAG_TAKER,
    REASON_AMENDED_AWAY,
    REASON_BY_CLIENT,
    REASON_MASS_CANCEL,
)
from engine.codes import EventKind, Side
from gateway.surveillance.activity import Alert, Rows, Window, evidence
from gateway.surveillance.parameters import Parameters

PPB = 1_000_000_000
NS_PER_S = 1_000_000_000
_WITHDRAWN = (REASON_BY_CLIENT, REASON_MASS_CANCEL, REASON_AMENDED_AWAY)
_NEVER_NS = 1 << 62
_PLACED = (EVENT_ACCEPTED, EVENT_RESTED, EVENT_AMENDED)


def _fills(rows: Rows) -> Rows:
    """Voluntary trades: neither liquidation nor deleveraging."""
    return rows[(rows["kind"] == EventKind.FILL) & (rows["flags"] & FLAG_INVOLUNTARY_BITS == 0)]


def _by(rows: Rows, *names: str) -> Iterator[tuple[tuple[int, ...], Rows]]:
    """Rows grouped by some columns; each group keeps the order of its rows."""
    if not len(rows):
        return
    order = np.lexsort([rows[name] for name in reversed(names)])
    ordered = rows[order]
    changes = np.zeros(len(ordered), bool)
    for name in names:
        changes[1:] |= ordered[name][1:] != ordered[name][:-1]
    for part in np.split(ordered, np.flatnonzero(changes)):
        yield tuple(int(part[name][0]) for name in names), part


def _accounts(rows: Rows) -> tuple[int, ...]:
    return tuple(np.unique(rows["account_slot"]).tolist())


def wash_trades(window: Window, p: Parameters) -> list[Alert]:
    """Trades whose both sides belong to one beneficial owner or group."""
    fills = _fills(window.last(p.wash_window_s))
    fills = fills[np.lexsort((fills["flags"] & FLAG_TAKER, fills["trade_id"], fills["contract_slot"]))]
    first, second = fills[:-1], fills[1:]
    paired = (first["trade_id"] == second["trade_id"]) & (first["contract_slot"] == second["contract_slot"])
    own = np.flatnonzero(paired & (first["owner"] == second["owner"]))
    both = np.sort(np.concatenate([own, own + 1]))
    found = []
    for (contract, owner), rows in _by(fills[both], "contract_slot", "owner"):
        trades = len(rows) // 2
        if trades >= p.wash_trades:
            mine = fills[(fills["owner"] == owner) & (fills["contract_slot"] == contract)]
            lots, total = int(rows["lots"].sum()) // 2, int(mine["lots"].sum())
            who = _accounts(rows)
            names = ", ".join(map(str, who))
            among = f"of account {names} with itself" if len(who) == 1 else f"among accounts {names}"
            text = f"{trades} trades of {lots} lots {among}, of one owner or group"
            figures = evidence(rows, trades=trades, lots=lots, owner_lots=total)
            found.append(Alert("wash_trades", text, window.end_ns, contract, _accounts(rows), figures))
    return found


def layering(window: Window, p: Parameters) -> list[Alert]:
    """Orders on one side, far larger than the owner's interest on the other, cancelled around its fill there."""
    rows = window.last(p.layering_window_s)
    orders, ended_ns = _lives(rows)
    brief = ended_ns - orders["time_ns"] <= p.layering_life_s * NS_PER_S
    fills = _fills(rows)
    places = {key: place for key, place in _places(orders) if np.count_nonzero(brief[place]) >= p.layering_orders}
    found = []
    for key, mine in _by(fills, "contract_slot", "owner"):
        place = places.get(key)
        if place is not None:
            alert = _layered(orders[place], ended_ns[place], brief[place], mine, p)
            found += [alert] if alert is not None else []
    return found


def _lives(rows: Rows) -> tuple[Rows, Rows]:
    """Each resting order: since when it had its largest size, and when it was cancelled, _NEVER_NS if it was not."""
    placed = rows[np.isin(rows["kind"], _PLACED) & (rows["flags"] & FLAG_RESTING != 0)]
    placed = placed[np.lexsort((placed["seq"], -placed["leaves_lots"], placed["order_id"]))]
    _, largest = np.unique(placed["order_id"], return_index=True)
    orders = placed[largest]
    gone = rows[(rows["kind"] == EventKind.CANCELLED) & np.isin(rows["reason"], _WITHDRAWN)]
    ended_ns = np.full(len(orders), _NEVER_NS)
    if len(orders):
        at = np.minimum(np.searchsorted(orders["order_id"], gone["order_id"]), len(orders) - 1)
        known = orders["order_id"][at] == gone["order_id"]
        ended_ns[at[known]] = gone["time_ns"][known]
    return orders, ended_ns


def _places(rows: Rows) -> Iterator[tuple[tuple[int, ...], Rows]]:
    """The places of the rows of each contract and owner."""
    order = np.lexsort((rows["owner"], rows["contract_slot"]))
    contract, owner = rows["contract_slot"][order], rows["owner"][order]
    changes = np.flatnonzero((contract[1:] != contract[:-1]) | (owner[1:] != owner[:-1])) + 1
    for place in np.split(order, changes) if len(order) else ():
        yield (int(rows["contract_slot"][place[0]]), int(rows["owner"][place[0]])), place


def _alive(orders: Rows, ended_ns: Rows, at_ns: Rows, weights: Rows) -> Rows:
    """The sum of some weights over the orders that rest at each instant."""
    begun, gone = np.argsort(orders["time_ns"]), np.argsort(ended_ns)
    starts = np.concatenate([[0], np.cumsum(weights[begun])])
    ends = np.concatenate([[0], np.cumsum(weights[gone])])
    started = starts[np.searchsorted(orders["time_ns"][begun], at_ns, "right")]
    return started - ends[np.searchsorted(ended_ns[gone], at_ns, "left")]


def _layered(orders: Rows, ended_ns: Rows, brief: Rows, fills: Rows, p: Parameters) -> Alert | None:
    """An alert for the first of an owner's fills with such a wall on the other side."""
    for side in (Side.BUY, Side.SELL):
        mine = fills[fills["side"] == side]
        other = brief & (orders["side"] != side)
        count = _alive(orders, ended_ns, mine["time_ns"], other.astype(np.int64))
        lots = _alive(orders, ended_ns, mine["time_ns"], np.where(other, orders["leaves_lots"], 0))
        same = np.where(orders["side"] == side, orders["leaves_lots"], 0)
        fresh = ~np.isin(mine["order_id"], orders["order_id"])
        interest = _alive(orders, ended_ns, mine["time_ns"], same)
        interest += np.where(fresh, mine["lots"] + mine["leaves_lots"], 0)
        hits = np.flatnonzero((count >= p.layering_orders) & (lots >= p.layering_ratio * interest))
        if len(hits):
            fill, at_ns = mine[hits[0]], int(mine["time_ns"][hits[0]])
            wall = orders[other & (orders["time_ns"] <= at_ns) & (ended_ns >= at_ns)]
            return _wall_alert(fill, wall, int(interest[hits[0]]))
    return None


def _wall_alert(fill: Rows, wall: Rows, interest: int) -> Alert:
    side, lots = Side(int(fill["side"])), int(wall["leaves_lots"].sum())
    other = Side.SELL if side == Side.BUY else Side.BUY
    text = f"{len(wall)} {other.name} orders of {lots} lots withdrawn around a {side.name} of {int(fill['lots'])}"
    proof = np.concatenate([wall, np.array([fill], wall.dtype)])
    figures = evidence(proof, orders=len(wall), wall_lots=lots, interest_lots=interest)
    return Alert("layering", text, int(fill["time_ns"]), int(fill["contract_slot"]), _accounts(proof), figures)


def momentum_ignition(window: Window, p: Parameters) -> list[Alert]:
    """Taker trades that move the price, and then a profitable trade in the opposite direction."""
    found = []
    for (contract,), rows in _by(_fills(window.last(p.ignition_window_s)), "contract_slot"):
        taken = rows[rows["flags"] & FLAG_TAKER != 0]
        for side in (Side.BUY, Side.SELL):
            push = taken[taken["side"] == side]
            for (owner,), mine in _by(push, "owner"):
                if 100 * int(mine["lots"].sum()) >= p.ignition_share_percent * int(push["lots"].sum()):
                    alert = _ignited(window, p, contract, mine, rows[rows["owner"] == owner])
                    found += [alert] if alert is not None else []
    return found


def _ignited(window: Window, p: Parameters, contract: int, push: Rows, own: Rows) -> Alert | None:
    """Whether an owner's taker trades moved the price and were closed at a profit."""
    side = int(push["side"][0])
    sign = 1 if side == Side.BUY else -1
    prices = push["price_ticks"]
    best = int(np.argmax(sign * prices))
    start = int(prices[0])
    move = sign * (int(prices[best]) - start) * PPB // start
    back = own[(own["side"] != side) & (own["seq"] > int(push["seq"][best]))]
    lots, undone = int(push["lots"][: best + 1].sum()), int(back["lots"].sum())
    if move < p.ignition_move_ppb or 2 * undone < lots:
        return None
    paid = int((push["price_ticks"] * push["lots"])[: best + 1].sum()) / lots
    got = int((back["price_ticks"] * back["lots"]).sum()) / undone
    if sign * (got - paid) <= 0:
        return None
    text = f"{lots} lots of {Side(side).name} moved the price by {move} ppb, {undone} lots then went back at a profit"
    proof = np.concatenate([push, back])
    figures = evidence(proof, move_ppb=move, pushed_lots=lots, undone_lots=undone)
    return Alert("momentum_ignition", text, window.end_ns, contract, _accounts(proof), figures)


def order_to_trade(window: Window, p: Parameters) -> list[Alert]:
    """Far more orders, amendments and cancels than trades."""
    rows = window.last(p.ratio_window_s)
    withdrawn = (rows["kind"] == EventKind.CANCELLED) & np.isin(rows["reason"], _WITHDRAWN)
    asked = rows[np.isin(rows["kind"], (EventKind.ACCEPTED, EventKind.AMENDED)) | withdrawn]
    fills, found = _fills(rows), []
    for (contract, account), mine in _by(asked, "contract_slot", "account_slot"):
        if len(mine) < p.ratio_messages:
            continue
        own = fills[(fills["contract_slot"] == contract) & (fills["account_slot"] == account)]
        trades = len(np.unique(own["trade_id"]))
        if len(mine) >= p.ratio_per_trade * max(trades, 1):
            text = f"{len(mine)} messages for {trades} trades in {p.ratio_window_s} s"
            figures = evidence(mine, messages=len(mine), trades=trades)
            found.append(Alert("order_to_trade", text, window.end_ns, contract, (account,), figures))
    return found


def marking(window: Window, p: Parameters) -> list[Alert]:
    """Taker trades just before funding that move the price in the direction that favours the owner's position."""
    rows, found = window.rows, []
    due = rows[(rows["kind"] == EventKind.FUNDING_RATE) & (rows["time_ns"] > window.end_ns - window.step_ns)]
    for instant in due:
        at_ns, contract = int(instant["time_ns"]), int(instant["contract_slot"])
        near = (rows["time_ns"] > at_ns - p.marking_window_s * NS_PER_S) & (rows["time_ns"] <= at_ns)
        fills = _fills(rows[near & (rows["contract_slot"] == contract)])
        taken = fills[fills["flags"] & FLAG_TAKER != 0]
        total = int(taken["lots"].sum())
        for (owner, side), mine in _by(taken, "owner", "side"):
            move, held = _move_ppb(mine, fills), _held_lots(window, contract, owner, fills)
            gains = held < 0 if side == Side.BUY else held > 0
            share = 100 * int(mine["lots"].sum()) >= p.marking_share_percent * total
            if gains and share and move >= p.marking_move_ppb:
                text = f"{int(mine['lots'].sum())} lots of {Side(side).name} in the last {p.marking_window_s} s before "
                text += f"funding moved the price by {move} ppb; the owner holds {held} lots"
                lots = int(mine["lots"].sum())
                figures = evidence(mine, move_ppb=move, lots=lots, all_lots=total, position_lots=held)
                found.append(Alert("marking", text, at_ns, contract, _accounts(mine), figures))
    return found


def _held_lots(window: Window, contract: int, owner: int, fills: Rows) -> int:
    """An owner's total position after these fills; accounts without a fill count with theirs at the window's end."""
    held = {
        account: lots
        for (account, its_contract), lots in window.positions.items()
        if its_contract == contract and window.owners.get(account) == owner
    }
    own = fills[fills["owner"] == owner]
    held.update(zip(own["account_slot"].tolist(), own["position_lots"].tolist(), strict=True))
    return sum(held.values())


def _move_ppb(mine: Rows, fills: Rows) -> int:
    """How far an account's taker trades moved the price from the first trade of the window, in their direction."""
    sign = 1 if int(mine["side"][0]) == Side.BUY else -1
    start = int(fills["price_ticks"][0])
    return sign * (int(mine["price_ticks"][-1]) - start) * PPB // start


def open_interest(window: Window, p: Parameters) -> list[Alert]:
    """One owner's share of a contract's open interest."""
    longs: dict[int, int] = {}
    held: dict[tuple[int, int], dict[int, int]] = {}
    for (account, contract), lots in window.positions.items():
        longs[contract] = longs.get(contract, 0) + max(lots, 0)
        held.setdefault((contract, window.owners.get(account, account)), {})[account] = lots
    found = []
    for (contract, _), accounts in sorted(held.items()):
        lots, total = abs(sum(accounts.values())), longs[contract]
        if total >= p.interest_lots and 100 * lots >= p.interest_share_percent * total:
            share = 100 * lots // total
            text = f"{lots} of {total} lots of open interest ({share} %)"
            rows = window.rows[np.isin(window.rows["account_slot"], [*accounts])]
            figures = evidence(rows[rows["contract_slot"] == contract], lots=lots, all_lots=total, share_percent=share)
            found.append(Alert("open_interest", text, window.end_ns, contract, tuple(sorted(accounts)), figures, True))
    return found


Rule = Callable[[Window, Parameters], list[Alert]]


def active(p: Parameters) -> list[Rule]:
    """The rules that are switched on."""
    table: tuple[tuple[Rule, int], ...] = (
        (wash_trades, p.wash_window_s),
        (layering, p.layering_window_s),
        (momentum_ignition, p.ignition_window_s),
        (order_to_trade, p.ratio_window_s),
        (marking, p.marking_window_s),
        (open_interest, p.interest_share_percent),
    )
    return [rule for rule, on in table if on]
