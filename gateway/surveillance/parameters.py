"""The parameters of the rules: names, units, defaults and limits. A window of 0 turns a rule off.

`_s` seconds, `_ms` milliseconds, `_ppb` parts of 1e9, `_percent` parts of 100, `_ratio` how many times as much.
"""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

Window = Annotated[int, Meta(ge=0, le=3600)]
Seconds = Annotated[int, Meta(ge=1, le=3600)]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Share = Annotated[int, Meta(ge=1, le=100)]


@dataclass(frozen=True)
class Parameters:
    """Every parameter of surveillance, with its default."""

    step_s: Annotated[Seconds, Meta(description="how often the rules look, in seconds of the venue's time")] = 10
    queue_rows: Annotated[
        Count, Meta(description="events that may wait for the rules; more are skipped, with an alert")
    ] = 1_000_000
    episode_s: Annotated[
        Seconds, Meta(description="what one rule finds of the same accounts within so long is one alert, which grows")
    ] = 1800
    maker_window_s: Annotated[Seconds, Meta(description="makers: how far back two-sided quoting is averaged")] = 300
    maker_percent: Annotated[
        Share, Meta(description="makers: who shows both sides for this share of its quoting time counts as a maker")
    ] = 60
    spoofing_window_s: Annotated[Window, Meta(description="spoofing: repetitions within so long count together")] = 600
    spoofing_ratio: Annotated[
        Count, Meta(description="spoofing: what was withdrawn against what was traded and offered on the other side")
    ] = 3
    spoofing_total_ratio: Annotated[
        Count, Meta(description="spoofing: these ratios added up over the repetitions; so one of 10 is enough")
    ] = 10
    spoofing_kept_s: Annotated[
        Seconds, Meta(description="spoofing: how long an order may have stood at its price before it is withdrawn")
    ] = 20
    spoofing_gone_s: Annotated[
        Seconds, Meta(description="spoofing: who shows the quantity again within so long has not withdrawn it")
    ] = 3
    spoofing_size_ratio: Annotated[
        Count, Meta(description="spoofing, flashing: quantity against the usual order of others, weighted by size")
    ] = 2
    flashing_window_s: Annotated[Window, Meta(description="flashing: window")] = 120
    flashing_orders: Annotated[
        Count, Meta(description="flashing: large orders withdrawn at once, without a trade and not by a maker")
    ] = 20
    flashing_life_ms: Annotated[Count, Meta(description="flashing: how long such an order stands at most")] = 2000
    stuffing_window_s: Annotated[Window, Meta(description="quote stuffing: window")] = 60
    stuffing_messages: Annotated[
        Count, Meta(description="quote stuffing: orders, amendments and cancels below which nothing is said")
    ] = 2000
    stuffing_maker_messages: Annotated[
        Count, Meta(description="quote stuffing: the same for a maker, who must follow the market")
    ] = 30_000
    stuffing_per_trade: Annotated[Count, Meta(description="quote stuffing: messages for each trade")] = 500
    wash_window_s: Annotated[Window, Meta(description="wash trades: window")] = 1800
    wash_trades: Annotated[Count, Meta(description="wash trades: trades between accounts of one owner or group")] = 3
    pair_window_s: Annotated[Window, Meta(description="pre-arranged round trips and rings: window")] = 1800
    pair_trades: Annotated[
        Count, Meta(description="pre-arranged round trips: trades of equal orders between two clients")
    ] = 4
    pair_share_percent: Annotated[
        Share, Meta(description="pre-arranged trades: share of each client's own volume that lies among them")
    ] = 50
    pair_balance_percent: Annotated[
        Share, Meta(description="pre-arranged trades: how much of what one gave comes back to him")
    ] = 60
    ring_trades: Annotated[Count, Meta(description="rings: trades of equal orders among three or more clients")] = 6
    ignition_window_s: Annotated[Window, Meta(description="momentum ignition: window")] = 120
    ignition_move_ppb: Annotated[Count, Meta(description="momentum ignition: how far the taking moved the price")] = (
        5_000_000
    )
    ignition_share_percent: Annotated[
        Share, Meta(description="momentum ignition: share of all taking in that direction")
    ] = 40
    marking_window_s: Annotated[Window, Meta(description="marking: how long before a funding instant")] = 60
    marking_move_ppb: Annotated[Count, Meta(description="marking: how far the price moved")] = 1_000_000
    marking_share_percent: Annotated[Share, Meta(description="marking: share of all taking")] = 50
    samples_window_s: Annotated[Window, Meta(description="marking by quotes: window of premium samples")] = 180
    samples_times: Annotated[
        Count, Meta(description="marking by quotes: samples whose premium one owner's quotes alone have made")
    ] = 8
    samples_premium_ppb: Annotated[Count, Meta(description="marking by quotes: the least premium that counts")] = (
        200_000
    )
    index_window_s: Annotated[
        Window, Meta(description="push of an index source: how long before it a position was opened")
    ] = 900
    index_move_ppb: Annotated[
        Count, Meta(description="push of an index source: how far it stands from the middle of all sources")
    ] = 5_000_000
    index_share_percent: Annotated[
        Share,
        Meta(description="push of an index source: its net buying (selling) against all that was traded before it"),
    ] = 25
    interest_share_percent: Annotated[
        int, Meta(ge=0, le=100, description="open interest: an owner's share of a contract; 0 turns it off")
    ] = 40
    interest_lots: Annotated[Count, Meta(description="open interest: below so many lots in all nothing is said")] = 1000
    throttle_executions: Annotated[
        int, Meta(ge=0, le=1_000_000_000, description="repeated executions of one account that stop it; 0: never")
    ] = 0
    throttle_seconds: Annotated[Seconds, Meta(description="the seconds in which they happen")] = 10

    @property
    def is_on(self) -> bool:
        """Whether any rule is on."""
        return any((*self.windows_s, self.interest_share_percent, self.throttle_executions))

    @property
    def windows_s(self) -> tuple[int, ...]:
        """The window of each rule that has one."""
        return tuple(getattr(self, f"{name}_window_s") for name in WINDOWED)


WINDOWED = ("spoofing", "flashing", "stuffing", "wash", "pair", "ignition", "marking", "samples", "index")
"""The rules with a window."""
SILENT = Parameters(**{f"{name}_window_s": 0 for name in WINDOWED}, interest_share_percent=0)
"""Parameters with every rule off."""
