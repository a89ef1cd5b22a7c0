"""What a command that asks for directives says at its end: carried out at which sequence, refused, or not yet."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

from engine.codes import Reason
from engine.host import is_written
from gateway.commands.common import print_json
from gateway.config import Config
from gateway.office.outcomes import Outcome, outcome_of
from gateway.registry.registry import Registry
from gateway.wire.plain_text import plain
from gateway.wire.reasons import REASONS

WAIT_SECONDS = 10.0
"""How long a command waits for a running venue to carry it out."""
_POLL_SECONDS = 0.02


@dataclass
class Span:
    """The references of the intents that were written meanwhile."""

    after: int
    last: int = 0


@contextmanager
def written(registry: Registry) -> Iterator[Span]:
    """One transaction: everything inside is written or nothing, and no other process writes between."""
    with registry.transaction():
        span = Span(registry.last_reference())
        yield span
        span.last = registry.last_reference()


def follow_span(registry: Registry, folder: str, span: Span) -> Outcome:
    """What became of the intents of a span, once a running venue has carried them out."""
    return follow(lambda: outcome_of(registry.intents_between(span.after, span.last)), folder)


def follow(read: Callable[[], Outcome], folder: str) -> Outcome:
    """The outcome when it is final; as it is now when no venue runs on the folder, or after WAIT_SECONDS."""
    outcome = read()
    if not outcome.is_final and is_running(folder):
        deadline = monotonic() + WAIT_SECONDS
        while not outcome.is_final and monotonic() < deadline:
            sleep(_POLL_SECONDS)
            outcome = read()
    return outcome


def is_running(folder: str) -> bool:
    """Whether a venue runs on a data folder."""
    return is_written(Config(data=folder).journal)


def told(outcome: Outcome, folder: str) -> str:
    """An outcome in words."""
    if outcome.refused:
        orders = _orders(outcome) if outcome.orders_cancelled else ""
        return f"the venue refused it: {', '.join(_why(reason) for reason in outcome.refused)}{orders}"
    if outcome.waits and is_running(folder):
        return f"recorded; the venue is running and has not carried it out within {WAIT_SECONDS:.0f} s; it still will"
    if outcome.waits:
        return "recorded; no venue is running here, so it is carried out at the next start"
    if outcome.sequence is None:
        return "done"
    is_one = outcome.first_seq == outcome.sequence
    where = f"sequence {outcome.sequence}" if is_one else f"sequences {outcome.first_seq} to {outcome.sequence}"
    return f"carried out at {where}{_orders(outcome)}"


def _orders(outcome: Outcome) -> str:
    if not outcome.is_swept:
        return "; but orders stay, because too many mass cancels wait: ask for it again"
    if outcome.is_cancelling:
        return "; its orders are still being cancelled"
    if outcome.orders_cancelled is None:
        return ""
    return f", {outcome.orders_cancelled:,} order{'' if outcome.orders_cancelled == 1 else 's'} cancelled"


def _why(reason: Reason) -> str:
    meaning = REASONS.get(reason)
    return f"{reason.name} ({meaning[0]})" if meaning else reason.name


def facts(outcome: Outcome, folder: str) -> dict[str, object]:
    """An outcome for --json, and in words."""
    return {"sequence": outcome.sequence, "outcome": told(outcome, folder)}


def frozen_words(clients: list[str]) -> str:
    """What both officers of a change are told of frozen clients that it touches; nothing when there are none."""
    if not clients:
        return ""
    named = f"client{'s' if len(clients) > 1 else ''} {', '.join(clients)}"
    return f"; {named}: under a legal freeze, which stays"


def show_changes(rows: list[dict[str, Any]], as_json: bool) -> None:
    """Changes, a line each."""
    if as_json:
        print_json(rows)
        return
    for row in rows:
        following = f"; next: {row['next']}" if row["next"] else ""
        frozen = frozen_words(row["frozen_clients"])
        print(plain(f"change {row['number']}, {row['change']}: {row['outcome']}{frozen}{following}"))
        for remark in row["remarks"]:
            print(plain(f"  note: {remark}"))
    sys.stdout.flush()
