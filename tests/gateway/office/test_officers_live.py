"""Officers on a running venue over websockets: what they do reaches the engine before it is answered."""

import asyncio
import json
from contextlib import asynccontextmanager

import numpy as np
import pytest

from engine.codes import NIL, EventKind, Reason
from gateway import clock
from gateway.client import Client, RpcError
from gateway.document.officer_examples import ADMIN_EXAMPLES
from gateway.office.changes import KINDS
from gateway.registry import authentication
from gateway.registry.registry import KeyOrder, Registry
from gateway.registry.vault import Vault
from gateway.wire.civil_dates import add_months, civil_date
from tests.gateway.identified import bind_all, scripted_sources
from tests.gateway.live import BTC, config_of, play, running, set_up, until


def name_officers(config):
    """Ann and Ben, named as officers before the start: (key, secret) of each."""
    registry = Registry(config.registry)
    vault, keys = Vault(config.vault, registry), []
    for name in ("Ann", "Ben"):
        new, person = authentication.new_hmac_key(vault), registry.person(name, clock.wall_ns())
        order = KeyOrder(new.id, NIL, person, "hmac", new.verifier, ("compliance", "admin"), "")
        registry.add_key(order, clock.wall_ns())
        keys.append((new.id, new.secret))
    bind_all(registry)
    scripted_sources(registry)
    registry.govern(clock.wall_ns())
    registry.close()
    return keys


@asynccontextmanager
async def venue(folder):
    """A server, a client and a maker logged in, and two officers."""
    config = config_of(folder)
    folder.mkdir()
    traders = set_up(config)
    keys = [*((trader.key.id, trader.key.secret) for trader in traders), *name_officers(config)]
    async with running(config) as server:
        ports = [server.port] * len(traders) + [server.operations_port] * 2
        clients = [Client(f"ws://127.0.0.1:{port}", *key) for port, key in zip(ports, keys, strict=True)]
        for client in clients:
            await client.connect()
        try:
            yield server, clients
        finally:
            for client in clients:
                await client.close()


def admin(client, name, /, **params):
    return client.call(f"venue/admin/{name}", reason="a test", **params)


def test_a_freeze_cancels_everything_and_tells_nobody_why(tmp_path):
    async def story():
        async with venue(tmp_path / "v") as (server, (alice, _, ann, ben)):
            heard = []
            await alice.subscribe("user.orders.any.any.raw", heard.append)
            async with Client(alice.url, alice.key_id, alice._secret, binary=True) as raw:
                reports = []
                raw.on_rows = reports.append
                resting = await alice.buy(BTC, "0.1", price="19900")
                frozen = await admin(ann, "set_restriction", account="alice", restriction="frozen")
                assert frozen["state"] == "done" and frozen["directives"][0]["sequence"] > 0
                assert (frozen["frozen_clients"], frozen["orders_cancelled"]) == (["alice"], 1)
                await until(lambda: any(entry["order_state"] == "cancelled" for entry in heard))
                await until(lambda: any((rows["kind"] == EventKind.CANCELLED).any() for rows in reports))
            state = await alice.call("private/get_order_state", order_id=resting.order.order_id)
            assert state["cancel_reason"] == heard[-1]["cancel_reason"] == "account_restricted"
            rows = np.concatenate(reports)
            [cancelled] = rows[rows["kind"] == EventKind.CANCELLED]
            assert cancelled["reason"] == Reason.ACCOUNT_RESTRICTED
            with pytest.raises(RpcError, match="ACCOUNT_RESTRICTED"):
                await alice.buy(BTC, "0.1", price="19900")
            resumed = await alice.call("venue/resume", sequence=0)
            told = str([heard, state, resumed, await alice.call("venue/get_admission")]).lower()
            assert "sanction" not in told and "frozen" not in told and "freeze" not in told
            assert "SANCTIONS" not in str(await alice.call("venue/get_reject_reasons"))
            proposed = await admin(ann, "set_restriction", client="alice", restriction="none")
            with pytest.raises(RpcError, match="same person"):
                await ann.call("venue/admin/approve", number=proposed["number"])
            await ben.call("venue/admin/approve", number=proposed["number"])
            assert (await alice.buy(BTC, "0.1", price="19900")).order.order_state == "open"
            assert server.venue.engine.root["accounts"][0][0]["restriction"] == 0

    play(story())


def test_no_second_account_and_no_closing_leads_around_a_freeze(tmp_path):
    """One officer closes a frozen account; its money stays, and a third account neither trades nor pays out."""

    async def story():
        async with venue(tmp_path / "v") as (server, (_, _, ann, ben)):
            accounts = server.venue.engine.root["accounts"][0]

            async def both(name, **params):
                change = await admin(ann, name, **params)
                assert change["frozen_clients"] == ["alice"]
                [waiting] = (await ben.call("venue/admin/list_changes", state="proposed"))["changes"]
                assert waiting["frozen_clients"] == ["alice"]
                shown = await ben.call("venue/admin/get_change", number=change["number"])
                decided = await ben.call("venue/admin/approve", number=change["number"])
                assert shown["frozen_clients"] == decided["frozen_clients"] == ["alice"]
                return [row["refused"] for row in decided["directives"]]

            one_pair = await admin(ann, "set_venue_parameter", parameter="one_pair_may_grant_and_pay", value=1)
            await ben.call("venue/admin/approve", number=one_pair["number"])
            await admin(ann, "set_restriction", client="alice", restriction="frozen")
            cash = int(accounts[0]["cash_micros"])
            closed = await admin(ann, "set_restriction", account="alice", restriction="closed")
            assert closed["frozen_clients"] == ["alice"] and accounts[0]["state"] == 2
            assert await both("record_withdrawal", account="alice", amount="5") == ["ACCOUNT_RESTRICTED"]
            assert int(accounts[0]["cash_micros"]) == cash
            opened = await admin(ann, "open_account", account="alice-third", client="alice")
            assert (opened["state"], opened["frozen_clients"]) == ("done", ["alice"])  # nothing that opens is inherited
            slot = server.venue.registry.account("alice-third").slot
            assert await both("record_deposit", account="alice-third", amount="700") == [None]
            assert await both("record_withdrawal", account="alice-third", amount="5") == ["ACCOUNT_RESTRICTED"]
            assert int(accounts[slot]["cash_micros"]) == 700_000_000
            registry = server.venue.registry
            new = authentication.new_hmac_key(Vault(server.venue.config.vault, registry))
            order = KeyOrder(new.id, slot, registry.person("alice", 1), "hmac", new.verifier, ("read", "trade"), "")
            registry.add_key(order, clock.wall_ns())
            async with Client(ann.url, new.id, new.secret) as third:
                with pytest.raises(RpcError, match="ACCOUNT_RESTRICTED"):
                    await third.buy(BTC, "0.1", price="19900")

    play(story())


@pytest.mark.parametrize(
    ("target", "name", "reason"),
    [
        ("account", "alice", "ACCOUNT_SUSPENDED"),
        ("group", "7", "ACCOUNT_SUSPENDED"),
        ("contract", BTC, "MARKET_HALTED"),
        ("venue", None, "VENUE_HALTED"),
    ],
)
def test_a_kill_switch_takes_the_orders_and_is_lifted_by_two(tmp_path, target, name, reason):
    async def story():
        async with venue(tmp_path / "v") as (_, (alice, maker, ann, ben)):
            grouped = await admin(ann, "set_group", account="alice", group=7)
            await ben.call("venue/admin/approve", number=grouped["number"])
            await alice.buy(BTC, "0.1", price="19900")
            await alice.sell(BTC, "0.1", price="20500")
            theirs = await maker.buy(BTC, "0.1", price="19900")
            switch = {"target": target, **({"name": name} if name else {})}
            assert (await admin(ann, "kill_switch", is_on=True, **switch))["state"] == "done"
            with pytest.raises(RpcError, match=reason):
                await alice.buy(BTC, "0.1", price="19900")
            await emptied(alice)
            left = [order.order_id for order in await maker.open_orders()]
            assert left == ([theirs.order.order_id] if target in ("account", "group") else [])
            lifting = await admin(ben, "kill_switch", is_on=False, **switch)
            assert lifting["state"] == "proposed"
            await ann.call("venue/admin/approve", number=lifting["number"])
            assert (await alice.buy(BTC, "0.1", price="19900")).order.order_state == "open"

    play(story())


async def emptied(client):
    async with asyncio.timeout(120):
        while await client.open_orders():
            await asyncio.sleep(0.02)


def test_an_engine_refusal_and_a_restart(tmp_path):
    async def story():
        async with venue(tmp_path / "v") as (server, (_, _, ann, ben)):
            band = {"instrument_name": BTC, "parameter": "band_ppb", "value": 90_000_000}
            wide = await admin(ann, "set_contract_parameter", **band)
            approved = await ben.call("venue/admin/approve", number=wide["number"])
            assert approved["directives"][0]["refused"] == "BAND_TOO_WIDE"
            money = await admin(ann, "record_deposit", account="alice", amount="5")
            done = await ben.call("venue/admin/approve", number=money["number"])
            assert done["directives"][0]["refused"] is None
            cash = int(server.venue.engine.root["accounts"][0][0]["cash_micros"])
            await admin(ann, "revoke_key", key=server.venue.registry.keys(1)[0].id)
        async with running(config_of(tmp_path / "v")) as server:
            assert int(server.venue.engine.root["accounts"][0][0]["cash_micros"]) == cash
            assert server.venue.registry.pending_intents() == []
            [(refused, result)] = server.venue.registry.intents_of(wide["number"])
            assert (result.reason, server.venue.registry.known_value(refused)) == (Reason.BAND_TOO_WIDE, 30_000_000)

    play(story())


def examples(today):
    """The worked call of every change, with names and days of this venue; what ends trading comes last."""
    first, last = ("publish_disclosure", "record_ownership"), ("kill_switch", "record_withdrawal", "revoke_key")
    names = sorted(KINDS, key=lambda kind: (kind not in first, kind in last, kind == "revoke_key"))
    for kind in names:
        text = json.dumps(ADMIN_EXAMPLES[f"venue/admin/{kind}"])
        params = json.loads(text.replace("2026-12-31", str(today)).replace("2026-11-30", str(today)))
        days = {"valid_from": today, "valid_through": add_months(today, 6), "effective_from": today}
        params.update({name: str(day) for name, day in days.items() if name in params})
        renamed = {name: "alice" for name in ("client", "account", "person") if params.get(name) == "sample"}
        params.update(renamed)
        yield kind, params


def test_every_change_reaches_the_engine_and_is_taken(tmp_path):
    async def story():
        async with venue(tmp_path / "v") as (server, (_, _, ann, ben)):
            for name in ("holding", "fund"):
                await admin(ann, "open_account", account=name)
            both = {"parameter": "one_pair_may_grant_and_pay", "value": 1}
            allowed = await admin(ann, "set_venue_parameter", **both)
            await ben.call("venue/admin/approve", number=allowed["number"])
            seen = set()
            for kind, params in examples(civil_date(clock.wall_ns())):
                params = OTHERWISE.get(kind, params)
                if kind == "revoke_key":
                    params = {"key": server.venue.registry.keys(1)[0].id, "reason": "lost"}
                if kind == "list_contract":
                    with pytest.raises(RpcError, match="listed already"):
                        await ann.call(f"venue/admin/{kind}", **params)
                    continue
                change = await ann.call(f"venue/admin/{kind}", **params)
                if change["state"] == "proposed":
                    change = await ben.call("venue/admin/approve", number=change["number"])
                assert [row["refused"] for row in change["directives"] if row["refused"]] == [], kind
                assert all(row["sequence"] > 0 for row in change["directives"]), kind
                seen.add(kind)
            assert seen == set(KINDS) - {"list_contract"}

    play(story())


OTHERWISE = {
    "record_disclosure": {
        "client": "alice", "disclosure": "product", "version": 2, "document_date": "2026-01-02",
        "document_hash": "5e" * 32, "reason": "on paper",
    },
    "open_account": {"account": "alice-bot", "parent": "alice", "reason": "a second machine"},
    "kill_switch": {"target": "account", "name": "bob", "is_on": True, "reason": "orders beyond any measure"},
}  # fmt: skip


def test_a_client_that_gives_up_its_status_only_reduces(tmp_path):
    async def story():
        async with venue(tmp_path / "v") as (_, (alice, maker, ann, ben)):
            await maker.sell(BTC, "0.5", price="20000")
            await alice.buy(BTC, "0.2", price="20000")
            await alice.buy(BTC, "0.1", price="19900")
            notices = []
            await alice.subscribe("user.notices", notices.extend)
            await alice.call("venue/withdraw_professional_status", confirm=True)
            with pytest.raises(RpcError, match="PI_WITHDRAWN"):
                await alice.buy(BTC, "0.1", price="19900")
            await emptied(alice)
            await until(lambda: notices)
            assert (notices[0]["type"], notices[0]["reason"]) == ("lapsed", "PI_WITHDRAWN")
            await maker.buy(BTC, "0.2", price="19990")
            sold = await alice.sell(BTC, "0.2", price="19990", reduce_only=True)
            assert sold.order.order_state == "filled"
            document = {"document_date": "2026-01-02", "document_hash": "0" * 64}
            back = await admin(ann, "restore_status", client="alice", **document)
            await ben.call("venue/admin/approve", number=back["number"])
            assert (await alice.buy(BTC, "0.1", price="19900")).order.order_state == "open"

    play(story())
