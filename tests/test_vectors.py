"""Order scripts that two open-source engines publish, as far as the venue's rules can express them."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.codes import EventKind, OrdType, PriceSource, TimeInForce
from tests import build
from tests.build import BUY, SELL, amend, cancel, new
from tests.pair import Pair

VECTORS = Path(__file__).parents[2] / "shared" / "data" / "vectors"
SCENARIOS = VECTORS / "cpptrader_scenarios"
FEATURES = VECTORS / "exchange_core_features"
SIDES = {"buy": BUY, "sell": SELL, "BID": BUY, "ASK": SELL}
MAKER, TAKER = 0, 1

Book = dict[int, dict[int, int]]

pytestmark = pytest.mark.skipif(not VECTORS.exists(), reason=f"{VECTORS} with the published scripts is not here")


def shown(pair: Pair) -> Book:
    """What the book shows: side -> price -> lots."""
    levels = pair.model.contracts[0].levels
    return {side: {price: sum(o.shown for o in queue) for price, queue in levels[side].items()} for side in levels}


# --- CppTrader: one command a line ---------------------------------------------------------------------------------


class CppTrader:
    """Runs a script: resting orders belong to one account, orders that take to another."""

    def __init__(self) -> None:
        self.pair = Pair()
        self.pair.play(build.venue(3))
        self.reports: list[dict[str, Any]] = []

    def send(self, rows: build.Rows) -> None:
        """One command of the script."""
        self.reports += self.pair.send(rows)

    def run(self, text: str) -> None:
        """The whole script."""
        for line in text.splitlines():
            words = line.split("#")[0].split()
            if not words or words[0] == "enable" or words[1] in ("symbol", "book"):
                continue
            if words[0] == "add":
                self.add(words[1:])
            else:
                self.change(words[0], [int(word) for word in words[2:]])
        self.send(build.time())

    def add(self, words: list[str]) -> None:
        """add [slippage|ioc|fok] limit|market|stop|stop-limit buy|sell ID SYMBOL ..."""
        style = words.pop(0) if words[0] in ("slippage", "ioc", "fok") else ""
        kind, side, (name, _, *numbers) = words[0], SIDES[words[1]], [int(word) for word in words[2:]]
        if kind == "market" and style == "slippage":
            best = max(shown(self.pair)[BUY]) if side == SELL else min(shown(self.pair)[SELL])
            limit = best - numbers[1] if side == SELL else best + numbers[1]
            rows = new(TAKER, side, numbers[0], limit, tif=TimeInForce.IOC)
        elif kind == "market":
            rows = new(TAKER, side, numbers[0])
        elif kind == "limit":
            tif = {"ioc": TimeInForce.IOC, "fok": TimeInForce.FOK}.get(style, TimeInForce.GTC)
            rows = new(TAKER if style else MAKER, side, numbers[1], numbers[0], tif=tif)
        else:
            trigger, price = numbers[0], numbers[1] if kind == "stop-limit" else 0
            rows = new(TAKER, side, numbers[-1], price, trigger_price_ticks=trigger, trigger_source=PriceSource.LAST)
            rows["ord_type"] = OrdType.STOP_LIMIT if price else OrdType.STOP_MARKET
        rows["cl_ord_id"] = name
        self.send(rows)

    def change(self, verb: str, numbers: list[int]) -> None:
        """reduce ID LOTS, modify|mitigate ID PRICE LOTS, replace ID NEW_ID PRICE LOTS, delete ID."""
        name = numbers[0]
        if verb == "reduce":
            order = self.pair.model.by_client_id(MAKER, name)
            self.send(amend(MAKER, cl_ord_id=name, qty_lots=order.total - numbers[1]))
        elif verb in ("modify", "mitigate"):
            self.send(amend(MAKER, cl_ord_id=name, price_ticks=numbers[1], qty_lots=numbers[2]))
        else:
            self.send(cancel(MAKER, cl_ord_id=name))
        if verb == "replace":
            self.send(new(MAKER, BUY, numbers[3], numbers[2], cl_ord_id=numbers[1]))


LADDER = {10: 60, 20: 60, 30: 60}
EXPRESSED: dict[str, tuple[Book, int]] = {
    "03": ({BUY: {}, SELL: {}}, 0),
    "04": ({BUY: {}, SELL: {}}, 10),
    "05": ({BUY: {}, SELL: {}}, 10),
    "06": ({BUY: LADDER, SELL: {50: 20, 60: 60}}, 100),
    "07": ({BUY: {10: 60}, SELL: {40: 60, 50: 60, 60: 60}}, 120),
    "09": ({BUY: {}, SELL: {}}, 60),
    "10": ({BUY: {10: 10, 20: 10}, SELL: {}}, 40),
    "11": ({BUY: {}, SELL: {}}, 61),
    "12": ({BUY: {10: 10, 20: 10}, SELL: {30: 30}}, 41),
    "14": ({BUY: {}, SELL: {}}, 20),
}
"""Scenario -> the book at its end and the lots traded. 11 and 12 trade one lot before to have a last price."""
NOT_EXPRESSED = {
    "01": "symbols are never deleted: a contract keeps its slot for good",
    "02": "books are never deleted: a contract keeps its slot for good",
    "08": "there are no resting all-or-none orders, whose book may stand crossed",
    "13": "trailing stops have no step, and one on the last price needs a last price when it is placed",
}


@pytest.mark.parametrize("number", EXPRESSED)
def test_cpptrader_scenario(number: str) -> None:
    script = CppTrader()
    if number in ("11", "12"):
        script.send(new(2, BUY, 1, 30))
        script.send(new(TAKER, SELL, 1, 30))
    script.run((SCENARIOS / f"scenario-{number}.txt").read_text())
    book, lots = EXPRESSED[number]
    assert shown(script.pair) == book
    maker_fills = [r for r in script.reports if r["kind"] == EventKind.FILL and r["level_lots"] >= 0]
    assert sum(report["last_lots"] for report in maker_fills) == lots


def test_every_cpptrader_scenario_is_run_or_explained() -> None:
    files = {path.stem.removeprefix("scenario-") for path in SCENARIOS.glob("*.txt")}
    assert files == EXPRESSED.keys() | NOT_EXPRESSED.keys()


# --- exchange-core: Gherkin ----------------------------------------------------------------------------------------

UNCHECKED = re.compile(r"New client|balance|added to|A balance")
"""Steps of a spot exchange: balances per currency. Ours has margin instead."""


class Feature:
    """Runs one scenario; clients are accounts in the order of their appearance, orders keep their numbers."""

    def __init__(self) -> None:
        self.pair = Pair()
        self.pair.play(build.venue(3))
        self.clients: dict[str, int] = {}
        self.owner: dict[int, int] = {}
        self.reports: list[dict[str, Any]] = []
        self.checks = 0

    def account(self, name: str) -> int:
        """A client's account."""
        return self.clients.setdefault(name, len(self.clients))

    def send(self, rows: build.Rows) -> None:
        """One command; what it reported is what the next steps ask about."""
        self.reports = self.pair.send(rows)

    def step(self, text: str, table: list[list[str]]) -> None:
        """One step with the rows of its table."""
        for pattern, handler in STEPS:
            match = re.search(pattern, text)
            if match:
                handler(self, match, table)
                return
        assert UNCHECKED.search(text), f"no rule for the step: {text}"


def _place(feature: Feature, match: re.Match[str], table: list[list[str]]) -> None:
    name, side, number, price, lots, kind = match.groups()
    feature.owner[int(number)] = feature.account(name)
    tif = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK_BUDGET": TimeInForce.FOK}[kind]
    rows = new(feature.account(name), SIDES[side], int(lots), int(price), tif=tif, cl_ord_id=int(number))
    feature.send(rows)


def _move(feature: Feature, match: re.Match[str], table: list[list[str]]) -> None:
    name, price, number = match.groups()
    feature.send(amend(feature.account(name), cl_ord_id=int(number), price_ticks=int(price)))


def _cancel(feature: Feature, match: re.Match[str], table: list[list[str]]) -> None:
    name, lots, number = match.groups()
    feature.send(cancel(feature.account(name), cl_ord_id=int(number)))
    assert [report["last_lots"] for report in feature.reports] == [int(lots)]
    feature.checks += 1


def _book(feature: Feature, match: re.Match[str], table: list[list[str]]) -> None:
    rows = [row for row in table if row[1] != "price"]
    wanted = {
        side: {int(row[1]): int(row[place]) for row in rows if row[place]} for side, place in ((BUY, 0), (SELL, 2))
    }
    assert shown(feature.pair) == wanted
    feature.checks += 1


def _orders(feature: Feature, match: re.Match[str], table: list[list[str]]) -> None:
    own = feature.pair.model.accounts[feature.account(match[1])].orders
    found = {(order.cl_ord_id, order.price, order.total, order.filled, order.side) for order in own}
    assert found == {(*(int(cell) for cell in row[:4]), SIDES[row[5]]) for row in table[1:]}
    feature.checks += 1


def _no_orders(feature: Feature, match: re.Match[str], table: list[list[str]]) -> None:
    assert feature.pair.model.accounts[feature.account(match[1])].orders == []
    feature.checks += 1


def _matched(feature: Feature, match: re.Match[str], table: list[list[str]]) -> None:
    number, how, price, lots = match.groups()
    legs = [r for r in feature.reports if r["kind"] == EventKind.FILL and r["cl_ord_id"] == int(number)]
    assert [(leg["price_ticks"], leg["last_lots"]) for leg in legs] == [(int(price), int(lots))]
    assert (legs[0]["leaves_lots"] == 0) == (how == "fully")
    feature.checks += 1


def _no_trades(feature: Feature, match: re.Match[str], table: list[list[str]]) -> None:
    assert all(report["kind"] != EventKind.FILL for report in feature.reports)
    feature.checks += 1


Handler = Callable[[Feature, re.Match[str], list[list[str]]], None]
STEPS: list[tuple[str, Handler]] = [
    (r"client (\w+) places an (BID|ASK) order (\d+) at (\d+)@(\d+) \(type: (\w+)", _place),
    (r"client (\w+) moves a price to (\d+) of the order (\d+)", _move),
    (r"client (\w+) cancels the remaining size (\d+) of the order (\d+)", _cancel),
    (r"order book is", _book),
    (r"client (\w+) orders:", _orders),
    (r"client (\w+) does not have active orders", _no_orders),
    (r"The order (\d+) is (fully|partially) matched. LastPx: (\d+), LastQty: (\d+)", _matched),
    (r"No trade events", _no_trades),
]


def scenarios(path: Path) -> Iterator[tuple[str, list[tuple[str, list[list[str]]]]]]:
    """The scenarios of a feature file: name and steps with their tables."""
    for block in re.split(r"Scenario(?: Outline)?:", path.read_text())[1:]:
        name, *lines = block.split("Examples:")[0].strip().splitlines()
        steps: list[tuple[str, list[list[str]]]] = []
        for line in (line.strip() for line in lines):
            if line.startswith("|"):
                steps[-1][1].append([cell.strip() for cell in line.strip("|").split("|")])
            elif line and not line.startswith("@"):
                steps.append((line, []))
        yield name, steps


SPOT_ONLY = {
    "basic scenario": "its refusals are of a spot exchange without margin (RISK_NSF), see the margin tests for ours",
    "move orders UP and DOWN": "its moves are bounded by a reserve price, which a margin account does not have",
}


def test_exchange_core_features() -> None:
    checks, ran = 0, []
    for path in sorted(FEATURES.glob("*.feature")):
        for name, steps in scenarios(path):
            if name in SPOT_ONLY:
                continue
            feature = Feature()
            for text, table in steps:
                feature.step(text, table)
            checks += feature.checks
            ran.append(name)
    assert len(ran) >= 2 and checks >= 12, (ran, checks)
