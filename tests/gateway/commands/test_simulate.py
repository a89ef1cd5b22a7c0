"""The simulated market: the same seed gives the same market, scenarios hurt, the books balance."""

import json
from pathlib import Path

import pytest

from bench.simulation import Simulation
from gateway import cli


def simulated(scenario: str, seconds: int = 120, seed: int = 3) -> Simulation:
    simulation = Simulation(seed, scenario, seconds)
    simulation.run()
    return simulation


def test_a_seed_gives_one_market_and_the_money_adds_up() -> None:
    one, two, other = simulated("gap"), simulated("gap"), simulated("gap", seed=4)
    assert one.outcome.digest == two.outcome.digest != other.outcome.digest
    assert one.series == two.series
    out = one.outcome
    assert out.checks == 120 and out.trades > 200
    assert sum(out.profit.values()) + out.fees + out.fund_change == pytest.approx(0, abs=0.01)


def test_a_gap_liquidates_and_calm_does_not_drain_the_fund() -> None:
    gap, calm = simulated("gap", 240).outcome, simulated("calm", 240).outcome
    assert gap.accounts_liquidated > 5 and gap.fund_paid > 0
    assert calm.fund_paid == 0
    assert gap.profit["gambler"] < calm.profit["gambler"]


def test_the_command_prints_json_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="the optional extra `plots` is not installed")
    picture = tmp_path / "market.png"
    assert cli.main(["simulate", "--seconds", "30", "--scenario", "flash", "--plot", str(picture), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seconds"] == 30
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_wrong_arguments_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["simulate", "--seed", "-1"]) == 2
    assert "--seed -1" in capsys.readouterr().err
