"""What of a session goes into the gateway's log: what it refuses, and what officers look at."""

import re
from typing import Any

from gateway.audit_trail.gateway_notes import REFUSED
from gateway.registry.registry import Key
from gateway.sessions.state import SessionState
from gateway.wire.errors import ErrorCode, Refusal

AUTH = "public/auth"
_NAME = re.compile(r"[a-z_][a-z_0-9.]{0,40}")
"""What a parameter's name looks like; anything else that was sent is not kept."""
_ABOUT = ("client", "account", "number", "state", "days", "name")
"""Parameters that say what a question is about."""


def note_refusal(session: SessionState, method: str, params: Any, refusal: Refusal, now_ns: int) -> None:
    """A request that the gateway refused; of what was sent only the name of the parameter at fault."""
    code = ErrorCode(refusal.code).name
    session.context.refusals[code] += 1
    reason = f"{code} {refusal.param}".strip()
    if method == AUTH:
        note_refused_login(
            session, str(getattr(params, "grant_type", "")), getattr(params, "client_id", None), reason, now_ns
        )
    else:
        session.context.notes.refused(session.key, method, reason, now_ns)


def note_refused_login(session: SessionState, how: str, key_id: str | None, reason: str, now_ns: int) -> None:
    """A login that was refused; the id that was sent is kept only if a key has it."""
    named: Key | None = session.context.registry.key(key_id) if key_id else None
    session.context.notes.login(named, REFUSED, how, reason, now_ns)


def note_read(session: SessionState, method: str, params: Any, now_ns: int) -> None:
    """What an officer looked at."""
    about = [f"{name}={getattr(params, name)}" for name in _ABOUT if getattr(params, name, None) is not None]
    session.context.notes.read(session.key, method, " ".join(about), now_ns)
