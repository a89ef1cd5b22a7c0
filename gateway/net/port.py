"""What differs between the venue's two ports: the public one, and the one for officers and operation."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.net.connections import Connections
from gateway.net.static_answers import Page, StaticAnswers


@dataclass(frozen=True)
class Port:
    """A port: who is connected to it, what it gives beside the protocol, and whether officers may act over it."""

    connections: Connections
    find: Callable[[str], Page | None]
    """The page at a path that is made for each request, None where there is none."""
    static: StaticAnswers
    serves_officers: bool
