"""A scripted index: prices that wander from a start, always the same for the same seed. For demos and tests."""

import random
import re
from dataclasses import dataclass, field

from engine.units import SUBTICKS
from gateway.wire.decimals import Contract, parse_decimal

SCRIPTED = "scripted"
"""The name that stands for a venue."""
SOURCES = 3
STEP = 0.0004
"""Standard deviation of one step, as a share of the price."""
PULL = 0.01
"""How strongly the price is drawn back to its start."""
SPREAD = 0.00005
"""How far the sources are apart."""
_PRICE = re.compile(r"[0-9]{1,18}(\.[0-9]{1,12})?")
"""As the wire takes a number."""


class IndexScriptError(ValueError):
    """A script that cannot be read: one line."""


def is_price(text: str) -> bool:
    """Whether a text is a price to begin with."""
    return _PRICE.fullmatch(text) is not None


def parse_script(text: str) -> dict[str, str]:
    """`BTC_USDC-PERPETUAL=60000,ETH_USDC-PERPETUAL=3000` as names and first prices."""
    script = {}
    for part in filter(None, text.split(",")):
        name, found, price = part.partition("=")
        if not found or not name or not is_price(price):
            raise IndexScriptError(f"scripted_index: {part[:40]!r} is not like BTC_USDC-PERPETUAL=60000")
        script[name.strip()] = price.strip()
    return script


@dataclass
class IndexWalk:
    """The wandering price of one contract's index."""

    contract: Contract
    first_price: str
    seed: int = 1
    _random: random.Random = field(init=False)
    _first: int = field(init=False)
    _price: float = field(init=False)

    def __post_init__(self) -> None:
        ticks = self.contract.tick.count(parse_decimal(self.first_price.encode(), "scripted_index"))
        if ticks is None:
            ticks = int(float(self.first_price) * 10**-self.contract.tick.exponent / self.contract.tick.mantissa)
        self._random = random.Random(f"{self.seed}/{self.contract.name}")
        self._first = ticks * SUBTICKS
        self._price = float(self._first)

    def step(self) -> list[int]:
        """One step; returns each source's price, in subticks."""
        drift = PULL * (self._first - self._price)
        self._price += drift + self._price * self._random.gauss(0, STEP)
        return [
            max(1, round(self._price * (1 + self._random.uniform(-SPREAD, SPREAD)))) for _ in range(SOURCES)
        ]
