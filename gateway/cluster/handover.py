"""How a planned handover is asked for on the leader's host: a file in its data folder, and another one as the answer.

Whoever may write the data folder may ask; the command proves an officer's key first, as all commands on the host do.
"""

import secrets
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from engine import disk

NAME = "HANDED_OVER"
"""The reason that clients read: the request was not taken here, another node leads."""
_REQUEST, _ANSWER = "handover.request", "handover.answer"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Have another node lead: the one named, or the most advanced standby."""

    to: str
    by: str
    """The person who asks; empty on a venue without officers."""
    reason: str
    token: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request."""

    token: str
    state: Literal["done", "refused", "open"]
    """`open`: the stream does not answer, so nobody can say yet whether the node leads that was asked to."""
    node: str = ""
    """Who leads now, or was asked to."""
    held_ms: float = 0.0
    """For how long nothing was taken here: from the first held request until clients were told who leads."""
    line: str = ""
    """Why it was refused, or is open."""


def ask(data: Path, to: str, by: str, reason: str) -> Request:
    """Ask the leader of this data folder; `answer_to` has its answer later. OSError."""
    request = Request(to=to, by=by, reason=reason, token=secrets.token_hex(8))
    disk.write_atomically(data / _REQUEST, [msgspec.json.encode(request)])
    return request


def withdraw(data: Path) -> bool:
    """Take back a request that nobody has taken; whether there was one."""
    path = data / _REQUEST
    try:
        disk.remove(path)
    except FileNotFoundError:
        return False
    return True


def take(data: Path) -> Request | None:
    """The request that waits, which is gone then; None without one.

    OSError for one that cannot be read, as another user's, or that was withdrawn just now; ValueError for one that says
    something else. It is taken away if it can be.
    """
    path = data / _REQUEST
    if not disk.current().is_there(path):
        return None
    try:
        return msgspec.json.decode(disk.read(path), type=Request)
    finally:
        with suppress(FileNotFoundError):
            disk.remove(path)


def answer(data: Path, told: Answer) -> None:
    """Say what became of a request. OSError."""
    disk.write_atomically(data / _ANSWER, [msgspec.json.encode(told)])


def answer_to(data: Path, request: Request) -> Answer | None:
    """The leader's answer to this request; None as long as there is none."""
    path = data / _ANSWER
    if not disk.current().is_there(path):
        return None
    try:
        told = msgspec.json.decode(disk.read(path), type=Answer)
    except msgspec.DecodeError:
        return None
    return told if told.token == request.token else None
