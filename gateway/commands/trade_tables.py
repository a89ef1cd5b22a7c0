"""How `lionrock trade` shows orders, trades, positions and money: tables with each contract's own decimals."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from gateway.commands.common import print_facts, print_table
from gateway.wire.plain_text import plain

Row = dict[str, Any]
MONEY_DECIMALS = 2
"""Money is shown with at least so many."""
_NUMBERS = frozenset({
    "amount", "filled", "average", "price", "size", "mark", "liquidation", "profit", "margin", "fee", "leverage",
})  # fmt: skip
_MARKETS = frozenset({"market", "stop_market", "take_market", "trailing_stop"})
"""Types that have no limit price."""
_MS = 1000


class Decimals(NamedTuple):
    """How many decimals a contract's prices and amounts have."""

    price: int = 0
    amount: int = 0


def decimals_of(instruments: Iterable[Row]) -> dict[str, Decimals]:
    """The decimals of each contract, from its tick and its amount's step."""
    return {
        row["instrument_name"]: Decimals(places_of(row["tick_size"]), places_of(row["amount_step"]))
        for row in instruments
    }


def places_of(value: Decimal | int) -> int:
    """How many decimals a value needs."""
    exponent = Decimal(value).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def number(value: Any, places: int) -> str:
    """A number with thousands separators and at least so many decimals, never rounded; empty when there is none."""
    if value is None:
        return ""
    if not isinstance(value, Decimal | int):
        return str(value)
    return f"{value:,.{max(places, places_of(value))}f}"


def instant(time_ms: int) -> str:
    """A time in UTC, with its milliseconds unless they are 0."""
    found = datetime.fromtimestamp(time_ms / _MS, UTC)
    return f"{found:%Y-%m-%d %H:%M:%S}{f'.{time_ms % _MS:03}' if time_ms % _MS else ''} UTC"


class Tables:
    """Prints what the venue answers, for people."""

    def __init__(self, decimals: dict[str, Decimals]) -> None:
        self._decimals = decimals

    def _of(self, row: Row) -> Decimals:
        return self._decimals.get(row["instrument_name"], Decimals())

    def orders(self, rows: list[Row]) -> None:
        """Orders with their conditions, terms and state."""
        _show("orders", rows, self._order)

    def _order(self, row: Row) -> dict[str, str]:
        of = self._of(row)
        filled, kind = row["filled_amount"], row["order_type"]
        reason = row.get("cancel_reason")
        return {
            "order_id": str(row["order_id"]),
            "contract": row["instrument_name"],
            "side": row["direction"],
            "type": kind,
            "state": f"{row['order_state']} ({reason})" if reason else row["order_state"],
            "amount": number(row["amount"], of.amount),
            "filled": number(filled, of.amount),
            "average": number(row["average_price"], of.price) if filled else "",
            "price": "market" if kind in _MARKETS else number(row["price"], of.price),
            "trigger": _condition(row, of),
            "terms": ", ".join(_terms(row, of)),
            "label": row["label"],
        }

    def trades(self, rows: list[Row]) -> None:
        """Own trades."""
        _show("trades", rows, self._trade)

    def _trade(self, row: Row) -> dict[str, str]:
        of = self._of(row)
        return {
            "time": instant(row["timestamp"]),
            "contract": row["instrument_name"],
            "side": row["direction"],
            "amount": number(row["amount"], of.amount),
            "price": number(row["price"], of.price),
            "fee": f"{number(row['fee'], MONEY_DECIMALS)} {row['fee_currency']}",
            "role": {"M": "maker", "T": "taker"}.get(row["liquidity"], row["liquidity"]),
            "order_id": str(row["order_id"]),
            "trade_id": str(row["trade_id"]),
            "label": row["label"],
        }

    def positions(self, rows: list[Row]) -> None:
        """Positions with their money."""
        _show("positions", rows, self._position)

    def _position(self, row: Row) -> dict[str, str]:
        of = self._of(row)
        return {
            "contract": row["instrument_name"],
            "side": {"buy": "long", "sell": "short"}.get(row["direction"], "flat"),
            "size": number(row["size"], of.amount),
            "average": number(row["average_price"], of.price),
            "mark": number(row["mark_price"], of.price),
            "liquidation": number(row.get("estimated_liquidation_price"), of.price),
            "profit": number(row["floating_profit_loss"], MONEY_DECIMALS),
            "margin": number(row["maintenance_margin"], MONEY_DECIMALS),
            "leverage": number(row.get("leverage"), 0),
        }

    def account(self, rows: list[Row]) -> None:
        """Balance and margin in each currency."""
        names = ("equity", "balance", "available_funds", "initial_margin", "maintenance_margin")
        for row in rows:
            money = {name.replace("_", " "): number(row[name], MONEY_DECIMALS) for name in names}
            print_facts([(name, f"{text} {row['currency']}") for name, text in money.items()])


def _condition(row: Row, of: Decimals) -> str:
    """What makes a conditional order fire, as a comparison; a trailing one by its distance."""
    if "trigger" not in row:
        return ""
    rises = (row["direction"] == "buy") != row["order_type"].startswith("take")
    level = number(row["trigger_price"], of.price)
    if "trigger_offset" in row:
        # The price in the answer is that of the beginning; the level moves with the best price since then.
        level = f"{'lowest +' if rises else 'highest -'} {number(row['trigger_offset'], of.price)}"
    text = f"{row['trigger'].removesuffix('_price')} {'>=' if rises else '<='} {level}"
    return f"{text} (triggered)" if row.get("triggered") else text


def _terms(row: Row, of: Decimals) -> Iterable[str]:
    """What else was agreed, in words; nothing for an ordinary order."""
    if row["post_only"]:
        yield "post-only"
    if row["reduce_only"]:
        yield "reduce-only"
    if row.get("display_amount"):
        yield f"shows {number(row['display_amount'], of.amount)}"
    if row.get("expires_at"):
        yield f"until {instant(row['expires_at'])}"
    elif row["time_in_force"] != "good_til_cancelled":
        yield row["time_in_force"].replace("_", " ")
    if row.get("cl_ord_id"):
        yield f"cl_ord_id {row['cl_ord_id']}"


def _show(kind: str, rows: list[Row], cells: Callable[[Row], dict[str, str]]) -> None:
    """A table of these rows, without the columns that are empty in all of them."""
    if not rows:
        print(f"no {kind}")
        return
    made = [{name: plain(cell) for name, cell in cells(row).items()} for row in rows]
    names = [name for name in made[0] if any(row[name] for row in made)]
    print_table(names, [[row[name] for name in names] for row in made], right=_NUMBERS)
