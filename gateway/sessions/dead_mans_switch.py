"""Dead-man's switches: the commands that turn them on and off, and what they cancel when a client falls silent.

The one home of what stays: with a lost connection its reduce-only orders, with a countdown the account's reduce-only
stops; what only the venue made reduce-only goes. A switch is turned off behind its cancels, so after a crash between
the two it cancels once more, which does nothing.
"""

from typing import Any

from msgspec import Struct

from engine.code_values import EXEC_KEEP_PROTECTION, EXEC_REDUCE_ONLY, FLAG_MADE_REDUCE_ONLY, REASON_DISCONNECT
from engine.codes import NIL, CommandKind, Reason, Switch
from gateway.wire.command_rows import Signer, cancel_row, mass_cancel_row, pack_directive
from gateway.wire.errors import refusal_of
from gateway.wire.views import Outcome, Projection


def switch_row(code: Switch, signer: Signer, value: int) -> bytes:
    """A SWITCH command. `value`: 0 turns it off; a countdown's length in ns, 1 for the others."""
    return pack_directive(
        kind=CommandKind.SWITCH, code=code, account_slot=signer.account_slot, contract_slot=NIL, value=value,
        person=signer.person, key=signer.key, source_time_ns=signer.connection,
    )  # fmt: skip


def of_lost_connection(projection: Projection, signer: Signer) -> bytes:
    """What goes with a connection that is lost while its switch is on: its orders, but reduce-only ones stay."""
    orders = projection.connection_orders(signer.account_slot, signer.connection)
    rows = [
        cancel_row(signer, order.order_id, reason=REASON_DISCONNECT)
        for order in orders
        if not order.flags & EXEC_REDUCE_ONLY or order.flags & FLAG_MADE_REDUCE_ONLY
    ]
    return b"".join([*rows, switch_row(Switch.CONNECTION, signer, 0)])


def of_countdown(signer: Signer) -> bytes:
    """What goes with a countdown that runs out: all orders of the account, but reduce-only stops stay."""
    cancels = mass_cancel_row(signer, reason=Reason.DISCONNECT, flags=EXEC_KEEP_PROTECTION)
    return cancels + switch_row(Switch.COUNTDOWN, signer, 0)


class SwitchPending(Struct, gc=False):
    """Waits until a switch is in the log: the answer is released when that is durable."""

    call: Any
    timeout_ms: int | None = None
    """Of a countdown; None for the other switches."""

    def complete(self, outcome: Outcome, now_ns: int) -> bytes:
        """The reply: "ok", or when the countdown runs out."""
        if outcome.reason:
            return bytes(self.call.error(refusal_of(Reason(outcome.reason), None), now_ns))
        if self.timeout_ms is None:
            return bytes(self.call.reply(b'"ok"', now_ns))
        kept = self.call.projection.switches.countdowns.get(self.call.session.account_slot)
        cancels_at = kept[0] // 1_000_000 if self.timeout_ms and kept else 0
        return bytes(self.call.reply(b'{"timeout_ms":%d,"cancels_at":%d}' % (self.timeout_ms, cancels_at), now_ns))
