"""A client's session without any I/O: bytes in, actions out.

A session decodes, checks scope and rate limit, and hands the request to its method; a trading method answers with
command rows for the sequencer and a pending that turns their outcome into the reply. Time comes in as a parameter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from msgspec import Struct

from engine.codes import NIL
from gateway.registry.registry import Key
from gateway.sessions import binary_protocol, jsonrpc_requests
from gateway.sessions.actions import Action, Close, Reply, Submit
from gateway.sessions.messages import METHODS, REQUESTS
from gateway.sessions.methods import account, admin, market, queries, trading, venue
from gateway.sessions.methods import session as session_methods
from gateway.sessions.rate_limits import KeyLimits
from gateway.sessions.shared_context import Context, protective_cancel
from gateway.wire import jsonrpc_answers
from gateway.wire.channels import Channel
from gateway.wire.command_rows import Signer
from gateway.wire.errors import ErrorCode, Refusal
from gateway.wire.views import Projection

MAX_FAULTS = 50
"""Malformed messages in a row before the connection is closed."""
POLICY, GONE, ENDED = 1008, 4001, 4003
"""Close codes: hostile or idle client, heartbeat missed, key revoked."""
_ANONYMOUS = Signer(NIL, 0, 0)
_S = 1_000_000_000


class Route(NamedTuple):
    """How a request is served."""

    handler: Callable[..., Any]
    scope: str
    bucket: str
    name: str


_HANDLERS: dict[str, Callable[..., Any]] = {
    **session_methods.HANDLERS,
    **market.HANDLERS,
    **trading.HANDLERS,
    **queries.HANDLERS,
    **account.HANDLERS,
    **venue.HANDLERS,
    **admin.HANDLERS,
}
ROUTES: dict[type, Route] = {
    REQUESTS[name]: Route(_HANDLERS[name], method.scope, method.bucket, name) for name, method in METHODS.items()
}


class Call(Struct, gc=False):
    """One request being served."""

    session: "Session"
    request_id: jsonrpc_answers.RequestId
    now_ns: int

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
        return jsonrpc_answers.reply(self.request_id, result, self.now_ns // 1000, now_ns // 1000, testnet)

    def error(self, refusal: Refusal, now_ns: int) -> bytes:
        """The error answer."""
        testnet = self.session.context.testnet
        return jsonrpc_answers.error_reply(self.request_id, refusal, self.now_ns // 1000, now_ns // 1000, testnet)


class Session:
    """One connection. `binary` takes frames of command rows after a JSON login on the same socket."""

    def __init__(
        self, context: Context, projection: Projection, binary: bool = False, peer: str = "", now_ns: int = 0
    ) -> None:
        self.context = context
        self.projection = projection
        self.binary = binary
        self.peer = peer
        self.closed = False
        self.http = False
        self.key: Key | None = None
        self.signer = _ANONYMOUS
        self.access_token = ""
        self.limits = KeyLimits(context.limits)
        self.channels: dict[str, Channel] = {}
        self.cancel_on_disconnect = False
        self.heartbeat_ns = 0
        self._opened_ns = self._received_ns = self._beaten_ns = now_ns
        self._faults = 0

    @property
    def account_slot(self) -> int:
        """The account that is logged in, NIL before."""
        return self.signer.account_slot

    # --- in -------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now_ns: int) -> list[Action]:
        """One text message: exactly one answer, now or when its commands are durable."""
        self._received_ns = now_ns
        try:
            request = jsonrpc_requests.decode(data)
        except jsonrpc_requests.Malformed as malformed:
            return self._fault(malformed, now_ns)
        self._faults = 0
        return self.call(request, now_ns)

    def call(self, request: Any, now_ns: int) -> list[Action]:
        """Serve a decoded request."""
        route = ROUTES[type(request)]
        call = Call(self, request.id, now_ns)
        try:
            self._check(route, now_ns)
            result = route.handler(self, request.params, call)
        except Refusal as refusal:
            return [Reply(call.error(refusal, now_ns))]
        return [Reply(call.reply(result, now_ns))] if type(result) is bytes else result

    def receive_rows(self, data: bytes, now_ns: int) -> list[Action]:
        """One binary message of command rows; a bad frame is refused whole, with one JSON error that names the row."""
        self._received_ns = now_ns
        call = Call(self, None, now_ns)
        try:
            self.check_scope("trade")
            self.check_accepting()
            rows, orders, cancels = binary_protocol.prepare(data, self.signer, len(self.projection.contracts()))
            if self.context.confirmation.is_on:
                self.context.confirmation.check_rows(self.projection, rows, self.account_slot)
            self._take_rows(orders, cancels, now_ns)
        except Refusal as refusal:
            self._faults += 1
            return [Reply(call.error(refusal, now_ns)), *self._hostile()]
        self._faults = 0
        return [Submit(rows, None)]

    def _take_rows(self, orders: int, cancels: int, now_ns: int) -> None:
        if orders:
            self._take("orders", now_ns, orders)
        if cancels:
            self._take("cancels", now_ns, cancels)

    def _fault(self, malformed: jsonrpc_requests.Malformed, now_ns: int) -> list[Action]:
        self._faults += 1
        us = now_ns // 1000
        answer = jsonrpc_answers.error_reply(malformed.request_id, malformed.refusal, us, us, self.context.testnet)
        return [Reply(answer), *self._hostile()]

    def _hostile(self) -> list[Action]:
        if self._faults < MAX_FAULTS:
            return []
        return [self.close(POLICY, f"{MAX_FAULTS} malformed messages in a row")]

    @property
    def is_trader(self) -> bool:
        """Whether orders of this session are taken now without a further question."""
        key, context = self.key, self.context
        if key is None or "trade" not in key.scopes or key.id in context.ended_keys:
            return False
        return context.accepting and not context.confirmation.is_on

    def admits(self, orders: int, cancels: int, now_ns: int) -> bool:
        """Whether so many plain orders and cancels pass now, all of them; if so they are counted."""
        limits = self.limits
        if not (limits.orders.has(now_ns, orders) and limits.cancels.has(now_ns, cancels)):
            return False
        limits.orders.take(now_ns, orders)
        limits.cancels.take(now_ns, cancels)
        self._received_ns = now_ns
        self._faults = 0
        return True

    # --- checks ---------------------------------------------------------------------------------------------------

    def _check(self, route: Route, now_ns: int) -> None:
        key, scope = self.key, route.scope
        if scope and (key is None or scope not in key.scopes or key.id in self.context.ended_keys):
            self.check_scope(scope)
        wait_ns = getattr(self.limits, route.bucket).take(now_ns)
        if wait_ns:
            raise _over_limit(route.bucket, wait_ns)
        if not self.context.accepting and route.bucket == "orders":
            self.check_accepting()

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

    def check_accepting(self) -> None:
        """Refuse new orders while the server shuts down."""
        if not self.context.accepting:
            raise Refusal(ErrorCode.RETRY, "the venue is shutting down; connect again in a moment")

    def _take(self, bucket: str, now_ns: int, tokens: int) -> None:
        wait_ns = getattr(self.limits, bucket).take(now_ns, tokens)
        if wait_ns:
            raise _over_limit(bucket, wait_ns)

    @property
    def readable_slot(self) -> int:
        """The account whose own channels this session may hear, NIL without the scope read."""
        return self.signer.account_slot if self.key is not None and "read" in self.key.scopes else NIL

    # --- state ----------------------------------------------------------------------------------------------------

    def log_in(self, key: Key, access_token: str) -> None:
        """Act for a key's account from now on; another account needs another connection."""
        if self.key is not None and key.account_slot != self.key.account_slot:
            raise Refusal(ErrorCode.FORBIDDEN, "this connection is logged in to another account; open a new one")
        self.key = key
        self.signer = Signer(key.account_slot, key.person, key.number)
        self.access_token = access_token
        self.limits = self.context.key_limits(key.id)

    def close(self, code: int, reason: str) -> Close:
        """End the session from this side."""
        self.closed = True
        return Close(code, reason)

    def end_cleanly(self) -> Close:
        """A logout: what was asked for a lost connection does not happen."""
        self.key = None
        return self.close(1000, "logged out")

    # --- time -----------------------------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> list[Action]:
        """Heartbeats, idle logins and ended keys; call about every second."""
        if self.closed:
            return []
        if self.key is None and 0 < self.context.login_seconds * _S <= now_ns - self._opened_ns:
            return [self.close(POLICY, f"no login within {self.context.login_seconds} s")]
        if self.key is not None and self.key.id in self.context.ended_keys:
            return [self.close(ENDED, "the key was revoked")]
        return self._beat(now_ns) if self.heartbeat_ns else []

    def _beat(self, now_ns: int) -> list[Action]:
        silent_ns = now_ns - self._received_ns
        if silent_ns >= 2 * self.heartbeat_ns:
            return [self.close(GONE, "no answer to the heartbeat's test_request")]
        if now_ns - self._beaten_ns < self.heartbeat_ns:
            return []
        self._beaten_ns = now_ns
        return [Reply(jsonrpc_answers.heartbeat("test_request" if silent_ns >= self.heartbeat_ns else "heartbeat"))]

    def set_heartbeat(self, interval_ns: int, now_ns: int) -> None:
        """Beat every so many ns; 0 stops."""
        self.heartbeat_ns = interval_ns
        self._beaten_ns = now_ns

    def lost(self, now_ns: int) -> list[Action]:
        """The connection is gone: cancel the account's orders if that was asked for. A clean logout does not."""
        self.closed = True
        wanted = self.cancel_on_disconnect or self.signer.account_slot in self.context.disconnect_accounts
        if self.key is None or not wanted:
            return []
        self.cancel_on_disconnect = False
        return [Submit(protective_cancel(self.signer), None)]


def _over_limit(bucket: str, wait_ns: int) -> Refusal:
    wait_ms = -(-wait_ns // 1_000_000)
    reason = f"over the rate limit for {bucket}; wait {wait_ms} ms"
    return Refusal(ErrorCode.TOO_MANY_REQUESTS, reason, wait_ms=wait_ms, bucket=bucket)


# --- HTTP ---------------------------------------------------------------------------------------------------------

_PREFIX = "/api/v2/"
_CONNECTION_ONLY = frozenset(
    {*session_methods.CONNECTION_ONLY, "private/enable_cancel_on_disconnect", "private/disable_cancel_on_disconnect"}
)


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One HTTP request: `target` as it was sent, `headers` with lower-case names, `peer` the client's address."""

    verb: str
    target: str
    headers: dict[str, str]
    body: bytes
    peer: str = ""


def http(context: Context, projection: Projection, call: HttpCall, now_ns: int) -> list[Action]:
    """One HTTP call: exactly one Reply, or one Submit whose pending gives the answer.

    Calls without a key are limited by the address that they come from.
    """
    verb, target, headers, body, peer = call.verb, call.target, call.headers, call.body, call.peer
    session = Session(context, projection, peer=peer, now_ns=now_ns)
    session.http = True
    session.limits = context.peer_limits(peer)
    try:
        request = _http_request(verb, target, body)
        name = ROUTES[type(request)].name
        if name in _CONNECTION_ONLY:
            raise Refusal(ErrorCode.METHOD_NOT_FOUND, f"{name} needs a websocket; connect to /ws/api/v2", "method")
        if not name.startswith("public/") and headers.get("authorization"):
            _authorize(session, verb, target, headers["authorization"], body, now_ns)
    except jsonrpc_requests.Malformed as malformed:
        return [Reply(Call(session, malformed.request_id, now_ns).error(malformed.refusal, now_ns))]
    except Refusal as refusal:
        return [Reply(Call(session, None, now_ns).error(refusal, now_ns))]
    return session.call(request, now_ns)


def _http_request(verb: str, target: str, body: bytes) -> Any:
    path, _, query = target.partition("?")
    if not path.startswith(_PREFIX) or verb not in ("GET", "POST"):
        raise Refusal(ErrorCode.METHOD_NOT_FOUND, f"{verb} {path[:60]}: methods are at /api/v2/<method>", "method")
    method = path.removeprefix(_PREFIX)
    if verb == "GET":
        return jsonrpc_requests.decode_call(method, dict(parse_qsl(query, keep_blank_values=True)))
    request = jsonrpc_requests.decode(body)
    if ROUTES[type(request)].name != method:
        raise Refusal(ErrorCode.INVALID_REQUEST, f"the path says {method[:60]}, the body another method", "method")
    return request


def _authorize(session: Session, verb: str, target: str, header: str, body: bytes, now_ns: int) -> None:
    key = session.context.authenticator.authorize(header, verb, target, body, now_ns)
    session.log_in(key, header[7:].strip() if header[:7].lower() == "bearer " else "")
