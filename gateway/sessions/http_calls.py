"""Calls over HTTP: each is a session of one request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from gateway.sessions import jsonrpc_requests
from gateway.sessions.actions import Action, Reply
from gateway.sessions.method_table import METHODS
from gateway.sessions.methods.session import CONNECTION_ONLY
from gateway.sessions.noting import note_refusal
from gateway.sessions.rate_limits import over_limit
from gateway.sessions.routes import ROUTES
from gateway.sessions.session import Session
from gateway.sessions.shared_context import Context
from gateway.sessions.state import Call
from gateway.wire.errors import ErrorCode, Refusal
from gateway.wire.views import Projection

ENDPOINT = "/api/v2"
_CONNECTION_ONLY = frozenset(
    {*CONNECTION_ONLY, "private/enable_cancel_on_disconnect", "private/disable_cancel_on_disconnect"}
)


def _ignore(account_slot: int) -> None:
    return None


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One HTTP request: `target` as it was sent, `headers` with lower-case names, `peer` the client's address.

    `serves_officers`: it came to the operations listener. `known` is told the account whose key has signed it.
    """

    verb: str
    target: str
    headers: dict[str, str]
    body: bytes
    peer: str = ""
    serves_officers: bool = False
    known: Callable[[int], None] = _ignore


def http(context: Context, projection: Projection, call: HttpCall, steady_ns: int) -> list[Action]:
    """One HTTP call at a time of the steady clock: exactly one Reply, or one Submit whose pending gives the answer.

    Calls without a key are limited by the address that they come from.
    """
    verb, target, headers, body, peer = call.verb, call.target, call.headers, call.body, call.peer
    session = Session(context, projection, peer=peer, steady_ns=steady_ns)
    session.http = True
    session.serves_officers = call.serves_officers
    now_ns = steady_ns + context.time.offset_ns
    request = None
    try:
        request = _http_request(verb, target, body)
        name = ROUTES[type(request)].name
        if name in _CONNECTION_ONLY:
            raise Refusal(ErrorCode.METHOD_NOT_FOUND, f"{name} needs a websocket; connect to /ws/api/v2", "method")
        if METHODS[name].scope and context.origins.is_foreign(headers):
            raise Refusal(ErrorCode.FORBIDDEN, f"{name}: {foreign_origin(headers)}", "Origin")
        if not name.startswith("public/") and headers.get("authorization"):
            _authorize(session, call, headers["authorization"], steady_ns, _is_repeatable(name, request))
            call.known(session.account_slot)
    except jsonrpc_requests.Malformed as malformed:
        note_refusal(session, malformed.method, None, malformed.refusal, now_ns)
        return [Reply(Call(session, malformed.request_id, now_ns).error(malformed.refusal, now_ns))]
    except Refusal as refusal:
        name = "http" if request is None else ROUTES[type(request)].name
        note_refusal(session, name, None, refusal, now_ns)
        request_id = None if request is None else request.id
        return [Reply(Call(session, request_id, now_ns).error(refusal, now_ns))]
    return session.call(request, steady_ns)


def is_call(path: str) -> bool:
    """Whether a path is for calls: the endpoint with a method, or alone when the body says which method."""
    return path == ENDPOINT or path.startswith(ENDPOINT + "/")


def is_open_call(path: str) -> bool:
    """Whether a path is a call of a method that needs no key."""
    method = METHODS.get(path.removeprefix(ENDPOINT).strip("/")) if is_call(path) else None
    return method is not None and not method.scope


def foreign_origin(headers: Mapping[str, str]) -> str:
    """Why a page of another origin is refused, and what would let it in."""
    return f"pages of {headers['origin'][:60]} are not trusted here; the setting allowed_origins names those that are"


def _http_request(verb: str, target: str, body: bytes) -> Any:
    path, _, query = target.partition("?")
    method = path.removeprefix(ENDPOINT).strip("/")
    if not is_call(path) or verb not in ("GET", "POST") or (verb == "GET" and not method):
        reason = f"{verb} {path[:60]}: GET or POST /api/v2/<method>, or POST the whole request to /api/v2"
        raise Refusal(ErrorCode.METHOD_NOT_FOUND, reason, "method")
    if verb == "GET":
        return jsonrpc_requests.decode_call(method, dict(parse_qsl(query, keep_blank_values=True)))
    request = jsonrpc_requests.decode(body)
    if method and ROUTES[type(request)].name != method:
        raise Refusal(ErrorCode.INVALID_REQUEST, f"the path says {method[:60]}, the body another method", "method")
    return request


def _is_repeatable(name: str, request: Any) -> bool:
    """Whether a call that is done again changes nothing: a question, or a cancel by the venue's id of an order.

    A client's own id may be given to another order, once the first one has ended.
    """
    return METHODS[name].scope == "read" or (name == "private/cancel" and request.params.order_id is not None)


def _authorize(session: Session, call: HttpCall, header: str, steady_ns: int, is_repeatable: bool) -> None:
    context, now_ns = session.context, steady_ns + session.context.time.offset_ns
    is_token = header[:7].lower() == "bearer "
    logins = session.limits.logins
    if not logins.has(steady_ns, 1):
        raise over_limit("logins", logins.cost_ns)
    try:
        venue_ns = now_ns - context.time.lead_ns
        key = context.authenticator.authorize(header, call.verb, call.target, call.body, venue_ns, is_repeatable)
    except Refusal:
        logins.charge(steady_ns, 1)
        raise
    if not is_token:
        context.notes.signed_call(key, now_ns)
    session.log_in(key, header[7:].strip() if is_token else "")
