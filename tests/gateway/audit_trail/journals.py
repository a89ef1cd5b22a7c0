"""Journals to export: an engine that writes one, and what it answered at the time."""

from pathlib import Path
from typing import Any

import numpy as np

from engine import host
from engine.codes import CommandKind, EventKind, Mode
from engine.schema import Capacities
from tests import build
from tests.pair import CAPACITIES

ORDERS = (CommandKind.NEW, CommandKind.AMEND, CommandKind.CANCEL)
ANSWERS = (EventKind.ACCEPTED, EventKind.REPEATED, EventKind.REJECTED, EventKind.AMENDED)


class Live:
    """An engine with a journal, and what it answered to each order command at the time."""

    def __init__(self, folder: Path, capacities: Capacities, mode: Mode = Mode.EXCHANGE) -> None:
        self.folder = folder
        self.engine = host.Engine.create(folder, mode, capacities=capacities)
        self.reasons: dict[int, int] = {}
        self.digest = ""

    def send(self, rows: Any) -> None:
        """Commands in batches, as a gateway would."""
        rows["time_ns"] = np.where(rows["time_ns"] == 0, build.START_NS, rows["time_ns"])
        rows["seq"] = self.engine.last_seq + 1 + np.arange(len(rows))
        first = 0
        while first < len(rows):
            end = min(first + 7, len(rows))
            while end < len(rows) and rows["kind"][end] == CommandKind.LABEL:
                end += 1
            self.engine.feed(rows[first:end].copy(), self._note)
            self.engine.commit()
            first = end

    def _note(self, commands: Any, events: Any) -> None:
        asked = set(commands["seq"][np.isin(commands["kind"], ORDERS)].tolist())
        for row in events[np.isin(events["kind"], ANSWERS)]:
            if int(row["seq"]) in asked:
                self.reasons[int(row["seq"])] = int(row["reason"])

    def close(self) -> Path:
        """End it; the journal's folder."""
        self.digest = self.engine.digest()
        self.engine.commit()
        self.engine.close()
        return self.folder


def commands_of(script: Any) -> Any:
    """The rows of a script without its references; orders are named by the client's id alone."""
    rows = np.concatenate([item for item in script if isinstance(item, np.ndarray)])
    named = np.isin(rows["kind"], (CommandKind.AMEND, CommandKind.CANCEL)) & (rows["order_id"] < 0)
    rows["order_id"][named] = 0
    return rows


DAY_NS = 86_400 * build.SECOND


def three_days(folder: Path) -> Live:
    """Orders of two accounts on a first day in Hong Kong, of one on the second, of none on the third, then one more."""
    live = Live(folder, CAPACITIES, Mode.RESEARCH)
    live.send(np.concatenate(build.venue(3)))
    live.send(np.concatenate([build.new(0, build.BUY, 10, 100 + step, cl_ord_id=1 + step) for step in range(5)]))
    live.send(np.concatenate([build.new(1, build.SELL, 4, 100 + step) for step in range(3)]))
    live.send(build.new(0, build.BUY, 3, 90, cl_ord_id=50, time_ns=build.START_NS + DAY_NS))
    live.send(build.cancel(0, cl_ord_id=50, time_ns=build.START_NS + DAY_NS + build.SECOND))
    live.send(build.new(1, build.SELL, 3, 190, time_ns=build.START_NS + 3 * DAY_NS))
    return live
