"""A client's session without any I/O: bytes in, actions out.

A session decodes, checks scope and rate limit, and hands the request to its method; a trading method answers with
command rows for the sequencer and a pending that turns their outcome into the reply. Time comes in as a parameter.
"""

from typing import Any

from engine.code_values import EXEC_REDUCE_ONLY, FLAG_MADE_REDUCE_ONLY, REASON_DISCONNECT
from gateway.sessions import binary_protocol, jsonrpc_requests
from gateway.sessions.actions import Action, Later, Reply, Submit
from gateway.sessions.noting import note_read, note_refusal
from gateway.sessions.rate_limits import over_limit, tokens_of
from gateway.sessions.routes import OFFICERS_SCOPES, ROUTES, Route
from gateway.sessions.slices import Slices
from gateway.sessions.state import Call, SessionState
from gateway.wire import jsonrpc_answers
from gateway.wire.command_rows import cancel_row
from gateway.wire.errors import ErrorCode, Refusal

MAX_FAULTS = 50
"""Malformed messages in a row before the connection is closed."""
POLICY, GONE, ENDED = 1008, 4001, 4003
"""Close codes: hostile or idle client, heartbeat missed, key revoked."""
COME_FIRST = frozenset({"orders", "cancels"})
"""What is never kept waiting for a turn: what a request writes into the log."""
LONGEST_WAIT_NS = 5_000_000_000
"""A request that has waited so long for its turn is refused; there is too much to do."""
_S = 1_000_000_000


class Session(SessionState):
    """One connection: `receive`, `receive_rows`, `tick` and `lost` give actions; the server carries them out."""

    # --- in -------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now_ns: int) -> list[Action]:
        """One text message: exactly one answer, now or when its commands are durable."""
        self._received_ns = now_ns
        try:
            request = jsonrpc_requests.decode_message(data)
        except jsonrpc_requests.Malformed as malformed:
            return self._fault(malformed, now_ns)
        self._faults = 0
        return self.call(request, now_ns)

    def call(self, request: Any, now_ns: int) -> list[Action]:
        """Serve a decoded request: orders and cancels within their limits now, anything else when it is its turn."""
        route = ROUTES[type(request)]
        self.context.requests[route.name] += 1
        call = Call(self, request.id, now_ns)
        if route.writes in COME_FIRST and getattr(self.limits, route.bucket).has(now_ns, 1):
            return self._serve(request, route, call, now_ns)
        turns = self.context.turns
        if turns.is_open(self.pool):
            return self._serve_timed(request, route, call, now_ns)
        since_ns = turns.now_ns()

        def go_on(now_ns: int) -> list[Action]:
            if turns.now_ns() - since_ns > LONGEST_WAIT_NS:
                return [Reply(call.error(_busy(), now_ns))]
            return self._serve_timed(request, route, call, now_ns)

        return [Later(self.pool, self.owner, go_on)]

    def _serve_timed(self, request: Any, route: Route, call: Call, now_ns: int) -> list[Action]:
        """The same, out of the time that the session's pool has."""
        turns, pool = self.context.turns, self.pool
        begun_ns = turns.now_ns()
        actions = self._serve(request, route, call, now_ns)
        turns.spent(pool, begun_ns)
        return actions

    def _serve(self, request: Any, route: Route, call: Call, now_ns: int) -> list[Action]:
        try:
            self._check(route, now_ns)
            if getattr(request.params, "access_token", None) is not None:
                self._check_token(request.params.access_token, now_ns)
            if route.reads:
                self.context.settle()
            result = route.handler(self, request.params, call)
        except Refusal as refusal:
            note_refusal(self, route.name, request.params, refusal, now_ns)
            return [Reply(call.error(refusal, now_ns))]
        if route.is_officers_question:
            note_read(self, route.name, request.params, now_ns)
        if type(result) is Slices:
            return self._slice(call, result, now_ns)
        return [self._answer(call, result, now_ns)] if type(result) is bytes else result

    def _answer(self, call: Call, result: bytes, now_ns: int, rows: int = 0) -> Reply:
        """The answer; what it costs beyond one token becomes a debt."""
        tokens = tokens_of(len(result), rows)
        if tokens:
            self.limits.queries.charge(now_ns, tokens)
        return Reply(call.reply(result, now_ns))

    def _slice(self, call: Call, slices: Slices, now_ns: int) -> list[Action]:
        """Go on with a large answer: the next rows, and the others at later turns."""
        turns = self.context.turns
        result = slices.advance() if turns.is_limited else slices.whole()
        if result is not None:
            return [self._answer(call, result, now_ns, slices.rows)]
        pool = self.pool

        def go_on(now_ns: int) -> list[Action]:
            begun_ns = turns.now_ns()
            actions = self._slice(call, slices, now_ns)
            turns.spent(pool, begun_ns)
            return actions

        return [Later(pool, self.owner, go_on)]

    def receive_rows(self, data: bytes, now_ns: int) -> list[Action]:
        """One binary message of command rows; a bad frame is refused whole, with one JSON error that names the row."""
        self._received_ns = now_ns
        call = Call(self, None, now_ns)
        try:
            self.check_scope("trade")
            rows, orders, cancels = binary_protocol.prepare(data, self.signer, len(self.projection.contracts()))
            if self.context.confirmation.is_on:
                if self.context.confirmation.looks_up_orders(rows):
                    self.context.settle()
                self.context.confirmation.check_rows(self.projection, rows, self.account_slot)
            self._take_rows(orders, cancels, now_ns)
        except Refusal as refusal:
            note_refusal(self, "binary rows", None, refusal, now_ns)
            self._faults += 1
            return [Reply(call.error(refusal, now_ns)), *self._hostile()]
        self._faults = 0
        return [Submit(rows, None)]

    def _take_rows(self, orders: int, cancels: int, now_ns: int) -> None:
        if orders:
            self.check_taken("orders")
            self._take("orders", now_ns, orders)
        if cancels:
            self.check_taken("cancels")
            self._take("cancels", now_ns, cancels)

    def _fault(self, malformed: jsonrpc_requests.Malformed, now_ns: int) -> list[Action]:
        self._faults += 1
        note_refusal(self, malformed.method, None, malformed.refusal, now_ns)
        us = now_ns // 1000
        answer = jsonrpc_answers.error_reply(malformed.request_id, malformed.refusal, us, us, self.context.testnet)
        return [Reply(answer), *self._hostile()]

    def _hostile(self) -> list[Action]:
        if self._faults < MAX_FAULTS:
            return []
        return [self.close(POLICY, f"{MAX_FAULTS} malformed messages in a row")]

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
        if scope in OFFICERS_SCOPES:
            self.check_place()
        wait_ns = getattr(self.limits, route.bucket).take(now_ns)
        if wait_ns:
            raise over_limit(route.bucket, wait_ns)
        if route.writes in self.context.not_taken:
            self.check_taken(route.writes)

    def _check_token(self, token: str, now_ns: int) -> None:
        """A token that comes with a call must be one of the key that is logged in."""
        key = self.context.authenticator.authorize(f"Bearer {token}", "", "", b"", now_ns)
        if self.key is None or key.id != self.key.id:
            raise Refusal(ErrorCode.FORBIDDEN, "it is not a token of the key that is logged in here", "access_token")

    def _take(self, bucket: str, now_ns: int, tokens: int) -> None:
        wait_ns = getattr(self.limits, bucket).take(now_ns, tokens)
        if wait_ns:
            raise over_limit(bucket, wait_ns)

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

    def lost(self, now_ns: int) -> list[Action]:
        """The connection is gone: cancel the orders made over it if that was asked for. A clean logout does not.

        Reduce-only orders stay, as with the countdown, but for those that only the venue made so.
        """
        self.closed = True
        signer, self.disconnect_signer = self.disconnect_signer, None
        if self.key is None or signer is None:
            return []
        self.context.settle()
        orders = self.projection.connection_orders(signer.account_slot, signer.connection)
        rows = [
            cancel_row(signer, order.order_id, reason=REASON_DISCONNECT)
            for order in orders
            if not order.flags & EXEC_REDUCE_ONLY or order.flags & FLAG_MADE_REDUCE_ONLY
        ]
        return [Submit(b"".join(rows), None)] if rows else []


def _busy() -> Refusal:
    wait_ms = LONGEST_WAIT_NS // 1_000_000
    reason = f"the venue has too many questions to answer; wait {wait_ms} ms and ask for fewer rows"
    return Refusal(ErrorCode.TOO_MANY_REQUESTS, reason, wait_ms=wait_ms, bucket="queries")
