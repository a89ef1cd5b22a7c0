"""What all sessions share: the authenticator, the rate limits of each key and ended keys."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.audit_trail.gateway_notes import Notes
from gateway.clock import VenueTime
from gateway.config import Config
from gateway.registry.authentication import Authenticator
from gateway.registry.registry import Registry, Result
from gateway.registry.vault import Vault
from gateway.sessions.operation import Operation
from gateway.sessions.order_confirmation import Confirmation
from gateway.sessions.query_turns import QueryTurns
from gateway.sessions.rate_limits import KeyLimits, RateLimits
from gateway.wire.errors import ErrorCode, Refusal
from gateway.wire.origins import Origins

MAX_ADDRESSES = 10_000


def _nothing() -> None:
    return None


def _shutting_down() -> Refusal:
    return Refusal(ErrorCode.RETRY, "the venue is shutting down; connect again in a moment")


@dataclass
class Context:
    """Shared by the sessions of one server."""

    authenticator: Authenticator
    registry: Registry
    limits: RateLimits = field(default_factory=RateLimits)
    time: VenueTime = field(default_factory=VenueTime)
    max_subscriptions: int = 500
    login_seconds: int = 0
    idle_seconds: int = 0
    testnet: bool = False
    confirmation: Confirmation = field(default_factory=Confirmation)
    turns: QueryTurns = field(default_factory=QueryTurns)
    """When queries are served."""
    origins: Origins = field(default_factory=Origins)
    is_venue: bool = False
    """Whether a venue runs: what officers do is logged then. The protocol's document plays its examples without one."""
    operations_place: str = "the operations listener"
    """Where officers' methods are served."""
    cluster: Callable[[], dict[str, object]] | None = None
    """What clients are told of the cluster that this node belongs to; None on a machine alone."""
    operation: Operation | None = None
    """What officers see of the running venue; None where none runs."""
    ended_keys: set[str] = field(default_factory=set)
    requests: Counter[str] = field(default_factory=Counter)
    """How often each method was asked for, plain orders of the compiled path apart."""
    refusals: Counter[str] = field(default_factory=Counter)
    """How often the gateway refused a request, by the name of the error's code."""
    notes: Notes = field(default_factory=Notes)
    """What goes into the gateway's log."""
    not_taken: frozenset[str] = frozenset()
    """What is refused now, whoever asks: "orders", "cancels", "changes" of clients and rules."""
    refusal: Callable[[], Refusal] = _shutting_down
    """How that is answered."""
    settle: Callable[[], None] = _nothing
    """Has everything received so far applied, ahead of an answer that is to show it."""
    sequence_changes: Callable[[], dict[int, Result]] = dict
    """Puts what the registry has just been told into the log, ahead of the answer: the results by reference."""
    _key_limits: dict[str, KeyLimits] = field(default_factory=dict)
    _address_limits: dict[str, KeyLimits] = field(default_factory=dict)
    _revoked: int = 0
    _sessions: int = 0
    _is_stopping: bool = False
    last_connection: int = 0
    """The highest number that a connection has had."""

    def key_limits(self, key_id: str) -> KeyLimits:
        """The buckets of a key, shared by all its sessions."""
        found = self._key_limits.get(key_id)
        if found is None:
            found = self._key_limits[key_id] = KeyLimits(self.limits)
        return found

    def address_limits(self, address: str) -> KeyLimits:
        """The buckets of what comes from one address without a key; the oldest addresses are forgotten."""
        found = self._address_limits.get(address)
        if found is None:
            if len(self._address_limits) >= MAX_ADDRESSES:
                self._address_limits.pop(next(iter(self._address_limits)))
            found = self._address_limits[address] = KeyLimits(self.limits.of_anonymous)
        return found

    def shut_down(self) -> None:
        """Refuse new orders from here on: the venue is about to stop."""
        self._is_stopping = True
        self.take_all_but(self.not_taken, _shutting_down)

    def take_all_but(self, not_taken: frozenset[str], refusal: Callable[[], Refusal]) -> None:
        """Refuse these from here on, in these words; a venue that is about to stop takes no orders again."""
        if self._is_stopping:
            not_taken, refusal = not_taken | {"orders"}, _shutting_down
        self.not_taken, self.refusal = not_taken, refusal

    def next_session(self) -> int:
        """A number for a session, by which the log names it: from 1 on since the process began."""
        self._sessions += 1
        return self._sessions

    def new_connection(self, now_ns: int) -> int:
        """A number for a connection, later than the log's time and than any before: no order has it."""
        self.last_connection = max(self.last_connection, now_ns) + 1
        return self.last_connection

    def end_revoked_keys(self) -> None:
        """Learn which keys were revoked: their sessions may do nothing from now on."""
        revoked = self.registry.revoked_keys(self._revoked)
        if revoked is not None:
            self._revoked = len(revoked)
            self.ended_keys |= revoked


def make_context(
    config: Config,
    registry: Registry,
    vault: Vault,
    time: VenueTime,
    settle: Callable[[], None] = _nothing,
    sequence_changes: Callable[[], dict[int, Result]] = dict,
) -> Context:
    """The context of a server with this configuration; time and the last two are the venue's."""
    limits = RateLimits(
        config.orders_per_s,
        config.orders_burst,
        config.cancels_per_s,
        config.cancels_burst,
        config.queries_per_s,
        config.queries_burst,
        config.anonymous_queries_per_s,
        config.anonymous_queries_burst,
        config.logins_per_s,
        config.logins_burst,
    )
    return Context(
        Authenticator(registry, vault), registry, limits, time, config.max_subscriptions, config.login_seconds,
        config.idle_seconds, config.testnet,
        confirmation=Confirmation(config.confirm_value * 1_000_000, config.confirm_distance_bp),
        origins=Origins(config.allowed_origins), is_venue=True, settle=settle, sequence_changes=sequence_changes,
    )  # fmt: skip
