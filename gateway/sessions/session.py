"""A client's session without any I/O: bytes in, actions out.

A session decodes, checks scope and rate limit, and hands the request to its method; a trading method answers with
command rows for the sequencer and a pending that turns their outcome into the reply. Time comes in as a parameter, that
of the steady clock: limits and heartbeats need no other. What is told or logged has the venue's time.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from engine.host import JournalError
from gateway.sessions import binary_protocol, jsonrpc_requests
from gateway.sessions.actions import Action, LargeReply, Later, Reply, Rest, Submit
from gateway.sessions.dead_mans_switch import of_lost_connection
from gateway.sessions.noting import note_read, note_refusal
from gateway.sessions.rate_limits import over_limit, tokens_of
from gateway.sessions.routes import OFFICERS_SCOPES, ROUTES, Route
from gateway.sessions.slices import Slices
from gateway.sessions.state import Call, SessionState
from gateway.wire import jsonrpc_answers
from gateway.wire.errors import ErrorCode, Refusal
from gateway.wire.log_lines import HELD_NS, event

MAX_FAULTS = 50
"""Malformed messages in a row before the connection is closed."""
MAX_ID_CHARS = 40
POLICY, GONE, ENDED = 1008, 4001, 4003
"""Close codes: hostile or idle client, heartbeat missed, key revoked."""
COME_FIRST = frozenset({"orders", "cancels"})
"""What is never kept waiting for a turn: what a request writes into the log."""
LONGEST_WAIT_NS = 5_000_000_000
"""A request that has waited so long for its turn is refused; there is too much to do."""
REST_NS = 100_000_000
"""How long a connection rests after a question that was over the limit: telling it over and over costs time as well."""
LARGE_BYTES = 1 << 16
"""A larger answer made in slices is sent in its parts: to put them together would take as long as to make some."""
_S = 1_000_000_000
_LOG = logging.getLogger("lionrock.sessions")


class Session(SessionState):
    """One connection: `receive`, `receive_rows`, `tick` and `lost` give actions; the server carries them out."""

    # --- in -------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, steady_ns: int) -> list[Action]:
        """One text message: exactly one answer, now or when its commands are durable."""
        self.received_ns = steady_ns
        try:
            request = jsonrpc_requests.decode_message(data)
        except jsonrpc_requests.Malformed as malformed:
            return self._fault(malformed, steady_ns + self.context.time.offset_ns)
        self._faults = 0
        return self.call(request, steady_ns)

    def call(self, request: Any, steady_ns: int) -> list[Action]:
        """Serve a decoded request: orders and cancels within their limits now, anything else when it is its turn."""
        route, now_ns = ROUTES[type(request)], steady_ns + self.context.time.offset_ns
        self.context.requests[route.name] += 1
        call = Call(self, request.id, now_ns)
        if route.writes in COME_FIRST and getattr(self.limits, route.bucket).has(steady_ns, 1):
            return self._serve(request, route, call, steady_ns)
        turns = self.context.turns
        if turns.is_open(self.pool):
            return self._serve_timed(request, route, call, steady_ns)
        since_ns = turns.now_ns()

        def go_on(steady_ns: int) -> list[Action]:
            if turns.now_ns() - since_ns > LONGEST_WAIT_NS:
                return [Reply(call.error(_busy(), steady_ns + self.context.time.offset_ns))]
            return self._serve_timed(request, route, call, steady_ns)

        return [Later(self.pool, self.owner, go_on)]

    def _serve_timed(self, request: Any, route: Route, call: Call, steady_ns: int) -> list[Action]:
        """The same, out of the time that the session's pool has."""
        turns, pool = self.context.turns, self.pool
        begun_ns = turns.now_ns()
        actions = self._serve(request, route, call, steady_ns)
        self._tell_if_slow(route.name, call, turns.spent(pool, begun_ns))
        return actions

    def _serve(self, request: Any, route: Route, call: Call, steady_ns: int) -> list[Action]:
        now_ns = steady_ns + self.context.time.offset_ns
        try:
            self._check(route, steady_ns)
            if getattr(request.params, "access_token", None) is not None:
                self._check_token(request.params.access_token, call.wall_ns)
            if route.reads:
                self.context.settle()
            result = self._guarded(route.name, call, lambda: route.handler(self, request.params, call))
        except Refusal as refusal:
            note_refusal(self, route.name, request.params, refusal, now_ns)
            answer = Reply(call.error(refusal, now_ns))
            is_flood = refusal.code == ErrorCode.TOO_MANY_REQUESTS and not route.writes
            return [answer, Rest(REST_NS)] if is_flood and self.context.turns.is_limited else [answer]
        if route.is_officers_question:
            note_read(self, route.name, request.params, now_ns)
        if type(result) is Slices:
            return self._slice(route.name, call, result, steady_ns)
        return [self._answer(call, result, steady_ns)] if type(result) is bytes else result

    def _answer(self, call: Call, result: bytes, steady_ns: int) -> Reply:
        """The answer."""
        self._charge(len(result), 0, steady_ns)
        return Reply(call.reply(result, steady_ns + self.context.time.offset_ns))

    def _charge(self, size_bytes: int, rows: int, steady_ns: int) -> None:
        """What an answer costs beyond one token becomes a debt."""
        tokens = tokens_of(size_bytes, rows)
        if tokens:
            self.limits.queries.charge(steady_ns, tokens)
            self.context.turns.spent_bytes(self.pool, size_bytes)

    def _slice(self, name: str, call: Call, slices: Slices, steady_ns: int) -> list[Action]:
        """Go on with a large answer: the next rows, and the others at later turns."""
        turns = self.context.turns
        try:
            step = partial(slices.advance, turns.now_ns) if turns.is_limited else slices.whole
            result = self._guarded(name, call, step)
        except Refusal as refusal:
            return [Reply(call.error(refusal, steady_ns + self.context.time.offset_ns))]
        if result is not None:
            size_bytes, now_ns = sum(map(len, result)), steady_ns + self.context.time.offset_ns
            self._charge(size_bytes, slices.rows, steady_ns)
            if size_bytes > LARGE_BYTES:
                return [LargeReply(call.reply_around(result, now_ns))]
            return [Reply(call.reply(b"".join(result), now_ns))]
        pool = self.pool

        def go_on(steady_ns: int) -> list[Action]:
            begun_ns = turns.now_ns()
            actions = self._slice(name, call, slices, steady_ns)
            self._tell_if_slow(name, call, turns.spent(pool, begun_ns))
            return actions

        return [Later(pool, self.owner, go_on)]

    def _guarded(self, name: str, call: Call, step: Callable[[], Any]) -> Any:
        """What a step of a request gives. A fault of the venue's own is logged, and answered with where to find it.

        What stops the venue is raised: nothing may be answered then.
        """
        try:
            return step()
        except (Refusal, JournalError):
            raise
        except Exception as error:
            ids = self._ids(call)
            _LOG.exception("%s failed", name, extra=event("request_failed", method=name, **ids))
            place = f"{ids['connection']}/{ids['request']}"
            reason = f"{name} failed by a fault of the venue; its log has it under request {place}"
            raise Refusal(ErrorCode.INTERNAL_SERVER_ERROR, reason, request=place) from error

    def _tell_if_slow(self, name: str, call: Call, held_ns: int) -> None:
        if held_ns >= HELD_NS:
            held_ms = held_ns // 1_000_000
            told = event("slow_request", method=name, held_ms=held_ms, **self._ids(call))
            _LOG.warning("%s held the loop for %d ms", name, held_ms, extra=told)

    def _ids(self, call: Call) -> dict[str, object]:
        """By what the log names a request: the number of its connection, and the id that the client gave it."""
        return {"connection": self.number, "request": str(call.request_id)[:MAX_ID_CHARS]}

    def receive_rows(self, data: bytes, steady_ns: int) -> list[Action]:
        """One binary message of command rows; a bad frame is refused whole, with one JSON error that names the row."""
        self.received_ns, now_ns = steady_ns, steady_ns + self.context.time.offset_ns
        call = Call(self, None, now_ns)
        try:
            self.check_scope("trade")
            rows, orders, cancels = binary_protocol.prepare(data, self.signer, len(self.projection.contracts()))
            if self.context.confirmation.is_on:
                if self.context.confirmation.looks_up_orders(rows):
                    self.context.settle()
                self.context.confirmation.check_rows(self.projection, rows, self.account_slot)
            self._take_rows(orders, cancels, steady_ns)
        except Refusal as refusal:
            note_refusal(self, "binary rows", None, refusal, now_ns)
            self._faults += not self.context.not_taken  # where the venue takes nothing, that is no fault of a frame
            return [Reply(call.error(refusal, now_ns)), *self._hostile()]
        self._faults = 0
        return [Submit(rows, None)]

    def _take_rows(self, orders: int, cancels: int, steady_ns: int) -> None:
        if orders:
            self.check_taken("orders")
            self._take("orders", steady_ns, orders)
        if cancels:
            self.check_taken("cancels")
            self._take("cancels", steady_ns, cancels)

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

    def admits(self, orders: int, cancels: int, steady_ns: int) -> bool:
        """Whether so many plain orders and cancels pass now, all of them; if so they are counted."""
        limits = self.limits
        if (orders and not limits.orders.has(steady_ns, orders)) or (
            cancels and not limits.cancels.has(steady_ns, cancels)
        ):
            return False
        if orders:
            limits.orders.take(steady_ns, orders)
        if cancels:
            limits.cancels.take(steady_ns, cancels)
        self.received_ns = steady_ns
        self._faults = 0
        return True

    # --- checks ---------------------------------------------------------------------------------------------------

    def _check(self, route: Route, steady_ns: int) -> None:
        key, scope = self.key, route.scope
        if scope and (key is None or scope not in key.scopes or key.id in self.context.ended_keys):
            self.check_scope(scope)
        if scope in OFFICERS_SCOPES:
            self.check_place()
        wait_ns = getattr(self.limits, route.bucket).take(steady_ns)
        if wait_ns:
            raise over_limit(route.bucket, wait_ns)
        if route.writes in self.context.not_taken:
            self.check_taken(route.writes)

    def _check_token(self, token: str, wall_ns: int) -> None:
        """A token that comes with a call must be one of the key that is logged in."""
        key = self.context.authenticator.authorize(f"Bearer {token}", "", "", b"", wall_ns)
        if self.key is None or key.id != self.key.id:
            raise Refusal(ErrorCode.FORBIDDEN, "it is not a token of the key that is logged in here", "access_token")

    def _take(self, bucket: str, steady_ns: int, tokens: int) -> None:
        wait_ns = getattr(self.limits, bucket).take(steady_ns, tokens)
        if wait_ns:
            raise over_limit(bucket, wait_ns)

    # --- time -----------------------------------------------------------------------------------------------------

    def tick(self, steady_ns: int) -> list[Action]:
        """Heartbeats, idle logins and ended keys; call about every second."""
        if self.closed:
            return []
        if self.key is None and 0 < self.context.login_seconds * _S <= steady_ns - self.opened_ns:
            return [self.close(POLICY, f"no login within {self.context.login_seconds} s")]
        idle_ns = steady_ns - self.received_ns
        if self.key is None and not self.channels and 0 < self.context.idle_seconds * _S <= idle_ns:
            return [self.close(POLICY, f"nothing was asked for {self.context.idle_seconds} s, and no channel is heard")]
        if self.key is not None and self.key.id in self.context.ended_keys:
            return [self.close(ENDED, "the key was revoked")]
        return self._beat(steady_ns) if self.heartbeat_ns else []

    def _beat(self, steady_ns: int) -> list[Action]:
        silent_ns = steady_ns - self.received_ns
        if silent_ns >= 2 * self.heartbeat_ns:
            return [self.close(GONE, "no answer to the heartbeat's test_request")]
        if steady_ns - self._beaten_ns < self.heartbeat_ns:
            return []
        self._beaten_ns = steady_ns
        return [Reply(jsonrpc_answers.heartbeat("test_request" if silent_ns >= self.heartbeat_ns else "heartbeat"))]

    def lost(self) -> list[Action]:
        """The connection is gone: cancel the orders made over it if that was asked for. A clean logout does not."""
        self.closed = True
        if self.key is None or not self.signer.connection:
            return []
        self.context.settle()
        signer = self.projection.switches.connections.get(self.signer.connection)
        return [] if signer is None else [Submit(of_lost_connection(self.projection, signer), None)]


def _busy() -> Refusal:
    wait_ms = LONGEST_WAIT_NS // 1_000_000
    reason = f"the venue has too many questions to answer; wait {wait_ms} ms and ask for fewer rows"
    return Refusal(ErrorCode.TOO_MANY_REQUESTS, reason, wait_ms=wait_ms, bucket="queries")
