"""The report on affiliated makers: what stood, what traded and what became of it, to the nanosecond and the micro."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import host
from engine.codes import AccountAttribute as A
from engine.codes import Affiliation, EventFlag, EventKind, ExecInst, MarketState, Mode
from engine.codes import CommandKind as K
from engine.schema import COMMAND, EVENT, NOTICE
from gateway import cli
from gateway.affiliates.parameters import Programme
from gateway.affiliates.report import DayReport, _Day, day_report
from gateway.audit_trail.queue_priority import check_queues
from gateway.audit_trail.records import Scope
from gateway.audit_trail.whole_trail import trail
from gateway.config import Config
from gateway.office.officer_params import ApproveAffiliate
from gateway.office.proposals import Office
from gateway.read_model.projection import Projection
from gateway.registry.registry import ContractRecord, KeyOrder, Registry
from gateway.wire.views import Span, TradeView
from tests import build, risk_flow
from tests.build import BUY, SECOND, SELL, START_NS

HOUR = 3600 * SECOND
DAY = "2026-03-02"
FROM_NS = START_NS - 17 * HOUR
"""START_NS is 17:00 on this day in Hong Kong."""
MAKER, ALICE, BOB = range(3)
UNIT = 1000
RULES = Programme(spread_ppb=10_000_000, size_micros=200 * 2000 * UNIT, presence_percent=50)
MINUTE = 60


class Venue:
    """A journal with one maker of the operator's group, approved for contract 0, and two clients."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.second = folder, 0.0
        self.engine = host.Engine.create(folder, Mode.EXCHANGE, capacities=risk_flow.CAPACITIES)
        for account in (MAKER, ALICE, BOB):
            self.send(*build.opened(account, amount_micros=10**12))
        self.send(build.account_set(MAKER, A.AFFILIATION, Affiliation.GROUP_COMPANY))
        self.send(build.person(1), *build.listed(0, risk_flow.RISKY), build.directive(K.FUND_DEPOSIT, amount_micros=1))
        self.send(build.approval(MAKER, 0, START_NS + 10 * HOUR))
        self.mark(2000)

    def send(self, *groups: Any) -> None:
        """Commands at this second."""
        rows = np.concatenate(groups)
        rows["time_ns"] = START_NS + int(self.second * SECOND)
        rows["seq"] = self.engine.last_seq + 1 + np.arange(len(rows))
        self.engine.feed(rows, lambda commands, events: None)

    def wait(self, seconds: float) -> None:
        """Time passes, with an index that stays alive."""
        end = self.second + seconds
        while self.second + 5 < end:
            self.second += 5
            self.mark(self.price)
        self.second = end
        self.send(build.time())

    def mark(self, ticks: int) -> None:
        """All sources say this price; the mark follows within two ticks of the clock."""
        self.price = ticks
        for source in range(3):
            price = {"price_subticks": ticks * 1000, "source_time_ns": START_NS + int(self.second * SECOND)}
            self.send(build.directive(K.INDEX_PRICE, contract_slot=0, code=source, account_slot=-1, **price))

    def order(self, account: int, side: int, lots: int, price: int, name: int = 0, flags: int = 0) -> None:
        """A limit order."""
        self.send(build.new(account, side, lots, price, cl_ord_id=name, flags=flags))

    def close(self) -> DayReport:
        """End the journal and report on its day."""
        self.engine.commit()
        self.engine.close()
        return day_report(self.folder, FROM_NS, RULES)


@pytest.fixture
def venue(tmp_path: Path) -> Venue:
    found = Venue(tmp_path / "journal")
    found.wait(2)
    return found


POST = ExecInst.POST_ONLY


def quote(venue: Venue, bid: int, ask: int, lots: int = 300) -> None:
    venue.order(MAKER, BUY, lots, bid, 1, POST)
    venue.order(MAKER, SELL, lots, ask, 2, POST)


def test_presence_counts_two_sides_of_the_size_within_the_spread(venue: Venue) -> None:
    venue.wait(58)
    quote(venue, 1995, 2005)  # 0.5 %: kept, for ten minutes
    venue.wait(10 * MINUTE)
    venue.send(build.amend(MAKER, cl_ord_id=2, price_ticks=2100))  # 5 %: two sides, but too wide, for ten
    venue.wait(10 * MINUTE)
    venue.send(build.amend(MAKER, cl_ord_id=2, price_ticks=2005, qty_lots=100))  # too small, for ten
    venue.wait(10 * MINUTE)
    venue.send(build.cancel(MAKER, cl_ord_id=1))  # one side, until the end of the second hour
    venue.wait(89 * MINUTE)
    (maker,) = venue.close().makers
    first, second = maker.hours
    assert (first.hour, second.hour) == (17, 18)
    assert first.open_seconds == 3600 and second.open_seconds == 3600
    assert first.presence_percent == pytest.approx(100 * 600 / 3600)
    assert first.two_sided_percent == pytest.approx(100 * 1200 / 3600)
    assert first.spread_ppb == pytest.approx((5_000_000 + 2 * 105 * 10**9 // 4095) / 2, abs=1)
    assert not first.is_met and second.presence_percent == 0


def test_only_open_time_under_an_approval_counts(venue: Venue) -> None:
    quote(venue, 1995, 2005)
    venue.wait(10 * MINUTE - 2)
    venue.send(build.contract_state(0, MarketState.CANCEL_ONLY))
    venue.wait(10 * MINUTE)
    venue.send(build.contract_state(0, MarketState.OPEN))
    venue.wait(10 * MINUTE)
    venue.send(build.approval(MAKER, 0, 0))
    venue.wait(20 * MINUTE)
    (maker,) = venue.close().makers
    assert [hour.open_seconds for hour in maker.hours] == [1200]
    assert maker.hours[0].presence_percent == pytest.approx(100 * 1198 / 1200, abs=0.01) and maker.hours[0].is_met


def test_a_quote_that_is_traded_away_no_longer_stands(venue: Venue) -> None:
    quote(venue, 1995, 2005)
    venue.wait(298)
    venue.order(ALICE, BUY, 150, 2005)  # 150 of 300 left: less than the size owed
    venue.wait(300)
    venue.order(MAKER, SELL, 100, 2006, 3, POST)  # with the second level it is back
    venue.wait(300)
    (maker,) = venue.close().makers
    assert maker.hours[0].presence_percent == pytest.approx(100 * 598 / 900, abs=0.05)


def test_what_an_order_hides_is_no_quote(venue: Venue) -> None:
    venue.order(MAKER, SELL, 300, 2005, 2, POST)
    hidden = build.new(MAKER, BUY, 300, 1995, cl_ord_id=1, flags=POST | ExecInst.ICEBERG)
    hidden["display_lots"] = 100
    venue.send(hidden)
    venue.wait(300)
    venue.send(build.amend(MAKER, cl_ord_id=1, price_ticks=1996))
    venue.wait(300)
    venue.order(MAKER, BUY, 150, 1996, 3, POST)  # 100 of 300, and 150 more: the size owed
    venue.wait(600)
    (maker,) = venue.close().makers
    assert maker.hours[0].presence_percent == pytest.approx(50, abs=0.2)


def test_volume_clients_and_mark_outs(venue: Venue) -> None:
    quote(venue, 1995, 2005)
    venue.order(ALICE, BUY, 100, 2005)  # the maker sells 100 at 2005
    venue.order(BOB, SELL, 50, 2001)
    venue.order(ALICE, BUY, 50, 2001)  # clients among themselves
    venue.wait(4)
    venue.mark(2010)
    venue.wait(30)
    venue.mark(1990)
    venue.wait(60)
    found = venue.close()
    (maker,) = found.makers
    own, others = 100 * 2005 * UNIT, 50 * 2001 * UNIT
    assert found.volume_micros == {0: own + others}
    assert (maker.fills, maker.volume_micros, maker.client_fills, maker.client_volume_micros) == (1, own, 1, own)
    assert maker.volume_percent == pytest.approx(100 * own / (own + others))
    one, ten, sixty = maker.mark_outs
    state = venue.engine.root[0]["contracts"][0]
    assert [row.fills for row in maker.mark_outs] == [1, 1, 1] and int(state["mark_subticks"]) < 2_000_000
    assert one.gain_micros > 0 and ten.gain_micros < one.gain_micros < sixty.gain_micros
    assert sixty.gain_ppb == sixty.gain_micros * 10**9 // own


def test_public_trades_the_report_and_the_trail_mark_the_same_fills(venue: Venue) -> None:
    """Of a maker that is hit by clients and by another affiliate, and takes to close; each sums them by itself."""
    draw = np.random.default_rng(4)
    venue.send(build.account_set(BOB, A.AFFILIATION, Affiliation.GROUP_COMPANY))
    venue.send(build.approval(BOB, 0, START_NS + 10 * HOUR))
    for step in range(120):
        account, side = (MAKER, BOB, ALICE)[draw.integers(3)], (BUY, SELL)[draw.integers(2)]
        closes = account != ALICE and draw.random() < 0.2
        reach = int(draw.integers(-1, 3)) if account == ALICE or closes else -1
        price = 2000 + (reach if side == BUY else -reach)
        flags = ExecInst.REDUCE_ONLY if closes else POST if account != ALICE else 0
        venue.order(account, side, int(draw.integers(1, 9)) * 10, price, 0, flags)
        if step % 10 == 0:
            venue.wait(2)
            venue.mark(2000)
    found = venue.close()
    unit = venue.engine.root[0]["contracts"][0]["micros_per_tick_lot"]
    in_report = sum(row.maker_fills for row in found.makers), sum(row.maker_volume_micros for row in found.makers)
    assert in_report[0] > 20 and in_report[0] < sum(row.fills for row in found.makers)
    public = public_trades(venue.folder)
    marked = [trade for trade in public if trade.affiliated_maker]
    assert len(marked) < len(public)
    assert (len(marked), sum(trade.lots * trade.price_ticks * unit for trade in marked)) == in_report
    queues = check_queues(venue.folder)
    assert (queues.fills, queues.lots) == (len(marked), sum(trade.lots for trade in marked)) and not queues.problem
    fills = [row for row in trail(venue.folder, Scope()) if row.get("command") == "FILL"]
    in_trail = [row for row in fills if row["flags"] & ExecInst.AFFILIATE and not row["flags"] & EventFlag.TAKER]
    assert (len(in_trail), sum(row["last_lots"] * row["price_ticks"] * unit for row in in_trail)) == in_report


def public_trades(journal: Path) -> list[TradeView]:
    """All public trades of a journal, as the read model makes them by replay."""
    reader, projection = host.JournalReader(journal), Projection(256)
    engine = host.Engine(host.create(reader.capacities, reader.mode))
    projection.attach(engine.root)
    for commands in reader.batches():
        engine.feed(commands, projection.replay)
    found, has_more = projection.trades(frozenset({0}), Span(count=10_000))
    trades = list(found)
    assert not has_more()
    return trades


def test_another_day_has_nothing(venue: Venue) -> None:
    quote(venue, 1995, 2005)
    venue.order(ALICE, BUY, 100, 2005)
    venue.close()
    found = day_report(venue.folder, FROM_NS - 24 * HOUR, RULES)
    assert found.makers == [] and found.volume_micros == {}
    with pytest.raises(ValueError, match="--day: the journal ends before it"):
        day_report(venue.folder, FROM_NS + 24 * HOUR, RULES)


def test_the_command(venue: Venue, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quote(venue, 1995, 2005)
    venue.order(ALICE, BUY, 100, 2005)
    venue.wait(700)
    expected = venue.close()
    config = tmp_path / "lionrock.toml"
    settings = (f"{name} = {value}" for name, value in vars(RULES).items())
    config.write_text("\n".join(["[affiliates]", *settings]))
    words = ["affiliates", "report", "--day", DAY, "--data", str(venue.folder), "--config", str(config)]
    assert cli.main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["makers"][0]["volume_micros"] == expected.makers[0].volume_micros
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert "hour by hour" in said and "account 0, contract 0" in said and "a part of the day" in said
    registry = Registry(Config(data=str(tmp_path)).registry)
    registry.create_account("group maker", 1)
    registry.add_contract(ContractRecord(0, "BTC_USDC-PERPETUAL", "BTC", "USDC", "0.5", "0.001", 1), [])
    registry.close()
    assert cli.main([tmp_path.as_posix() if word == str(venue.folder) else word for word in words]) == 0
    assert "account 0 (group maker), contract BTC_USDC-PERPETUAL" in capsys.readouterr().out
    assert json.loads(listing(tmp_path, words, capsys))["makers"][0]["approval"] is None
    with approved(tmp_path, "2026-01-01") as number:
        approval = json.loads(listing(tmp_path, words, capsys))["makers"][0]["approval"]
    assert approval == {
        "valid_from": "2026-01-01", "valid_through": "2026-06-30", "responsible_officer": "Grace Tam",
        "information_barriers_hash": "b1" * 32, "change": number,
    }  # fmt: skip
    assert cli.main([tmp_path.as_posix() if word == str(venue.folder) else word for word in words]) == 0
    said = capsys.readouterr().out
    assert "Grace Tam" in said and "change 1, through 2026-06-30" in said
    config.write_text("[affiliates]\nspread_ppb = 1\n")
    assert cli.main(words) == 1


def listing(folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The report of a data folder as JSON."""
    assert cli.main([*words[:5], str(folder), *words[6:], "--json"]) == 0
    return capsys.readouterr().out


@contextmanager
def approved(folder: Path, valid_from: str) -> Iterator[int]:
    """The maker has an approval in its file; the number of its change."""
    registry = Registry(Config(data=str(folder)).registry)
    office = Office(registry)
    keys = []
    for name in ("Ann", "Ben"):
        order = KeyOrder(f"key of {name}", -1, registry.person(name, 1), "ed25519", bytes(32), ["compliance"], "")
        keys.append(registry.add_key(order, 1))
    params = ApproveAffiliate(
        reason="committee", account="group maker", instrument_name="BTC_USDC-PERPETUAL", valid_from=valid_from,
        valid_through="2026-06-30", responsible_officer="Grace Tam", information_barriers_hash="b1" * 32,
    )  # fmt: skip
    change = office.submit("approve_affiliate", params, keys[0], START_NS)
    office.approve(change.number, keys[1], "", START_NS)
    yield change.number
    registry.close()


def test_what_an_affiliate_closes_without_an_approval_is_part_of_the_report(venue: Venue) -> None:
    """A contract without approval: a client's position there is closed after it has joined the operator's group."""
    venue.order(BOB, SELL, 10, 2000)
    venue.order(ALICE, BUY, 10, 2000)
    venue.send(build.account_set(ALICE, A.AFFILIATION, Affiliation.GROUP_COMPANY))
    venue.order(BOB, BUY, 10, 1999)
    venue.order(ALICE, SELL, 10, 1999, flags=ExecInst.REDUCE_ONLY)
    venue.wait(60)
    alice = next(row for row in venue.close().makers if row.account_slot == ALICE)
    assert (alice.fills, alice.hours) == (1, [])


def test_nothing_is_owed_once_the_affiliation_has_ended(venue: Venue) -> None:
    quote(venue, 1995, 2005)
    venue.wait(10 * MINUTE - 2)
    venue.send(build.account_set(MAKER, A.AFFILIATION, Affiliation.CLIENT))
    venue.wait(20 * MINUTE)
    (maker,) = venue.close().makers
    assert [hour.open_seconds for hour in maker.hours] == [600]


def test_marks_from_before_the_day_are_not_kept(venue: Venue) -> None:
    day = _Day(venue.engine.root[0], START_NS, RULES)
    rows = np.zeros(3, NOTICE)
    rows["kind"], rows["time_ns"] = EventKind.MARK_CHANGED, [START_NS - 2, START_NS - 1, START_NS + 1]
    rows["new_value"] = [7, 8, 9]
    day.take(np.zeros(1, COMMAND), rows.view(EVENT))
    assert day._marks == {0: ([START_NS - 1, START_NS + 1], [8, 9])}
    venue.engine.close()
