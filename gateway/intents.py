"""Registry intents as DIRECTIVE rows, and what became of them back into the registry."""

import struct
from collections.abc import Iterable
from typing import Any

from engine.codes import CommandKind
from engine.schema import DIRECTIVE
from gateway.interfaces import Pending
from gateway.registry import Intent
from gateway.views import Outcome

_DIRECTIVE = struct.Struct("<qqb3x5i4q4iq32x")
assert _DIRECTIVE.size == DIRECTIVE.itemsize


def directive_row(intent: Intent) -> bytes:
    """The command that an intent asks for."""
    return _DIRECTIVE.pack(
        0, 0, intent.kind, intent.code, intent.account_slot, intent.contract_slot, intent.item, intent.person,
        intent.value, intent.amount_micros, 0, 0, intent.actor, intent.approver, 0, 0, intent.reference,
    )  # fmt: skip


def index_row(contract_slot: int, source: int, price_subticks: int, source_time_ns: int) -> bytes:
    """An INDEX_PRICE command: what one source says now."""
    return _DIRECTIVE.pack(
        0, 0, CommandKind.INDEX_PRICE, source, -1, contract_slot, 0, 0, 0, 0, price_subticks, source_time_ns, 0, 0, 0,
        0, 0,
    )  # fmt: skip


class IntentPending(Pending):
    """Notes how an intent ended, for the registry once that is durable."""

    __slots__ = ("_reference", "_results")

    def __init__(self, reference: int, results: list[tuple[int, int, int]]) -> None:
        self._reference = reference
        self._results = results

    def complete(self, outcome: Outcome, now_ns: int) -> bytes | None:
        """Nothing is sent to anyone."""
        self._results.append((self._reference, outcome.seq, outcome.reason))
        return None


def replayed_results(commands: Any, events: Any) -> Iterable[tuple[int, int, int]]:
    """(reference, sequence, 0) of the intents that a batch of the journal holds."""
    rows = commands.view(DIRECTIVE)
    rows = rows[(rows["kind"] >= CommandKind.ACCOUNT_OPEN) & (rows["reference"] > 0)]
    return [(int(row["reference"]), int(row["seq"]), 0) for row in rows]
