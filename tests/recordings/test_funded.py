"""A recording among funded accounts: seeded, with every rule on, and nothing lost on the way."""

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from engine import invariants
from engine.codes import EventKind
from engine.recordings import open_recording
from engine.recordings.batches import parse_contract
from engine.recordings.funded_replay import FundedResult, replay_funded
from engine.recordings.replay import Options
from engine.recordings.source import RecordingError
from tests.recordings.data import compiled
from tests.recordings.test_commands import lionrock

STREAM = Path("synthetic:5:40000")
UNIT = "tick=1,lot=0.1"


def play(path: Path, accounts: int = 30, seed: int = 1, spec: str = UNIT) -> FundedResult:
    """A replay among accounts."""
    reader = open_recording(path)
    reader.contract = parse_contract(spec, reader.contract)
    return replay_funded(reader, accounts, seed, Options())


def crash(folder: Path) -> Path:
    """Large trades at 1000 between whoever it is, then quotes at 900, 800 and 700, with much noise far away."""
    ids, lines = count(1), ["time_ns,action,cl_ord_id,side,qty_lots,price_ticks,tif,flags"]

    def order(side: str, lots: int, price: int, tif: str = "") -> int:
        number = next(ids)
        lines.append(f"{number},new,{number},{side},{lots},{price},{tif},")
        return number

    for price in (1000, 900, 800, 700):
        order("sell", 500, price + 1)
        order("buy", 500, price - 1)
        for turn in range(1200):
            if price == 1000 and turn > 900:
                order("sell", 300, price)
                order("buy", 300, price, "ioc")
            noise = order("buy", 1, 500)
            lines.append(f"{noise},cancel,{noise},,,,,")
    path = folder / "crash.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@compiled
def test_the_seed_decides_and_nothing_else() -> None:
    first, again, other = play(STREAM), play(STREAM), play(STREAM, seed=2)
    assert first.digest == again.digest and first.rejects == again.rejects
    assert other.digest != first.digest
    assert first.trades > 100 and first.fees_micros > 0 and first.rejects["INSUFFICIENT_MARGIN"] > 10
    assert play(STREAM, accounts=3).digest != first.digest


@compiled
def test_a_crash_liquidates_and_money_is_conserved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engines: list[Any] = []
    from engine.recordings import funded_replay

    class Kept(funded_replay._Funded):
        def _totals(self) -> None:
            super()._totals()
            engines.append(self)

    monkeypatch.setattr(funded_replay, "_Funded", Kept)
    result = play(crash(tmp_path), spec="tick=1,lot=1")
    assert result.liquidations > 0 and result.funding_payments == 0
    root = engines[0].runner.engine.root
    invariants.check(root)
    assert engines[0].counts[EventKind.INDEX_CHANGED] >= 3
    assert int(root[0]["contracts"][0]["index_subticks"]) == 850_000, "the mid of the last bid and the first ask"


@compiled
def test_funding_is_paid_every_minute_of_the_venues_clock() -> None:
    result = play(Path("synthetic:5:130000"), accounts=20)
    assert result.funding_payments >= 10 and result.funding_micros > 0


@compiled
def test_a_short_recording_trades_at_the_first_price_that_it_has(tmp_path: Path) -> None:
    rows = ["1,sell,5,101,", "2,sell,5,102,", "3,buy,5,99,", "4,buy,3,101,ioc"]
    path = tmp_path / "short.csv"
    lines = ["cl_ord_id,side,qty_lots,price_ticks,tif,action", *(f"{row},new" for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    result = play(path, spec="tick=1,lot=1")
    assert (result.trades, result.volume_lots, result.rejects) == (1, 3, {})
    assert result.depth == ([(99, 5)], [(101, 2), (102, 5)])
    path.write_text("\n".join(path.read_text().splitlines()[:3]) + "\n")
    one_sided = play(path, spec="tick=1,lot=1")
    assert (one_sided.trades, sum(one_sided.rejects.values())) == (0, 2), "a book of one side has no price"


@compiled
def test_an_order_that_is_larger_than_money_can_count_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text("action,cl_ord_id,side,qty_lots,price_ticks\nnew,1,buy,4000,100\n")
    command = ("replay", tmp_path / "a.csv", "--contract", "tick=1,lot=1", "--accounts", "3")
    assert lionrock(*command) == 3
    assert "1 of 1 commands were refused for limits (QTY_TOO_LARGE 1); name a coarser lot" in capsys.readouterr().err
    assert lionrock(*command, "--allow-refused") == 0


@compiled
def test_the_command_prints_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    command = ("replay", STREAM, "--contract", UNIT, "--accounts", "30")
    assert lionrock(*command, "--json") == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"liquidations", "funding_micros", "fees_micros", "rejects", "digest"} <= said.keys()
    assert said["digest"] == play(STREAM).digest
    assert lionrock(*command) == 0
    shown = capsys.readouterr().out
    assert "liquidations" in shown and "funding" in shown and "refused INSUFFICIENT_MARGIN" in shown


def test_what_cannot_be_traded_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lionrock("replay", STREAM, "--accounts", "0") == 2
    assert "accounts: 0 is not within 1 to 1048576" in capsys.readouterr().err
    assert lionrock("replay", STREAM, "--accounts", "5", "--contract", "lot=0.0000001") == 2
    assert "tick x lot is" in capsys.readouterr().err
    with pytest.raises(RecordingError):
        play(STREAM, accounts=(1 << 20) + 1)
