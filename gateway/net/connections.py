"""Who is connected to one of the venue's ports."""

from collections import Counter
from typing import Any


class Connections:
    """Who is connected: sockets by address, websockets, and connections that still speak HTTP."""

    def __init__(self, limit: int, per_address: int = 0) -> None:
        """At most `limit` connections, and `per_address` of one address; 0: as many as there are."""
        self.websockets: set[Any] = set()
        self.http: set[Any] = set()
        self.most = 0
        """How many there were at once, at most."""
        self.turned_away = 0
        """How many there was no room for."""
        self.limit = limit
        self._per_address = per_address
        self._open = 0
        self._by_address: Counter[str] = Counter()

    @property
    def open(self) -> int:
        """How many sockets are open, those whose handshake is not over among them."""
        return self._open

    def refusal(self, address: str) -> bytes | None:
        """Why there is no room for another connection of this address, as a part of a sentence; None: there is."""
        if self._open >= self.limit:
            self.turned_away += 1
            return b""
        if self._per_address and self._by_address[address] >= self._per_address:
            self.turned_away += 1
            return b" from this address"
        return None

    def opened(self, address: str) -> None:
        """A connection of this address is there."""
        self._open += 1
        self.most = max(self.most, self._open)
        self._by_address[address] += 1

    def closed(self, address: str) -> None:
        """It is gone."""
        self._open -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]
