"""The actions of `lionrock trade`: their words on the command line, and the method that each one calls."""

import argparse
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, get_args

from gateway.client import Client
from gateway.commands.common import MAX_ID, number_text, whole
from gateway.office.officer_params import DisclosureName
from gateway.sessions.method_table import OrderTypeName, SelfTradeName, TimeInForceName, TriggerName

_MAX_MS = 1 << 53
_VALUES = (
    "instrument_name", "amount", "price", "type", "time_in_force", "trigger", "trigger_price", "trigger_offset",
    "display_amount", "expires_at", "valid_until", "stp", "label", "cl_ord_id", "post_only", "reject_post_only",
    "reduce_only", "forfeit_priority", "confirm",
)  # fmt: skip
"""Words that travel to the venue under their own names."""


def instant_ms(text: str) -> int:
    """An instant in ms: a number of ms since 1970, or a date and time with its zone."""
    if re.fullmatch(r"[0-9]{1,16}", text):
        return whole(0, _MAX_MS)(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is no instant with its zone such as 2026-12-01T16:00:00Z, and no number of ms since 1970"
        )
    return round(found.timestamp() * 1000)


class Action(NamedTuple):
    """`shows` is the kind of answer, for a table."""

    help: str
    shows: str
    method: Callable[[argparse.Namespace], str]
    example: str = ""


def _named(method: str) -> Callable[[argparse.Namespace], str]:
    return lambda given: method


def _cancel_all_method(given: argparse.Namespace) -> str:
    if given.label is not None:
        return "private/cancel_by_label"
    return f"private/cancel_all{'_by_instrument' if given.instrument_name else ''}"


def _orders_method(given: argparse.Namespace) -> str:
    return f"private/get_open_orders{'_by_instrument' if given.instrument_name else ''}"


ACTIONS: dict[str, Action] = {
    "buy": Action("place a buy order", "placed", _named("private/buy"), "BTC_USDC-PERPETUAL 0.5 60000 --post-only"),
    "sell": Action("place a sell order", "placed", _named("private/sell"), "BTC_USDC-PERPETUAL 0.5 --type market"),
    "edit": Action(
        "amend an order; the amount is the total", "placed", _named("private/edit"), "4194304 0.4 59990"
    ),
    "cancel": Action("cancel an order", "order", _named("private/cancel"), "4194304"),
    "cancel-all": Action(
        "cancel all orders, or those of a contract or with a label", "count", _cancel_all_method, "BTC_USDC-PERPETUAL"
    ),
    "close": Action(
        "close a position at the market, or at a price", "placed", _named("private/close_position"),
        "BTC_USDC-PERPETUAL",
    ),
    "orders": Action("open orders, of all contracts or one", "orders", _orders_method),
    "trades": Action(
        "own trades of a contract", "trades", _named("private/get_user_trades_by_instrument"), "BTC_USDC-PERPETUAL"
    ),
    "positions": Action("positions", "positions", _named("private/get_positions")),
    "account": Action("balance and margin", "account", _named("private/get_account_summaries")),
    "admission": Action(
        "what stands between you and opening a position", "admission", _named("venue/get_admission"),
        "BTC_USDC-PERPETUAL",
    ),
    "disclosures": Action(
        "the texts to read before you acknowledge them", "disclosures", _named("venue/get_disclosures"), "product"
    ),
    "acknowledge": Action(
        "acknowledge a disclosure that you have read", "acknowledged", _named("venue/acknowledge_disclosure"),
        "product 1",
    ),
}  # fmt: skip


def add_actions(actions: Any, add_more: Callable[[argparse.ArgumentParser], object]) -> None:
    """Add every action; `add_more` adds the options that each one has too."""
    for name, action in ACTIONS.items():
        epilog = f"example: lionrock trade {name} {action.example}".rstrip()
        parser = actions.add_parser(name, help=action.help, description=action.help, epilog=epilog)
        _ADD[name](parser)
        add_more(parser)


def _add_number(parser: argparse.ArgumentParser, name: str, metavar: str, text: str, count: str | None = None) -> None:
    kind: dict[str, Any] = {} if count is None else {"nargs": count}
    parser.add_argument(name, type=number_text, metavar=metavar, help=text, **kind)


def _add_order(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instrument_name", metavar="CONTRACT")
    _add_number(parser, "amount", "AMOUNT", "in base currency")
    _add_number(parser, "price", "PRICE", "limit price; none for market types", "?")
    parser.add_argument("--type", default="limit", choices=get_args(OrderTypeName), help="default: limit")
    parser.add_argument("--time-in-force", choices=get_args(TimeInForceName), help="default: good_til_cancelled")
    parser.add_argument("--trigger", choices=get_args(TriggerName), help="what is compared (default: mark_price)")
    parser.add_argument("--expires-at", type=instant_ms, metavar="TIME", help="rest until then: a whole second")
    parser.add_argument("--stp", choices=get_args(SelfTradeName), help="if it meets your own group's order")
    parser.add_argument("--label", metavar="TEXT", help="comes back on every report, at most 64 bytes")
    parser.add_argument("--cl-ord-id", type=whole(1, MAX_ID), metavar="NUMBER", help="your own number, once per order")
    _add_number(parser, "--trigger-offset", "DISTANCE", "of a trailing stop, in price")
    _add_number(parser, "--display-amount", "AMOUNT", "show only so much of it in the book")
    for flag, text in (
        ("--post-only", "never take: move behind the best price"), ("--reject-post-only", "refuse instead of moving"),
        ("--reduce-only", "only make a position smaller"),
    ):  # fmt: skip
        parser.add_argument(flag, action="store_true", default=None, help=text)
    _add_changeable(parser)


def _add_edit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("order_id", metavar="ORDER")
    _add_number(parser, "amount", "AMOUNT", "the total, with what is filled")
    _add_number(parser, "price", "PRICE", "the new limit price (default: as it is)", "?")
    _add_changeable(parser)
    parser.add_argument("--forfeit-priority", action="store_true", default=None, help="go to the end of the queue")


def _add_changeable(parser: argparse.ArgumentParser) -> None:
    """What an order has and an amendment may change."""
    _add_number(parser, "--trigger-price", "PRICE", "of stop and take orders")
    parser.add_argument("--valid-until", type=instant_ms, metavar="TIME", help="refuse it if it arrives later")
    parser.add_argument("--confirm", action="store_true", default=None, help="yes to an unusual value or price")


def _add_cancel(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("order_id", nargs="?", metavar="ORDER")
    parser.add_argument("--cl-ord-id", type=whole(1, MAX_ID), metavar="NUMBER", help="your own number instead")


def _add_cancel_all(parser: argparse.ArgumentParser) -> None:
    _add_contract(parser, "?")
    parser.add_argument("--label", metavar="TEXT", help="only those with this label, of all contracts")
    parser.add_argument("--side", choices=("buy", "sell"), help="only this side of the contract")


def _add_close(parser: argparse.ArgumentParser) -> None:
    _add_contract(parser)
    _add_number(parser, "price", "PRICE", "limit price (default: at the market)", "?")


def _add_disclosures(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("disclosure", nargs="?", choices=get_args(DisclosureName), help="only this one")


def _add_acknowledge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("disclosure", choices=get_args(DisclosureName), help="which one")
    parser.add_argument(
        "version", type=whole(1, 1_000_000), metavar="VERSION", help="as `lionrock trade disclosures` says"
    )
    parser.add_argument("--hash", metavar="SHA256", help="refuse it unless this is the text's SHA-256")


def _add_contract(parser: argparse.ArgumentParser, count: str | None = None) -> None:
    parser.add_argument("instrument_name", nargs=count, metavar="CONTRACT")


def _add_nothing(parser: argparse.ArgumentParser) -> None:
    pass


_ADD: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "buy": _add_order,
    "sell": _add_order,
    "edit": _add_edit,
    "cancel": _add_cancel,
    "cancel-all": _add_cancel_all,
    "close": _add_close,
    "orders": lambda parser: _add_contract(parser, "?"),
    "trades": _add_contract,
    "positions": _add_nothing,
    "account": _add_nothing,
    "admission": lambda parser: _add_contract(parser, "?"),
    "disclosures": _add_disclosures,
    "acknowledge": _add_acknowledge,
}


def check(given: argparse.Namespace) -> None:
    """What the parser cannot say about words that exclude each other. ValueError: one line."""
    if given.action == "cancel" and (given.order_id is None) == (given.cl_ord_id is None):
        raise ValueError("ORDER: give the order's id, or --cl-ord-id and your own number, one of them")
    if given.action == "cancel-all":
        if given.label is not None and (given.instrument_name or given.side):
            raise ValueError("--label: it goes for all contracts and both sides; leave CONTRACT and --side out")
        if given.side and not given.instrument_name:
            raise ValueError("--side: it needs CONTRACT")


async def do(client: Client, given: argparse.Namespace) -> Any:
    """Call the method that the words mean."""
    check(given)
    method = ACTIONS[given.action].method(given)
    words = ("order_id", "side", "disclosure", "version", "hash", *_VALUES)
    params = {name: value for name in words if (value := getattr(given, name, None)) is not None}
    if given.action == "close":
        params["type"] = "limit" if given.price else "market"
    if given.action == "trades":
        params["count"] = 50
    result = await client.call(method, **params)
    return result[_INSIDE[given.action]] if given.action in _INSIDE else result


_INSIDE = {"trades": "trades", "account": "summaries"}
"""Where in its answer the rows are."""
