"""Officers look at a running venue: connections, risks, parameters, clients, alerts; and what a change would do."""

import asyncio
from decimal import Decimal

import pytest

from gateway.client import RpcError
from gateway.office import client_list
from gateway.sessions.methods import operating
from gateway.surveillance.activity import Alert, Evidence
from gateway.surveillance.store import AlertStore, file_of
from tests.gateway.live import BTC, play, until
from tests.gateway.office.test_officers_live import admin, venue


def test_a_preview_says_what_the_change_then_does_and_writes_nothing(tmp_path):
    async def story():
        async with venue(tmp_path / "v") as (server, (alice, _, ann, ben)):
            registry = server.venue.registry

            async def preview(officer, change, **params):
                known, sequence = registry.changes, registry.last_reference()
                answer = await officer.call(
                    "venue/admin/preview_change", change=change, params={**params, "reason": "x"}
                )
                assert (registry.changes, registry.last_reference()) == (known, sequence)
                return answer

            await alice.buy(BTC, "0.1", price="19000")
            halt = {"instrument_name": BTC, "state": "halted"}
            told = await preview(ann, "set_contract_state", **halt)
            assert (told["needs_second_person"], told["open_orders"]) == (False, 1)
            assert [(row["before"], row["after"]) for row in told["directives"]] == [("open", "halted")]
            assert (
                "no order is taken and nothing is matched; resting orders stay and can be cancelled" in told["effects"]
            )
            assert (await alice.call("public/ticker", instrument_name=BTC))["market_state"] == "open"
            done = await admin(ann, "set_contract_state", **halt)
            assert done["state"] == "done" and done["directives"][0]["code"] == told["directives"][0]["code"]

            told = await preview(ann, "set_contract_state", instrument_name=BTC, state="open")
            assert told["needs_second_person"] and told["directives"][0]["before"] == "halted"
            band = {"instrument_name": BTC, "parameter": "band_ppb", "value": 25_000_000}
            told = await preview(ann, "set_contract_parameter", **band)
            [was] = [row["value"] for row in await ann.call("venue/admin/list_parameters", instrument_name=BTC)
                     if row["parameter"] == "band_ppb"]  # fmt: skip
            assert [(row["before"], row["after"]) for row in told["directives"]] == [(was, 25_000_000)]
            killed = await preview(ann, "kill_switch", target="account", name="alice", is_on=True)
            assert killed["open_orders"] == 1 and not killed["needs_second_person"]
            everything = await preview(ben, "kill_switch", target="venue", is_on=True)
            assert (
                everything["open_orders"] == 1
                and "every resting order of the venue is cancelled" in everything["effects"]
            )
            frozen = await preview(ben, "set_restriction", client="alice", restriction="frozen")
            assert frozen["effects"] == ["every order is cancelled, nothing is traded and nothing is paid out"]
            for asset, amount, after in (("settlement", "250.5", "250.5"), ("btc", "1.5", "1.5 BTC")):
                told = await preview(ann, "record_deposit", account="alice", amount=amount, asset=asset)
                assert [(row["before"], row["after"]) for row in told["directives"]] == [(None, after)]
            for change, params, why in (
                ("sell_the_venue", {}, "is no change"),
                ("set_contract_state", {"instrument_name": BTC, "state": "gone"}, "Invalid enum value"),
                ("set_contract_state", {"instrument_name": "DOGE", "state": "halted"}, "no contract"),
            ):
                with pytest.raises(RpcError, match=why):
                    await preview(ann, change, **params)

    play(story())


def test_officers_see_who_is_connected_and_cut_a_connection(tmp_path):
    async def story():
        async with venue(tmp_path / "v") as (server, (alice, bob, ann, _)):
            rows = await ann.call("venue/admin/list_sessions")
            assert [(row["account"], row["port"]) for row in rows] == [
                ("alice", "public"), ("bob", "public"), (None, "operations"), (None, "operations"),
            ]  # fmt: skip
            assert [row["person"] for row in rows if row["is_own"]] == ["Ann"]
            assert rows[0]["key"] == alice.key_id and rows[0]["scopes"] == ["read", "trade"]
            numbers = {row["account"]: row["session"] for row in rows}
            resting = await alice.buy(BTC, "0.1", price="19000")
            cut = await ann.call("venue/admin/end_session", session=numbers["alice"], reason="it floods the venue")
            assert cut == {"session": numbers["alice"], "state": "ended", "reason": "it floods the venue"}

            def others():
                return [one.session.number for one in server._websockets if one.session.account_slot == 0]

            await until(lambda: others() and numbers["alice"] not in others())  # the client connects again by itself
            order = await bob.call("public/get_order_book", instrument_name=BTC)
            assert order["bids"] == [[19000, Decimal("0.1")]] and resting.order.order_id
            assert {row["account"] for row in await ann.call("venue/admin/list_sessions")} >= {"bob"}
            own = next(row["session"] for row in rows if row["is_own"])
            for session, why in ((numbers["alice"], "is not connected"), (own, "this connection itself")):
                with pytest.raises(RpcError, match=why):
                    await ann.call("venue/admin/end_session", session=session, reason="x")

    play(story())


def test_risks_clients_and_accounts_are_the_venue_s_own_figures(tmp_path, monkeypatch):
    async def story():
        async with venue(tmp_path / "v") as (_, (alice, bob, ann, ben)):
            await alice.buy(BTC, "0.5", price="20000")
            await bob.sell(BTC, "0.2", price="20000")
            paid = await admin(ann, "record_deposit", account="alice", amount="90000000")
            await ben.call("venue/admin/approve", number=paid["number"])
            found = await ann.call("venue/admin/list_risks")
            risks = found["risks"]
            assert found["continuation"] is None
            assert [row["account"] for row in risks] == ["bob", "alice"]  # the poorer one is nearer to liquidation
            assert {row["account"]: row["positions"][0]["size"] for row in risks} == {
                "alice": Decimal("0.2"), "bob": Decimal("-0.2"),
            }  # fmt: skip
            assert risks == sorted(risks, key=lambda row: -row["margin_ratio"])
            first = await ann.call("venue/admin/list_risks", count=1)
            second = await ann.call("venue/admin/list_risks", count=1, continuation=first["continuation"])
            assert [page["risks"] for page in (first, second)] == [risks[:1], risks[1:]]
            assert second["continuation"] is None
            monkeypatch.setattr(operating, "RANKED", 1)  # over several slices
            assert (await ann.call("venue/admin/list_risks")) == found
            with pytest.raises(RpcError, match="is not one of an answer"):
                await ann.call("venue/admin/list_risks", continuation="7")
            explained = await ann.call("venue/admin/explain_account", account="alice")
            own = await alice.call("venue/explain_account")
            assert explained["statement"]["positions"][0]["size_lots"] == own["positions"][0]["size_lots"]
            assert {row["reason"] for row in explained["rules"]} >= {"KYC_NOT_VALID"}
            with pytest.raises(RpcError, match="account"):
                await ann.call("venue/admin/explain_account", account="nobody")
            assert await ann.call("venue/admin/list_forced_trades") == {"trades": [], "continuation": None}

            clients = await ann.call("venue/admin/list_clients")
            assert [(row["client"], row["accounts"][0]["account"]) for row in clients] == [
                ("alice", "alice"),
                ("bob", "bob"),
            ]
            assert clients[0]["missing"] == [] and clients[0]["days_left"] > 0
            await admin(ann, "open_account", account="carol")
            [carol] = await ann.call("venue/admin/list_clients", name="CAR")
            assert carol["investor_class"] == "none" and {"kyc", "evidence", "agreement"} <= set(carol["missing"])
            behind = await ann.call("venue/admin/list_clients", after="alice")
            assert [row["client"] for row in behind] == ["bob", "carol"]
            assert [row["client"] for row in await ann.call("venue/admin/list_clients", count=2)] == ["alice", "bob"]
            made = await admin(ann, "open_account", account="desk-7", parent="alice")
            await ben.call("venue/admin/approve", number=made["number"])
            [found] = await ann.call("venue/admin/list_clients", name="DESK")  # by the name of an account
            assert found["client"] == "alice" and [row["account"] for row in found["accounts"]] == ["alice", "desk-7"]
            monkeypatch.setattr(client_list, "SCANNED", 1)  # over several slices
            assert await ann.call("venue/admin/list_clients", after="alice") == behind
            assert await ann.call("venue/admin/list_clients", name="CAR") == [carol]
            assert await ann.call("venue/admin/list_clients", name="nobody") == []

            assert await ann.call("venue/admin/list_affiliates") == []
            await admin(ann, "set_affiliation", client="bob", affiliation="group_company")
            proposed = await admin(
                ann, "approve_affiliate", account="bob", instrument_name=BTC, valid_through="2099-12-31",
                responsible_officer="Grace Tam", information_barriers_hash="5e" * 32,
            )  # fmt: skip
            await ben.call("venue/admin/approve", number=proposed["number"])
            [maker] = await ann.call("venue/admin/list_affiliates")
            assert (maker["account"], maker["approvals"][0]["responsible_officer"]) == ("bob", "Grace Tam")

    play(story())


def test_alerts_are_shown_with_their_orders_and_reviewed_by_the_person_of_the_key(tmp_path):
    async def story():
        async with venue(tmp_path / "v") as (_, (alice, _, ann, _)):
            placed = await alice.buy(BTC, "0.1", price="19000")
            order_id = int(placed.order.order_id)
            await alice.cancel(placed.order.order_id)
            store = AlertStore(file_of(tmp_path / "v"))
            figures = {"traded_lots": 1}
            text = "<b>5 of 20 lots shown, 7 lots gone</b>"
            store.add([Alert("spoofing", text, 10**18, 0, (0,), Evidence([5], [order_id, 999], figures))])
            store.close()
            [listed] = (await ann.call("venue/admin/list_alerts"))["alerts"]
            assert (listed["rule"], listed["instrument_name"], listed["accounts"]) == ("spoofing", BTC, ["alice"])
            assert listed["text"] == "<b>0.005 of 0.02 BTC shown, 0.007 BTC gone</b>"
            alert = await ann.call("venue/admin/get_alert", number=listed["number"])
            [order] = alert["orders"]  # the other one is nobody's
            assert (order["order_id"], order["order_state"], order["price"]) == (str(order_id), "cancelled", 19000)
            assert order["account"] == "alice" and order["trades"] == []
            assert alert["order_ids"] == [str(order_id), "999"]
            review = {"number": listed["number"], "state": "dismissed", "note": "a test of the client's"}
            assert (await ann.call("venue/admin/review_alert", **review))["reviewer"] == "Ann"
            assert await ann.call("venue/admin/list_alerts") == {"alerts": [], "continuation": None}
            alert = await ann.call("venue/admin/get_alert", number=listed["number"])
            assert [(one["state"], one["note"]) for one in alert["reviews"]] == [
                ("dismissed", "a test of the client's")
            ]
            with pytest.raises(RpcError, match="there is none"):
                await ann.call("venue/admin/get_alert", number=77)
            with pytest.raises(RpcError, match="scope"):
                await alice.call("venue/admin/review_alert", **review)

    play(story())


def test_an_order_s_life_is_read_out_of_the_journal_beside_the_venue(tmp_path):
    async def story():
        async with venue(tmp_path / "v") as (_, (alice, _, ann, _)):
            placed = await alice.buy(BTC, "0.1", price="19000")
            await alice.cancel(placed.order.order_id)
            await alice.buy(BTC, "0.2", price="19001")
            listed = await ann.call("venue/admin/list_orders", account="alice")
            assert [(row["price"], row["order_state"]) for row in listed] == [(19001, "open"), (19000, "cancelled")]
            assert await ann.call("venue/admin/list_orders", account="alice", offset=1) == []
            order_id = int(placed.order.order_id)

            async def told(**asked):
                while True:
                    answer = await ann.call("venue/admin/explain_order", **asked)
                    if answer["state"] in ("done", "failed"):
                        return answer
                    other = await ann.call("venue/admin/explain_order", number=12345)
                    assert (answer["state"], other["state"]) == ("running", "waiting") or other["state"] == "running"
                    await asyncio.sleep(0.2)

            life = await told(number=str(order_id))
            records = [step["record"] for step in life["steps"]]
            assert [record["command"] for record in records][:2] == ["NEW", "CANCEL"]
            assert life["steps"][0]["ladder"] and records[0]["outcome"] == "accepted"
            answer = await told(by="sequence", number=records[0]["seq"])
            assert answer["steps"][0]["record"]["order_id"] == str(order_id)
            nothing = await told(number=7)
            assert nothing["state"] == "failed" and "knows no order 7" in nothing["problem"]
            large = str((1 << 53) + 1)
            nothing = await told(number=large)
            assert nothing["state"] == "failed" and f"knows no order {large}" in nothing["problem"]

    play(story(), seconds=400)
