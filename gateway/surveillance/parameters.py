"""The parameters of the rules: the configuration's `[surveillance]` table. A window of 0 turns a rule off."""

from dataclasses import dataclass, field
from typing import Any


def limit(default: int, text: str, low: int = 0, high: int = 1_000_000_000) -> Any:
    """A setting with its meaning and its bounds."""
    return field(default=default, metadata={"help": text, "low": low, "high": high})


@dataclass(frozen=True)
class Parameters:
    """Every parameter of surveillance, with its default."""

    step_s: int = limit(10, "how often the rules look, in seconds of the venue's time", 1, 3600)
    queue_rows: int = limit(1_000_000, "events that may wait for the rules; more are skipped, with an alert", 1)
    wash_window_s: int = limit(300, "wash trades: window", 0, 3600)
    wash_trades: int = limit(3, "wash trades: trades between accounts of one owner or group", 1)
    layering_window_s: int = limit(60, "layering: window", 0, 3600)
    layering_orders: int = limit(4, "layering: orders of one side withdrawn around a fill of the other", 1)
    layering_ratio: int = limit(4, "layering: their quantity against the owner's interest on the other side", 1)
    layering_life_s: int = limit(10, "layering: how long an order may stand to count as withdrawn at once", 1)
    ignition_window_s: int = limit(120, "momentum ignition: window", 0, 3600)
    ignition_move_ppb: int = limit(5_000_000, "momentum ignition: how far the taking moved the price", 1)
    ignition_share_percent: int = limit(40, "momentum ignition: share of all taking in that direction", 1, 100)
    ratio_window_s: int = limit(60, "order-to-trade ratio: window", 0, 3600)
    ratio_messages: int = limit(2000, "order-to-trade ratio: messages below which nothing is said", 1)
    ratio_per_trade: int = limit(500, "order-to-trade ratio: messages for each trade", 1)
    marking_window_s: int = limit(60, "marking: how long before a funding instant", 0, 3600)
    marking_move_ppb: int = limit(1_000_000, "marking: how far the price moved", 1)
    marking_share_percent: int = limit(50, "marking: share of all taking", 1, 100)
    interest_share_percent: int = limit(40, "open interest: an owner's share of a contract; 0 turns it off", 0, 100)
    interest_lots: int = limit(1000, "open interest: below so many lots in all nothing is said", 1)
    throttle_executions: int = limit(0, "repeated executions of one account that stop it; 0: never", 0)
    throttle_seconds: int = limit(10, "the seconds in which they happen", 1, 3600)

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
