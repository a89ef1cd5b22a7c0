"""Calls what deribit-wrapper has for a trader of futures; the venue's address takes the place of the test network's."""

import json
import logging
import os
import warnings

from deribit_wrapper import DeribitClient
from deribit_wrapper.base import DeribitBase

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
BTC = "BTC_USDC-PERPETUAL"
DeribitBase._DeribitBase__ENVS["test"] = f"http://127.0.0.1:{os.environ['VENUE_PORT']}"
CALLS = [
    ("get_time",), ("test",), ("get_status",), ("get_currencies",), ("get_ticker", BTC), ("get_contract_size", BTC),
    ("get_instruments", "USDC", "future"), ("get_instrument", BTC), ("get_account_summary",), ("get_margin_model",),
    ("list_api_keys",), ("get_subaccounts",), ("get_subaccounts_with_portfolio",),
    ("order", BTC, 0.1, 19_800, "resting"), ("get_open_orders",), ("market_order", BTC, 0.1), ("get_positions",),
    ("get_transaction_log", "2026-01-01", "now"), ("get_trade_history",), ("close_position", BTC),
    ("cancel_orders", None, None, None, "resting"), ("cancel_orders", "USDC", "future", "all"),
]  # fmt: skip


def say(call, error=None):
    """One line for each call: its name, and what went wrong in it."""
    print(json.dumps({"call": call, "error": error}), flush=True)


def main():
    login = os.environ["VENUE_KEY"], os.environ["VENUE_SECRET"]
    client = DeribitClient("test", *login, simulated=False)
    for name, *arguments in CALLS:
        try:
            found = getattr(client, name)(*arguments)
        except Exception as error:
            say(name, f"{type(error).__name__}: {error}")
        else:
            say(name, "it gave nothing" if isinstance(found, dict) and not found else None)


main()
