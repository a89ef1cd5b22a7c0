"""The live sources by name."""

from gateway.index_feeds.adapter import Adapter
from gateway.index_feeds.coinbase import Coinbase
from gateway.index_feeds.kraken import Kraken
from gateway.index_feeds.okx import Okx

ADAPTERS: dict[str, type[Adapter]] = {"kraken": Kraken, "okx": Okx, "coinbase": Coinbase}
"""Name -> adapter; the order is that of the index sources of the shipped contracts."""
