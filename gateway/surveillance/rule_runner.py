"""Runs the rules over a stream of events. The same stream gives the same alerts, live or by replay, in any batches."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from engine.codes import EventKind
from gateway.surveillance.activity import (
    ACTIVITY,
    NS_PER_S,
    PRICE,
    Alert,
    Owners,
    Rows,
    activity_of,
    grouped,
    prices_of,
)
from gateway.surveillance.episodes import Episodes, Finding
from gateway.surveillance.parameters import Parameters
from gateway.surveillance.rules_of_orders import Flashing, Shown, Spoofing, Stuffing
from gateway.surveillance.rules_of_prices import IndexPush, Marking, MarkingByQuotes, OpenInterest
from gateway.surveillance.rules_of_trades import (
    MomentumIgnition,
    Rings,
    RoundTrips,
    Trades,
    WashTrades,
    trades_of,
)
from gateway.surveillance.shown_orders import CHANGE, Habits, ShownOrders
from gateway.surveillance.windows import Kept, Look, voluntary_fills
from gateway.surveillance.words import words

MOST_FILLS = 1_000_000
"""The most fills that are kept; a window with more loses its oldest."""


class Rule(Protocol):
    """A rule looks at the end of each step."""

    def look(self, look: Look) -> list[Finding]:
        """What it finds."""


class RuleRunner:
    """Divides the venue's time into steps and runs the rules at the end of each step that has events."""

    def __init__(self, parameters: Parameters, owners: Owners | None = None) -> None:
        self.owners = owners or Owners()
        self._bucket = 0
        self._open: list[tuple[Rows, Rows]] = []
        self._last_seq = 0
        self._positions: dict[tuple[int, int], int] = {}
        self._orders, self._habits = ShownOrders(), Habits(parameters.maker_window_s)
        self._episodes = Episodes(parameters.episode_s, words)
        self.adopt(parameters)

    def adopt(self, parameters: Parameters) -> None:
        """Go on with other parameters; the open step must have been looked at.

        What stands in the books, habits, positions and alerts under way are kept; the windows begin anew.
        """
        p = self.parameters = parameters
        self._step_ns = p.step_s * NS_PER_S
        self._habits.window_s, self._episodes.episode_s = p.maker_window_s, p.episode_s
        self._shown, self._trades = Shown.of(p), Trades(p)
        fills_s = max(p.ignition_window_s, p.marking_window_s, p.index_window_s + 300, p.samples_window_s, 120)
        self._fills, self._index = Kept(ACTIVITY, fills_s, MOST_FILLS), Kept(PRICE, fills_s, MOST_FILLS)
        self._quotes, self._push = MarkingByQuotes(p), IndexPush(p)
        self._rules = self._active()

    def _active(self) -> list[Rule]:
        """The rules that are switched on."""
        p, shown, trades = self.parameters, self._shown, self._trades
        table: tuple[tuple[Rule, int], ...] = (
            (WashTrades(p, trades), p.wash_window_s),
            (RoundTrips(p, trades), p.pair_window_s),
            (Rings(p, trades), p.pair_window_s),
            (Spoofing(p, shown), p.spoofing_window_s),
            (Flashing(p, shown), p.flashing_window_s),
            (Stuffing(p), p.stuffing_window_s),
            (MomentumIgnition(p), p.ignition_window_s),
            (Marking(p), p.marking_window_s),
            (self._quotes, p.samples_window_s),
            (self._push, p.index_window_s),
            (OpenInterest(p), p.interest_share_percent),
        )
        return [rule for rule, on in table if on]

    def begin(self, positions: Mapping[tuple[int, int], int], groups: Mapping[int, int]) -> None:
        """Begin with a state: (account, contract) -> lots, and account -> self-trade group."""
        self._positions = dict(positions)
        self.owners.begin(groups)

    def take(self, events: Rows) -> list[Alert]:
        """Take the events of a batch, in order; returns the alerts of the steps that have ended, new or grown."""
        if not len(events):
            return []
        self._last_seq = int(events["seq"][-1])
        rows, prices, found = activity_of(events, self.owners), prices_of(events), []
        buckets, priced = ((part["time_ns"] - 1) // self._step_ns for part in (rows, prices))
        for bucket in np.union1d(buckets, priced).tolist():
            if bucket != self._bucket:
                found += self.flush()
                self._bucket = bucket
            self._open.append((rows[buckets == bucket], prices[priced == bucket]))
        if (int(events["time_ns"][-1]) - 1) // self._step_ns > self._bucket:
            found += self.flush()
        return found

    @property
    def looked_seq(self) -> int:
        """The sequence up to which the rules have run; they have not run on the open step."""
        seqs = [int(part["seq"][0]) for parts in self._open for part in parts if len(part)]
        return min(seqs) - 1 if seqs else self._last_seq

    def flush(self) -> list[Alert]:
        """Run the rules on the open step, if it has events."""
        if not self._open:
            return []
        rows, prices = (np.concatenate(parts) for parts in zip(*self._open, strict=True))
        self._open = []
        self._follow(rows)
        end_ns = (self._bucket + 1) * self._step_ns
        changes = self._changes(rows, prices)
        self._shown.usual.follow(changes)
        self._shown.changes.add(changes, end_ns)
        self._habits.follow(dict(grouped(changes, "contract_slot", "owner")), end_ns)
        self._trades.kept.add(trades_of(rows), end_ns)
        self._fills.add(voluntary_fills(rows), end_ns)
        self._index.add(prices[prices["kind"] == EventKind.INDEX_CHANGED], end_ns)
        self._push.take(prices)
        return self._look(rows, end_ns)

    def _changes(self, rows: Rows, prices: Rows) -> Rows:
        """What has changed in the books; at each large premium the rule of quotes looks at them as they stood."""
        samples, parts, done = prices[prices["kind"] == EventKind.PREMIUM_SAMPLED], [], 0
        for sample in samples if self.parameters.samples_window_s else samples[:0]:
            if self._quotes.counts(sample):
                until = int(np.searchsorted(rows["seq"], sample["seq"], "left"))
                parts.append(self._orders.apply(rows[done:until]))
                self._quotes.sample(sample, self._orders.standing)
                done = until
        parts.append(self._orders.apply(rows[done:]))
        return np.concatenate(parts) if parts else np.zeros(0, CHANGE)

    def _follow(self, rows: Rows) -> None:
        """Keep the positions up to date."""
        known = rows[np.isin(rows["kind"], (EventKind.FILL, EventKind.POSITION_SETTLED))]
        settled = known["kind"] == EventKind.POSITION_SETTLED
        lots = np.where(settled, 0, known["position_lots"])
        keys = zip(known["account_slot"].tolist(), known["contract_slot"].tolist(), strict=True)
        self._positions.update(zip(keys, lots.tolist(), strict=True))

    def _look(self, rows: Rows, end_ns: int) -> list[Alert]:
        self._positions = {key: lots for key, lots in self._positions.items() if lots}
        accounts = np.array(sorted({account for account, _ in self._positions}), np.int64)
        owners: dict[int, Any] = dict(zip(accounts.tolist(), self.owners.of(accounts).tolist(), strict=True))
        look = Look(
            end_ns, self._step_ns, rows, self._fills.rows, self._habits, self._positions, owners, self._index.rows
        )
        return self._episodes.take([finding for rule in self._rules for finding in rule.look(look)])
