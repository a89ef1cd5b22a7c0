"""Who a connection acts for and what it has asked for: what a method may see and change of its session."""

from collections.abc import Hashable

from msgspec import Struct

from engine.codes import NIL
from gateway.registry.registry import Key
from gateway.sessions.actions import Close
from gateway.sessions.query_turns import Pool
from gateway.sessions.shared_context import Context
from gateway.wire.addresses import address_of
from gateway.wire.channels import Channel
from gateway.wire.command_rows import Signer
from gateway.wire.errors import ErrorCode, Refusal
from gateway.wire.jsonrpc_answers import RequestId, error_reply, reply
from gateway.wire.views import Projection

_ANONYMOUS = Signer(NIL, 0, 0)
_PLACE = b"\0"
"""In place of a result: no JSON has this byte."""


class SessionState:
    """One client's connection. `binary`: it takes frames of command rows after a JSON login on the same socket."""

    def __init__(
        self, context: Context, projection: Projection, binary: bool = False, peer: str = "", steady_ns: int = 0
    ) -> None:
        self.context = context
        self.projection = projection
        self.binary = binary
        self.peer = peer
        self.number = context.next_session()
        """By which the log names this connection, or this call over HTTP."""
        self.closed = False
        self.http = False
        self.serves_officers = False
        """Whether officers' methods are served: on the operations listener, never on the public port."""
        self.key: Key | None = None
        self.signer = _ANONYMOUS
        self.access_token = ""
        self.address = address_of(peer)
        self.limits = context.address_limits(self.address)
        self.channels: dict[str, Channel] = {}
        self.heartbeat_ns = 0
        self.opened_ns = self.received_ns = self._beaten_ns = steady_ns
        self._faults = 0

    @property
    def account_slot(self) -> int:
        """The account that is logged in, NIL before."""
        return self.signer.account_slot

    @property
    def pool(self) -> Pool:
        """Whose share of the loop's time its questions take."""
        return Pool.ANONYMOUS if self.key is None else Pool.CLIENTS

    @property
    def owner(self) -> Hashable:
        """Whose turn it is when its questions wait: the account's, or the address's before a login."""
        return self.address if self.key is None else self.signer.account_slot

    # --- what it may do -------------------------------------------------------------------------------------------

    def check_scope(self, scope: str) -> None:
        """Refuse a call that needs a login or a scope that the key does not have."""
        key = self.key
        if key is None:
            raise Refusal(ErrorCode.UNAUTHORIZED, "this method needs a login; call public/auth first")
        if key.id in self.context.ended_keys:
            raise Refusal(ErrorCode.UNAUTHORIZED, "this key was revoked; log in with another")
        if scope not in key.scopes and not (scope == "officer" and key.is_officers):
            held = " ".join(sorted(key.scopes))
            wanted = "compliance or admin" if scope == "officer" else scope
            raise Refusal(ErrorCode.FORBIDDEN, f"this method needs the scope {wanted}; the key has: {held}", "scope")

    def check_place(self) -> None:
        """Refuse officers' methods on the public port; only an officer learns where they are served."""
        if not self.serves_officers:
            place = self.context.operations_place
            raise Refusal(ErrorCode.FORBIDDEN, f"officers' methods are served at {place} alone, not on this port")

    def check_taken(self, what: str) -> None:
        """Refuse "orders", "cancels" or "changes" when the venue takes none of them now."""
        if what in self.context.not_taken:
            raise self.context.refusal()

    @property
    def is_trader(self) -> bool:
        """Whether orders of this session are taken now without a further question."""
        key, context = self.key, self.context
        if key is None or "trade" not in key.scopes or key.id in context.ended_keys:
            return False
        return not context.not_taken and not context.confirmation.is_on

    @property
    def readable_slot(self) -> int:
        """The account whose own channels this session may hear, NIL without the scope read."""
        return self.signer.account_slot if self.key is not None and "read" in self.key.scopes else NIL

    # --- what a method changes ------------------------------------------------------------------------------------

    def log_in(self, key: Key, access_token: str) -> bool:
        """Act for a key's account from now on; another account needs another connection.

        Answers whether the connection may trade from now on and could not before.
        """
        if self.key is not None and key.account_slot != self.key.account_slot:
            raise Refusal(ErrorCode.FORBIDDEN, "this connection is logged in to another account; open a new one")
        begins = self.key is None or "trade" not in self.key.scopes
        self.key = key
        self.signer = Signer(key.account_slot, key.person, key.number, self._connection())
        self.access_token = access_token
        self.limits = self.context.key_limits(key.id)
        return begins and "trade" in key.scopes and not self.http

    def _connection(self) -> int:
        """The number of this connection in the log, given at its first login; 0 over HTTP."""
        if self.http or self.signer.connection:
            return self.signer.connection
        return self.context.new_connection(self.projection.now_ns)

    def close(self, code: int, reason: str) -> Close:
        """End the session from this side."""
        self.closed = True
        return Close(code, reason)

    def end_cleanly(self) -> Close:
        """A logout: what was asked for a lost connection does not happen."""
        self.key = None
        return self.close(1000, "logged out")

    def set_heartbeat(self, interval_ns: int) -> None:
        """Beat every so many ns from the message on that is served now; 0 stops."""
        self.heartbeat_ns = interval_ns
        self._beaten_ns = self.received_ns


class Call(Struct, gc=False):
    """One request being served, which came at `now_ns` of the venue's time."""

    session: SessionState
    request_id: RequestId
    now_ns: int

    @property
    def wall_ns(self) -> int:
        """When it came by the clock of people: what a client's signature and a token's end are compared with."""
        return self.now_ns - self.context.time.lead_ns

    @property
    def context(self) -> Context:
        """What all sessions share."""
        return self.session.context

    @property
    def projection(self) -> Projection:
        """What may be read."""
        return self.session.projection

    def reply(self, result: bytes, now_ns: int) -> bytes:
        """The answer with this result."""
        testnet = self.session.context.testnet
        return reply(self.request_id, result, self.now_ns // 1000, now_ns // 1000, testnet)

    def reply_around(self, parts: list[bytes], now_ns: int) -> list[bytes]:
        """The same around a result in parts, in parts."""
        before, _, behind = self.reply(_PLACE, now_ns).partition(_PLACE)
        return [before, *parts, behind]

    def error(self, refusal: Refusal, now_ns: int) -> bytes:
        """The error answer."""
        testnet = self.session.context.testnet
        return error_reply(self.request_id, refusal, self.now_ns // 1000, now_ns // 1000, testnet)
