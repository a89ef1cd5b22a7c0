"""What the log has made of directives that belong together, such as those of one change."""

from collections.abc import Iterable
from dataclasses import dataclass

from engine.codes import Reason
from gateway.registry.records import NOT_SWEPT
from gateway.registry.registry import Intent, Result


@dataclass(frozen=True, slots=True)
class Outcome:
    """`first_seq` and `sequence` are those of the first and the last directive; None while the log lacks one of them.

    `orders_cancelled` is None when no directive cancels orders, and while some are still being cancelled.
    """

    directives: int
    first_seq: int | None = None
    sequence: int | None = None
    refused: tuple[Reason, ...] = ()
    is_cancelling: bool = False
    orders_cancelled: int | None = None
    is_swept: bool = True
    """False when the engine could not cancel the orders that go with a directive."""

    @property
    def waits(self) -> bool:
        """Whether the log does not have all of it yet."""
        return self.directives > 0 and self.sequence is None

    @property
    def is_final(self) -> bool:
        """Whether nothing more will become of it."""
        return not self.waits and not self.is_cancelling


def outcome_of(directives: Iterable[tuple[Intent, Result]]) -> Outcome:
    """One outcome of directives in their order."""
    found = list(directives)
    seqs = [result.sequence for _, result in found if result.sequence is not None]
    refused = dict.fromkeys(Reason(result.reason) for _, result in found if result.reason)
    orders = [result.orders_cancelled for intent, result in found if intent.sweeps]
    counted = [count for count in orders if count is not None]
    waits, is_cancelling = len(seqs) < len(found), len(counted) < len(orders)
    cancelled = sum(count for count in counted if count != NOT_SWEPT)
    return Outcome(
        directives=len(found),
        first_seq=None if waits or not seqs else seqs[0],
        sequence=None if waits or not seqs else seqs[-1],
        refused=tuple(refused),
        is_cancelling=is_cancelling and not waits,
        orders_cancelled=cancelled if orders and not is_cancelling else None,
        is_swept=NOT_SWEPT not in counted,
    )
