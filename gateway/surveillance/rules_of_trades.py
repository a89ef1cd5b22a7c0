"""Rules of trades: within one owner, back and forth between two clients, around a ring, and pushes of the price.

They find what a person should review; none of them proves intent.
"""

from collections.abc import Iterable

import numpy as np

from engine.codes import Side
from engine.schema import record
from gateway.surveillance.activity import NS_PER_S, PPB, Rows, evidence, grouped
from gateway.surveillance.episodes import Finding, found
from gateway.surveillance.parameters import Parameters
from gateway.surveillance.windows import Kept, Look, since, taken, voluntary_fills

TRADE = record(
    [
        ("seq", "i8"),
        ("time_ns", "i8"),
        ("lots", "i8"),
        ("price_ticks", "i8"),
        ("buyer", "i8"),  # owners
        ("seller", "i8"),
        ("buyer_order", "i8"),
        ("seller_order", "i8"),
        ("buyer_account", "i4"),
        ("seller_account", "i4"),
        ("contract_slot", "i4"),
        ("equal", "?"),  # both orders were of one size, and this trade filled most of it
        ("pad", "i1", (3,)),
    ]
)
MOST_TRADES = 300_000
"""The most trades that are kept; a window with more loses its oldest."""
ALL_PERCENT = 95
"""Two clients who trade next to nothing with others need no more than one round trip."""
MOST_RING = 12
"""The most clients of one ring; a larger crowd that trades in circles is a market."""


def trades_of(rows: Rows) -> Rows:
    """The trades of a step: both sides of each in one row."""
    fills = voluntary_fills(rows)
    order = np.lexsort((fills["side"], fills["trade_id"], fills["contract_slot"]))
    fills = fills[order]
    first, second = fills[:-1], fills[1:]
    paired = (first["trade_id"] == second["trade_id"]) & (first["contract_slot"] == second["contract_slot"])
    paired &= first["side"] != second["side"]
    buys, sells = first[paired], second[paired]
    sizes = [side["leaves_lots"] + side["filled_lots"] for side in (buys, sells)]
    trades = np.zeros(len(buys), TRADE)
    for name in ("seq", "time_ns", "lots", "price_ticks", "contract_slot"):
        trades[name] = buys[name]
    for name, side in (("buyer", buys), ("seller", sells)):
        trades[name], trades[f"{name}_order"] = side["owner"], side["order_id"]
        trades[f"{name}_account"] = side["account_slot"]
    trades["equal"] = (sizes[0] == sizes[1]) & (2 * buys["lots"] > sizes[0])
    return trades[np.argsort(trades["seq"], kind="stable")]


def _finding(rule: str, look: Look, contract: int, trades: Rows, **figures: int) -> Finding:
    """A finding about trades: their accounts, sequences and orders."""
    accounts = tuple(sorted({*trades["buyer_account"].tolist(), *trades["seller_account"].tolist()}))
    both = np.zeros(2 * len(trades), [("seq", "i8"), ("order_id", "i8")])
    both["seq"] = np.tile(trades["seq"], 2)
    both["order_id"] = np.concatenate([trades["buyer_order"], trades["seller_order"]])
    lots = int(trades["lots"].sum())
    return Finding(
        rule, contract, accounts, evidence(both, trades=len(trades), traded_lots=lots, **figures), look.end_ns
    )


class Trades:
    """The trades of the longest window, for the rules of trades."""

    def __init__(self, p: Parameters) -> None:
        self.kept = Kept(TRADE, max(p.wash_window_s, p.pair_window_s) + p.step_s, MOST_TRADES)

    def last(self, look: Look, seconds: int) -> Rows:
        """The trades of the last seconds."""
        return since(self.kept.rows, look.end_ns - seconds * NS_PER_S)


class WashTrades:
    """Trades whose both sides belong to one beneficial owner or group."""

    def __init__(self, p: Parameters, trades: Trades) -> None:
        self.p = p
        self._trades = trades

    def look(self, look: Look) -> list[Finding]:
        """The findings at the end of a step."""
        new = self._trades.kept.new
        if not (new["buyer"] == new["seller"]).any():
            return []
        trades = self._trades.last(look, self.p.wash_window_s)
        findings = []
        for (contract, _), mine in grouped(trades[trades["buyer"] == trades["seller"]], "contract_slot", "buyer"):
            if len(mine) >= self.p.wash_trades:
                findings.append(_finding("wash_trades", look, contract, mine))
        return findings


def _volumes(trades: Rows) -> dict[int, int]:
    """Each owner's volume, in lots."""
    owners = np.concatenate([trades["buyer"], trades["seller"]])
    names, places = np.unique(owners, return_inverse=True)
    lots = np.bincount(places, np.tile(trades["lots"], 2))
    return dict(zip(names.tolist(), lots.astype(np.int64).tolist(), strict=True))


class _Arranged:
    """What trades of equal orders between different clients are looked at for: those of no maker, in a window."""

    def __init__(self, p: Parameters, trades: Trades) -> None:
        self.p = p
        self.trades = trades

    def candidates(self, look: Look) -> Iterable[tuple[int, Rows, dict[int, int]]]:
        """By contract: trades of equal orders between clients who are no makers, and everybody's volume."""
        new = self.trades.kept.new
        busy = np.unique(new["contract_slot"][new["equal"] & (new["buyer"] != new["seller"])]).tolist()
        if not busy:
            return
        for (contract,), trades in grouped(self.trades.last(look, self.p.pair_window_s), "contract_slot"):
            if contract not in busy:
                continue
            equal = trades[trades["equal"] & (trades["buyer"] != trades["seller"])]
            owners = np.unique(np.concatenate([equal["buyer"], equal["seller"]])).tolist()
            makers = [one for one in owners if look.habits.is_maker((contract, one), self.p.maker_percent)]
            free = ~np.isin(equal["buyer"], makers) & ~np.isin(equal["seller"], makers)
            if free.any():
                yield contract, equal[free], _volumes(trades)


class RoundTrips(_Arranged):
    """Two clients whose equal orders meet in both directions, which makes much of the volume of both."""

    def look(self, look: Look) -> list[Finding]:
        """The findings at the end of a step."""
        findings = []
        for contract, trades, volumes in self.candidates(look):
            low, high = np.minimum(trades["buyer"], trades["seller"]), np.maximum(trades["buyer"], trades["seller"])
            order = np.lexsort((low, high))
            cuts = np.flatnonzero((np.diff(low[order]) != 0) | (np.diff(high[order]) != 0)) + 1
            for place in np.split(order, cuts):
                mine = trades[np.sort(place)]
                if self._are_round_trips(mine, volumes):
                    findings.append(_finding("round_trips", look, contract, mine))
        return findings

    def _are_round_trips(self, mine: Rows, volumes: dict[int, int]) -> bool:
        p, one, other = self.p, int(mine["buyer"][0]), int(mine["seller"][0])
        there = int(mine["lots"][mine["buyer"] == one].sum())
        lots = int(mine["lots"].sum())
        back = lots - there
        share = 100 * lots // max(volumes[one], volumes[other])
        if 100 * min(there, back) < p.pair_balance_percent * max(there, back):
            return False
        if share >= ALL_PERCENT:
            return True
        return len(mine) >= p.pair_trades and share >= p.pair_share_percent


class Rings(_Arranged):
    """Three or more clients whose equal orders pass a quantity around until each has what it had before."""

    def look(self, look: Look) -> list[Finding]:
        """The findings at the end of a step."""
        findings = []
        for contract, trades, volumes in self.candidates(look):
            for members in _parts(_pruned(trades, volumes, self.p)):
                inside = np.isin(trades["buyer"], members) & np.isin(trades["seller"], members)
                mine = trades[inside]
                pairs = {*zip(mine["buyer"].tolist(), mine["seller"].tolist(), strict=True)}
                one_way = any((seller, buyer) not in pairs for buyer, seller in pairs)
                if 3 <= len(members) <= MOST_RING and one_way and len(mine) >= self.p.ring_trades:
                    findings.append(_finding("ring_trades", look, contract, mine, clients=len(members)))
        return findings


def _pruned(trades: Rows, volumes: dict[int, int], p: Parameters) -> Rows:
    """The trades among owners of whom each gets back inside what it gives, and trades little outside."""
    while len(trades):
        owners, places = np.unique(np.concatenate([trades["buyer"], trades["seller"]]), return_inverse=True)
        bought = np.bincount(places[: len(trades)], trades["lots"], len(owners))
        sold = np.bincount(places[len(trades) :], trades["lots"], len(owners))
        volume = np.array([volumes[owner] for owner in owners.tolist()])
        fits = 100 * np.minimum(bought, sold) >= p.pair_balance_percent * np.maximum(bought, sold)
        fits &= 100 * (bought + sold) >= p.pair_share_percent * volume
        if fits.all():
            break
        trades = trades[fits[places[: len(trades)]] & fits[places[len(trades) :]]]
    return trades


def _parts(trades: Rows) -> list[list[int]]:
    """The owners of trades, divided into those who are connected by them."""
    leader: dict[int, int] = {}

    def find(owner: int) -> int:
        while leader.setdefault(owner, owner) != owner:
            owner = leader[owner]
        return owner

    for buyer, seller in {*zip(trades["buyer"].tolist(), trades["seller"].tolist(), strict=True)}:
        leader[find(buyer)] = find(seller)
    parts: dict[int, list[int]] = {}
    for owner in sorted(leader):
        parts.setdefault(find(owner), []).append(owner)
    return sorted(parts.values())


# --- pushes of the price ------------------------------------------------------------------------------------------


class MomentumIgnition:
    """Taker trades that move the price, more than the index has moved, and then a profitable trade back."""

    def __init__(self, p: Parameters) -> None:
        self.p = p

    def look(self, look: Look) -> list[Finding]:
        """The findings at the end of a step."""
        p, findings = self.p, []
        fills = look.last(p.ignition_window_s)
        for contract in np.unique(fills["contract_slot"]).tolist():
            rows = fills[fills["contract_slot"] == contract]
            if _range_ppb(rows["price_ticks"]) < p.ignition_move_ppb:
                continue
            for _, push in grouped(taken(rows), "side"):
                for (owner,), mine in grouped(push, "owner"):
                    if not look.habits.is_maker((contract, owner), p.maker_percent):
                        findings += self._ignited(look, push, mine, rows[rows["owner"] == owner])
        return findings

    def _ignited(self, look: Look, all_taken: Rows, push: Rows, own: Rows) -> list[Finding]:
        """Whether an owner's taker trades were much of the taking that moved the price, and were closed at a profit."""
        side = int(push["side"][0])
        sign = 1 if side == Side.BUY else -1
        prices = push["price_ticks"]
        best = int(np.argmax(sign * prices))
        contract = int(push["contract_slot"][0])
        index = look.index_move_ppb(contract, int(push["time_ns"][0]), int(push["time_ns"][best]))
        move = sign * (int(prices[best]) - int(prices[0])) * PPB // max(int(prices[0]), 1) - max(sign * index, 0)
        back = own[(own["side"] != side) & (own["seq"] > int(push["seq"][best]))]
        lots, undone = int(push["lots"][: best + 1].sum()), int(back["lots"].sum())
        meanwhile = (all_taken["seq"] >= push["seq"][0]) & (all_taken["seq"] <= push["seq"][best])
        share = 100 * lots // int(all_taken["lots"][meanwhile].sum())
        if move < self.p.ignition_move_ppb or 2 * undone < lots or share < self.p.ignition_share_percent:
            return []
        paid = int((push["price_ticks"] * push["lots"])[: best + 1].sum()) / lots
        got = int((back["price_ticks"] * back["lots"]).sum()) / undone
        if sign * (got - paid) <= 0:
            return []
        proof = np.concatenate([push, back])
        figures = {"move_ppb": move, "side": side, "pushed_traded_lots": lots, "undone_traded_lots": undone}
        return [found("momentum_ignition", contract, proof, look.end_ns, share_percent=share, **figures)]


def _range_ppb(prices: Rows) -> int:
    low = max(int(prices.min()), 1)
    return (int(prices.max()) - low) * PPB // low
