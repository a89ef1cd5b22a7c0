"""Who has asked to have orders cancelled when it falls silent: dead-man's switches, folded from the log.

A SWITCH command turns one on or off. Of a connection: its orders go when it is lost. Of an account: later connections
begin with theirs on. A countdown: all orders of the account go at an instant, unless it is asked for again.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from engine.codes import NIL, EventKind, Switch
from engine.schema import DIRECTIVE, record
from gateway.read_model.saved_rows import SavedRows
from gateway.wire.command_rows import Signer

_ROW = record(
    [
        ("code", "i4"),
        ("account_slot", "i4"),
        ("person", "i4"),
        ("key", "i4"),
        ("connection", "i8"),
        ("deadline_ns", "i8"),
    ]
)


class Switches:
    """The switches that are on, each with the name in which it cancels. `fold` alone changes them."""

    def __init__(self) -> None:
        self.connections: dict[int, Signer] = {}
        """By the connection's number."""
        self.accounts: dict[int, Signer] = {}
        self.countdowns: dict[int, tuple[int, Signer]] = {}
        """By account: the instant of the venue's time at which it runs out."""

    def fold(self, commands: Any, notices: Any) -> None:
        """Follow the accepted SWITCH commands of a batch."""
        first = int(commands[0]["seq"])
        directives = commands.view(DIRECTIVE)
        for notice in notices[notices["kind"] == EventKind.SWITCHED]:
            self._turn(directives[int(notice["seq"]) - first], int(notice["time_ns"]))

    def _turn(self, row: Any, time_ns: int) -> None:
        account_slot, connection, value = int(row["account_slot"]), int(row["source_time_ns"]), int(row["value"])
        signer = Signer(account_slot, int(row["person"]), int(row["key"]), connection)
        if row["code"] == Switch.COUNTDOWN:
            _set(self.countdowns, account_slot, (time_ns + value, signer), value)
        elif row["code"] == Switch.ACCOUNT:
            _set(self.accounts, account_slot, signer, value)
        else:
            _set(self.connections, connection, signer, value)

    def run_out(self, now_ns: int) -> list[Signer]:
        """Whose countdowns have run out at an instant of the venue's time."""
        return [signer for deadline_ns, signer in self.countdowns.values() if now_ns >= deadline_ns]

    # --- saving ---------------------------------------------------------------------------------------------------

    def saved(self) -> dict[str, Any]:
        """As an array of a file of the read model."""
        rows = [
            *_rows(Switch.CONNECTION, self.connections.values()),
            *_rows(Switch.ACCOUNT, self.accounts.values()),
            *(_row(Switch.COUNTDOWN, signer, deadline_ns) for deadline_ns, signer in self.countdowns.values()),
        ]
        return {"switches": np.array(rows, _ROW)}

    def saved_rows(self, saved: SavedRows) -> tuple[Any]:
        """What `load` needs. SavedRowsError when a file cannot be used."""
        return (saved.array("switches", _ROW),)

    def load(self, rows: Any) -> None:
        """Load what `saved` gave."""
        for row in rows.tolist():
            code, account_slot, person, key, connection, deadline_ns = row
            signer = Signer(account_slot, person, key, connection)
            if code == Switch.COUNTDOWN:
                self.countdowns[account_slot] = (deadline_ns, signer)
            elif code == Switch.ACCOUNT:
                self.accounts[account_slot] = signer
            else:
                self.connections[connection] = signer

    @property
    def last_connection(self) -> int:
        """The highest number of a connection that has one on, NIL for none."""
        return max(self.connections, default=NIL)


def _set(kept: dict[int, Any], place: int, what: Any, value: int) -> None:
    if value:
        kept[place] = what
    else:
        kept.pop(place, None)


def _rows(code: int, signers: Iterable[Signer]) -> Iterable[tuple[int, ...]]:
    return (_row(code, signer, 0) for signer in signers)


def _row(code: int, signer: Signer, deadline_ns: int) -> tuple[int, ...]:
    return int(code), signer.account_slot, signer.person, signer.key, signer.connection, deadline_ns
