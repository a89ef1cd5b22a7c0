"""Sweeps: the mass cancels that go with a directive such as a kill switch, and how many orders each one took.

A sweep is worked off some orders a command, so it may end many commands after its directive. It is known by the
sequence of its directive, which comes right behind it in the log; that of a revoked key is the directive itself.
"""

from typing import Any

import numpy as np

from engine.code_values import (
    COMMAND_KEY_REVOKE,
    COMMAND_MASS_CANCEL,
    EVENT_MASS_CANCELLED,
    EVENT_REFUSED,
    EVENT_REJECTED,
)
from engine.codes import NIL, Reason
from gateway.registry.records import NOT_SWEPT
from gateway.registry.registry import Intent
from gateway.wire.command_rows import Signer, mass_cancel_row

_OF_ACCOUNT, _OF_MARKET = Reason.ACCOUNT_SUSPENDED, Reason.MARKET_STATE


def sweep_row(intent: Intent) -> bytes:
    """The mass cancel before a directive that cancels orders too: those of its account, its contract, or all."""
    reason = _OF_ACCOUNT if intent.account_slot != NIL else _OF_MARKET
    signer = Signer(intent.account_slot, intent.actor, intent.key)
    return mass_cancel_row(signer, intent.contract_slot, reason=reason)


class Sweeps:
    """The sweeps that are under way, and those that have ended and are not yet noted in the registry."""

    def __init__(self) -> None:
        self._under_way: set[int] = set()
        self._of_keys: set[int] = set()
        self._ended: dict[int, tuple[int, int]] = {}

    def begin(self, seq: int) -> None:
        """The directive of this sequence has a sweep right before it."""
        self._under_way.add(seq)

    def begin_of_key(self, seq: int) -> None:
        """The directive of this sequence revokes a key, and sweeps by itself."""
        self._of_keys.add(seq)

    def begin_replayed(self, commands: Any) -> None:
        """The mass cancels among replayed commands that may be sweeps; the registry knows which of them are."""
        self._of_keys.update(commands["seq"][commands["kind"] == COMMAND_KEY_REVOKE].tolist())
        rows = commands[commands["kind"] == COMMAND_MASS_CANCEL]
        rows = rows[np.isin(rows["reason"], (_OF_ACCOUNT, _OF_MARKET))]
        self._under_way.update((rows["seq"] + 1).tolist())

    def offer(self, events: Any, seq: int) -> None:
        """The events of the batch that ended with this sequence."""
        if not self._under_way and not self._of_keys:
            return
        kinds = events["kind"]
        if self._of_keys:
            self._end_of_keys(events[(kinds == EVENT_MASS_CANCELLED) | (kinds == EVENT_REFUSED)], seq)
        for row in events[(kinds == EVENT_MASS_CANCELLED) | ((kinds == EVENT_REJECTED) & (events["order_id"] == 0))]:
            directive_seq = int(row["seq"]) + 1
            if directive_seq in self._under_way:
                self._under_way.remove(directive_seq)
                orders = int(row["last_lots"]) if row["kind"] == EVENT_MASS_CANCELLED else NOT_SWEPT
                self._ended[directive_seq] = (seq, orders)

    def _end_of_keys(self, rows: Any, seq: int) -> None:
        for row in rows[np.isin(rows["seq"], list(self._of_keys))]:
            directive_seq = int(row["seq"])
            self._of_keys.discard(directive_seq)
            orders = int(row["last_lots"]) if row["kind"] == EVENT_MASS_CANCELLED else NOT_SWEPT
            self._ended[directive_seq] = (seq, orders)

    def orders_cancelled(self, seq: int) -> int | None:
        """What the sweep of the directive of this sequence took; None while it is under way, or when it has none."""
        return self._ended[seq][1] if seq in self._ended else None

    def ended(self, durable_seq: int) -> dict[int, int]:
        """(sequence of the directive: number of orders) of the sweeps whose end is durable."""
        return {seq: orders for seq, (end_seq, orders) in self._ended.items() if end_seq <= durable_seq}

    def forget(self, seqs: Any) -> None:
        """These are noted in the registry."""
        for seq in seqs:
            del self._ended[seq]
