"""A generator of commands about money that looks at the engine it plays with: a seed gives a run.

Prices of each contract's index sources follow a path with moods: calm, trends, crashes, squeezes, silence. Makers quote
while it is calm and go away in a crash; gamblers open as much as they can carry. Money, leverage, modes, limits and
parameters change in between, often exactly at an edge that is read from the engine. `money_corners` adds episodes.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np

from engine import invariants
from engine.codes import (
    NIL,
    CommandKind,
    ExecInst,
    MarginMode,
    MarketState,
    Mode,
    OrdType,
    PriceSource,
    SelfTrade,
    Side,
    TimeInForce,
    VenueState,
)
from engine.codes import ContractParameter as P
from engine.schema import DIRECTIVE, LADDERS_PER_CONTRACT
from tests import build, money_corners, money_settings, shrink
from tests.build import SECOND, START_NS, Rows
from tests.money_stage import ACCOUNTS, GAMBLERS, HOUSE, LIMITS, MAKERS, UNIT, Market, setting
from tests.pair import Pair

MILLISECOND = SECOND // 1000
AUDITED = 50
"""After so many commands the engine is audited."""


@dataclass
class Mood:
    """How a contract's price moves until some instant: drift and noise of one round of its sources, or silence."""

    drift: float
    noise: float
    until_ns: int
    spread: float = 0.0003
    silent: bool = False


class Sight:
    """What the flow sees of the engine."""

    def __init__(self, pair: Any) -> None:
        self.pair = pair
        self.state = pair.root[0]
        self.contracts = self.state["contracts"]
        self.accounts = self.state["accounts"]
        self._rows: dict[tuple[int, int], Any] = {}

    def mark(self, contract: int) -> int:
        """In subticks, 0: none yet."""
        return int(self.contracts[contract]["mark_subticks"])

    def row(self, account: int, contract: int) -> Any:
        """An account's position, None while there is no row."""
        used = int(self.state["positions_used"])
        if len(self._rows) < used:
            rows = self.state["positions"][:used]
            self._rows = {(int(row["account_slot"]), int(row["contract_slot"])): row for row in rows}
        return self._rows.get((account, contract))

    def size(self, account: int, contract: int) -> int:
        """Signed, in lots."""
        row = self.row(account, contract)
        return 0 if row is None else int(row["size_lots"])

    def best(self, contract: int, side: int) -> int:
        """The best price of a side in ticks, NIL: none."""
        return int(self.state["ladders"][contract * LADDERS_PER_CONTRACT + side - 1]["first_key"])

    def cash(self, account: int) -> int:
        """In micros."""
        return int(self.accounts[account]["cash_micros"])

    def is_open(self, contract: int) -> bool:
        """Whether it trades freely, or never will again."""
        state = int(self.contracts[contract]["state"])
        opened = state == MarketState.OPEN and int(self.state["venue_state"]) == VenueState.OPEN
        return opened or state == MarketState.SETTLED

    def is_flagged(self, account: int) -> bool:
        """Whether it is being liquidated."""
        return bool(self.accounts[account]["liquidating"])

    def figures(self, account: int) -> list[int]:
        """Equity, maintenance, requirement and what may be withdrawn."""
        return [*self.pair.watch.derived()[3 * account : 3 * account + 3], self.pair.watch.free()[account]]


class MoneyFlow:
    """The commands of a run, one after the other; each is drawn when the one before it has been applied."""

    def __init__(self, pair: Any, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.sight = Sight(pair)
        self.markets, self.stage = setting(self.rng)
        self.now_ns = START_NS
        self.levels = [float(market.base) for market in self.markets]
        self.moods = [Mood(0, 0.0003, START_NS + 20 * SECOND) for _ in self.markets]
        self.said_ns = [0] * len(self.markets)
        self.restores: list[tuple[int, Any]] = []
        self.pace = 120 * MILLISECOND
        self._uniform, self._drawn = self.rng.random(4096), 0
        self.settled: set[int] = set()
        self.episodes = seed
        self.settles_in = int(self.rng.choice([0, 150, 300, 600]))
        """After how many commands a contract's settlement begins, 0: never."""

    # --- drawing --------------------------------------------------------------------------------------------------

    def chance(self) -> float:
        """A number from 0 to 1."""
        if self._drawn == len(self._uniform):
            self._uniform, self._drawn = self.rng.random(4096), 0
        self._drawn += 1
        return float(self._uniform[self._drawn - 1])

    def below(self, count: int) -> int:
        """A whole number from 0 to one less."""
        return int(self.chance() * count)

    def one(self, *values: Any) -> Any:
        """One of some values."""
        return values[int(self.chance() * len(values))]

    def contract(self) -> int:
        """A contract, the first one most often."""
        return min(int(self.chance() ** 1.5 * len(self.markets)), len(self.markets) - 1)

    def gambler(self) -> int:
        """An account with little money."""
        return self.one(*GAMBLERS)

    def market(self, contract: int) -> Market:
        """The contract as it was listed."""
        return self.markets[contract]

    def price(self, contract: int) -> float:
        """The mark in ticks, or what the sources say before there is one."""
        return self.sight.mark(contract) / 1000 or self.levels[contract]

    # --- the run --------------------------------------------------------------------------------------------------

    def commands(self, number: int) -> Iterator[Rows]:
        """So many commands after those of the stage."""
        for rows in self.stage:
            yield rows
        for rows in islice(self._endless(), number):
            yield self.stamp(rows)

    def stamp(self, rows: Rows) -> Rows:
        """Now; a command that asks for a time of its own moves the clock."""
        own = int(rows["time_ns"][0])
        if own:
            self.now_ns = max(self.now_ns, own)
            return rows
        draw = self.chance()
        if draw < 0.75:
            self.now_ns += int(self.pace * draw)
        rows["time_ns"] = self.now_ns
        if int(rows["kind"][0]) == CommandKind.INDEX_PRICE:
            given = rows.view(DIRECTIVE)
            given["source_time_ns"] += self.now_ns
        return rows

    def _endless(self) -> Iterator[Rows]:
        for number in count():
            if number == self.settles_in > 0:
                yield from money_corners.settlement(self)
            if self.restores and self.restores[0][0] <= self.now_ns:
                yield self.restores.pop(0)[1]
                continue
            stale = [c for c in range(len(self.markets)) if self.now_ns - self.said_ns[c] > SECOND]
            if stale and self.chance() < 0.8:
                yield from self.sources(self.one(*stale))
                continue
            draw = self.chance()
            if draw < 0.012:
                yield from money_corners.episode(self)
            elif draw < 0.05:
                yield from money_settings.setting(self)
            elif draw < 0.12:
                yield money_settings.money(self)
            elif draw < 0.14:
                yield build.time(time_ns=self.now_ns + self._pause())
            else:
                yield from self.trading()

    def _pause(self) -> int:
        draw = self.chance()
        if draw < 0.9:
            return int(draw * SECOND)
        return self.one(2, 2, 3, 3, 5, 8, 12 if self.chance() < 0.5 else 40) * SECOND + self.below(SECOND)

    def restore(self, rows: Rows, seconds: float) -> None:
        """Give a command later."""
        self.restores.append((self.now_ns + int(seconds * SECOND), rows))
        self.restores.sort(key=lambda item: item[0])

    # --- the index ------------------------------------------------------------------------------------------------

    def sources(self, contract: int) -> Iterator[Rows]:
        """A round of a contract's sources: most say something, some twice, some nothing, a few nonsense."""
        mood = self.moods[contract]
        self.said_ns[contract] = self.now_ns
        if self.now_ns > mood.until_ns:
            mood = self.moods[contract] = self._mood(contract)
        if mood.silent:
            return
        level = self.levels[contract] * (1 + mood.drift + mood.noise * (2 * self.chance() - 1))
        base = self.market(contract).base
        if not 0.45 * base < level < 2.2 * base:
            level = base * (0.5 if level < base else 2.0)
            self.moods[contract] = Mood(0, 0.0005, self.now_ns + 10 * SECOND)
        self.levels[contract] = level
        for place in range(len(self.market(contract).weights)):
            if self.chance() < 0.92:
                yield self.said(contract, place, level * (1 + mood.spread * (2 * self.chance() - 1)))

    def said(self, contract: int, place: int, level: float) -> Rows:
        """What one source says, mostly now; `stamp` adds the time."""
        subticks, ago = max(round(level * 1000), 1), 0
        draw = self.chance()
        if draw < 0.01:
            subticks = round(subticks * self.one(0.3, 0.6, 0.97, 1.02, 1.8, 3.0))
        elif draw < 0.03:
            ago = self.one(-SECOND, -SECOND - 1, SECOND, 9 * SECOND, 10 * SECOND, 10 * SECOND + 1, 30 * SECOND)
        elif draw < 0.034:
            place = self.one(-1, 7, 8)
        return build.directive(
            CommandKind.INDEX_PRICE, contract_slot=contract, code=place, price_subticks=subticks, source_time_ns=-ago
        )

    def _mood(self, contract: int) -> Mood:
        def lasting(low: float, high: float) -> int:
            return self.now_ns + int((low + (high - low) * self.chance()) * SECOND)

        draw = self.chance()
        if draw < 0.30:
            return Mood(0, self.one(0.0002, 0.001, 0.003), lasting(3, 25))
        if draw < 0.45:
            return Mood(0, 0, lasting(4, 15), spread=0)
        if draw < 0.68:
            return Mood(self.one(-0.002, 0.002), 0.0005, lasting(4, 20))
        if draw < 0.93:
            speed = self.one(0.004, 0.01, 0.02, 0.05)
            return Mood(self.one(-speed, speed), 0.001, lasting(1, 5), spread=self.one(0.0003, 0.004))
        return Mood(0, 0, lasting(4, 25), silent=True)

    def is_wild(self, contract: int) -> bool:
        """Whether makers stay away."""
        return abs(self.moods[contract].drift) >= 0.004

    # --- orders ---------------------------------------------------------------------------------------------------

    def trading(self) -> Iterator[Rows]:
        """One order or cancel, sometimes a few."""
        contract, draw = self.contract(), self.chance()
        if self.is_wild(contract) and draw < 0.10:
            yield build.mass_cancel(self.one(*MAKERS, HOUSE), contract)
        elif draw < 0.36:
            yield self.quote(contract)
        elif draw < 0.66:
            yield self.opening(self.gambler(), contract)
        elif draw < 0.76:
            yield self.closing(self.one(*GAMBLERS, *MAKERS), contract)
        elif draw < 0.82:
            yield self.conditional(self.gambler(), contract)
        elif draw < 0.90:
            yield build.cancel(self.below(ACCOUNTS), order_id=-1 - self.below(6))
        elif draw < 0.97:
            yield self.amending(self.below(ACCOUNTS), contract)
        elif draw < 0.985:
            yield build.mass_cancel(self.below(ACCOUNTS), self.one(NIL, contract))
        else:
            yield self.odd(contract)

    def lots(self, contract: int, wanted: float) -> int:
        """A quantity in whole steps, at least the smallest, or now and then not."""
        given = self.market(contract).parameters
        step, smallest = given[P.LOT_STEP], given[P.MIN_ORDER_LOTS]
        lots = max(int(wanted) // step * step, smallest)
        return lots + 1 if self.chance() < 0.005 else lots

    def lot_micros(self, contract: int) -> float:
        """What a lot is worth about now."""
        return self.price(contract) * self.market(contract).parameters[P.MICROS_PER_TICK_LOT]

    def order(self, account: int, contract: int, side: int, lots: int, price: int, **fields: Any) -> Rows:
        """A new order with what all have in common."""
        usual = {"contract_slot": contract, "person": self.one(1, 1, 1, 2)}
        if self.chance() < 0.3:
            usual["cl_ord_id"] = 1 + self.below(8)
        if self.chance() < 0.1:
            usual["self_trade"] = self.below(len(SelfTrade))
        if self.chance() < 0.03 and price:
            usual |= {"tif": TimeInForce.GTD, "expire_ns": (self.now_ns // SECOND + 1 + self.below(30)) * SECOND}
        return build.new(account, side, lots, min(max(price, 0), 60_000), **(usual | fields))

    def quote(self, contract: int) -> Rows:
        """A maker's order on one side, mostly enough for the impact notional on a level or two."""
        account, side = self.one(0, 0, 0, 1, 1, HOUSE), self.one(Side.BUY, Side.SELL)
        away = self.one(0, 0.0002, 0.0006, 0.002) + (0.02 if self.is_wild(contract) else 0)
        price = self.price(contract) * (1 - away if side == Side.BUY else 1 + away)
        lots = self.lots(contract, self.one(3, 8, 20, 35) * 1000 * UNIT / self.lot_micros(contract))
        flags: int = ExecInst.POST_ONLY if account == HOUSE or self.chance() < 0.4 else 0
        fields: dict[str, Any] = {}
        if flags and self.chance() < 0.1:
            flags |= ExecInst.REJECT_POST_ONLY
        if self.chance() < 0.1:
            flags |= ExecInst.ICEBERG
            fields["display_lots"] = self.lots(contract, lots // 3)
        rounded = int(price) if side == Side.BUY else -int(-price // 1)
        return self.order(account, contract, side, lots, rounded, flags=flags, **fields)

    def opening(self, account: int, contract: int) -> Rows:
        """A gambler goes in with a part of what it could carry, at times with a little more."""
        equity = self.sight.figures(account)[0]
        row = self.sight.row(account, contract)
        leverage = 0 if row is None else int(row["leverage"])
        power = max(equity, 0) * (leverage or self.market(contract).brackets[0][1])
        lots = self.lots(contract, self.one(0.05, 0.2, 0.5, 0.9, 0.97, 1.0, 1.1) * power / self.lot_micros(contract))
        held = self.sight.size(account, contract)
        side = self.one(Side.BUY, Side.SELL)
        if held and self.chance() < 0.7:
            side = Side.BUY if held > 0 else Side.SELL
        return self.taking(account, contract, side, min(lots, 4000))

    def taking(self, account: int, contract: int, side: int, lots: int, **fields: Any) -> Rows:
        """An order that means to trade, or to rest near by."""
        draw, best = self.chance(), self.sight.best(contract, Side.SELL if side == Side.BUY else Side.BUY)
        if draw < 0.35:
            tif = TimeInForce.FOK if self.chance() < 0.1 else TimeInForce.IOC
            return self.order(account, contract, side, lots, 0, tif=tif, **fields)
        near = best if best != NIL and draw < 0.75 else round(self.price(contract))
        sign = 1 if side == Side.BUY else -1
        reach = self.one(0, 0, 0.001, 0.004, 0.01, -0.002, -0.01)
        price = max(round(near * (1 + sign * reach)), 1)
        tif = self.one(TimeInForce.GTC, TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC)
        tif = TimeInForce.FOK if self.chance() < 0.04 else tif
        return self.order(account, contract, side, lots, price, tif=tif, **fields)

    def closing(self, account: int, contract: int) -> Rows:
        """An order against a position: all of it, a part, or more; a plain one or reduce-only."""
        held = self.sight.size(account, contract)
        if not held:
            return self.opening(self.gambler(), contract)
        part = self.one(1.0, 1.0, 0.5, 0.1, 1.5)
        lots = abs(held) if part == 1.0 else self.lots(contract, part * abs(held))
        flags = self.one(0, 0, ExecInst.REDUCE_ONLY)
        return self.taking(account, contract, Side.SELL if held > 0 else Side.BUY, min(lots, 4000), flags=flags)

    def conditional(self, account: int, contract: int) -> Rows:
        """A stop, take or trailing stop close to the price; half of them protect a position."""
        held = self.sight.size(account, contract)
        side = self.one(Side.BUY, Side.SELL)
        fields: dict[str, Any] = {}
        if held and self.chance() < 0.6:
            side = Side.SELL if held > 0 else Side.BUY
            fields["flags"] = ExecInst.REDUCE_ONLY
        kind = self.one(
            OrdType.STOP_MARKET, OrdType.STOP_LIMIT, OrdType.TAKE_MARKET, OrdType.TAKE_LIMIT, OrdType.TRAILING_STOP
        )
        source, price = self.one(*PriceSource), self.price(contract)
        away = self.one(0.001, 0.004, 0.02)
        rising = (side == Side.BUY) != (kind in (OrdType.TAKE_MARKET, OrdType.TAKE_LIMIT))
        if kind == OrdType.TRAILING_STOP:
            fields["offset_ticks"] = max(round(away * price), 1)
        else:
            fields["trigger_price_ticks"] = max(round(price * (1 + away if rising else 1 - away)), 1)
        limit = 0 if kind not in (OrdType.STOP_LIMIT, OrdType.TAKE_LIMIT) else max(round(price), 1)
        lots = abs(held) or self.lots(contract, 2000 * UNIT / self.lot_micros(contract))
        return self.order(
            account, contract, side, min(lots, 4000), limit, ord_type=kind, trigger_source=source, **fields
        )

    def amending(self, account: int, contract: int) -> Rows:
        """A recent order gets another price or quantity, one that may need more margin than there is."""
        change: dict[str, Any] = {}
        if self.chance() < 0.6:
            change["price_ticks"] = max(round(self.price(contract) * (1 + 0.01 * (2 * self.chance() - 1))), 1)
        if self.chance() < 0.5:
            change["qty_lots"] = self.lots(contract, self.one(1, 5, 30) * 1000 * UNIT / self.lot_micros(contract))
        if self.chance() < 0.3:
            change["flags"] = ExecInst.QTY_IS_LEAVES
        return build.amend(account, order_id=-1 - self.below(6), **change)

    def odd(self, contract: int) -> Rows:
        """Orders at the edges: of the band, of the largest size, of the smallest price, far away, far too large."""
        account, side = self.below(ACCOUNTS), self.one(Side.BUY, Side.SELL)
        row = self.sight.contracts[contract]
        edge = int(row["max_buy_ticks"]) if side == Side.BUY else int(row["min_sell_ticks"])
        worth = self.lot_micros(contract)
        flags = self.one(0, 0, ExecInst.REDUCE_ONLY)
        price = self.one(edge, edge + (1 if side == Side.BUY else -1), 1, 60_000, round(self.price(contract)))
        lots = self.lots(contract, self.one(0, 1, 50, 2000) * 1000 * UNIT / worth)
        return self.order(account, contract, side, self.one(lots, lots, 4000, 4002), max(price, 1), flags=flags)

    def flat(self, contract: int) -> list[int]:
        """Gamblers without position, orders or flag in a contract."""
        return [
            account
            for account in GAMBLERS
            if not self.sight.size(account, contract) and not self.sight.is_flagged(account)
        ]


def isolated(row: Any) -> bool:
    """Whether a position's row is of an isolated one."""
    return row is not None and int(row["margin_mode"]) == MarginMode.ISOLATED


def play(pair: Any, seed: int, count: int) -> None:
    """A run of a seed through a pair; the engine's invariants are checked now and then."""
    for number, rows in enumerate(MoneyFlow(pair, seed).commands(count)):
        pair.send(rows)
        if number % AUDITED == 0:
            invariants.check(pair.root)


def main() -> None:
    """Runs of some seeds, to the first difference."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 10), help="the first, and the one after the last")
    parser.add_argument("--commands", type=int, default=3000, help="of each seed")
    parser.add_argument("--shrink", action="store_true", help="write the shortest log of the difference to a file")
    arguments = parser.parse_args()
    for seed in range(*arguments.seeds):
        pair, begun = Pair(LIMITS, Mode.EXCHANGE, watched=True), time.perf_counter()
        try:
            play(pair, seed, arguments.commands)
        except AssertionError as difference:
            print(f"seed {seed}, {len(pair.sent)} commands\n{difference}", flush=True)
            if arguments.shrink:
                log = shrink.shortest(pair.asked, LIMITS)
                shrink.save(Path(f"money-{seed}.log"), log, f"seed {seed}", LIMITS)
                print(f"{len(log)} commands in money-{seed}.log\n{shrink.replay(log, LIMITS)}")
            return
        print(f"seed {seed}: {len(pair.sent) / (time.perf_counter() - begun):.0f} commands a second", flush=True)


if __name__ == "__main__":
    main()
