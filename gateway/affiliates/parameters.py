"""The obligations of affiliated makers: the `[affiliates]` table of the configuration."""

from dataclasses import dataclass

from gateway.surveillance.parameters import limit


@dataclass(frozen=True)
class Programme:
    """The published obligations of an affiliated maker, in each contract and hour that is open."""

    spread_ppb: int = limit(2_000_000, "affiliated makers: widest spread of the quote at the full size", 1)
    size_micros: int = limit(10_000_000_000, "affiliated makers: value to be quoted on each side", 1, 1 << 53)
    presence_percent: int = limit(80, "affiliated makers: share of each open hour that such a quote stands", 0, 100)
