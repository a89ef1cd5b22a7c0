"""Which refusals mean that a replay is not the recording's: an order that once stood never came to the book.

A cancel that comes too late, or a post-only order that would trade, is refused in life too. What is here is refused for
limits of this engine or of the contract's units, and what follows in the recording meets another book.
"""

from collections.abc import Mapping

from engine.codes import Reason

REPEATED = "REPEATED"
"""In place of a reason: the order is the same as one that waits under its id, and was answered with that one."""
LIMITS = frozenset(
    reason.name
    for reason in (
        Reason.UNSUPPORTED_ORDER,
        Reason.BAD_TICK,
        Reason.BAD_LOT,
        Reason.BAD_EXPIRY,
        Reason.QTY_TOO_SMALL,
        Reason.QTY_TOO_LARGE,
        Reason.DUPLICATE_ID,
        Reason.CAPACITY,
        Reason.ORDER_VALUE_LIMIT,
        Reason.TOO_MANY_ORDERS,
        Reason.POSITION_LIMIT,
        Reason.OPEN_INTEREST_CAP,
    )
)
WITHOUT_INDEX = frozenset([Reason.REFERENCE_PRICE_UNAVAILABLE.name])
"""Where there never is an index, an order that needs one is lost; elsewhere it is early, which is the venue's rule."""
_COARSER = "name a coarser lot with --contract, or convert the quantities"
_IDS = "give each order an id of its own"
_REMEDIES = {
    Reason.REFERENCE_PRICE_UNAVAILABLE.name: "let triggers watch last, which is the only price there",
    Reason.UNSUPPORTED_ORDER.name: "see what orders can be in `lionrock schema`",
    Reason.BAD_TICK.name: "name a larger max_price_ticks or a coarser tick with --contract",
    Reason.BAD_LOT.name: "name the lot that the quantities are whole numbers of",
    Reason.BAD_EXPIRY.name: "let orders expire at whole seconds that are ahead",
    Reason.QTY_TOO_SMALL.name: "name a finer lot",
    Reason.QTY_TOO_LARGE.name: _COARSER,
    Reason.POSITION_LIMIT.name: _COARSER,
    Reason.DUPLICATE_ID.name: _IDS,
    REPEATED: _IDS,
}


def lost_orders(rejects: Mapping[str, int], repeated: int, reasons: frozenset[str] = LIMITS) -> dict[str, int]:
    """Of refusals by reason those that lost an order, the most frequent first, with the repeated ones."""
    lost = {reason: count for reason, count in rejects.items() if reason in reasons}
    if repeated:
        lost[REPEATED] = repeated
    return dict(sorted(lost.items(), key=lambda item: -item[1]))


def describe(lost: Mapping[str, int], commands: int) -> str:
    """One line for a person: how many were lost of how many, why, and what to do about the most frequent reason."""
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in lost.items())
    remedy = _REMEDIES.get(next(iter(lost)), "see the reason in `lionrock schema`")
    return f"{sum(lost.values()):,} of {commands:,} commands were refused for limits ({reasons}); {remedy}"
