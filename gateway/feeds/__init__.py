"""Live index sources: what other venues' public books say a base asset is worth.

`adapter` has the small interface; `kraken`, `okx` and `coinbase` are adapters without I/O; `runner` connects them.
"""

from gateway.feeds.adapter import Adapter, DesyncError, Quote
from gateway.feeds.coinbase import Coinbase
from gateway.feeds.kraken import Kraken
from gateway.feeds.okx import Okx

__all__ = ["ADAPTERS", "Adapter", "Coinbase", "DesyncError", "Kraken", "Okx", "Quote"]

ADAPTERS: dict[str, type[Adapter]] = {"kraken": Kraken, "okx": Okx, "coinbase": Coinbase}
"""Name -> adapter; the order is that of the index sources of the shipped contracts."""
