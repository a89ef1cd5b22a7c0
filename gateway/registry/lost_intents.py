"""Intents that were in a part of the log that is lost: which they are, and what becomes of them."""

from collections.abc import Iterable

from gateway.registry.registry import INTENT_COLUMNS, Intent, Registry


def applied_beyond(registry: Registry, seq: int) -> list[Intent]:
    """The intents that are noted as in the log behind a sequence, in the order of their references."""
    query = f"SELECT {INTENT_COLUMNS} FROM intents WHERE applied_seq > ? ORDER BY reference"
    return [Intent(*row) for row in registry.all(query, seq)]


def leave(registry: Registry, references: Iterable[int]) -> None:
    """These are not done again: they get sequence 0, which no command has."""
    query = "UPDATE intents SET applied_seq = 0, reason = NULL, orders_cancelled = NULL WHERE reference = ?"
    with registry.transaction():
        for reference in references:
            registry.write(query, reference)


def do_again(registry: Registry, last_seq: int) -> None:
    """All that are noted behind the end of the log wait for it once more. The registry's tip begins anew there."""
    query = "UPDATE intents SET applied_seq = NULL, reason = NULL, orders_cancelled = NULL WHERE applied_seq > ?"
    with registry.transaction():
        registry.write("DELETE FROM log_tip")
        registry.write(query, last_seq)
