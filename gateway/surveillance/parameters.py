"""The parameters of the rules: the configuration's `[surveillance]` table. A window of 0 turns a rule off."""

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
    wash_window_s: Annotated[Window, Meta(description="wash trades: window")] = 300
    wash_trades: Annotated[Count, Meta(description="wash trades: trades between accounts of one owner or group")] = 3
    layering_window_s: Annotated[Window, Meta(description="layering: window")] = 60
    layering_orders: Annotated[
        Count, Meta(description="layering: orders of one side withdrawn around a fill of the other")
    ] = 4
    layering_ratio: Annotated[
        Count, Meta(description="layering: their quantity against the owner's interest on the other side")
    ] = 4
    layering_life_s: Annotated[
        Count, Meta(description="layering: how long an order may stand to count as withdrawn at once")
    ] = 10
    ignition_window_s: Annotated[Window, Meta(description="momentum ignition: window")] = 120
    ignition_move_ppb: Annotated[
        Count, Meta(description="momentum ignition: how far the taking moved the price")
    ] = 5_000_000
    ignition_share_percent: Annotated[
        Share, Meta(description="momentum ignition: share of all taking in that direction")
    ] = 40
    ratio_window_s: Annotated[Window, Meta(description="order-to-trade ratio: window")] = 60
    ratio_messages: Annotated[
        Count, Meta(description="order-to-trade ratio: messages below which nothing is said")
    ] = 2000
    ratio_per_trade: Annotated[Count, Meta(description="order-to-trade ratio: messages for each trade")] = 500
    marking_window_s: Annotated[Window, Meta(description="marking: how long before a funding instant")] = 60
    marking_move_ppb: Annotated[Count, Meta(description="marking: how far the price moved")] = 1_000_000
    marking_share_percent: Annotated[Share, Meta(description="marking: share of all taking")] = 50
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
        windows = (self.wash_window_s, self.layering_window_s, self.ignition_window_s, self.ratio_window_s)
        return any((*windows, self.marking_window_s, self.interest_share_percent, self.throttle_executions))

    @property
    def longest_s(self) -> int:
        """The longest window of any rule."""
        windows = (self.wash_window_s, self.layering_window_s, self.ignition_window_s, self.ratio_window_s)
        return max(*windows, self.marking_window_s) + self.step_s


SILENT = Parameters(
    wash_window_s=0, layering_window_s=0, ignition_window_s=0, ratio_window_s=0, marking_window_s=0,
    interest_share_percent=0,
)  # fmt: skip
"""Parameters with every rule off."""
