"""What `lionrock account`, `key` and `admin` answer on a venue that runs: carried out where, and what went with it."""

import argparse
import asyncio
import contextlib
import io
import json

import pytest

from engine.codes import AccountAttribute, CommandKind, InvestorClass, MarketState
from engine.units import FOREVER_NS
from gateway import clock
from gateway.client import RpcError
from gateway.commands import account, admin, key, outcomes
from gateway.office.onboarding import eligible, knowledge
from gateway.registry.registry import Intent, Registry
from tests.gateway.identified import officer_words
from tests.gateway.live import BTC, MILLION_MICROS, market, play, until

KILLS = (["account", "--name", "alice"], ["group", "--name", "7"], ["contract", "--name", BTC], ["venue"])


def lionrock(folder, *words):
    """Run a command: (its exit code, what it printed)."""
    parser = argparse.ArgumentParser(prog="lionrock")
    subparsers = parser.add_subparsers()
    for command in (account, key, admin):
        command.add_parser(subparsers)
    args = parser.parse_args([*words, "--data", str(folder)])
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = args.run(args)
    return code, printed.getvalue()


async def running(folder, *words):
    """The same beside a venue that runs in this loop."""
    return await asyncio.to_thread(lionrock, folder, *words)


async def officers(folder, tmp_path):
    """The words that make Ann and Ben act; who traded before may trade on, as if officers had recorded the evidence."""
    files = [str(tmp_path / name) for name in ("ann.key", "ben.key")]
    await running(folder, "admin", "init", *officer_words(("Ann Lee", files[0]), ("Ben Wong", files[1])))
    registry = Registry(folder / "registry.db")
    slots = [account.slot for account in registry.accounts()]
    persons = [knowledge(person, FOREVER_NS, "") for (person,) in registry.all("SELECT id FROM persons")]
    rights = [intent for slot in slots for intent in eligible(slot, InvestorClass.INDIVIDUAL, FOREVER_NS, "")]
    registry.add_intents([*rights, *persons], clock.wall_ns())
    await until(lambda: not registry.pending_intents())
    registry.close()
    return [["--as", file, "--reason", "a test"] for file in files]


@pytest.mark.parametrize("kill", KILLS, ids=lambda kill: kill[0])
def test_a_kill_switch_says_where_it_stands_in_the_log_and_what_it_took(tmp_path, kill):
    folder = tmp_path / "v"

    async def story():
        async with market(folder) as (server, (alice, bob)):
            ann, ben = await officers(folder, tmp_path)
            grouped = await running(folder, "admin", "set-group", "--account", "alice", "--group", "7", "--json", *ann)
            [proposed] = json.loads(grouped[1])
            assert (proposed["state"], proposed["sequence"]) == ("proposed", None)
            assert proposed["next"] == f"lionrock admin approve {proposed['number']} --as FILE"
            code, said = await running(folder, "admin", "approve", str(proposed["number"]), *ben)
            assert code == 0 and said.startswith(f"change {proposed['number']}, set_group: carried out at sequence ")
            for price in ("19900", "19800"):
                await alice.buy(BTC, "0.1", price=price)
            await bob.buy(BTC, "0.1", price="19700")
            words = ["admin", "kill-switch", "--target", *kill, "--is-on", "true"]
            code, said = await running(folder, *words, *ann)
            taken = 2 if kill[0] in ("account", "group") else 3
            number, sequence = proposed["number"] + 1, server.venue.engine.root[0]["last_seq"]
            assert code == 0 and said.startswith(f"change {number}, kill_switch: carried out at sequence ")
            assert said.endswith(f", {taken} orders cancelled\n")
            at = int(said.partition("sequence ")[2].partition(",")[0])
            assert at <= sequence and server.venue.engine.durable_seq >= at
            assert await alice.open_orders() == []
            [told] = json.loads((await running(folder, *words, "--json", *ann))[1])
            assert (told["state"], told["orders_cancelled"], told["next"]) == ("done", 0, "") and told["sequence"] > at
            assert told["outcome"] == f"carried out at sequence {told['sequence']}, 0 orders cancelled"
            shown = json.loads((await running(folder, "admin", "show", str(number), "--json", *ann))[1])
            assert (shown["sequence"], shown["orders_cancelled"], shown["is_cancelling"]) == (at, taken, False)

    play(story())


def test_a_state_of_a_contract_that_keeps_orders_speaks_of_none(tmp_path):
    folder = tmp_path / "v"

    async def story():
        async with market(folder) as (_, (alice, _)):
            ann, _ = await officers(folder, tmp_path)
            await alice.buy(BTC, "0.1", price="19900")
            state = ["admin", "set-contract-state", "--instrument-name", BTC, "--state", "halted"]
            _, said = await running(folder, *state, *ann)
            assert "carried out at sequence" in said and "orders" not in said
            assert len(await alice.open_orders()) == 1

    play(story())


def test_accounts_deposits_and_knowledge_are_there_when_the_answer_is(tmp_path):
    folder = tmp_path / "v"

    async def story():
        async with market(folder) as (server, _):
            code, said = await running(folder, "account", "create", "carol", "--deposit", "1000", "--json")
            [made] = json.loads(said)
            assert code == 0 and made["outcome"].startswith("carried out at sequences ")
            slot, accounts = made["slot"], server.venue.engine.root[0]["accounts"]
            assert accounts[slot]["cash_micros"] == 1000 * 10**6
            [paid] = json.loads((await running(folder, "account", "deposit", "carol", "5", "--json"))[1])
            assert accounts[slot]["cash_micros"] == 1005 * 10**6 and paid["sequence"] > made["sequence"]
            assert paid["outcome"] == f"carried out at sequence {paid['sequence']}"
            words = ["key", "create", "carol", "--person", "Carol", "--knowledge-until", "2030-01-01"]
            _, said = await running(folder, *words)
            assert "carried out at sequence" in said
            assert server.venue.registry.pending_intents() == []

    play(story())


def test_what_the_venue_refuses_is_an_error(tmp_path):
    folder = tmp_path / "v"

    async def story():
        async with market(folder):
            ann, ben = await officers(folder, tmp_path)
            words = ["admin", "record-withdrawal", "--account", "alice", "--amount", "99000000"]
            await running(folder, *words, *ann)
            code, said = await running(folder, "admin", "approve", "1", *ben)
            assert code == 2 and said.startswith("change 1, record_withdrawal: the venue refused it: WITHDRAWAL_LIMIT")

    play(story())


def test_an_officer_over_the_wire_is_told_the_same(tmp_path):
    folder = tmp_path / "v"

    async def story():
        async with market(folder) as (server, (alice, _)):
            await officers(folder, tmp_path)
            stored = json.loads((tmp_path / "ann.key").read_text())
            url = alice.url.replace(str(server.port), str(server.operations_port))
            client = type(alice)(url, stored["id"], stored["secret"])
            await client.connect()
            await alice.buy(BTC, "0.1", price="19900")
            switch = {"target": "account", "name": "alice", "is_on": True, "reason": "a test"}
            change = await client.call("venue/admin/kill_switch", **switch)
            assert (change["orders_cancelled"], change["is_cancelling"]) == (1, False)
            assert change["sequence"] == change["directives"][-1]["sequence"] <= server.venue.engine.durable_seq
            with pytest.raises(RpcError, match="ACCOUNT_SUSPENDED"):
                await alice.buy(BTC, "0.1", price="19900")
            await client.close()

    play(story())


def test_without_a_venue_it_waits_for_the_next_start(tmp_path):
    code, said = lionrock(tmp_path / "v", "account", "create", "carol")
    assert code == 0 and "recorded; no venue is running here, so it is carried out at the next start" in said


def test_a_venue_that_does_not_get_to_it_is_not_taken_for_done(tmp_path, monkeypatch):
    """Nothing carries the intents out here; the command gives up waiting and says so."""
    registry = Registry(tmp_path / "registry.db")
    kill = Intent(CommandKind.ACCOUNT_SET, int(AccountAttribute.KILL_SWITCH), account_slot=0, value=1, sweeps=True)
    halt = Intent(CommandKind.CONTRACT_STATE, int(MarketState.HALTED), contract_slot=0)
    monkeypatch.setattr(outcomes, "is_running", lambda folder: True)
    monkeypatch.setattr(outcomes, "WAIT_SECONDS", 0.0)
    with outcomes.written(registry) as span:
        registry.add_intents([kill, halt], clock.wall_ns())

    def told():
        return outcomes.told(outcomes.follow_span(registry, "v", span), "v")

    assert told() == "recorded; the venue is running and has not carried it out within 0 s; it still will"
    registry.mark_applied([(1, 41, 0)])
    assert told() == "recorded; the venue is running and has not carried it out within 0 s; it still will"
    registry.mark_applied([(2, 42, 0)])
    assert told() == "carried out at sequences 41 to 42; its orders are still being cancelled"
    registry.mark_applied([], [(41, 1)])
    assert told() == "carried out at sequences 41 to 42, 1 order cancelled"
    registry.mark_applied([], [(41, -1)])
    assert told().endswith("; but orders stay, because too many mass cancels wait: ask for it again")
    registry.close()


def test_what_fails_in_the_middle_leaves_nothing(tmp_path):
    registry = Registry(tmp_path / "registry.db")
    with pytest.raises(ValueError), outcomes.written(registry):
        registry.create_account("carol", 1)
        registry.add_intents([Intent(CommandKind.DEPOSIT, account_slot=0, amount_micros=MILLION_MICROS)], 1)
        raise ValueError
    assert registry.accounts() == [] and registry.pending_intents() == []
    registry.close()
