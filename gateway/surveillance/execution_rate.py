"""Repeated executions: an account that trades more often than allowed within some seconds is stopped."""

import numpy as np

from engine.code_values import FLAG_INVOLUNTARY_BITS
from engine.codes import EventKind
from engine.schema import record
from gateway.surveillance.activity import NS_PER_S, Alert, Rows, evidence
from gateway.surveillance.parameters import Parameters

RULE = "execution_throttle"
_EXECUTION = record([("time_ns", "i8"), ("seq", "i8"), ("order_id", "i8"), ("account_slot", "i8"), ("contract", "i8")])


class Throttle:
    """Counts each account's executions in a sliding window; forced trades do not count."""

    def __init__(self, parameters: Parameters) -> None:
        self._rows = np.zeros(0, _EXECUTION)
        self.adopt(parameters)

    def adopt(self, parameters: Parameters) -> None:
        """Go on with other parameters; what was counted stays."""
        self._most = parameters.throttle_executions
        self._window_ns = parameters.throttle_seconds * NS_PER_S

    def take(self, events: Rows) -> list[Alert]:
        """An alert for each account that must be stopped; its count begins again at zero."""
        if not self._most or not len(events):
            return []
        fills = events[(events["kind"] == EventKind.FILL) & (events["flags"] & FLAG_INVOLUNTARY_BITS == 0)]
        new = np.zeros(len(fills), _EXECUTION)
        for name in ("time_ns", "seq", "order_id", "account_slot"):
            new[name] = fills[name]
        new["contract"] = fills["contract_slot"]
        recent = self._rows["time_ns"] > int(events["time_ns"][0]) - self._window_ns
        rows = np.concatenate([self._rows[recent], new])
        rows = rows[np.argsort(rows["account_slot"], kind="stable")]
        last, first = rows[self._most - 1 :], rows[: max(len(rows) - self._most + 1, 0)]
        burst = (last["account_slot"] == first["account_slot"]) & (last["time_ns"] - first["time_ns"] < self._window_ns)
        stopped = np.unique(last["account_slot"][burst])
        found = [self._alert(rows, int(account)) for account in stopped]
        self._rows = rows[~np.isin(rows["account_slot"], stopped)]
        return found

    def _alert(self, rows: Rows, account: int) -> Alert:
        mine = rows[rows["account_slot"] == account]
        seconds = self._window_ns // NS_PER_S
        text = f"{len(mine)} executions within {seconds} s, {self._most} are allowed: the account is stopped"
        proof = evidence(mine, executions=len(mine), allowed=self._most, seconds=seconds)
        return Alert(RULE, text, int(mine["time_ns"][-1]), int(mine["contract"][-1]), (account,), proof)
