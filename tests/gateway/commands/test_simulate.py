"""The simulated market: the same seed gives the same market, scenarios hurt, the books balance."""

import json
from pathlib import Path

import pytest

from bench.simulation import Simulation
from engine.recordings import draw
from gateway import cli
from gateway.commands.simulate import chart_of
from tests.recordings.test_pictures import data_of


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


def test_the_command_prints_json_and_draws_prices_and_amounts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "market.html"
    assert cli.main(["simulate", "--seconds", "30", "--scenario", "flash", "--plot", str(picture), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seconds"] == 30
    panels = {panel["label"]: panel for panel in data_of(picture.read_text())["panels"]}
    price = panels["price, USDC"]["curves"]
    assert [curve["name"] for curve in price] == ["last", "mark", "index"]
    assert all(len(curve["ys"]) == 30 and 30_000 < min(curve["ys"]) < 70_000 for curve in price)
    assert {"funding rate, %", "open interest, coins", "insurance fund, USDC"} < panels.keys()


def test_a_png_is_drawn_of_the_same(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the optional extra `plots` is not installed")
    draw(chart_of(simulated("flash", 30).series, "flash"), tmp_path / "market.png")
    assert (tmp_path / "market.png").read_bytes().startswith(b"\x89PNG")


def test_wrong_arguments_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["simulate", "--seed", "-1"]) == 2
    assert "--seed -1" in capsys.readouterr().err
    assert cli.main(["simulate", "--plot", "a.pdf"]) == 2
    assert "a.pdf: a picture is a .png or an .html" in capsys.readouterr().err
