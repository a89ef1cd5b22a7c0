"""What an export covers, and the records of a journal that are in it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.codes import NIL, AccountAttribute, CommandKind, EventKind
from engine.schema import DIRECTIVE, NOTICE
from gateway.audit_trail.block_follower import BlockFollower
from gateway.audit_trail.columns import Record
from gateway.audit_trail.hash_chain import FORMAT
from gateway.audit_trail.row_maker import ACCOUNT_COMMANDS, MARKET_DATA, ORDER_COMMANDS, QUIET_EVENTS
from gateway.audit_trail.trail_rows import records_of

Progress = Callable[[int, int], None]
FOREVER_NS = (1 << 63) - 1


@dataclass(frozen=True)
class Scope:
    """What an export covers: one account or all (NIL), from an instant up to another, accepted index prices or not.

    Records about no account in particular (contracts, the venue, persons, groups) are always covered; what the log
    vouches for (ATTEST) only where all accounts are. Of what is set on clients an export of one account has what is set
    on its own, `client`, since a freeze of another is nobody's business. `with_gateway`: also the records of the
    gateway's log.
    """

    account_slot: int = NIL
    from_ns: int = 0
    to_ns: int = FOREVER_NS
    with_index: bool = False
    with_gateway: bool = False
    client: int = 0

    def of_owner(self, root: Any) -> "Scope":
        """The scope with the number of its account's client in a state, 0 for all accounts or where none is bound."""
        values = root["profiles"][0]["values"]
        bound = 0 <= self.account_slot < len(values)
        return replace(self, client=int(values[self.account_slot, AccountAttribute.CLIENT]) if bound else 0)

    def holds(self, time_ns: int, account_slot: int, client: int = 0) -> bool:
        """Whether something at a time about an account, or a client, is covered; what is about neither (NIL, 0) is."""
        if not self.from_ns <= time_ns < self.to_ns:
            return False
        if client > 0 and self.account_slot >= 0:
            return client == self.client
        return self.account_slot < 0 or account_slot < 0 or account_slot == self.account_slot

    def wanted(self, commands: Any, events: Any) -> Any:
        """The sequences of commands that are about the scope, or had an effect on it."""
        kinds, notices = commands["kind"], events.view(NOTICE)
        given = commands.view(DIRECTIVE)["account_slot"]
        about = np.where(kinds < CommandKind.ACCOUNT_OPEN, commands["account_slot"], given)
        about = np.where(np.isin(kinds, (*ORDER_COMMANDS, *ACCOUNT_COMMANDS)), about, NIL)
        asked = ~np.isin(kinds, (CommandKind.TIME, CommandKind.LABEL)) & self._concerns(about)
        asked &= (kinds != CommandKind.INDEX_PRICE) | self.with_index
        asked &= (kinds != CommandKind.ATTEST) | (self.account_slot < 0)
        kinds = events["kind"]
        owners = np.where(kinds < EventKind.NOTICE_FIRST, events["account_slot"], notices["account_slot"])
        quiet = np.isin(kinds, (*QUIET_EVENTS, *MARKET_DATA))
        return np.concatenate([commands["seq"][asked], events["seq"][~quiet & self._concerns(owners)]])

    def _concerns(self, owners: Any) -> Any:
        return (owners < 0) | (owners == self.account_slot) | (self.account_slot < 0)

    def note(self, genesis: str) -> str:
        """The text of an export's first record."""
        return json.dumps({"format": FORMAT, "journal": genesis} | self.__dict__, sort_keys=True)


def scope_of(note: str) -> Scope:
    """The scope that an export's first record names. ValueError when it does not name one."""
    try:
        facts = json.loads(note)
        if facts.pop("format") != FORMAT or not facts.pop("journal"):
            raise ValueError(note)
        scope = Scope(**facts)
        if [type(given) for given in astuple(scope)] != [type(usual) for usual in astuple(Scope())]:
            raise ValueError(note)
        return scope
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError(f"the first record does not say what the export covers: {note[:80]!r}") from None


def row_blocks(follower: BlockFollower, scope: Scope, stops: Any, until_seq: int, progress: Progress) -> Iterator[Any]:
    """The records of a scope in blocks, up to a sequence of the journal; `stops` as in `BlockFollower.rows`."""
    for rows in follower.rows(scope, stops, until_seq):
        yield rows
        progress(follower.reader.bytes_read, follower.reader.bytes_total)


def records_at(journal: Path, places: Any) -> Iterator[Record]:
    """The records, not chained, of the commands with these sequences, ascending."""
    for rows in BlockFollower(journal).rows(Scope(with_index=True), np.sort(places)):
        yield from records_of(rows)


def decisions(
    follower: BlockFollower, scope: Scope, stops: Any, until_seq: int, progress: Progress
) -> Iterator[Record]:
    """The records of a scope, not chained, up to a sequence of the journal; `stops` as in `BlockFollower.rows`."""
    for rows in row_blocks(follower, scope, stops, until_seq, progress):
        yield from records_of(rows)
