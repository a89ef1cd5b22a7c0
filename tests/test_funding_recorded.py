"""Computed funding rates against a venue's recorded ones, as far as candles allow.

The venue averages premiums of each minute with weights 1 to 480; hourly candles only say where the premium began,
ended and how far it went. Each minute is put on the line from open to close. `python -m tests.test_funding_recorded`
prints the errors.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import funding
from engine.kernels import entry
from tests.perpetual import Bench, ppb

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "funding"
HOURS = 8
MINUTES = 60


@entry
def interval_rate(root, premiums):
    """The rate of one interval from its premium samples, in ppb."""
    contract = root[0].contracts[0]
    contract.premium_sum_ppb = 0
    contract.premium_weight = 0
    contract.premium_samples = 0
    for premium in premiums:
        weight = funding.sample_weight(contract)
        contract.premium_sum_ppb += weight * premium
        contract.premium_weight += weight
        contract.premium_samples += 1
    return funding.interval_rate_ppb(contract, funding.average_ppb(contract))


def _read(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open() as file:
        return list(csv.DictReader(file))


def recorded() -> dict[str, int]:
    """Settlement time -> recorded rate in ppb."""
    return {row["Timestamp"]: ppb(float(row["Rate"])) for row in _read("BTCUSDT_8h_funding_rates.csv")}


def hourly() -> list[tuple[str, Any]]:
    """(hour, premium of each of its minutes in ppb)."""
    rows = _read("BTCUSDT_1h_premium_index.csv")
    steps = (np.arange(MINUTES) + 0.5) / MINUTES
    found = []
    for row in rows:
        first, last = float(row["Open"]), float(row["Close"])
        found.append((row["Timestamp"], np.round((first + (last - first) * steps) * 1e9).astype(np.int64)))
    return found


def errors() -> Any:
    """|computed - recorded| in ppb for every settlement whose eight hours are all recorded."""
    bench = Bench()
    contract = bench.contract
    contract["funding_interval_s"], contract["funding_interest_ppb"] = HOURS * 3600, ppb(0.0001)
    contract["funding_clamp_ppb"], contract["funding_cap_ppb"] = ppb(0.0005), ppb(0.003)
    rates, hours, found = recorded(), hourly(), []
    for place in range(HOURS, len(hours)):
        rate = rates.get(hours[place][0])
        begun = np.datetime64(hours[place - HOURS][0]) + np.timedelta64(HOURS, "h")
        if rate is not None and begun == np.datetime64(hours[place][0]):
            premiums = np.concatenate([minutes for _, minutes in hours[place - HOURS : place]])
            found.append(abs(int(interval_rate(bench.root, premiums)) - rate))
    return np.array(found)


@pytest.mark.skipif(not FOLDER.exists(), reason="the recorded data is not there: ../shared/data/funding")
def test_rates_follow_the_recorded_ones() -> None:
    found = errors()
    assert len(found) > 1900
    assert np.median(found) < ppb(0.00001), "a tenth of a basis point"
    assert np.percentile(found, 90) < ppb(0.00006), "just over half a basis point"


if __name__ == "__main__":
    shown = errors()
    middle, most = np.median(shown) / 1e9, np.percentile(shown, 90) / 1e9
    print(f"{len(shown)} settlements: median error {middle:.7%}, 90th percentile {most:.7%}")
