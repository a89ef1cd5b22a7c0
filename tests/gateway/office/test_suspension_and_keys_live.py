"""On a running venue: a key that is revoked, an account that is suspended, and the sources of the index."""

from datetime import timedelta

import pytest

from engine.codes import MarketState, Restriction
from gateway import clock
from gateway.client import RpcError
from gateway.index_feeds.sources import IndexSource
from gateway.office.changes.conduct import MOST_DAYS
from gateway.wire.civil_dates import civil_date
from tests.gateway.live import BTC, play, until
from tests.gateway.office.test_officers_live import admin, venue


async def decided(ann, ben, name, **params):
    """A change that two officers make."""
    proposed = await admin(ann, name, **params)
    assert proposed["state"] == "proposed", name
    return await ben.call("venue/admin/approve", number=proposed["number"])


def test_a_revoked_key_ends_what_its_person_opened_and_says_how_much(tmp_path):
    async def story():
        async with venue(tmp_path / "v") as (server, (alice, maker, ann, _)):
            await maker.sell(BTC, "0.5", price="20000")
            await alice.buy(BTC, "0.2", price="20000")
            for price in ("19900", "19800"):
                await alice.buy(BTC, "0.1", price=price)
            await alice.buy(BTC, "0.1", type="stop_market", trigger_price="20400")
            stop = await alice.sell(BTC, "0.1", type="stop_market", trigger_price="19500", reduce_only=True)
            number = (await admin(ann, "revoke_key", key=alice.key_id))["number"]
            await until(lambda: server.venue.projection.open_orders(0)[1:] == [])
            told = await ann.call("venue/admin/get_change", number=number)
            assert (told["state"], told["orders_cancelled"], told["is_cancelling"]) == ("done", 3, False)
            assert [row["kind"] for row in told["directives"]] == ["key_revoke"]
            [left] = server.venue.projection.open_orders(0)
            assert left.order_id == int(stop.order.order_id.rpartition("-")[2])
            sold = await maker.sell(BTC, "0.1", price="19900")
            assert sold.order.order_state == "open" and sold.trades == []

    play(story())


def test_a_key_that_only_reads_ends_no_orders(tmp_path):
    async def story():
        async with venue(tmp_path / "v") as (_, (alice, _, ann, ben)):
            resting = await alice.buy(BTC, "0.1", price="19900")
            params = {"key": "lrreader00000001", "person": "alice", "account": "alice", "scopes": "read"}
            await decided(ann, ben, "issue_key", **params, kind="ed25519", verifier="A" * 43 + "=")
            told = await admin(ann, "revoke_key", key="lrreader00000001")
            assert told["directives"] == [] and told["orders_cancelled"] is None
            state = await alice.call("private/get_order_state", order_id=resting.order.order_id)
            assert state["order_state"] == "open"

    play(story())


def test_a_suspension_lets_reduce_until_two_officers_say_so_through_a_day(tmp_path):
    async def story():
        async with venue(tmp_path / "v") as (server, (alice, maker, ann, ben)):
            account = server.venue.engine.root["accounts"][0]
            await maker.sell(BTC, "0.5", price="20000")
            await alice.buy(BTC, "0.3", price="20000")
            await alice.buy(BTC, "0.1", price="19900")
            today = civil_date(clock.wall_ns())
            with pytest.raises(RpcError, match="suspend it first"):
                await admin(ann, "stop_reducing", account="alice", valid_through=str(today))
            done = await admin(ann, "set_restriction", account="alice", restriction="suspended")
            assert done["state"] == "done" and account[0]["restriction"] == Restriction.SUSPENDED
            await until(lambda: server.venue.projection.open_orders(0) == [])
            with pytest.raises(RpcError, match="ACCOUNT_SUSPENDED"):
                await alice.buy(BTC, "0.1", price="19900")
            await maker.buy(BTC, "0.2", price="19950")
            assert (await alice.sell(BTC, "0.1", price="19950", reduce_only=True)).order.order_state == "filled"
            assert "reducing orders are accepted" in str(await alice.call("venue/get_admission"))

            for days, word in ((-1, "is past"), (MOST_DAYS, "too far")):
                with pytest.raises(RpcError, match=word):
                    day = str(today + timedelta(days))
                    await admin(ann, "stop_reducing", account="alice", valid_through=day)
            last = today + timedelta(MOST_DAYS - 1)
            await decided(ann, ben, "stop_reducing", client="alice", valid_through=str(last))
            with pytest.raises(RpcError, match=f"after|through {last}") as refused:
                await alice.sell(BTC, "0.1", price="19950", reduce_only=True)
            assert refused.value.reason == "ACCOUNT_SUSPENDED"
            assert f"not accepted through {last}" in str(await alice.call("venue/get_admission"))

            lifted = await admin(ann, "set_restriction", client="alice", restriction="none")
            assert lifted["state"] == "proposed"
            with pytest.raises(RpcError, match="same person"):
                await ann.call("venue/admin/approve", number=lifted["number"])
            await ben.call("venue/admin/approve", number=lifted["number"])
            assert (await alice.sell(BTC, "0.1", price="19950", reduce_only=True)).order.order_state == "filled"
            await admin(ann, "set_restriction", account="alice", restriction="suspended")
            await alice.sell(BTC, "0.05", price="20100", reduce_only=True)  # the earlier stop is not in force again

    play(story())


def test_the_index_has_the_sources_that_two_officers_name(tmp_path):
    async def story():
        async with venue(tmp_path / "v") as (server, (_, _, ann, ben)):
            contract = server.venue.engine.root[0]["contracts"][0]
            sources = {"instrument_name": BTC, "sources": "scripted:40000", "weights": "1,2,1"}
            proposed = await admin(ann, "set_index_sources", **sources)
            assert proposed["state"] == "proposed"
            assert server.venue.decided.sources()[BTC] == (IndexSource("scripted", "20000"),) * 3
            done = await ben.call("venue/admin/approve", number=proposed["number"])
            kinds = [(row["kind"], row["code"], row["contract_slot"]) for row in done["directives"]]
            assert kinds == [("venue_set", "index_source", 0)] * 3 + [("contract_set", "source_weight", 0)]
            await until(lambda: contract["source"]["price_subticks"][0] > 39_000 * 2 * 1000)
            assert contract["source"]["weight"][:4].tolist() == [1, 2, 1, 0]
            assert contract["state"] == MarketState.OPEN

    play(story())
