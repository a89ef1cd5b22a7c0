"""Sessions over sample rows, logged in to accounts of a real registry."""

import json

import numpy as np

from engine.codes import CommandKind, EventKind
from engine.schema import COMMAND, DIRECTIVE, NOTICE
from gateway.document.sample_operation import sample_operation
from gateway.document.sample_rows import BTC, ETH, MS, NOW, S, SampleProjection, order, own_trade
from gateway.registry import authentication
from gateway.registry.registry import KeyOrder, Registry
from gateway.sessions.actions import Close, LargeReply, Reply, Submit
from gateway.sessions.rate_limits import RateLimits
from gateway.sessions.session import Session
from gateway.sessions.shared_context import Context
from gateway.wire.views import Outcome

__all__ = [
    "BTC", "ETH", "MS", "NOW", "Desk", "S", "answer", "ask", "closes", "logged", "order", "own_trade", "send",
    "submitted",
]  # fmt: skip


class Desk:
    """A registry with two accounts, their keys, and sessions on `Rows`."""

    def __init__(self, folder, **context):
        self.registry = Registry(folder / "registry.db")
        self.vault = authentication.Vault(folder / "vault.key", self.registry)
        self.rows = SampleProjection()
        context.setdefault("limits", RateLimits(logins_burst=10**6))  # time stands still here
        self.context = Context(authentication.Authenticator(self.registry, self.vault), self.registry, **context)
        self.sessions = []
        self.context.operation = sample_operation(folder / "alerts.db", lambda: self.sessions)
        self.keys = {}
        for slot, name in enumerate(("alice", "bob")):
            self.registry.create_account(name, NOW)
            self.add_key(name, slot, ["read", "trade"])

    def add_key(self, name, slot, scopes):
        """An HMAC key under this name."""
        key = authentication.new_hmac_key(self.vault)
        person = self.registry.person(f"person of {name}", NOW)
        self.registry.add_key(KeyOrder(key.id, slot, person, "hmac", key.verifier, scopes, name), NOW)
        self.keys[name] = key
        return key

    def session(self, name=None, binary=False):
        """A new session, logged in if a name is given."""
        session = Session(self.context, self.rows, binary, "test", NOW)
        session.serves_officers = True
        self.sessions.append(session)
        if name:
            key = self.keys[name]
            params = {"grant_type": "client_credentials", "client_id": key.id, "client_secret": key.secret}
            assert "access_token" in ask(session, "public/auth", **params)["result"]
        return session


def send(session, method, /, now_ns=NOW, request_id=1, **params):
    """The actions that a request causes."""
    message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
    return session.receive(json.dumps(message).encode(), now_ns)


def ask(session, method, /, now_ns=NOW, **params):
    """The one immediate answer to a request, decoded."""
    return answer(logged(session, send(session, method, now_ns, **params), now_ns))


def logged(session, actions, now_ns=NOW):
    """Actions whose SWITCH commands are in the log, and with it in the read model: what waited for that is a reply."""
    left = []
    for action in actions:
        rows = np.frombuffer(action.rows, DIRECTIVE).copy() if isinstance(action, Submit) else np.zeros(0, DIRECTIVE)
        if not (rows["kind"] == CommandKind.SWITCH).any():
            left.append(action)
            continue
        rows["seq"] = np.arange(1, len(rows) + 1)
        told = np.zeros(len(rows), NOTICE)
        told["seq"], told["time_ns"] = rows["seq"], now_ns
        told["kind"][rows["kind"] == CommandKind.SWITCH] = EventKind.SWITCHED
        session.projection.switches.fold(rows.view(COMMAND), told)
        if action.pending is not None:
            left.append(Reply(action.pending.complete(Outcome(seq=1), now_ns)))
    return left


def answer(actions):
    """The answer among actions."""
    replies = [action for action in actions if isinstance(action, Reply | LargeReply)]
    assert len(replies) == 1, actions
    return json.loads(replies[0].data)


def submitted(actions):
    """The one Submit among actions."""
    assert [type(action) for action in actions] == [Submit], [getattr(a, "data", a) for a in actions]
    return actions[0]


def closes(actions):
    """The close code among actions, or None."""
    return next((action.code for action in actions if isinstance(action, Close)), None)
