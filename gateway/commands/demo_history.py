"""The day before a demo: its traders trade on the engine itself, at past times, in the log that the demo goes on with.

The log is one like any other: a start replays it, `lionrock verify` checks it, and candles, funding and liquidations of
that day are what the engine made of it. One step is ten seconds of the market, and a few hundred microseconds of work.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from engine import host
from engine.codes import ExecInst, Mode, OrdType, Side, TimeInForce
from engine.schema import COMMAND
from engine.statements import position_slots
from engine.units import MICROS, SUBTICKS
from gateway import clock
from gateway.clock import NS_PER_S
from gateway.commands.demo_market import GAMBLERS, LISTINGS, MAKERS, PRICES, TAKERS
from gateway.config import Config
from gateway.index_feeds.scripted import IndexWalk
from gateway.office.bootstrap import Trader
from gateway.registry.registry import Registry
from gateway.venue.registry_intents import directive_row
from gateway.wire.command_rows import NewRow, Signer, index_row, mass_cancel_row, new_row
from gateway.wire.decimals import Contract, Unit

HOURS = 24
STEP_SECONDS = 10
WALK_STEPS = 20
"""A running demo takes two steps of its index a second."""
LEVELS, SPREAD, LEVEL_NOTIONAL = 3, 0.0003, 30_000
"""Quotes of a side, how far the first is from the middle, and what it is worth."""
TRADES, TRADE_NOTIONAL = 2.0, 6_000
"""Market orders of each contract in a step of a quiet market, and the median of what each is worth."""
PREMIUM = 0.0004
"""How far the middle of the book strays from the index: what funding is paid for."""
BET_NOTIONAL, BETS = 150_000, 0.002
"""What a gambler bets, at the most leverage that there is, and how often when not half a bet is left."""
TAKE_PROFIT = 0.012
Progress = Callable[[int, int], None]


@dataclass
class _Market:
    """One contract in the day: its walk, its lean, and the units of its orders."""

    contract: Contract
    walk: IndexWalk
    premium: float = 0.0
    trend: float = 0.0
    entries: dict[str, float] = field(default_factory=dict)
    """Where each gambler's bet began, in ticks."""

    def lots(self, notional: float, ticks: float) -> int:
        """The lots that are worth so much in the settlement currency."""
        return max(1, round(notional * MICROS / (ticks * self.contract.micros_per_tick_lot)))


class DayBefore:
    """Writes a day's log into the data folder of a demo that has none yet."""

    def __init__(self, config: Config, traders: dict[str, Trader], begin_ns: int, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._begin_ns = begin_ns
        self._registry = Registry(config.registry)
        self._signers = {name: self._signer(trader) for name, trader in traders.items()}
        self._markets = [_market(slot, record.name, seed) for slot, record in enumerate(self._registry.contracts())]
        options = host.JournalOptions(host.Durability.NONE, segment_bytes=config.segment_bytes, keeps_tip=True)
        self._engine = host.Engine.create(config.journal, Mode.EXCHANGE, options=options)

    def _signer(self, trader: Trader) -> Signer:
        key = self._registry.key(trader.key.id)
        assert key is not None
        return Signer(trader.account_slot, key.person, key.number)

    def write(self, progress: Progress) -> None:
        """Trade until now, and close the log so that a server can go on with it."""
        try:
            self._submit([directive_row(intent) for intent in self._registry.pending_intents(limit=1 << 20)], 0)
            step = 0
            while (left_ns := clock.wall_ns() - self._time_ns(step + 1)) >= 0:
                self._submit(list(self._step(step)), step)
                step += 1
                if step % 360 == 0:
                    progress(step, step + left_ns // (STEP_SECONDS * NS_PER_S))
        finally:
            self._engine.close()
            self._registry.close()

    def _time_ns(self, step: int) -> int:
        return self._begin_ns + step * STEP_SECONDS * NS_PER_S

    def _submit(self, rows: list[bytes], step: int) -> None:
        """Apply rows, spread over the step: trades of a second of their own, and a mark tick each second."""
        commands = np.frombuffer(b"".join(rows), COMMAND).copy()
        count = len(commands)
        commands["seq"] = self._engine.last_seq + 1 + np.arange(count)
        commands["time_ns"] = self._time_ns(step) + np.arange(count) * (STEP_SECONDS * NS_PER_S // (count + 1))
        self._engine.submit(commands)

    # --- ten seconds ----------------------------------------------------------------------------------------------

    def _step(self, step: int) -> Iterator[bytes]:
        """Every contract's index, new quotes of one maker, and who trades on them."""
        draw, trades, now_ns = self._random, list[bytes](), self._time_ns(step)
        for market in self._markets:
            before = market.walk.price
            sources = market.walk.step(WALK_STEPS)
            market.trend = market.walk.price / before - 1
            market.premium += -0.01 * market.premium + draw.gauss(0, PREMIUM / 7)
            for place, price in enumerate(sources):
                yield index_row(market.contract.slot, place, price, now_ns)
            yield from self._quotes(market, MAKERS[step % len(MAKERS)])
            trades += self._takers(market)
            trades += self._gamblers(market)
        draw.shuffle(trades)
        yield from trades

    def _quotes(self, market: _Market, name: str) -> Iterator[bytes]:
        """One maker quotes, in turns, and leans against what it holds; all older quotes go."""
        ticks = market.walk.price / SUBTICKS
        wide = SPREAD * math.exp(market.walk.heat / 2)
        signer, held = self._signers[name], self._size(name, market)
        for maker in MAKERS:
            yield mass_cancel_row(self._signers[maker], market.contract.slot)
        lean = held * market.contract.micros_per_tick_lot * ticks / MICROS / 4e6 * 0.002
        middle = ticks * (1 + market.premium - lean)
        for level in range(LEVELS):
            away = wide * (0.5 + level * 0.8 + self._random.random() * 0.3)
            lots = market.lots(LEVEL_NOTIONAL * (1 + level / 2), ticks)
            yield self._limit(signer, market, Side.BUY, lots, math.floor(middle * (1 - away)))
            yield self._limit(signer, market, Side.SELL, lots, math.ceil(middle * (1 + away)))

    def _takers(self, market: _Market) -> Iterator[bytes]:
        """More of them in a fast market, larger ones now and then, and more often with the move than against it."""
        draw = self._random
        ticks = market.walk.price / SUBTICKS
        bias = 0.5 + max(-0.3, min(0.3, market.trend * 150 - market.premium * 150))
        for _ in range(_poisson(draw, TRADES * math.exp(market.walk.heat))):
            side = Side.BUY if draw.random() < bias else Side.SELL
            lots = market.lots(TRADE_NOTIONAL * draw.lognormvariate(0, 1), ticks)
            yield self._at_market(self._signers[draw.choice(TAKERS)], market, side, lots)

    def _gamblers(self, market: _Market) -> Iterator[bytes]:
        """Who has not half a bet left bets now and then at full leverage, and takes what it has won."""
        ticks = market.walk.price / SUBTICKS
        bet = market.lots(BET_NOTIONAL, ticks)
        for name in GAMBLERS:
            size, signer = self._size(name, market), self._signers[name]
            if 2 * abs(size) < bet and self._random.random() < BETS:
                side = Side.BUY if self._random.random() < 0.5 else Side.SELL
                market.entries[name] = ticks
                yield self._at_market(signer, market, side, bet)
            elif size * (ticks / market.entries.get(name, ticks) - 1) > abs(size) * TAKE_PROFIT:
                side = Side.SELL if size > 0 else Side.BUY
                yield self._at_market(signer, market, side, abs(size), ExecInst.REDUCE_ONLY)

    def _size(self, name: str, market: _Market) -> int:
        """A trader's position in lots."""
        positions = self._engine.root[0]["positions"]
        for slot in position_slots(self._engine.root, self._signers[name].account_slot):
            if positions[slot]["contract_slot"] == market.contract.slot:
                return int(positions[slot]["size_lots"])
        return 0

    def _limit(self, signer: Signer, market: _Market, side: int, lots: int, ticks: int) -> bytes:
        return new_row(signer, NewRow(market.contract.slot, side, OrdType.LIMIT, TimeInForce.GTC, lots, ticks))

    def _at_market(self, signer: Signer, market: _Market, side: int, lots: int, flags: int = 0) -> bytes:
        row = NewRow(market.contract.slot, side, OrdType.MARKET, TimeInForce.IOC, lots, flags=int(flags))
        return new_row(signer, row)


def _market(slot: int, name: str, seed: int) -> _Market:
    listing = next(listing for listing in LISTINGS if listing.name == name)
    tick, lot = Unit.parse(listing.tick), Unit.parse(listing.lot)
    contract = Contract(slot, name, listing.base, listing.settlement, tick, lot)
    return _Market(contract, IndexWalk(contract, PRICES[listing.base], seed))


def _poisson(draw: random.Random, mean: float) -> int:
    """How many of what comes at random, when so many come on average."""
    count, left = 0, math.exp(-min(mean, 30.0))
    chance = draw.random()
    while chance > left:
        count += 1
        chance *= draw.random()
    return count
