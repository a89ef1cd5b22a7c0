"""Registry intents as DIRECTIVE rows, and their results for the registry."""

from collections.abc import Iterable
from typing import Any

from engine.code_values import COMMAND_ACCOUNT_OPEN
from engine.codes import EventKind
from engine.schema import DIRECTIVE, NOTICE
from gateway.registry.registry import Intent
from gateway.sessions.actions import Pending
from gateway.wire.command_rows import DIGEST_BYTES, pack_directive
from gateway.wire.views import Outcome


def directive_row(intent: Intent) -> bytes:
    """The command that an intent asks for; its `reason` is the number of the change in the registry."""
    return pack_directive(
        kind=intent.kind, code=intent.code, account_slot=intent.account_slot, contract_slot=intent.contract_slot,
        index=intent.item, person=intent.person, value=intent.value, amount_micros=intent.amount_micros,
        source_time_ns=intent.source_time_ns, actor=intent.actor, approver=intent.approver, reason=intent.change,
        key=intent.key, reference=intent.reference, digest=intent.digest or bytes(DIGEST_BYTES),
    )  # fmt: skip


class IntentPending(Pending):
    """Notes the result of an intent; the registry gets it when it is durable."""

    __slots__ = ("_reference", "_results")

    def __init__(self, reference: int, results: list[tuple[int, int, int]]) -> None:
        self._reference = reference
        self._results = results

    def complete(self, outcome: Outcome, now_ns: int) -> bytes | None:
        """Note the result; no reply is sent."""
        self._results.append((self._reference, outcome.seq, outcome.reason))
        return None


def replayed_results(commands: Any, events: Any) -> Iterable[tuple[int, int, int]]:
    """(reference, sequence, reason of a refusal or 0) of the intents that a batch of the journal holds."""
    may_be = commands["kind"] >= COMMAND_ACCOUNT_OPEN  # orders and what belongs to them come before it
    if not may_be.any():
        return []
    rows = commands.view(DIRECTIVE)[may_be]
    rows = rows[rows["reference"] > 0]
    notices = events.view(NOTICE)
    refusals = notices[notices["kind"] == EventKind.REFUSED]
    refused = dict(zip(refusals["seq"].tolist(), refusals["reason"].tolist(), strict=True))
    return [(int(row["reference"]), int(row["seq"]), refused.get(int(row["seq"]), 0)) for row in rows]
