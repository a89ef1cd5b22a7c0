"""What has lapsed or lapses soon, by its instant: clients' dates, persons' knowledge, assessments of corporations.

Found some rows at a time, so that a list of all clients does not hold who asks for a page of it.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from heapq import merge, nsmallest
from typing import Any, NamedTuple

from engine.codes import AccountAttribute
from gateway.office import assessments
from gateway.registry.asked_values import asked_between, knowledge_after
from gateway.registry.registry import Registry
from gateway.registry.required_attributes import DATED
from gateway.wire import civil_dates

SCANNED = 100
"""So many rows are looked at between two pauses."""
TOPICS = (
    *(attribute.name.lower().removesuffix("_until_ns") for attribute in DATED),
    "derivatives_knowledge", assessments.TOPIC,
)  # fmt: skip
_PERSONS, _ASSESSMENTS = len(DATED), len(DATED) + 1


class Place(NamedTuple):
    """Where a row stands among all: by its instant, then by what lapses, then by when that was recorded."""

    lapse_ns: int
    topic: int
    number: int


BEGINNING = Place(0, len(TOPICS), 0)
"""Before every row: what has no date, 0, stands nowhere."""
Row = tuple[Place, dict[str, Any]]


def lapses(registry: Registry, days: int, now_ns: int) -> list[dict[str, Any]]:
    """What has lapsed or lapses within so many days, by last day, then by name."""
    rows = [found[1] for found in lapse_rows(registry, days, now_ns, BEGINNING, None) if found is not None]
    return sorted(rows, key=lambda row: (row["valid_through"], row["client"], row["topic"]))


def lapse_rows(registry: Registry, days: int, now_ns: int, after: Place, count: int | None) -> Iterator[Row | None]:
    """The rows behind a place, so many at most; None: some were looked at."""
    today = civil_dates.civil_date(now_ns)
    until_ns = civil_dates.lapse_ns(today + timedelta(days))
    others: list[tuple[Place, str]] = []
    for found in _undated(registry, until_ns):
        others += [one for one in found if after < one[0] and one[0].lapse_ns <= until_ns]
        if count is not None:
            others = nsmallest(count, others)
        yield None
    dated = (_dates(registry, topic, attribute, after, until_ns) for topic, attribute in enumerate(DATED))
    for place, name in merge(sorted(others), *dated):
        if count is not None and count <= 0:
            return
        if name is None:
            yield None
            continue
        last_day = civil_dates.last_day_of(place.lapse_ns)
        told = {"client": name, "topic": TOPICS[place.topic], "valid_through": str(last_day),
                "days_left": (last_day - today).days}  # fmt: skip
        yield place, told
        count = None if count is None else count - 1


def _dates(
    registry: Registry, topic: int, attribute: AccountAttribute, after: Place, until_ns: int
) -> Iterator[tuple[Place, str | None]]:
    """One date of all clients in order: each date once for a client, whatever its accounts.

    Without a name: a row that says nothing more. A client may have hundreds of accounts with one date.
    """
    value, number = after.lapse_ns, after.number
    if topic != after.topic:  # of the same instant, what comes behind stands there whole, what comes before not at all
        number = -1 if topic > after.topic else (1 << 63) - 1
    while rows := asked_between(registry, attribute, (value, number), until_ns, SCANNED):
        for value, number, slot, is_last in rows:
            is_told = is_last and not _has_earlier(registry, attribute, slot, value)
            yield Place(value, topic, number), registry.client_of(slot) if is_told else None


def _has_earlier(registry: Registry, attribute: AccountAttribute, slot: int, value: int) -> bool:
    """Whether the client has an account before this one with the same date."""
    before = (account.slot for account in registry.accounts_of(registry.client_of(slot)) if account.slot < slot)
    return any(registry.attribute(other, attribute) == value for other in before)


def _undated(registry: Registry, until_ns: int) -> Iterator[Iterable[tuple[Place, str]]]:
    """What no index has in order of time, some at once: persons by number, then clients with an assessment."""
    person = 0
    while rows := knowledge_after(registry, person, SCANNED):
        person = rows[-1][0]
        yield [
            (Place(value, _PERSONS, number), registry.person_name(number))
            for number, value in rows
            if value is not None and 0 < value <= until_ns
        ]
    for found in assessments.held(registry, SCANNED):
        yield [
            (Place(civil_dates.lapse_ns(last_day), _ASSESSMENTS, registry.client_id(client)), client)
            for last_day, client in found
        ]
