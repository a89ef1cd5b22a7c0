"""The obligations of affiliated makers: the `[affiliates]` table of the configuration."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta


@dataclass(frozen=True)
class Programme:
    """The published obligations of an affiliated maker, in each contract and hour that is open."""

    spread_ppb: Annotated[
        int, Meta(ge=1, le=1_000_000_000, description="affiliated makers: widest spread of the quote at the full size")
    ] = 2_000_000
    size_micros: Annotated[
        int, Meta(ge=1, le=1 << 53, description="affiliated makers: value to be quoted on each side")
    ] = 10_000_000_000
    presence_percent: Annotated[
        int, Meta(ge=0, le=100, description="affiliated makers: share of each open hour that such a quote stands")
    ] = 80
