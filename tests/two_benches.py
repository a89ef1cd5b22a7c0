"""One bench with two kinds of works in it: a published example is put on either, the engine's kernels or the model.

A bench is one account with its positions on bare contracts, whose tick and lot are powers of ten of a unit so that
published figures can be put in exactly. A stage is a whole exchange. Both kinds answer the same questions in the same
units, as whole numbers, so that what they say can be compared to the last digit.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from engine.codes import ContractParameter as P
from engine.codes import MarginMode, Mode, Side
from engine.schema import Capacities
from tests import build, perpetual
from tests.model import Limits, Model, deleveraging, funding, liquidation, margin, matching, prices
from tests.model.ledger import median
from tests.model.listing import brackets
from tests.model.records import Account, Contract, Order, Parameters, Source
from tests.pair import named
from tests.perpetual import MICROS, ppb
from tests.stage import TINY, WORKED, Stage

Bracket = tuple[float, int, float]
"""(floor in units, leverage, mmr)"""


class EngineBench(perpetual.Bench):
    """The engine's pure functions on a bare state."""

    def __init__(self, tick: float = 0.01, lot: float = 0.001) -> None:
        super().__init__(tick, lot)
        self._rows: list[int] = []

    def contracts(self, count: int) -> None:
        """More contracts like the first."""
        self.root[0]["contracts_used"] = count
        for slot in range(1, count):
            self.root[0]["contracts"][slot] = self.root[0]["contracts"][0]

    def set_mark(self, price: float, slot: int = 0) -> None:
        """A contract's mark."""
        self.root[0]["contracts"][slot]["mark_subticks"] = self.subticks(price)

    def set_brackets(self, *rows: Bracket, slot: int = 0) -> None:
        """A contract's table; deductions follow."""
        first, self.contract = self.contract, self.root[0]["contracts"][slot]
        self.brackets(*rows)
        self.contract = first

    def set_liquidation_fee(self, rate: float) -> None:
        """The fee of closing by force."""
        self.contract["liquidation_fee_ppb"] = ppb(rate)

    def own(self, qty: float, entry: float, slot: int = 0) -> None:
        """A position in a contract."""
        self._rows.append(slot)
        self.hold(qty, entry, slot=len(self._rows) - 1, contract=slot)

    def isolate(self, units: float) -> None:
        """Give the first position its own money."""
        row = self.root[0]["positions"][0]
        row["margin_mode"], row["isolated_micros"] = MarginMode.ISOLATED, round(units * MICROS)

    def rest(self, side: int, orders: Iterable[tuple[float, float]]) -> None:
        """Open orders of the first position: (price, quantity)."""
        row = self.root[0]["positions"][0]
        name = "buy_subtick_lots" if side == Side.BUY else "sell_subtick_lots"
        row[name] = sum(self.subticks(price) * self.lots(qty) for price, qty in orders)

    def initial_micros(self, leverage: int, notional_micros: int) -> int:
        """Initial margin of a notional."""
        return int(perpetual.initial(self.root, leverage, notional_micros))

    def adverse_subticks(self, side: int, price: float) -> int:
        """How far a limit lies on its losing side of the mark."""
        return int(perpetual.adverse(self.root, side, self.ticks(price)))

    def requirement_micros(self) -> int:
        """What the first position and its orders need."""
        return int(perpetual.requirement(self.root, 0))

    def maintenance_micros(self, slot: int) -> int:
        """Maintenance margin of the position in a contract."""
        size = self.root[0]["positions"][self._rows.index(slot)]["size_lots"]
        return int(perpetual.maintenance(self.root, slot, size))

    def unrealised_micros(self, slot: int) -> int:
        """Profit of the position in a contract."""
        return int(perpetual.unrealised(self.root, self._rows.index(slot)))

    def liquidation_price_subticks(self, slot: int) -> int:
        """The mark at which the position in a contract becomes liquidatable."""
        return int(perpetual.liquidation_price(self.root, self._rows.index(slot)))

    def close_price_ticks(self, qty: float, equity: float) -> int:
        """The close price of a position whose pool has this equity, without help of the fund."""
        return int(perpetual.close_price(self.root, self.lots(qty), round(equity * MICROS)))

    def liquidation_fee_micros(self, qty: float) -> int:
        """The liquidation fee of a quantity at the mark."""
        return int(perpetual.liquidation_fee(self.root, self.lots(qty)))

    def set_sources(self, sources: Iterable[tuple[float, int]]) -> None:
        """Index sources: (price, weight)."""
        for place, (price, weight) in enumerate(sources):
            row = self.contract["source"][place]
            row["weight"], row["price_subticks"], row["time_ns"] = weight, self.subticks(price), 1

    def median_subticks(self) -> int:
        """Of the live sources."""
        return int(perpetual.median(self.root, 0))

    def index_subticks(self) -> int:
        """The index of the live sources."""
        return int(perpetual.index(self.root, 0))

    def premium_ppb(self, index: int, bid: int, ask: int) -> int:
        """The premium of impact prices, 0 for a thin side; all in subticks."""
        return int(perpetual.premium(index, bid, ask))

    def set_funding(self, interval_s: int, interest: float, clamp: float, cap: float, equal: bool) -> None:
        """The parameters of funding."""
        self.contract["funding_interval_s"], self.contract["funding_equal_weights"] = interval_s, equal
        self.contract["funding_interest_ppb"], self.contract["funding_clamp_ppb"] = ppb(interest), ppb(clamp)
        self.contract["funding_cap_ppb"] = ppb(cap)

    def add_sample(self, premium: int) -> None:
        """One premium sample, in ppb."""
        perpetual.add_sample(self.root, premium)

    def sum_of_weights(self) -> int:
        """The weights of all samples so far."""
        return int(self.contract["premium_weight"])

    def average_ppb(self) -> int:
        """The average premium."""
        return int(perpetual.average(self.root))

    def rate_ppb(self) -> int:
        """The rate of the interval."""
        return int(perpetual.interval_rate(self.root, perpetual.average(self.root)))

    def paid_micros(self, lots: int, rate: int) -> int:
        """What a position of so many lots pays."""
        return int(perpetual.payment(self.root, lots, rate))

    def ranked(self, scores: dict[int, int]) -> list[int]:
        """Whoever has these scores, in the order in which they give."""
        found: list[int] = []
        for number, score in scores.items():
            place = 0
            while place < len(found) and not perpetual.outranks(score, 1, scores[found[place]], 1):
                place += 1
            found.insert(place, number)
        return found

    def light(self, cumulated: int, total: int) -> int:
        """The lights of who stands behind so much of a queue, itself included."""
        return int(perpetual.light(cumulated, total))


def add_sample(contract: Any, premium: int) -> None:
    """One premium sample of the model's, in ppb, as `prices.sample` enters it."""
    contract.samples.append(premium)
    contract.weights.append(funding.next_weight(contract))


class Unlisted(Parameters):
    """The parameters of a contract that no door has checked: what was not given is 0."""

    def __missing__(self, key: Any) -> int:
        return 0


class ModelBench:
    """The naive model's own functions on the same bare things."""

    def __init__(self, tick: float = 0.01, lot: float = 0.001) -> None:
        self.tick, self.lot = tick, lot
        self.model = Model(Limits(), Mode.EXCHANGE)
        self.account = self.model.accounts[0] = Account(0)
        self.contract = self._contract(0)
        self.set_brackets((0, 10, 0.05))

    ticks = perpetual.Bench.ticks
    subticks = perpetual.Bench.subticks
    lots = perpetual.Bench.lots
    price = perpetual.Bench.price

    def _contract(self, slot: int) -> Any:
        contract = self.model.contracts[slot] = Contract(slot)
        contract.parameters = Unlisted()
        for parameter, value in (
            (P.MICROS_PER_TICK_LOT, round(self.tick * self.lot * MICROS)),
            (P.MAX_PRICE_TICKS, (1 << 30) - 1),
            (P.LOT_STEP, 1),
            (P.MIN_ORDER_LOTS, 1),
            (P.LIQUIDATION_ENABLED, 1),
        ):
            contract.parameters[parameter, 0] = value
        return contract

    def contracts(self, count: int) -> None:
        """More contracts like the first."""
        for slot in range(1, count):
            self._contract(slot).parameters |= self.contract.parameters

    def set_mark(self, price: float, slot: int = 0) -> None:
        """A contract's mark."""
        self.model.contracts[slot].mark = self.subticks(price)

    def set_brackets(self, *rows: Bracket, slot: int = 0) -> None:
        """A contract's table; deductions follow."""
        given = self.model.contracts[slot].parameters
        for place, (low, leverage, mmr) in enumerate(rows):
            given[P.BRACKET_FLOOR_MICROS, place] = round(low * MICROS)
            given[P.BRACKET_LEVERAGE, place], given[P.BRACKET_MMR_PPB, place] = leverage, ppb(mmr)

    def set_liquidation_fee(self, rate: float) -> None:
        """The fee of closing by force."""
        self.contract.parameters[P.LIQUIDATION_FEE_PPB, 0] = ppb(rate)

    def cash(self, units: float) -> None:
        """The account's cash."""
        self.account.cash = round(units * MICROS)

    def own(self, qty: float, entry: float, slot: int = 0) -> None:
        """A position in a contract."""
        position = self.model.position(0, slot, create=True)
        position.size, position.entry_cost = self.lots(qty), round(entry * qty * MICROS)

    def isolate(self, units: float) -> None:
        """Give the first position its own money."""
        position = self.account.positions[0]
        position.isolated, position.isolated_micros = True, round(units * MICROS)

    def rest(self, side: int, orders: Iterable[tuple[float, float]]) -> None:
        """Open orders of the first position: (price, quantity)."""
        for price, qty in orders:
            order = Order(0, 0, 0, side, 0, 0, 0, self.ticks(price), self.lots(qty), resting=True)
            order.reserve_price = self.subticks(price)
            self.account.positions[0].orders.append(order)

    def initial_micros(self, leverage: int, notional_micros: int) -> int:
        """Initial margin of a notional."""
        position = self.model.position(0, 0, create=True)
        position.leverage = leverage
        self.contract.parameters[P.BRACKET_LEVERAGE, 0] = leverage
        return int(margin.initial(position, self.contract, notional_micros))

    def adverse_subticks(self, side: int, price: float) -> int:
        """How far a limit lies on its losing side of the mark."""
        return int(margin.loss_of(self.contract, side, self.ticks(price)))

    def requirement_micros(self) -> int:
        """What the first position and its orders need."""
        return int(margin.requirement(self.model, self.account))

    def maintenance_micros(self, slot: int) -> int:
        """Maintenance margin of the position in a contract."""
        return int(margin.maintenance(self.model, self.model.position(0, slot)))

    def unrealised_micros(self, slot: int) -> int:
        """Profit of the position in a contract."""
        return int(margin.unrealised(self.model, self.model.position(0, slot)))

    def liquidation_price_subticks(self, slot: int) -> int:
        """The mark at which the position in a contract becomes liquidatable: looked for, from the entry on."""
        position, contract = self.model.position(0, slot), self.model.contracts[slot]
        pool = margin.pool_of(self.model, position)
        entry = position.entry_cost * 1000 // (position.size * contract.parameters[P.MICROS_PER_TICK_LOT, 0])
        kept, safe, bad = contract.mark, entry, 0 if position.size > 0 else 4 * entry
        while abs(safe - bad) > 1:
            contract.mark = (safe + bad) // 2
            if liquidation.is_liquidatable(self.model, pool):
                bad = contract.mark
            else:
                safe = contract.mark
        contract.mark = kept
        return safe

    def close_price_ticks(self, qty: float, equity: float) -> int:
        """The close price of a position whose pool has this equity, without help of the fund."""
        self.own(qty, self.price(self.contract.mark))
        self.cash(equity)
        return int(liquidation.close_price(self.model, self.account.positions[0]))

    def liquidation_fee_micros(self, qty: float) -> int:
        """The liquidation fee of a quantity at the mark."""
        return int(liquidation.fee_for(self.contract, self.lots(qty)))

    def set_sources(self, sources: Iterable[tuple[float, int]]) -> None:
        """Index sources: (price, weight)."""
        for place, (price, weight) in enumerate(sources):
            self.contract.parameters[P.SOURCE_WEIGHT, place] = weight
            self.contract.sources[place] = Source(self.subticks(price), 1)

    def median_subticks(self) -> int:
        """Of the live sources."""
        numbers = prices.live(self.model, self.contract)
        return int(median([self.contract.sources[number].price for number in numbers]))

    def index_subticks(self) -> int:
        """The index of the live sources."""
        return int(prices.index_of(self.model, self.contract))

    def premium_ppb(self, index: int, bid: int, ask: int) -> int:
        """The premium of impact prices, 0 for a thin side; all in subticks."""
        self.contract.index = index
        return int(prices.premium(self.contract, bid or None, ask or None))

    def set_funding(self, interval_s: int, interest: float, clamp: float, cap: float, equal: bool) -> None:
        """The parameters of funding."""
        given = self.contract.parameters
        given[P.FUNDING_INTERVAL_S, 0], given[P.FUNDING_EQUAL_WEIGHTS, 0] = interval_s, equal
        given[P.FUNDING_INTEREST_PPB, 0], given[P.FUNDING_CLAMP_PPB, 0] = ppb(interest), ppb(clamp)
        given[P.FUNDING_CAP_PPB, 0] = ppb(cap)
        self.contract.funding_interval_s = interval_s

    def add_sample(self, premium: int) -> None:
        """One premium sample, in ppb."""
        add_sample(self.contract, premium)

    def sum_of_weights(self) -> int:
        """The weights of all samples so far."""
        return int(sum(self.contract.weights))

    def average_ppb(self) -> int:
        """The average premium."""
        return int(funding.average(self.contract))

    def rate_ppb(self) -> int:
        """The rate of the interval."""
        return int(funding.rate(self.contract))

    def paid_micros(self, lots: int, rate: int) -> int:
        """What a position of so many lots pays."""
        return -int(funding.payment(self.contract, lots, rate))

    def ranked(self, scores: dict[int, int]) -> list[int]:
        """Whoever has these scores, in the order in which they give: profit score times the cost, no leverage."""
        value = 420 * MICROS * len(scores)
        self.contract.parameters[P.MICROS_PER_TICK_LOT, 0] = 1
        self.contract.mark = value * 1000
        for number, score in scores.items():
            self.model.accounts[number] = Account(number, cash=value // (1 + score))
            position = self.model.position(number, 0, create=True)
            position.size, position.entry_cost = 1, value // (1 + score)
        keys = {p.account: deleveraging.key(self.model, p) for p in self.model.positions}
        return sorted(scores, key=lambda number: keys[number])

    def light(self, cumulated: int, total: int) -> int:
        """The lights of who stands behind so much of a queue, itself included."""
        return int(deleveraging.light(cumulated, total))


class EngineStage(Stage):
    """A whole exchange on the engine, with what the examples ask of it."""

    def deductions(self, slot: int) -> list[int]:
        """The deduction of each bracket of a listed contract, in micros."""
        row = self.state["contracts"][slot]
        return [int(value) for value in row["bracket_deduction_micros"][: row["brackets"]]]

    def contract_state(self, slot: int) -> int:
        """The state of a contract."""
        return int(self.state["contracts"][slot]["state"])

    def mark_subticks(self) -> int:
        """The mark."""
        return int(self.state["contracts"][0]["mark_subticks"])

    def band_ticks(self) -> tuple[int, int]:
        """The lowest price of a sell and the highest of a buy."""
        row = self.state["contracts"][0]
        return int(row["min_sell_ticks"]), int(row["max_buy_ticks"])

    def set_impact_notional(self, micros: int) -> None:
        """Past the door, as examples have less than listing asks for."""
        self.state["contracts"][0]["impact_notional_micros"] = micros

    def impact_subticks(self, side: int) -> int:
        """The impact price of a side, 0 when it is too thin."""
        return int(perpetual.impact(self.root, side))

    def money(self, account: int) -> tuple[int, int]:
        """Cash and entry cost of an account, in micros."""
        cash = int(self.state["accounts"][account]["cash_micros"])
        return cash, int(self.position(account)["entry_cost_micros"])


class ModelStage(EngineStage):
    """The same exchange on the model: whatever is sent goes to the model instead."""

    def __init__(self, contracts: tuple[dict[Any, int], ...] = (WORKED,), accounts: int = 8) -> None:
        self.model = Model(_limits(TINY), Mode.EXCHANGE)
        self.seq, self.now_ns = 0, build.START_NS
        self.found: list[dict[str, Any]] = []
        self.all: list[dict[str, Any]] = []
        self.open(contracts, accounts)

    def send(self, *groups: Any) -> Any:
        """Apply some rows, one command each."""
        rows = np.concatenate(groups) if groups else build.time()
        rows["seq"] = np.arange(self.seq + 1, self.seq + 1 + len(rows))
        rows["time_ns"] = self.now_ns
        self.seq += len(rows)
        self.found = [named(row) for place in range(len(rows)) for row in self.model.apply(rows[place : place + 1])]
        self.all += self.found
        return self.found

    def settle(self) -> Any:
        """Let it finish what is pending at this instant."""
        while self.send():
            pass

    def of(self, *kinds: int) -> list[dict[str, Any]]:
        """The last reports of some kinds."""
        return [row for row in self.found if row["kind"] in kinds]

    def history(self, *kinds: int) -> list[dict[str, Any]]:
        """All reports of some kinds so far."""
        return [row for row in self.all if row["kind"] in kinds]

    def size(self, account: int, contract: int = 0) -> int:
        """An account's position in lots."""
        position = self.model.position(account, contract)
        return position.size if position else 0

    def deductions(self, slot: int) -> list[int]:
        """The deduction of each bracket, asked for by a notional inside each."""
        contract = self.model.contracts[slot]
        return [margin.bracket(contract, low + 1)[3] for low, _, _ in brackets(contract)]

    def contract_state(self, slot: int) -> int:
        """The state of a contract."""
        return int(self.model.contracts[slot].state)

    def mark_subticks(self) -> int:
        """The mark."""
        return int(self.model.contracts[0].mark)

    def band_ticks(self) -> tuple[int, int]:
        """The lowest price of a sell and the highest of a buy."""
        highest, lowest = matching.band_edges(self.model.contracts[0])
        return int(lowest), int(highest)

    def set_impact_notional(self, micros: int) -> None:
        """Past the door, as examples have less than listing asks for."""
        self.model.contracts[0].parameters[P.IMPACT_NOTIONAL_MICROS, 0] = micros

    def impact_subticks(self, side: int) -> int:
        """The impact price of a side, 0 when it is too thin."""
        return int(prices.impact(self.model, self.model.contracts[0], side) or 0)

    def money(self, account: int) -> tuple[int, int]:
        """Cash and entry cost of an account, in micros."""
        return self.model.accounts[account].cash, self.model.position(account, 0).entry_cost


def _limits(capacities: Capacities) -> Limits:
    return Limits(**{name: value for name, value in vars(capacities).items() if name in vars(Limits())})
