"""Figures of contracts and money: states, prices, the index's sources, open interest, the fund, occupancy."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from prometheus_client.core import Metric

from engine.codes import MarketState
from engine.schema import MAX_CONTRACTS, Capacities
from engine.units import SUBTICKS
from gateway.operations.families import NS_PER_S, Row, counters, gauge, gauges
from gateway.venue.venue import Venue
from gateway.wire.decimals import Contract

MICROS, PPB = 1_000_000, 1_000_000_000
_OVER = (MarketState.DRAFT, MarketState.SETTLED)
_LIVE = {"orders": "orders_live", "levels": "levels_live", "nodes": "nodes_live", "jobs": "jobs_count"}
"""Where the engine counts what is alive; of other rows, how many were ever used."""


def families(venue: Venue) -> Iterator[Metric]:
    """Every contract that is listed and not settled; the venue's money; how full the engine's arrays are."""
    state = venue.engine.root[0]
    found = [
        (contract, state["contracts"][contract.slot])
        for contract in venue.projection.contracts()
        if state["contracts"][contract.slot]["state"] not in _OVER
    ]
    yield gauges("market_state", "1 for the state that a contract is in", ("contract", "state"), _states(found))
    yield from _prices(venue, found)
    yield from _index(venue, found)
    yield gauge("insurance_fund", "The insurance fund in the settlement currency", int(state["fund_micros"]) / MICROS)
    yield from _occupancy(state)


def _states(found: list[tuple[Contract, Any]]) -> Iterator[Row]:
    for contract, row in found:
        for market_state in MarketState:
            if market_state not in _OVER:
                yield (contract.name, market_state.name.lower()), float(int(row["state"]) == market_state)


def _prices(venue: Venue, found: list[tuple[Contract, Any]]) -> Iterator[Metric]:
    markets = venue.projection.view[0]["markets"]
    label = ("contract",)

    def told(value: Any) -> list[Row]:
        return [((contract.name,), value(contract, row)) for contract, row in found]

    def subticks(name: str) -> Any:
        return lambda contract, _: float(contract.tick.text(int(markets[contract.slot][name]), SUBTICKS))

    yield gauges("mark_price", "The mark price in the settlement currency, 0 before the first", label,
                 told(subticks("mark_subticks")))
    yield gauges("index_price", "The index in the settlement currency, 0 before the first", label,
                 told(subticks("index_subticks")))
    yield gauges("open_interest", "Open interest in the base currency", label,
                 told(lambda contract, row: float(contract.lot.text(int(row["open_interest_lots"])))))
    yield gauges("funding_rate", "The funding rate of the last settled interval, as a ratio", label,
                 told(lambda _, row: int(row["funding_rate_ppb"]) / PPB))
    yield counters("trades", "Trades of a contract since it was listed", label,
                   told(lambda _, row: float(row["trade_serial"])))


def _index(venue: Venue, found: list[tuple[Contract, Any]]) -> Iterator[Metric]:
    now_ns = venue.projection.now_ns
    decided = venue.decided.sources()
    rows: list[Row] = []
    for contract, row in found:
        for place, source in enumerate(decided.get(contract.name, ())):
            time_ns = int(row["source"][place]["time_ns"])
            if time_ns:
                rows.append(((contract.name, str(place), str(source)), max(now_ns - time_ns, 0) / NS_PER_S))
    text = "How old a source's last price is, in seconds; a source appears with its first price"
    yield gauges("index_staleness_seconds", text, ("contract", "place", "source"), rows)


def _occupancy(state: Any) -> Iterator[Metric]:
    names = [field.name for field in fields(Capacities)]
    used: list[Row] = [((name,), float(state[_LIVE.get(name, f"{name}_used")])) for name in names]
    limits: list[Row] = [((name,), float(state[f"{name}_capacity"])) for name in names]
    used.append((("contracts",), float(state["contracts_used"])))
    limits.append((("contracts",), float(MAX_CONTRACTS)))
    yield gauges("capacity_used", "Rows in use of what the engine has room for", ("what",), used)
    yield gauges("capacity_limit", "Rows that the engine has room for", ("what",), limits)
