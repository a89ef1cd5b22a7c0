"""Records of money over a venue that paid funding, took and gave money, and ended a contract."""

import pytest

from engine.codes import Asset, CommandKind, MarginMode, MarketState
from engine.codes import ContractParameter as P
from gateway.read_model.projection import Projection
from gateway.registry.registry import Intent
from gateway.sessions.methods.account_records import _amount
from gateway.venue.registry_intents import directive_row
from gateway.wire.views import Span
from tests.gateway.live import BTC
from tests.gateway.query_venue import ETH, MINUTE_NS, QueryVenue
from tests.test_collateral import exchange, moved

MS = 1_000_000


class Past(QueryVenue):
    """Positions over three intervals of funding, of a minute each; then ETH is ended."""

    def __init__(self, folder, monkeypatch):
        super().__init__(folder, monkeypatch)
        self.set_parameter(P.FUNDING_INTERVAL_S, 60)
        self.direct(CommandKind.SET_MARGIN_MODE, contract_slot=1, value=int(MarginMode.ISOLATED))
        start_ns = self.clock.now_ns - self.clock.now_ns % (1440 * MINUTE_NS) + 1440 * MINUTE_NS
        for second in range(0, 70, 5):
            self.pass_time(start_ns + second * 10**9)
        self.trade(0.5, 20_000)
        self.trade(2, 1_000, ETH)
        for second in range(70, 250, 5):
            self.pass_time(start_ns + second * 10**9)
        self.direct(CommandKind.WITHDRAW, amount_micros=2_500_000)
        self.direct(CommandKind.TRANSFER, contract_slot=1, amount_micros=7_000_000)
        self.direct(CommandKind.TRANSFER, contract_slot=1, amount_micros=-1_000_000)
        self.submit(Intent(CommandKind.CONTRACT_STATE, int(MarketState.SETTLED), contract_slot=1))
        self.pass_time(start_ns + 35 * MINUTE_NS)
        for second in range(1, 4):
            self.pass_time(start_ns + 35 * MINUTE_NS + second * 10**9)

    def direct(self, kind, **fields):
        self.submit(Intent(kind, account_slot=0, **fields))

    def submit(self, intent):
        self.sequencer.submit(directive_row(intent), None, None)
        self.sequencer.settle()

    @property
    def records(self):
        return self.venue.projection.money_records


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield Past(tmp_path_factory.mktemp("past"), patch)


def test_own_funding_is_what_the_engine_paid(past):
    rows = past.result(0, "private/get_settlement_history_by_instrument", instrument_name=BTC)["settlements"]
    paid = [row for row in past.result(
        0, "private/get_transaction_log", currency="USDC", start_timestamp=0, end_timestamp=past.clock.now_ns // MS,
    )["logs"] if row["type"] == "settlement" and row["instrument_name"] == BTC]  # fmt: skip
    assert len(rows) >= 2 and [row["session_profit_loss"] for row in rows] == [row["change"] for row in paid]
    assert all(row["type"] == "settlement" and row["position"] == 0.5 for row in rows)
    assert all(row["funding"] == -row["profit_loss"] > 0 and row["index_price"] == 20_000 for row in rows)
    assert [row["timestamp"] for row in rows] == sorted((row["timestamp"] for row in rows), reverse=True)
    method = "private/get_settlement_history_by_instrument"
    [short] = past.result(1, method, instrument_name=BTC, count=1)["settlements"]
    assert (short["position"], short["funding"] < 0) == (-0.5, True)


def test_public_settlements_add_up_all_accounts(past):
    rows = past.result(0, "public/get_last_settlements_by_instrument", instrument_name=BTC)["settlements"]
    mine = past.result(0, "private/get_settlement_history_by_instrument", instrument_name=BTC)["settlements"]
    assert [(row["timestamp"], row["funding"]) for row in rows] == [(row["timestamp"], row["funding"]) for row in mine]
    assert all(row["position"] == 0.5 and -0.000_01 <= row["session_profit_loss"] <= 0 for row in rows)


def test_an_isolated_positions_funding_is_told_too(past):
    rows = past.result(0, "private/get_settlement_history_by_currency", currency="USDC", count=100)["settlements"]
    eth = [row for row in rows if row["instrument_name"] == ETH]
    assert {row["type"] for row in eth} >= {"delivery"}
    [delivered] = [row for row in eth if row["type"] == "delivery"]
    assert (delivered["position"], delivered["mark_price"]) == (2, 1_000)


def test_pages_follow_each_other_without_a_gap(past):
    method, name = "public/get_last_settlements_by_currency", {"currency": "USDC"}
    whole = past.result(0, method, **name, count=100)
    assert whole["continuation"] == ""
    pages, continuation = [], None
    for _ in range(len(whole["settlements"])):
        page = past.result(0, method, **name, count=1, **({"continuation": continuation} if continuation else {}))
        pages += page["settlements"]
        continuation = page["continuation"]
    assert pages == whole["settlements"] and continuation == ""
    before = past.result(0, method, **name, search_start_timestamp=pages[-1]["timestamp"])["settlements"]
    assert before == [row for row in pages if row["timestamp"] <= pages[-1]["timestamp"]]


def test_the_price_of_a_delivery_is_kept(past):
    found = past.result(0, "public/get_delivery_prices", index_name="eth_usdc")
    assert (found["records_total"], found["data"][0]["delivery_price"]) == (1, 1_000)
    method = "public/get_delivery_prices"
    for page in ({"offset": 1}, {"count": 1, "offset": 5}):
        assert past.result(0, method, index_name="eth_usdc", **page)["data"] == []
    assert past.result(0, method, index_name="btc_usdc") == {"data": [], "records_total": 0}
    assert past.ask(0, method, index_name="eth_usdc", count=0)["error"]["data"]["param"] == "count"
    assert past.ask(0, method, index_name="xrp_usdc")["error"]["data"]["param"] == "index_name"


def test_payments_in_and_out_are_told_apart(past):
    deposits = past.result(0, "private/get_deposits", currency="USDC")
    assert deposits["count"] == len(deposits["data"]) == 1 and deposits["data"][0]["amount"] > 0
    [withdrawal] = past.result(0, "private/get_withdrawals", currency="USDC")["data"]
    assert (withdrawal["amount"], withdrawal["state"]) == (2.5, "completed")
    out, into = past.result(0, "private/get_transfers", currency="USDC")["data"]
    assert (out["amount"], out["direction"], out["other_side"]) == (1, "income", ETH)
    assert (into["amount"], into["direction"]) == (7, "payment")
    assert past.result(1, "private/get_withdrawals", currency="USDC") == {"data": [], "count": 0}
    for currency in ("USDT", "BTC"):
        assert past.result(0, "private/get_deposits", currency=currency) == {"data": [], "count": 0}


def test_collateral_is_counted_in_coin():
    stage = exchange()
    for kind, units in ((CommandKind.DEPOSIT, 150_000_000), (CommandKind.WITHDRAW, 50_000_000)):
        stage.send(moved(kind, 0, units))
    projection = Projection(1 << 12)
    for commands, events in zip(stage.log, stage.past, strict=True):
        projection.replay(commands, events)
    records = projection.money_records
    for kind, units in ((CommandKind.DEPOSIT, 150_000_000), (CommandKind.WITHDRAW, -50_000_000)):
        [movement], total = records.movements(0, kind, Asset.BTC, Span())
        assert (movement.amount, total) == (units, 1)
        assert records.movements(0, kind, Asset.ETH, Span()) == ([], 0)
    assert _amount("BTC", 150_000_000) == b"1.5" and _amount("USDC", 1_500_000) == b"1.5"


def test_a_restart_tells_the_same(past, tmp_path):
    span, slots = Span(count=100), frozenset({0, 1})
    before = past.records.own_settlements(0, slots, None, span), past.records.settlements(slots, None, span)
    marks = past.venue.projection.marks(0, 0, past.clock.now_ns)
    past.venue.projection.save(tmp_path / "saved.rows")
    again = type(past.venue.projection)()
    again.set_contracts(past.venue.registry.contracts())
    again.load(tmp_path / "saved.rows")
    records = again.money_records
    assert (records.own_settlements(0, slots, None, span), records.settlements(slots, None, span)) == before
    assert again.marks(0, 0, past.clock.now_ns) == marks != []


def test_a_rate_keeps_the_length_of_its_interval(tmp_path, monkeypatch):
    """A change of the length counts from the next interval on, and no past rate is told with it; also when loaded."""
    venue = QueryVenue(tmp_path, monkeypatch)
    start_ns = venue.clock.now_ns - venue.clock.now_ns % (1440 * MINUTE_NS) + 1440 * MINUTE_NS
    venue.pass_time(start_ns - MINUTE_NS)
    venue.set_parameter(P.FUNDING_INTERVAL_S, 60)
    for minute in range(3):
        venue.pass_time(start_ns + minute * MINUTE_NS)
    venue.set_parameter(P.FUNDING_INTERVAL_S, 120)
    for minute in range(3, 8):
        venue.pass_time(start_ns + minute * MINUTE_NS)
    asked = {"instrument_name": BTC, "start_timestamp": start_ns // MS}
    asked["end_timestamp"] = asked["start_timestamp"] + 86_400_000
    rows = venue.result(0, "public/get_funding_rate_history", **asked)
    assert [row["interval_s"] for row in rows] == [28_800, 60, 60, 60, 120, 120]
    venue.venue.projection.save(tmp_path / "projection.npz")
    loaded = Projection()
    loaded.load(tmp_path / "projection.npz")
    loaded.attach(venue.venue.engine.root)
    assert loaded.funding(0, 0, 1 << 62) == venue.venue.projection.funding(0, 0, 1 << 62)


def test_the_rules_say_whose_quotes_the_engine_leaves_out(past):
    """With and without an affiliate that the contract discloses."""
    past.set_parameter(P.IMPACT_EXCLUDES_AFFILIATES, 1, slot=0)
    for present in (0, 1):
        past.set_parameter(P.AFFILIATE_PRESENT, present)
        assert past.venue.projection.terms(0).has_affiliate is bool(present)
        assert past.venue.projection.terms(0).excludes_affiliates
        told = {row["subject"]: row["treatment"] for row in past.result(0, "venue/get_rules")["affiliated_makers"]}
        assert BTC in told["impact_prices"]
    past.set_parameter(P.IMPACT_EXCLUDES_AFFILIATES, 0, slot=0)
    assert not past.venue.projection.terms(0).excludes_affiliates
