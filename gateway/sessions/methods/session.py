"""Logging in and out, heartbeats, subscriptions, and what happens when the connection is lost."""

from collections.abc import Callable
from typing import Any

from engine.codes import Switch
from gateway.audit_trail.gateway_notes import ACCEPTED
from gateway.market_data.hub import shows_state
from gateway.sessions import method_table
from gateway.sessions.actions import Action, Reply, Submit, Subscribe, Unsubscribe
from gateway.sessions.dead_mans_switch import SwitchPending, switch_row
from gateway.sessions.state import Call, SessionState
from gateway.wire import channels, jsonrpc_answers
from gateway.wire.decimals import parse_integer
from gateway.wire.errors import bad_param
from gateway.wire.jsonrpc_answers import encode
from gateway.wire.versions import API_VERSION

_OK = b'"ok"'
_S = 1_000_000_000


def auth(session: SessionState, params: method_table.AuthParams, call: Call) -> list[Action] | bytes:
    """Log in. The session stays logged in for as long as it lasts; the tokens serve HTTP and renewals."""
    grant = call.context.authenticator.login(params, call.wall_ns)
    call.context.notes.login(grant.key, ACCEPTED, params.grant_type, "", call.now_ns)
    result = encode(grant.result())
    if session.http or not session.log_in(grant.key, grant.access_token):
        return result
    call.context.settle()
    if session.account_slot not in call.projection.switches.accounts:
        return result
    begun = Submit(switch_row(Switch.CONNECTION, session.signer, 1), None)
    return [begun, Reply(call.reply(result, call.now_ns))]


def logout(session: SessionState, params: method_table.LogoutParams, call: Call) -> list[Action] | bytes:
    """End the session cleanly, without an answer on a websocket; the access token dies with it unless kept."""
    if params.invalidate_token is not False and session.access_token:
        call.context.authenticator.revoke_token(session.access_token, call.wall_ns)
    if session.http:
        return _OK
    call.context.settle()
    is_on = session.signer.connection in call.projection.switches.connections
    off: list[Action] = [Submit(switch_row(Switch.CONNECTION, session.signer, 0), None)] if is_on else []
    return [*off, session.end_cleanly()]


def hello(session: SessionState, params: method_table.HelloParams, call: Call) -> bytes:
    """The interface's version."""
    return encode({"version": API_VERSION})


def test(session: SessionState, params: method_table.TestParams, call: Call) -> bytes:
    """The interface's version; `expected_result: exception` gives an error to test with."""
    if params.expected_result == "exception":
        raise bad_param("expected_result", "an exception was asked for")
    return encode({"version": API_VERSION})


def set_heartbeat(session: SessionState, params: method_table.HeartbeatParams, call: Call) -> bytes:
    """Heartbeats every so many seconds; silence of two intervals ends the connection."""
    session.set_heartbeat(parse_integer(params.interval, "interval", 10, 3600) * _S)
    return _OK


def disable_heartbeat(session: SessionState, params: method_table.Params, call: Call) -> bytes:
    """No more heartbeats."""
    session.set_heartbeat(0)
    return _OK


def subscribe(session: SessionState, params: method_table.ChannelsParams, call: Call) -> list[Action]:
    """Answer the channels that were joined, and beside the list which were refused and why.

    A channel that was joined before is joined again: it sends its first message again, a book its snapshot. With an
    account's own channels the answer says the sequence that they follow: all facts of later ones come.
    """
    joined: dict[str, channels.Channel] = {}
    refused: list[dict[str, str]] = []
    for name in dict.fromkeys(params.channels):
        try:
            joined[name] = channels.parse(name, call.projection.contract, session.readable_slot)
        except channels.NoChannelError as error:
            refused.append({"channel": name, "reason": str(error)})
    if len(session.channels.keys() | joined.keys()) > call.context.max_subscriptions:
        limit = call.context.max_subscriptions
        raise bad_param("channels", f"a connection may have {limit} channels; leave some or use another connection")
    session.channels.update(joined)
    beside: dict[str, object] = {"refused": refused} if refused else {}
    if any(channel.is_private or shows_state(channel) for channel in joined.values()):
        call.context.settle()
    if any(channel.is_private for channel in joined.values()):
        beside["sequence"] = call.projection.durable_seq
    accepted = [name for name in params.channels if name in joined]
    reply = Reply(call.reply(jsonrpc_answers.beside(encode(accepted), beside), call.now_ns))
    return [reply, Subscribe(list(joined.values()))] if joined else [reply]


def unsubscribe(session: SessionState, params: method_table.ChannelsParams, call: Call) -> list[Action]:
    """Answer the channels that were left."""
    left = [name for name in dict.fromkeys(params.channels) if session.channels.pop(name, None) is not None]
    reply = Reply(call.reply(encode(left), call.now_ns))
    return [reply, Unsubscribe(left)] if left else [reply]


def unsubscribe_all(session: SessionState, params: method_table.Params, call: Call) -> list[Action]:
    """Leave all public channels."""
    return _leave(session, call, private=False)


def unsubscribe_all_private(session: SessionState, params: method_table.Params, call: Call) -> list[Action]:
    """Leave all channels of the user."""
    return _leave(session, call, private=True)


def _leave(session: SessionState, call: Call, private: bool) -> list[Action]:
    left = [name for name, channel in session.channels.items() if channel.is_private is private]
    for name in left:
        del session.channels[name]
    reply = Reply(call.reply(_OK, call.now_ns))
    return [reply, Unsubscribe(left)] if left else [reply]


def _switch(session: SessionState, params: method_table.DisconnectParams, call: Call, value: int) -> list[Action]:
    code = Switch.ACCOUNT if params.scope == "account" else Switch.CONNECTION
    return [Submit(switch_row(code, session.signer, value), SwitchPending(call))]


def enable_cancel_on_disconnect(
    session: SessionState, params: method_table.DisconnectParams, call: Call
) -> list[Action]:
    """Cancel the orders made over this connection when it is lost; scope account: later connections begin with it."""
    return _switch(session, params, call, 1)


def disable_cancel_on_disconnect(
    session: SessionState, params: method_table.DisconnectParams, call: Call
) -> list[Action]:
    """Keep the orders of this connection, or (scope account) those of later ones."""
    return _switch(session, params, call, 0)


def get_cancel_on_disconnect(session: SessionState, params: method_table.DisconnectParams, call: Call) -> bytes:
    """What is in force for this connection, or (scope account) how later ones begin."""
    call.context.settle()
    switches = call.projection.switches
    if params.scope == "account":
        return encode({"scope": "account", "enabled": session.account_slot in switches.accounts})
    return encode({"scope": "connection", "enabled": session.signer.connection in switches.connections})


HANDLERS: dict[str, Callable[..., Any]] = {
    "public/auth": auth,
    "private/logout": logout,
    "public/hello": hello,
    "public/test": test,
    "public/set_heartbeat": set_heartbeat,
    "public/disable_heartbeat": disable_heartbeat,
    "public/subscribe": subscribe,
    "private/subscribe": subscribe,
    "public/unsubscribe": unsubscribe,
    "private/unsubscribe": unsubscribe,
    "public/unsubscribe_all": unsubscribe_all,
    "private/unsubscribe_all": unsubscribe_all_private,
    "private/enable_cancel_on_disconnect": enable_cancel_on_disconnect,
    "private/disable_cancel_on_disconnect": disable_cancel_on_disconnect,
    "private/get_cancel_on_disconnect": get_cancel_on_disconnect,
}
CONNECTION_ONLY = frozenset(name for name in HANDLERS if "subscribe" in name or "heartbeat" in name)
"""Methods that make no sense without a connection."""
