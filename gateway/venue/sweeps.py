"""Sweeps: the mass cancels that come with a directive such as a kill switch, and how many orders each one took.

A sweep is worked off some orders a command, so it may end many commands after its directive. It is a command right
before the directive, or part of it where that is about a client or a key. It is known by the directive's sequence.
"""

from typing import Any

import numpy as np

from engine.code_values import (
    COMMAND_MASS_CANCEL,
    EVENT_MASS_CANCELLED,
    EVENT_REFUSED,
    EVENT_REJECTED,
    EXEC_KEEP_PROTECTION,
)
from engine.codes import NIL, AccountAttribute, ClientAttribute, CommandKind, Reason
from engine.schema import DIRECTIVE
from gateway.registry.records import NOT_SWEPT
from gateway.registry.registry import Intent
from gateway.wire.command_rows import Signer, mass_cancel_row

_WITHIN = (CommandKind.CLIENT_SET, CommandKind.KEY_REVOKE)
"""Directives with which the engine cancels orders itself, and reports how many."""
_MAY_SWEEP = np.zeros(1 << 8, np.bool_)
"""By kind of command."""
_MAY_SWEEP[[COMMAND_MASS_CANCEL, *_WITHIN]] = True
_OF_ACCOUNT, _OF_MARKET = Reason.ACCOUNT_SUSPENDED, Reason.MARKET_STATE


def sweep_row(intent: Intent) -> bytes | None:
    """The mass cancel before a directive that cancels orders too: those of its account, its contract, or all.

    A kill switch leaves what the client has for protection, since reducing goes on. None for a directive with which the
    engine cancels them itself.
    """
    if intent.kind in _WITHIN:
        return None
    reason = _OF_ACCOUNT if intent.account_slot != NIL else _OF_MARKET
    signer = Signer(intent.account_slot, intent.actor, intent.key)
    is_kill = intent.kind == CommandKind.ACCOUNT_SET and intent.code == AccountAttribute.KILL_SWITCH
    flags = EXEC_KEEP_PROTECTION if is_kill else 0
    return mass_cancel_row(signer, intent.contract_slot, reason=reason, flags=flags)


class Sweeps:
    """The sweeps that are under way, and those that have ended and are not yet noted in the registry."""

    def __init__(self) -> None:
        self._under_way: dict[int, int] = {}
        """Sequence of the mass cancel: that of its directive."""
        self._ended: dict[int, tuple[int, int]] = {}

    def begin(self, seq: int, kind: int) -> None:
        """The directive of this sequence has a sweep, right before it or within."""
        self._under_way[seq if kind in _WITHIN else seq - 1] = seq

    def begin_replayed(self, commands: Any) -> None:
        """The mass cancels among replayed commands that may be sweeps; the registry knows which of them are."""
        kinds = np.ascontiguousarray(commands["kind"])
        if not _MAY_SWEEP[kinds].any():
            return
        rows = commands[kinds == COMMAND_MASS_CANCEL]
        rows = rows[np.isin(rows["reason"], (_OF_ACCOUNT, _OF_MARKET))]
        self._under_way.update((seq, seq + 1) for seq in rows["seq"].tolist())
        own = commands.view(DIRECTIVE)[np.isin(kinds, _WITHIN)]
        takes = (own["code"] != ClientAttribute.MAX_EXPOSURE_MICROS) & (own["value"] == 1)
        own = own[takes | (own["kind"] == CommandKind.KEY_REVOKE)]
        self._under_way.update((seq, seq) for seq in own["seq"].tolist())

    def offer(self, events: Any, seq: int) -> None:
        """The events of the batch that ended with this sequence."""
        if not self._under_way:
            return
        kinds = events["kind"]
        refused = ((kinds == EVENT_REJECTED) & (events["order_id"] == 0)) | (kinds == EVENT_REFUSED)
        for row in events[(kinds == EVENT_MASS_CANCELLED) | refused]:
            directive_seq = self._under_way.pop(int(row["seq"]), None)
            if directive_seq is not None:
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
