"""`/healthz`: does the process serve? `/readyz`: may clients trade? With the reasons, for people and load balancers."""

from collections.abc import Callable
from typing import Any

from engine.codes import MarketState
from gateway import clock
from gateway.venue.health import Effect
from gateway.venue.venue import Venue
from gateway.wire.jsonrpc_answers import encode

Page = tuple[int, bytes, str]
"""Status, content, content type."""
JSON = "application/json"
_OK, _UNAVAILABLE = 200, 503


class HealthPages:
    """The two pages of a venue. `has_failed` says whether the venue has ended and the process is about to."""

    def __init__(self, venue: Venue, has_failed: Callable[[], bool]) -> None:
        self._venue = venue
        self._has_failed = has_failed

    def brief(self, path: str) -> Page | None:
        """A page for anybody: one word, without reasons. None for another path."""
        if path == "/healthz":
            return _page(self._is_live(), {"live": self._is_live()})
        if path == "/readyz":
            is_ready = self._is_live() and not self.reasons()
            return _page(is_ready, {"ready": is_ready})
        return None

    def full(self, path: str) -> Page | None:
        """A page for the operator, with what is wrong and what to do. None for another path."""
        if path == "/healthz":
            return _page(self._is_live(), self._health())
        if path == "/readyz":
            reasons = self.reasons()
            is_ready = self._is_live() and not reasons
            return _page(is_ready, {"ready": is_ready, "reasons": reasons, "markets": self._markets()})
        return None

    def reasons(self) -> list[dict[str, Any]]:
        """Why new orders are not taken, each with cause and remedy; empty when they are."""
        venue, found = self._venue, []
        if self._has_failed():
            found.append(_reason("FAILED", "the venue has stopped by an error", "see the log and the exit code"))
        for trouble in venue.health.troubles:
            if trouble.effect >= Effect.NO_NEW_ORDERS:
                found.append(_reason(trouble.name, trouble.cause, trouble.remedy))
        if not found and "orders" in venue.context.not_taken:
            found.append(_reason("SHUTTING_DOWN", "the venue is shutting down", "wait for the next start"))
        if not found and venue.projection.is_halted():
            found.append(_reason("VENUE_HALTED", "officers have halted the venue", "officers let it trade again"))
        markets = self._markets()
        if not markets:
            found.append(_reason("NO_CONTRACT", "no contract is listed", "lionrock admin list-contract"))
        elif not any(state in ("open", "post_only") for state in markets.values()):
            states = ", ".join(f"{name} is {state}" for name, state in markets.items())
            found.append(_reason("NO_MARKET_OPEN", states, "look at the sources of the index and at officers' changes"))
        return found

    def _is_live(self) -> bool:
        return not self._has_failed()

    def _health(self) -> dict[str, Any]:
        venue, health = self._venue, self._venue.health
        return {
            "live": self._is_live(),
            "state": health.state,
            "sequence": venue.engine.last_seq,
            "durable_sequence": venue.engine.durable_seq,
            "time_ms": clock.wall_ns() // 1_000_000,
            "troubles": [
                {
                    "name": trouble.name, "effect": trouble.effect.name.lower(), "cause": trouble.cause,
                    "remedy": trouble.remedy, "since_ms": trouble.since_ns // 1_000_000,
                }
                for trouble in health.troubles
            ],
        }  # fmt: skip

    def _markets(self) -> dict[str, str]:
        """The state of each contract that has begun to trade and is not settled."""
        projection = self._venue.projection
        states = {contract.name: MarketState(projection.state(contract.slot)) for contract in projection.contracts()}
        over = (MarketState.DRAFT, MarketState.SETTLED)
        return {name: state.name.lower() for name, state in states.items() if state not in over}


def _reason(name: str, cause: str, remedy: str) -> dict[str, Any]:
    return {"reason": name, "cause": cause, "remedy": remedy}


def _page(is_well: bool, content: dict[str, Any]) -> Page:
    return _OK if is_well else _UNAVAILABLE, encode(content), JSON
