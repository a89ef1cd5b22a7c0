"""Thresholds that officers change: in force from their place in the log, the same live and by replay."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.codes import EventKind, VenueParameter
from engine.schema import EVENT, MAX_THRESHOLDS, NOTICE
from gateway.config import Config
from gateway.registry.registry import Registry
from gateway.surveillance import thresholds
from gateway.surveillance.activity import Alert
from gateway.surveillance.from_journal import alerts_of, clients_of
from gateway.surveillance.parameters import Parameters
from gateway.surveillance.store import AlertStore, file_of
from gateway.surveillance.watch import Watch
from tests.gateway.live import BTC, play, until
from tests.gateway.office.test_officers_live import admin, venue

SECOND = 1_000_000_000
QUIET = Parameters(interest_share_percent=0)


def test_every_threshold_has_a_number_of_its_own() -> None:
    names = {item.name for item in fields(Parameters)} - set(thresholds.OF_THE_PROCESS)
    assert set(thresholds.NUMBERS) >= names
    numbers = list(thresholds.NUMBERS.values())
    assert len(set(numbers)) == len(numbers) and min(numbers) > 0 and max(numbers) < MAX_THRESHOLDS


def fill(seq: int) -> Any:
    row = np.zeros(1, EVENT)
    row["seq"], row["time_ns"], row["kind"], row["account_slot"] = seq, seq * SECOND, EventKind.FILL, 1
    return row


def change(seq: int, name: str, value: int, code: int = VenueParameter.SURVEILLANCE) -> Any:
    row = np.zeros(1, EVENT)
    notice = row.view(NOTICE)
    notice["seq"], notice["time_ns"], notice["kind"] = seq, seq * SECOND, EventKind.VENUE_CHANGED
    notice["code"], notice["index"], notice["new_value"] = code, thresholds.NUMBERS[name], value
    return row


STREAM = [
    fill(1), fill(2), change(3, "throttle_executions", 2), fill(4), fill(5), change(6, "step_s", 3),
    change(7, "throttle_executions", 0), fill(8), fill(9), change(10, "throttle_executions", 1, 9), fill(11), fill(12),
]  # fmt: skip


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 12])
def test_a_change_counts_from_its_place_however_the_stream_is_cut(batch: int) -> None:
    events, watch = np.concatenate(STREAM), Watch(QUIET)
    stopped: list[Alert] = []
    for first in range(0, len(events), batch):
        watch.take(events[first : first + batch], stopped)
    assert [(alert.first_seq, alert.last_seq) for alert in stopped] == [(4, 5)]
    assert watch.parameters == replace(QUIET, throttle_executions=0, step_s=3)
    assert watch.rules.parameters == watch.parameters


def test_officers_change_a_threshold_while_the_venue_runs_and_replay_knows_since_when(tmp_path: Path) -> None:
    folder = tmp_path / "v"

    async def story() -> None:
        async with venue(folder) as (server, (alice, maker, ann, ben)):
            supervisor = server.venue.execution_throttle.supervisor
            assert supervisor._wiring.parameters == Parameters()  # of the configuration nothing counts
            await maker.sell(BTC, "1", price="20000")
            for _ in range(4):
                await alice.buy(BTC, "0.01", price="20000")
            for name, value in (("throttle_executions", 2), ("throttle_seconds", 3600)):
                proposed = await admin(ann, "set_surveillance_threshold", threshold=name, value=value)
                assert proposed["state"] == "proposed"
                done = await ben.call("venue/admin/approve", number=proposed["number"])
                [told] = done["directives"]
                assert (told["kind"], told["code"], told["value"]) == ("venue_set", "surveillance", value)
            killed = server.venue.engine.root["accounts"][0]["killed"]
            for _ in range(2):
                await alice.buy(BTC, "0.01", price="20000")
            await until(lambda: killed[0] == 1)
            await until(lambda: supervisor._wiring.parameters.throttle_executions == 2)

    play(story())
    store = AlertStore(file_of(folder))
    live = sorted((row.accounts, row.first_seq) for row in store.alerts(rule="execution_throttle"))
    store.close()
    registry = Registry(folder / "registry.db")
    replayed = alerts_of(Config(data=str(folder)).journal, Parameters(), clients_of(registry))
    registry.close()
    found = sorted((list(row.accounts), row.first_seq) for row in replayed if row.rule == "execution_throttle")
    assert [(list(accounts), seq) for accounts, seq in live] == found and len(found) == 2
