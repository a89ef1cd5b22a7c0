"""The `scope` of a login: what of it is given, and the refusal of what is not.

A login always holds the scopes of its key, on its connection and in its tokens. So a scope that names a session is
granted as it is, and one that asks for less than the key holds is refused: whoever asks for less must not get more.
"""

import re

from gateway.wire.errors import Refusal, bad_param

_ACCESS = re.compile(r"(account|trade|wallet|block_trade|block_rfq|custody):(none|read|read_write)")
_SESSION = re.compile(r"connection|mainaccount|session:[!-~]{1,64}")
_EXPIRES = re.compile(r"expires:([0-9]{1,9})")


def check_scope(asked: str, held: frozenset[str], expires_s: int) -> None:
    """Refuse a scope that is not understood, or that asks for less than the key's scopes or a shorter life."""
    reach: set[str] = set()
    narrows = False
    for word in asked.split():
        access, expires = _ACCESS.fullmatch(word), _EXPIRES.fullmatch(word)
        if access:
            narrows = True
            reach |= _reach(access[1], access[2])
        elif expires and int(expires[1]) < expires_s:
            raise _refusal(word, f"a token of this venue lives for {expires_s} s")
        elif not expires and not _SESSION.fullmatch(word):
            raise _refusal(word, "it is not a scope of a login")
    more = sorted(held - reach)
    if narrows and more:
        raise _refusal(asked, f"the key also holds {' '.join(more)}, and a login holds what its key does")


def _reach(area: str, access: str) -> set[str]:
    if access == "none":
        return set()
    writes = {"trade": {"trade"}, "wallet": {"transfer"}}.get(area, set()) if access == "read_write" else set()
    return {"read"} | writes


def _refusal(asked: str, why: str) -> Refusal:
    return bad_param("scope", f"{asked[:60]!r}: {why}; leave it out, or use a key of its own for less")
