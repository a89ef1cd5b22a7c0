"""Who is connected to the venue's port."""

from typing import Any


class Connections:
    """Who is connected: websockets, and connections that still speak HTTP."""

    def __init__(self, limit: int) -> None:
        self.websockets: set[Any] = set()
        self.http: set[Any] = set()
        self._limit = limit

    @property
    def is_full(self) -> bool:
        """Whether the limit of connections is reached."""
        return len(self.http) + len(self.websockets) >= self._limit
