"""Runs the rules over a stream of events. The same stream gives the same alerts, live or by replay, in any batches."""

from collections.abc import Mapping

import numpy as np

from engine.codes import EventKind
from gateway.surveillance.activity import ACTIVITY, Alert, Owners, Rows, Window, activity_of
from gateway.surveillance.parameters import Parameters
from gateway.surveillance.rules import NS_PER_S, active

MOST_ROWS = 1_000_000
"""The most rows that are kept; a window with more rows loses its oldest."""
REST_S = 3600
"""How long a state must be over before it is filed again, as a share may cross its threshold back and forth."""
_Key = tuple[str, int, tuple[int, ...]]


class RuleRunner:
    """Divides the venue's time into steps and runs the rules at the end of each step that has events."""

    def __init__(self, parameters: Parameters, owners: Owners | None = None) -> None:
        self.owners = owners or Owners()
        self.adopt(parameters)
        self._kept: list[Rows] = []
        self._count = 0
        self._open: list[Rows] = []
        self._bucket = 0
        self._last_seq = 0
        self._positions: dict[tuple[int, int], int] = {}
        self._filed_to: dict[_Key, int] = {}
        self._lasting: dict[_Key, int] = {}

    def adopt(self, parameters: Parameters) -> None:
        """Go on with other parameters; the open step must have been looked at."""
        self.parameters = parameters
        self._rules = active(parameters)
        self._step_ns = parameters.step_s * NS_PER_S

    def begin(self, positions: Mapping[tuple[int, int], int], groups: Mapping[int, int]) -> None:
        """Begin with a state: (account, contract) -> lots, and account -> self-trade group."""
        self._positions = dict(positions)
        self.owners.begin(groups)

    def take(self, events: Rows) -> list[Alert]:
        """Take the events of a batch, in order; returns the alerts of the steps that have ended."""
        if not len(events):
            return []
        self._last_seq = int(events["seq"][-1])
        rows, found = activity_of(events, self.owners), []
        buckets = (rows["time_ns"] - 1) // self._step_ns
        for bucket in np.unique(buckets).tolist():
            if bucket != self._bucket:
                found += self.flush()
                self._bucket = bucket
            self._open.append(rows[buckets == bucket])
        if (int(events["time_ns"][-1]) - 1) // self._step_ns > self._bucket:
            found += self.flush()
        return found

    @property
    def looked_seq(self) -> int:
        """The sequence up to which the rules have run; they have not run on the open step."""
        return int(self._open[0]["seq"][0]) - 1 if self._open else self._last_seq

    def flush(self) -> list[Alert]:
        """Run the rules on the open step, if it has events."""
        if not self._open:
            return []
        new = np.concatenate(self._open)
        self._open = []
        self._follow(new)
        self._kept.append(new)
        self._count += len(new)
        end_ns = (self._bucket + 1) * self._step_ns
        while len(self._kept) > 1 and (self._is_old(self._kept[0], end_ns) or self._count > MOST_ROWS):
            self._count -= len(self._kept.pop(0))
        return self._look(end_ns)

    def _is_old(self, rows: Rows, end_ns: int) -> bool:
        return int(rows["time_ns"][-1]) <= end_ns - self.parameters.longest_s * NS_PER_S

    def _follow(self, rows: Rows) -> None:
        """Keep the positions up to date."""
        known = rows[np.isin(rows["kind"], (EventKind.FILL, EventKind.POSITION_SETTLED))]
        settled = known["kind"] == EventKind.POSITION_SETTLED
        lots = np.where(settled, 0, known["position_lots"])
        keys = zip(known["account_slot"].tolist(), known["contract_slot"].tolist(), strict=True)
        self._positions.update(zip(keys, lots.tolist(), strict=True))

    def _look(self, end_ns: int) -> list[Alert]:
        self._positions = {key: lots for key, lots in self._positions.items() if lots}
        accounts = np.array(sorted({account for account, _ in self._positions}), np.int64)
        owners = dict(zip(accounts.tolist(), self.owners.of(accounts).tolist(), strict=True))
        rows = np.concatenate(self._kept) if self._kept else np.zeros(0, ACTIVITY)
        window = Window(rows, end_ns, self._step_ns, self._positions, owners)
        found = [alert for rule in self._rules for alert in rule(window, self.parameters)]
        new = [alert for alert in found if self._is_new(alert)]
        self._lasting |= {_key(alert): end_ns for alert in found if alert.lasts}
        for alert in new:
            self._filed_to[_key(alert)] = alert.last_seq
        return new

    def _is_new(self, alert: Alert) -> bool:
        """Whether an alert has other evidence than the last of its kind, or its state has begun again after a rest."""
        if alert.lasts:
            return alert.time_ns > self._lasting.get(_key(alert), 0) + REST_S * NS_PER_S
        return alert.first_seq > self._filed_to.get(_key(alert), -1)


def _key(alert: Alert) -> _Key:
    return alert.rule, alert.contract_slot, alert.accounts
