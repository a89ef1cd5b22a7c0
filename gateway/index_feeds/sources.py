"""Which sources a contract's index has, as text for people and as a number for the log.

Once officers are named the sources are theirs to decide, and the log holds each as one number: the venue in the top
bits, then up to ten characters of the pair, six bits each, the first character highest.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.codes import VenueParameter
from engine.schema import MAX_CONTRACTS, MAX_SOURCES, MAX_THRESHOLDS
from gateway.index_feeds.scripted import SCRIPTED, SOURCES, IndexScriptError, is_price, parse_script

CODE = VenueParameter.INDEX_SOURCE
MOST_CHARS = 10
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-/_.:"
_BITS = 6
_VENUE_SHIFT = _BITS * MOST_CHARS
_NUMBERS = {"kraken": 1, "okx": 2, "coinbase": 3, SCRIPTED: 7}
"""Of the log, for good."""
_NAMES = {number: name for name, number in _NUMBERS.items()}


class FeedScriptError(ValueError):
    """Sources that cannot be read: one line."""


class IndexSource(NamedTuple):
    """One source: a pair at a venue, or a scripted price, whose pair is the price that it begins with."""

    venue: str
    pair: str

    def __str__(self) -> str:
        return f"{self.venue}:{self.pair}"


Sources = Mapping[str, tuple[IndexSource, ...]]
"""Contract -> its sources, by their places."""


def parse_sources(text: str, field: str) -> tuple[IndexSource, ...]:
    """`kraken:XBT/USD,okx:BTC-USDT` as sources in that order; `scripted:60000` is three that wander together."""
    found = []
    for item in text.split(","):
        venue, given, pair = item.strip().partition(":")
        if venue not in _NUMBERS or not given or not pair:
            raise FeedScriptError(f"{field}: {item[:40]!r} is not VENUE:PAIR with one of {', '.join(_NUMBERS)}")
        if len(pair) > MOST_CHARS or set(pair) - set(_ALPHABET):
            allowed = f"at most {MOST_CHARS} characters of A to Z, 0 to 9 and - / _ . :"
            raise FeedScriptError(f"{field}: {pair[:40]!r} is no pair of {allowed}")
        if venue == SCRIPTED and not is_price(pair):
            raise FeedScriptError(f"{field}: {item[:40]!r} is not like {SCRIPTED}:60000")
        found.append(IndexSource(venue, pair))
    if any(source.venue == SCRIPTED for source in found):
        if len(found) > 1:
            raise FeedScriptError(f"{field}: {SCRIPTED} stands alone; it mixes with no live source")
        return tuple(found * SOURCES)
    if len(found) > MAX_SOURCES:
        raise FeedScriptError(f"{field}: {len(found)} sources; a contract has {MAX_SOURCES} at most")
    return tuple(found)


def configured(index_feeds: str, scripted_index: str) -> Sources:
    """The sources of a configuration: `BTC_USDC-PERPETUAL=kraken:XBT/USD,okx:BTC-USDT;...` and `NAME=PRICE,...`."""
    found: dict[str, tuple[IndexSource, ...]] = {}
    for part in filter(None, index_feeds.split(";")):
        contract, given, text = part.partition("=")
        if not given or not contract.strip():
            example = "BTC_USDC-PERPETUAL=kraken:XBT/USD,okx:BTC-USDT"
            raise FeedScriptError(f"index_feeds: {part[:40]!r} is not like {example}")
        sources = parse_sources(text, "index_feeds")
        if sources[0].venue == SCRIPTED:
            raise FeedScriptError(f"index_feeds: {part[:40]!r} names no live venue; scripted_index is for that")
        found[contract.strip()] = sources
    for name, price in parse_script(scripted_index).items():
        if name in found:
            raise IndexScriptError(f"scripted_index: {name} has live index_feeds; leave one of the two out")
        found[name] = (IndexSource(SCRIPTED, price),) * SOURCES
    return found


def encoded(source: IndexSource) -> int:
    """A source as the log has it; never 0, which is no source."""
    number = _NUMBERS[source.venue]
    for char in source.pair.ljust(MOST_CHARS):
        number = number << _BITS | (_ALPHABET.find(char) + 1)
    return number


def decoded(number: int) -> IndexSource | None:
    """The source that a number of the log names; None for none."""
    name = _NAMES.get(number >> _VENUE_SHIFT)
    if name is None:
        return None
    places = [number >> _BITS * place & (1 << _BITS) - 1 for place in reversed(range(MOST_CHARS))]
    return IndexSource(name, "".join(_ALPHABET[place - 1] for place in places if 0 < place <= len(_ALPHABET)))


def in_state(state: Any, names: Mapping[int, str]) -> Sources:
    """The sources that the log has decided on, by the names of the contracts' slots; the empty places are left out."""
    settings = state["settings"][MAX_THRESHOLDS:].reshape(MAX_CONTRACTS, MAX_SOURCES)
    found = {}
    for slot, name in names.items():
        numbers = [int(kept) - 1 for kept in settings[slot]]
        sources = [source for number in numbers if number > 0 and (source := decoded(number)) is not None]
        if sources:
            found[name] = tuple(sources)
    return found
