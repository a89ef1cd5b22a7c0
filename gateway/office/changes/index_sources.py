"""Changes of where a contract's index comes from, under the scope admin: the plan of each."""

from collections.abc import Iterable

from engine.codes import CommandKind, ContractParameter
from engine.schema import MAX_SOURCES
from gateway.index_feeds.scripted import SCRIPTED
from gateway.index_feeds.sources import CODE, IndexSource, encoded, parse_sources
from gateway.office import officer_params as m
from gateway.office.changes.plan import Lookup, Plan
from gateway.registry.registry import Intent, Registry, RegistryError

FEWEST = 3
"""Live sources of a contract: with fewer, one that is wrong is half of the index."""
_MOST_WEIGHT = 1_000_000


def set_index_sources(lookup: Lookup, params: m.SetIndexSources) -> Plan:
    """The sources of a contract's index by their places, and their weights if they are given; the others end."""
    slot = lookup.contract(params.instrument_name).slot
    sources = read_sources(params.sources)
    intents = [*source_intents(slot, sources), *_weight_intents(slot, params.weights, len(sources))]
    changed = _changed(lookup.registry, intents)
    if not changed:
        raise RegistryError(f"sources: they are so already: {params.sources}")
    return Plan(changed)


def read_sources(text: str) -> tuple[IndexSource, ...]:
    """The sources that a text names, at least three live ones."""
    sources = parse_sources(text, "sources")
    if sources[0].venue != SCRIPTED and len(set(sources)) < FEWEST:
        raise RegistryError(f"sources: {text[:80]} are {len(set(sources))} different ones; a contract needs {FEWEST}")
    return sources


def source_intents(slot: int, sources: tuple[IndexSource, ...]) -> list[Intent]:
    """The directives that put these sources into a contract's places, and none into the places after them."""
    numbers = [encoded(source) for source in sources] + [0] * (MAX_SOURCES - len(sources))
    return [
        Intent(CommandKind.VENUE_SET, int(CODE), contract_slot=slot, item=place, value=number)
        for place, number in enumerate(numbers)
    ]


def _weight_intents(slot: int, text: str | None, count: int) -> list[Intent]:
    if text is None:
        return []
    weights = [int(item) if item.strip().isdecimal() else -1 for item in text.split(",")]
    if len(weights) != count or not all(0 < weight <= _MOST_WEIGHT for weight in weights):
        raise RegistryError(f"weights: {text[:80]!r} must be {count} whole numbers from 1 to {_MOST_WEIGHT}")
    code = int(ContractParameter.SOURCE_WEIGHT)
    return [
        Intent(CommandKind.CONTRACT_SET, code, contract_slot=slot, item=place, value=weight)
        for place, weight in enumerate(weights + [0] * (MAX_SOURCES - count))
    ]


def _changed(registry: Registry, intents: Iterable[Intent]) -> list[Intent]:
    """Those that set another value than the one in force; a place that was never set has none, which is 0."""
    return [intent for intent in intents if intent.value != (registry.known_value(intent) or 0)]
