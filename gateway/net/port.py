"""What differs between the venue's two ports: the public one, and the one for officers and operation."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.net.connections import Connections

Page = tuple[int, bytes, str]
"""Status, content, content type."""


@dataclass(frozen=True)
class Port:
    """A port: who is connected to it, what it gives beside the protocol, and whether officers may act over it."""

    connections: Connections
    find: Callable[[str], Page | None]
    """The page at a path, None where there is none."""
    serves_officers: bool
