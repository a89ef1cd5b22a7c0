"""What officers see and do of the running venue beyond the protocol's own state: connections, alerts, all accounts."""

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import Struct

from gateway.surveillance.store import AlertStore
from gateway.wire.views import OperatorViews


class OpenSession(NamedTuple):
    """A websocket: at which port, its session, whether it reads too slowly, and what is not sent to it yet."""

    port: str
    session: Any
    is_slow: bool
    unsent_bytes: int


class Story(NamedTuple):
    """An order's life as the journal has it: `state` is running, waiting (for another one), done or failed."""

    state: str
    steps: list[Any] = []  # noqa: RUF012 - never changed
    problem: str = ""


class Operation(Struct):
    """The running venue's parts that officers' methods use; each is filled by the room that has it."""

    views: OperatorViews
    alerts: Callable[[], AlertStore]
    """Opens the file of alerts; whoever calls closes it."""
    stories: Callable[[str, int], Story]
    """The life of an order, or what one command did: by "order" or "sequence", and its number."""
    sessions: Callable[[], list[OpenSession]] = list
    end_session: Callable[[int, str], bool] = lambda number, why: False
    """Ends the websocket of a session's number with a reason for its client; False when there is none."""
