"""Rules of orders: a stream that must alert, and a similar innocent one that must not."""

from dataclasses import replace

import pytest

from engine.codes import ExecInst, Reason
from tests.gateway.surveillance.stream import ALICE, ALSO_ALICE, BOB, BUY, CAROL, DAVE, QUIET, SELL, Stream, rules


@pytest.fixture
def stream() -> Stream:
    return Stream()


# --- spoofing -----------------------------------------------------------------------------------------------------


def quoting(stream: Stream, bids: int, asks: int, ratio: int = 5) -> list[int]:
    """Alice shows a ladder on each side and sells 10 lots to Bob; her orders."""
    orders = [stream.rest(ALICE, BUY, 10 * ratio, 99 - place) for place in range(bids)]
    orders += [stream.rest(ALICE, SELL, 10 * ratio, 101 + place) for place in range(asks)]
    stream.wait(1)
    stream.trade(BOB, ALICE, BUY, 10, 101)
    stream.wait(1)
    return orders


def withdrawn(stream: Stream, reason: int = Reason.BY_CLIENT) -> Stream:
    """One large order, withdrawn after the fill of a small one."""
    for order in quoting(stream, bids=1, asks=0, ratio=20):
        stream.cancel(ALICE, order, reason)
    stream.wait(20)
    return stream


def test_spoofing_one_large_order_against_a_small_fill(stream: Stream) -> None:
    assert rules(withdrawn(stream)) == ["spoofing"]
    (alert,) = stream.alerts()
    assert alert.accounts == (ALICE,) and alert.evidence.order_ids == [1, 2]
    assert alert.text == (
        "once shown and withdrawn unfilled: 1 BUY order, up to 200 lots at once, 200 lots in all (200 lots cancelled); "
        "meanwhile SELL trades of 10 lots"
    )


@pytest.mark.parametrize("reason", [Reason.EXPIRED, Reason.MASS_CANCEL, Reason.DISCONNECT, Reason.SELF_TRADE])
def test_spoofing_however_the_owner_withdraws(stream: Stream, reason: Reason) -> None:
    assert rules(withdrawn(stream, reason)) == ["spoofing"]


@pytest.mark.parametrize("reason", [Reason.ELIGIBILITY, Reason.MARKET_STATE, Reason.LIQUIDATION, Reason.OUT_OF_BAND])
def test_spoofing_innocent_when_the_venue_cancels(stream: Stream, reason: Reason) -> None:
    assert rules(withdrawn(stream, reason)) == []


def test_spoofing_a_wall_that_is_amended_to_a_lot(stream: Stream) -> None:
    for order in quoting(stream, bids=4, asks=0):
        stream.amend(ALICE, order, BUY, 1, 100 - order)
    stream.wait(20)
    assert rules(stream) == ["spoofing"]
    assert stream.alerts()[0].evidence.figures["amended_withdrawn_lots"] == 196


def test_spoofing_a_wall_that_is_amended_to_a_far_price_and_back_is_a_wall_until_it_goes(stream: Stream) -> None:
    orders = quoting(stream, bids=8, asks=0)
    for _ in range(15):
        for order in orders:
            stream.move(ALICE, order, BUY, 50, 90 - order)
        stream.trade(BOB, ALICE, BUY, 2, 101)
        stream.wait(1)
    assert rules(stream) == []
    for order in orders:
        stream.cancel(ALICE, order)
    stream.wait(20)
    assert rules(stream) == ["spoofing"]


def test_spoofing_an_iceberg_behind_shown_orders(stream: Stream) -> None:
    stream.rest(ALICE, SELL, 100, 101, flags=int(ExecInst.ICEBERG))
    for order in quoting(stream, bids=4, asks=0):
        stream.cancel(ALICE, order)
    stream.wait(20)
    assert rules(stream) == ["spoofing"]


def test_spoofing_with_the_wall_in_another_account_of_the_client(stream: Stream) -> None:
    wall = stream.rest(ALSO_ALICE, BUY, 200, 99)
    stream.wait(1)
    stream.trade(BOB, ALICE, BUY, 10, 101)
    stream.cancel(ALSO_ALICE, wall)
    stream.wait(20)
    assert rules(stream) == ["spoofing"]
    assert stream.alerts()[0].accounts == (ALICE, ALSO_ALICE)


def test_spoofing_a_wall_that_goes_before_the_other_side_is_taken(stream: Stream) -> None:
    wall = stream.rest(ALICE, BUY, 200, 99)
    stream.wait(2)
    stream.cancel(ALICE, wall)
    stream.wait(0.5)
    stream.trade(ALICE, BOB, SELL, 10, 98)
    stream.wait(20)
    assert rules(stream) == ["spoofing"]


def test_spoofing_a_wall_that_stays_for_12_s_and_not_one_that_stays_for_long(stream: Stream) -> None:
    orders = quoting(stream, bids=5, asks=0)
    stream.wait(12)
    for order in orders:
        stream.cancel(ALICE, order)
    stream.wait(20)
    assert rules(stream) == ["spoofing"]
    patient = Stream()
    orders = quoting(patient, bids=5, asks=0)
    patient.wait(30)
    for order in orders:
        patient.cancel(ALICE, order)
    patient.wait(20)
    assert rules(patient) == []


def test_spoofing_innocent_when_what_is_withdrawn_has_stood_for_long(stream: Stream) -> None:
    wall = stream.rest(ALICE, BUY, 250, 99)
    stream.wait(60)
    stream.trade(BOB, ALICE, BUY, 10, 101)
    stream.wait(1)
    stream.cancel(ALICE, wall)
    stream.wait(20)
    assert rules(stream) == []


def test_spoofing_smaller_walls_only_when_they_come_again(stream: Stream) -> None:
    for times in (1, 2, 3):
        for order in quoting(stream, bids=1, asks=0, ratio=4):
            stream.cancel(ALICE, order)
        stream.wait(20)
        assert rules(stream) == ([] if times < 3 else ["spoofing"])
    (alert,) = stream.alerts()
    assert alert.evidence.figures["times"] == 3 and alert.evidence.figures["withdrawn_lots"] == 120


def test_spoofing_innocent_maker_requotes_both_sides(stream: Stream) -> None:
    for order in quoting(stream, bids=5, asks=5):
        stream.cancel(ALICE, order)
    stream.wait(20)
    assert rules(stream) == []


def test_spoofing_innocent_when_the_quantity_is_shown_again(stream: Stream) -> None:
    for order in quoting(stream, bids=5, asks=0):
        stream.cancel(ALICE, order)
    stream.wait(2)
    stream.rest(ALICE, BUY, 250, 98)
    stream.wait(20)
    assert rules(stream) == []


def test_spoofing_innocent_when_the_wall_was_traded(stream: Stream) -> None:
    first, *others = quoting(stream, bids=5, asks=0)
    stream.hit(CAROL, ALICE, first, SELL, 50, 99)
    for order in others:
        stream.cancel(ALICE, order)
    stream.wait(20)
    assert rules(stream) == []


def test_spoofing_innocent_where_everybody_shows_as_much(stream: Stream) -> None:
    for account in (BOB, CAROL, DAVE):
        stream.rest(account, BUY, 150, 98)
    assert rules(withdrawn(stream)) == []


def leaning(stream: Stream, heavy_is_traded: bool) -> None:
    """Alice shows 200 against 10; the small side is filled, and both are shown anew the other way round."""
    for turn in range(12):
        heavy, light = (BUY, SELL) if turn % 2 else (SELL, BUY)
        wall, small = stream.rest(ALICE, heavy, 200, 99), stream.rest(ALICE, light, 10, 101)
        stream.wait(9)
        if heavy_is_traded:
            stream.hit(CAROL, ALICE, wall, light, 15, leaves=185)
        stream.hit(BOB, ALICE, small, heavy, 10)
        stream.cancel(ALICE, wall)
        stream.wait(0.2)


def test_spoofing_innocent_maker_that_leans_on_its_inventory_is_traded_on_both_sides(stream: Stream) -> None:
    leaning(stream, heavy_is_traded=True)
    assert rules(stream) == []
    spoofer = Stream()
    leaning(spoofer, heavy_is_traded=False)
    assert "spoofing" in rules(spoofer)


# --- flashing and quote stuffing ----------------------------------------------------------------------------------


def flashes(stream: Stream, lots: int, seconds: float = 0.5, gap: float = 1.0) -> None:
    stream.rest(BOB, SELL, 20, 101)
    for _ in range(25):
        order = stream.rest(ALICE, BUY, lots, 99)
        stream.wait(seconds)
        stream.cancel(ALICE, order)
        stream.wait(gap)


def test_flashing_large_orders_that_come_and_go(stream: Stream) -> None:
    flashes(stream, 100)
    assert rules(stream) == ["flashing"]


@pytest.mark.parametrize(("lots", "seconds"), [(30, 0.5), (100, 3)])
def test_flashing_innocent_when_small_or_slow(stream: Stream, lots: int, seconds: float) -> None:
    flashes(stream, lots, seconds)
    assert rules(stream) == []


def test_flashing_innocent_when_another_order_takes_the_place_at_once(stream: Stream) -> None:
    flashes(stream, 100, gap=0.1)
    assert rules(stream) == []


def test_flashing_innocent_when_both_sides_are_quoted(stream: Stream) -> None:
    stream.rest(ALICE, SELL, 100, 102)
    flashes(stream, 100, 1.9, gap=0.5)
    assert rules(stream) == []


def flickering(stream: Stream, trades: int, two_sided: bool = False) -> None:
    stream.rest(DAVE, SELL, 20, 110)
    for _ in range(60):
        orders = [stream.rest(ALICE, BUY, 1, 99), *([stream.rest(ALICE, SELL, 1, 101)] if two_sided else [])]
        stream.wait(0.3)
        for order in orders:
            stream.cancel(ALICE, order)
    for _ in range(trades):
        stream.trade(BOB, ALICE, SELL, 1)


STUFFED = replace(QUIET, stuffing_messages=100, stuffing_per_trade=50)


def test_quote_stuffing_messages_without_trades(stream: Stream) -> None:
    flickering(stream, 1)
    assert rules(stream, STUFFED) == ["quote_stuffing"]


def test_quote_stuffing_innocent_with_trades_or_with_few_messages(stream: Stream) -> None:
    flickering(stream, 3)
    assert rules(stream, STUFFED) == []
    assert rules(stream, replace(STUFFED, stuffing_messages=500, stuffing_per_trade=10)) == []


def test_quote_stuffing_innocent_maker_up_to_a_flood(stream: Stream) -> None:
    flickering(stream, 1, two_sided=True)
    assert rules(stream, STUFFED) == []
    assert rules(stream, replace(STUFFED, stuffing_maker_messages=200)) == ["quote_stuffing"]
