"""The commands that explain margin and recompute funding, on a journal of risky flow."""

import json
from pathlib import Path

import numpy as np
import pytest

from engine import host
from engine.codes import ContractParameter as P
from engine.codes import EventKind, Mode
from engine.recordings.batches import ContractSpec
from gateway import cli
from gateway.commands import funding
from gateway.config import Config
from gateway.registry.registry import Registry
from tests import build, risk_flow
from tests.build import BUY, SELL
from tests.recordings.test_pictures import data_of
from tests.stage import WORKED, Stage


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with trades, funding and liquidations."""
    folder = tmp_path_factory.mktemp("venue") / "journal"
    engine = host.Engine.create(folder, Mode.EXCHANGE, capacities=risk_flow.CAPACITIES)
    first = np.concatenate(risk_flow.set_up())
    first["time_ns"] = build.START_NS
    for rows in (first, risk_flow.flow(5, 6000)):
        rows["seq"] = engine.last_seq + 1 + np.arange(len(rows))
        engine.feed(rows, lambda commands, events: None)
    engine.commit()
    engine.close()
    return folder


def test_funding_audit_finds_no_difference(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["funding", "audit", str(journal), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rates"] >= 5 and found["payments"] > 100 and found["samples"] > 300
    assert found["paid_micros"] >= found["received_micros"] > 0
    assert found["differences"] == []


def test_funding_audit_shows_a_difference(
    journal: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(funding, "rate_ppb", lambda contract, average: 7)
    assert cli.main(["funding", "audit", str(journal)]) == funding.DIFFERENT
    assert "rate_ppb is" in capsys.readouterr().out


def test_funding_audit_draws_prices_rates_and_payments(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = tmp_path / "funding.html"
    assert cli.main(["funding", "audit", str(journal), "--plot", str(picture), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    panels = {panel["label"]: panel for panel in data_of(picture.read_text())["panels"]}
    paid = [panel["curves"][0]["ys"] for label, panel in panels.items() if "paid at a settlement" in label]
    assert sum(len(ys) for ys in paid) == found["rates"]
    assert sum(map(sum, paid)) * 1e6 == pytest.approx(found["paid_micros"])
    assert "C0: mark, ticks" in panels, "no registry names the contract"
    assert {curve["name"] for curve in panels["C0: funding, % of the value"]["curves"]} == {"rate", "average premium"}
    monkeypatch.setattr(funding, "named_contracts", lambda folder: [ContractSpec("BTC_USDC-PERPETUAL", "0.5", "0.001")])
    monkeypatch.setattr(funding, "rate_ppb", lambda contract, average: 7)
    words = ["--plot", str(picture), "--instrument", "BTC_USDC-PERPETUAL"]
    assert cli.main(["funding", "audit", str(journal), *words]) == funding.DIFFERENT
    named = {panel["label"]: panel for panel in data_of(picture.read_text())["panels"]}
    assert list(named) == ["BTC_USDC-PERPETUAL: mark", "BTC_USDC-PERPETUAL: funding, % of the value",
                           "BTC_USDC-PERPETUAL: paid at a settlement, USDC"]  # fmt: skip
    marks, (mark, rate, _) = panels["C0: mark, ticks"]["curves"][0]["ys"], named.values()
    assert mark["curves"][0]["ys"] == pytest.approx([value / 2 for value in marks])
    assert rate["curves"][2]["ys"] == pytest.approx([7e-7] * len(marks))


def test_funding_audit_says_what_it_cannot_draw(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        (["--plot", "a.pdf"], "a.pdf: a picture is a .png or an .html; name one"),
        (["--instrument", "C0"], "--instrument: it says what --plot draws; give --plot"),
        (["--plot", "a.html", "--instrument", "X"], "--instrument X: no contract with a settlement in this journal"),
    ):
        assert cli.main(["funding", "audit", str(journal), *words]) == 2
        assert said in capsys.readouterr().err


def test_explain_adds_up(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for account in range(risk_flow.ACCOUNTS):
        assert cli.main(["explain", str(account), "--data", str(journal), "--json"]) == 0
        figures = json.loads(capsys.readouterr().out)
        cross = [row for row in figures["positions"] if not row["is_isolated"]]
        assert figures["unrealised_micros"] == sum(row["unrealised_micros"] for row in cross)
        collateral = sum(row["value_micros"] for row in figures["collateral"])
        assert figures["equity_micros"] == figures["cash_micros"] + collateral + figures["unrealised_micros"]
        assert figures["maintenance_micros"] == sum(row["maintenance_micros"] for row in cross)
        assert figures["requirement_micros"] == sum(row["requirement_micros"] for row in figures["positions"])


def test_explain_speaks_to_people(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "0", "--data", str(journal)]) == 0
    shown = capsys.readouterr().out
    assert "headroom before liquidation" in shown and "bankruptcy price" in shown


def test_explain_takes_an_accounts_name(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = journal.parent
    registry = Registry(Config(data=str(data)).registry)
    for name in ("alice", "bob"):
        registry.create_account(name, 1)
    registry.close()
    said = []
    for account in ("bob", "1"):
        assert cli.main(["explain", account, "--data", str(data), "--json"]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert cli.main(["explain", "carol", "--data", str(data)]) == 2
    assert "no account 'carol'" in capsys.readouterr().err


def test_errors_are_one_line(tmp_path: Path, journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "63", "--data", str(journal)]) == 2
    assert "account 63 was never opened" in capsys.readouterr().err
    assert cli.main(["funding", "audit", str(tmp_path)]) == 2
    assert "no journal there" in capsys.readouterr().err


def test_funding_audit_takes_the_terms_of_each_instant(tmp_path: Path) -> None:
    """Every term is changed in the middle of an interval: the lengths count from the next one on, the rest at once."""
    stage = Stage((WORKED | {P.FUNDING_INTERVAL_S: 60, P.SAMPLE_INTERVAL_S: 5, P.FUNDING_CAP_PPB: 37_500_000},))
    for account in range(4):
        stage.deposit(account, 1_000_000)
    stage.index(2000)
    stage.order(1, SELL, 10, 2000)
    stage.order(0, BUY, 10, 2000)
    stage.order(2, BUY, 100, 2010)
    stage.order(3, SELL, 100, 2030)
    auditor = funding._Auditor(funding.FundingAudit(""))
    changes = {
        150: (P.FUNDING_CLAMP_PPB, 100_000), 210: (P.FUNDING_CAP_PPB, 1_000_000),
        270: (P.FUNDING_INTEREST_PPB, 300_000), 330: (P.FUNDING_EQUAL_WEIGHTS, 1),
        400: (P.FUNDING_INTERVAL_S, 120), 500: (P.SAMPLE_INTERVAL_S, 10),
    }  # fmt: skip
    for second in range(900):
        if second in changes:
            stage.send(build.contract_set(0, *changes[second]))
        stage.index(2000)
    auditor.take(None, np.concatenate(stage.past))
    assert auditor.found.differences == []
    assert auditor.found.rates >= 9 and auditor.found.payments == 2 * auditor.found.rates
    rates = [int(row["rate_ppb"]) for row in stage.history(EventKind.FUNDING_RATE)]
    assert len(set(rates)) > 3 and 0 not in rates
