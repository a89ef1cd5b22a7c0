"""`lionrock funding recorded` on small files: what is read, what follows from it, and what candles leave open."""

import csv
import json
from math import erf, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway import cli
from gateway.commands.funding_files import Candle, Candles, Rate, read_candles, read_rates
from gateway.commands.funding_recomputed import Rule, Weights, recompute
from gateway.commands.funding_recorded import errors_of, student_share

HOUR_S = 3600
START_S = 1_709_251_200
"""2024-03-01T00:00:00Z"""
TWO_HOURS = ["--interval-hours", "2", "--sample-seconds", "3600"]
CANDLES = [
    (START_S, "0.0010", "0.0040", "0.0000", "0.0020"),
    (START_S + HOUR_S, "0.0030", "0.0030", "0.0010", "0.0010"),
]
"""One sample in the middle of each: 0.0015 and 0.0020."""


def write(path: Path, header: str, rows: Any) -> Path:
    """A CSV file."""
    lines = [header] if header else []
    path.write_text("\n".join([*lines, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def candles_file(folder: Path, rows: Any = CANDLES, header: str = "time,open,high,low,close") -> Path:
    """Candles on the disk."""
    return write(folder / "candles.csv", header, rows)


def rates_file(folder: Path, *rows: tuple[Any, Any], header: str = "time,rate") -> Path:
    """Rates on the disk; one at the end of the two candles unless said."""
    return write(folder / "rates.csv", header, rows or [(START_S + 2 * HOUR_S, "0.0003125")])


def run(*arguments: Any) -> int:
    """The command, with BitMEX's plain mean unless another one is asked for."""
    return cli.main(["funding", "recorded", *map(str, arguments)])


def found(capsys: pytest.CaptureFixture[str], *arguments: Any) -> dict[str, Any]:
    """The command's JSON."""
    run(*arguments, "--json")
    printed = capsys.readouterr()
    assert not printed.err
    return dict(json.loads(printed.out))


@pytest.mark.parametrize(
    ("options", "rate"),
    [
        (["--weights", "equal"], 312_500),  # (1.5 + 2.0) / 2 = 1.75, less 0.5, a quarter of it
        (["--weights", "linear"], 333_333),  # (1.5 + 4.0) / 3 = 1.8333, less 0.5
        (["--weights", "equal", "--clamp", "0.001"], 187_500),
        (["--weights", "equal", "--clamp", "0.0017", "--interest", "0.0002"], 50_000),
        (["--weights", "equal", "--cap", "0.0011"], 275_000),
    ],
)
def test_a_rate_by_hand(tmp_path: Path, options: list[str], rate: int) -> None:
    out = tmp_path / "out.csv"
    files = ["--candles", candles_file(tmp_path), "--rates", rates_file(tmp_path), "--output", out]
    run("--venue", "binance", *files, *TWO_HOURS, *options)
    (row,) = csv.DictReader(out.open())
    assert row["time"] == "2024-03-01T02:00:00Z"
    assert (int(row["recorded_ppb"]), int(row["computed_ppb"])) == (312_500, rate)


def test_the_rates_of_all_lows_and_of_all_highs(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    files = ["--candles", candles_file(tmp_path), "--rates", rates_file(tmp_path), "--output", out]
    assert run("--venue", "binance", *files, *TWO_HOURS, "--weights", "equal") == 0
    (row,) = csv.DictReader(out.open())
    assert int(row["lowest_ppb"]) == 100_000 // 4  # the lows' mean is 0.05 %: within the clamp of the interest
    assert int(row["highest_ppb"]) == 3_000_000 // 4  # theirs is 0.35 %, less the clamp
    # s^2 = (1^2 + 2^2) / 4 in millionths of 1 / 1000 squared; of the mean of four samples a quarter of it
    assert int(row["standard_error_ppb"]) == round(1e6 * sqrt(5 / 4 / 4))


def test_a_rate_that_no_premiums_within_the_candles_give(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--candles", candles_file(tmp_path), "--rates", rates_file(tmp_path, (START_S + 7200, "0.000751"))]
    assert run("--venue", "binance", *files, *TWO_HOURS, "--weights", "equal") == 1
    said = capsys.readouterr().out
    assert "2024-03-01T02:00:00Z: recorded 7.5100, but its candles give 0.2500 to 7.5000" in said


def test_what_is_of_another_interval_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rates = [(START_S + hours * HOUR_S, "0.000025") for hours in (2, 4, 5, 7)]
    rates += [(START_S + 9 * HOUR_S, "0.00075"), (START_S + 11 * HOUR_S, "-0.00076")]
    files = ["--venue", "binance", "--rates", rates_file(tmp_path, *rates), *TWO_HOURS]
    limits = found(capsys, *files)["limits"]
    assert (limits["rates"], limits["other_interval"], limits["at_interest"]) == (6, 1, 3)
    assert (limits["at_cap"], limits["beyond_cap"], limits["largest_change_ppb"]) == (1, 1, 1_510_000)
    assert run(*files) == 1 and run(*files, "--cap", "0.004") == 0
    assert "at the cap              1; beyond it 1" in capsys.readouterr().out
    limits = found(capsys, *files, "--from", "2024-03-01T04:00Z", "--to", "2024-03-01T07:00Z")["limits"]
    assert (limits["rates"], limits["other_interval"], limits["last"]) == (2, 1, "2024-03-01T05:00:00Z")


@pytest.mark.parametrize(
    ("header", "time", "rate"),
    [
        ("symbol,Timestamp,Rate,markPrice", "2024-03-01 08:00:00", "2.096e-05"),
        ("timestamp,symbol,fundingInterval,fundingRate,fundingRateDaily", "2024-03-01T08:00:00Z", "2.09600001e-5"),
        ("calc_time,funding_interval_hours,last_funding_rate", START_S * 1000 + 8 * HOUR_S * 1000 + 7, "0.00002096"),
        ("fundingTime,fundingRate", (START_S + 8 * HOUR_S) * 10**9 + 12_000_000, "0.00002096"),
        ("time,rate", "2024-03-01T16:00:00+08:00", "+0.00002096"),
    ],
)  # fmt: skip
def test_rates_as_venues_write_them(tmp_path: Path, header: str, time: Any, rate: str) -> None:
    names = header.lower().split(",")
    cells = dict.fromkeys(names, "8")
    for name in names:
        if name in ("timestamp", "calc_time", "fundingtime", "time"):
            cells[name] = str(time)
        if name in ("rate", "fundingrate", "last_funding_rate"):
            cells[name] = rate
    path = write(tmp_path / "rates.csv", header, [cells.values()])
    assert read_rates(path) == [Rate(START_S + 8 * HOUR_S, 20_960)]


def test_candles_as_venues_write_them(tmp_path: Path) -> None:
    first: Candle = (1_000_000, 4_000_000, 0, 2_000_000)
    wanted = Candles(HOUR_S, {START_S: first, START_S + HOUR_S: (3_000_000, 3_000_000, 1_000_000, 1_000_000)})
    assert read_candles(candles_file(tmp_path), stamped_at_close=False) == wanted
    raw = [(time * 1000, *prices, 0, time * 1000 + 3_599_999, 0) for time, *prices in CANDLES]
    assert read_candles(candles_file(tmp_path, raw, header=""), stamped_at_close=False) == wanted
    late = [(time + HOUR_S, *prices) for time, *prices in CANDLES]
    assert read_candles(candles_file(tmp_path, late), stamped_at_close=True) == wanted


def test_a_candle_that_opens_with_the_last_close_outside_its_own_range(tmp_path: Path) -> None:
    rows = [(START_S, "0.001", "0.0009", "0.0005", "0.0006"), (START_S + 60, "0.0006", "0.0008", "0.0007", "0.0007")]
    found = read_candles(candles_file(tmp_path, rows), stamped_at_close=False)
    assert list(found.by_time.values()) == [
        (1_000_000, 1_000_000, 500_000, 600_000),
        (600_000, 800_000, 600_000, 700_000),
    ]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([(START_S, "27201.1", "1", "1", "1")], "open '27201.1' is no fraction"),
        ([(START_S, "nan", "1", "1", "1")], "open 'nan' is no fraction"),
        ([(START_S, "1_0", "1", "1", "1")], "open '1_0' is no fraction"),
        ([(START_S, "1e-99999", "1", "1", "1")], "open '1e-99999' is no fraction"),
        ([(START_S, "0.1", "0.1", "0.2", "0.1")], "high '0.1' is below the low, '0.2'"),
        ([("yesterday", "0.1", "0.1", "0.1", "0.1")], "time 'yesterday' is no time such as"),
        ([(10**19 - 1, "0.1", "0.1", "0.1", "0.1")], "is no time from 1970 to 2242"),
        ([(START_S, "0.1", "0.1")], "3 cells, but 5 columns"),
        (CANDLES[:1], "1 candles; at least two"),
        ([*CANDLES, *CANDLES], "a second candle at 2024-03-01T00:00:00Z"),
    ],
)
def test_wrong_candles_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: Any, says: str
) -> None:  # fmt: skip
    files = ["--candles", candles_file(tmp_path, rows), "--rates", rates_file(tmp_path)]
    assert run("--venue", "binance", *files, *TWO_HOURS) == 2
    said = capsys.readouterr().err
    assert says in said and "candles.csv" in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--from", "2025-01-01"], "no rate between --from and --to; it has those from 2024-03-01T02:00:00Z"),
        (["--sample-seconds", "7"], "candles of 3600 s: they must divide the interval"),
        (["--candle-time", "close"], "no rate has candles of 3600 s through all its 7200 s"),
    ],
)
def test_what_does_not_fit_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:  # fmt: skip
    files = ["--candles", candles_file(tmp_path), "--rates", rates_file(tmp_path)]
    assert run("--venue", "binance", *files, *TWO_HOURS, *arguments) == 2
    assert says in capsys.readouterr().err


def test_files_that_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rates = rates_file(tmp_path)
    twice = write(tmp_path / "twice.csv", "time,rate", [(START_S, 0), (START_S + 8, 0)])
    packed = tmp_path / "packed.csv"
    packed.write_bytes(b"PK\x03\x04\xff\xfe\x80")
    named = candles_file(tmp_path, header="time,first,high,low,close")
    nobody = write(tmp_path / "none.csv", "time,rate", [])
    for arguments, says in (
        (["--candles", tmp_path / "missing.csv", "--rates", rates], "missing.csv: no such file"),
        (["--candles", packed, "--rates", rates], "packed.csv: not a text file; unpack it first"),
        (["--candles", named, "--rates", rates], "no column 'open' among time, first"),
        (["--rates", named], "is one of rate, fundingrate"),
        (["--rates", nobody], "none.csv: no rates"),
        (["--rates", rates, "--output", tmp_path / "out.csv"], "--output: what it would hold comes from candles"),
        (["--rates", twice], "a second rate at 2024-03-01T00:00:00Z"),
    ):
        assert run("--venue", "binance", *arguments, *TWO_HOURS) == 2
        assert says in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_longer_candles_are_made_of_shorter_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where intervals do not begin at a multiple of their own length, as those at 04:00, 12:00 and 20:00."""
    begun = START_S + 4 * HOUR_S
    rows = [(begun + n * HOUR_S, f"0.000{n}", f"0.000{n + 1}", f"0.000{n}", f"0.000{n + 1}") for n in range(8)]
    files = ["--candles", candles_file(tmp_path, rows), "--rates", rates_file(tmp_path, (begun + 8 * HOUR_S, "0.0001"))]
    errors = found(capsys, "--venue", "binance", *files, "--clamp", "0", "--weights", "equal")["errors"]
    assert [row["candle_s"] // HOUR_S for row in errors] == [1, 2, 4, 8]
    assert {row["intervals"] for row in errors} == {1}
    assert max(row["median_ppb"] for row in errors) - min(row["median_ppb"] for row in errors) <= 2, "one straight line"
    assert [row["median_width_ppb"] for row in errors] == [100_000, 200_000, 400_000, 800_000]


def test_a_rate_that_is_paid_an_interval_later(tmp_path: Path) -> None:
    rates = rates_file(tmp_path, *((START_S + hours * HOUR_S, "0.0003125") for hours in (2, 4)))
    for lag, hour in ((0, 2), (1, 4)):
        out = tmp_path / f"{lag}.csv"
        files = ["--candles", candles_file(tmp_path), "--rates", rates, "--output", out, "--lag", lag]
        assert run("--venue", "binance", *files, *TWO_HOURS, "--weights", "equal") == 0
        (row,) = csv.DictReader(out.open())
        assert row["time"] == f"2024-03-01T0{hour}:00:00Z" and row["computed_ppb"] == "312500"


def test_students_distribution() -> None:
    assert student_share(1, 1) == pytest.approx(0.5)
    assert student_share(1, 2) == pytest.approx(1 / sqrt(3))
    assert student_share(2.776, 4) == pytest.approx(0.95, abs=1e-4)
    assert student_share(3.182, 3) == pytest.approx(0.95, abs=1e-4)
    assert student_share(2.306, 8) == pytest.approx(0.95, abs=1e-4)
    assert student_share(1.96, 100_000) == pytest.approx(erf(1.96 / sqrt(2)), abs=1e-4)


@pytest.mark.parametrize("equal", [False, True])
def test_the_standard_error_is_that_of_what_candles_leave_out(equal: bool) -> None:
    """Premiums without memory, of which all samples are known: the shares are those of Student's distribution."""
    rule = Rule(8 * HOUR_S, 30, 100_000, 0, 900_000_000, 1, equal_weights=equal)
    random, per_candle, intervals = np.random.default_rng(7), 120, 2000
    candles, rates = {}, []
    weights = Weights(rule, HOUR_S)
    for number in range(intervals):
        begun = START_S + number * 8 * HOUR_S
        samples = np.round(random.normal(5e6, 1e6, (8, per_candle))).astype(np.int64)
        average = int((samples * weights.of_samples).sum()) // weights.total
        rates.append(Rate(begun + 8 * HOUR_S, rule.rate_ppb(average)))
        for place, row in enumerate(samples.tolist()):
            candles[begun + place * HOUR_S] = (row[0], max(row), min(row), row[-1])
    for count in (1, 4):
        found = errors_of(rule, count * HOUR_S, recompute(rule, Candles(HOUR_S, candles), rates, count))
        assert found.intervals == found.outside_clamp == found.within_low_and_high == intervals
        assert found.within_one_standard_error == pytest.approx(found.expected_within_one, abs=0.04)
        assert found.within_two_standard_errors == pytest.approx(found.expected_within_two, abs=0.03)
