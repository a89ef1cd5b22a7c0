"""Intents reach the log once, whatever comes between: a stop, a crash; and what became of them stays known."""

import shutil
import sqlite3
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from engine.codes import NIL, CommandKind, MarketState, Reason
from engine.codes import ContractParameter as P
from engine.host import LossError
from engine.schema import COMMAND, DIRECTIVE
from gateway import clock
from gateway.config import Config
from gateway.office.bootstrap import list_contracts, open_trader, set_up_venue
from gateway.office.onboarding import deposit
from gateway.registry.registry import Intent, Registry, RegistryError
from gateway.registry.vault import Vault
from gateway.venue.registry_intents import directive_row
from gateway.venue.sweeps import sweep_row
from gateway.venue.venue import Venue

MILLION = 10**12
WIDE = Intent(CommandKind.CONTRACT_SET, int(P.BAND_PPB), contract_slot=0, value=90_000_000)

HALT = Intent(CommandKind.CONTRACT_STATE, int(MarketState.HALTED), contract_slot=0)


@pytest.fixture
def config(tmp_path):
    config = Config(data=str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    registry = Registry(config.registry)
    set_up_venue(registry, clock.wall_ns(), MILLION)
    list_contracts(registry, clock.wall_ns())
    open_trader(registry, Vault(config.vault, registry), "alice", MILLION, clock.wall_ns())
    registry.close()
    return config


def cash(venue):
    return int(venue.engine.root[0]["accounts"][0]["cash_micros"])


def refused(registry):
    return [reason for (reason,) in registry.all("SELECT reason FROM intents WHERE reason > 0")]


def test_a_revoked_key_has_ended_before_the_log_knows_it(config, monkeypatch):
    """Another process revokes it: no order of its sessions may come behind the command that cancels the others."""
    venue = Venue(config)
    venue.start()
    other = Registry(config.registry)
    [key] = other.keys(0)
    other.revoke_key(key.id, clock.wall_ns())
    other.close()
    ended, submit = [], venue.sequencer.submit
    monkeypatch.setattr(
        venue.sequencer, "submit", lambda *row: ended.append(key.id in venue.context.ended_keys) or submit(*row)
    )
    venue.take_intents()
    venue.close()
    assert ended == [True]


def test_a_stop_right_behind_a_deposit_does_not_pay_it_twice(config):
    for turn in range(1, 4):
        venue = Venue(config)
        venue.registry.add_intents([deposit(0, 5, "wire")], clock.wall_ns())
        venue.submit_intents()
        venue.submit_intents()
        assert cash(venue) == MILLION + 5 * turn
        venue.close()
    registry = Registry(config.registry)
    assert registry.pending_intents() == [] and refused(registry) == []
    registry.close()


def test_a_crash_forgets_neither_what_was_done_nor_what_was_refused(config, tmp_path, monkeypatch):
    venue = Venue(config)
    monkeypatch.setattr(venue.registry, "mark_applied", lambda results, swept, tip: None)
    venue.registry.add_intents([deposit(0, 5, "wire"), WIDE], clock.wall_ns())
    reasons = [result.reason for result in venue.submit_intents().values()]
    assert reasons[-2:] == [0, Reason.BAND_TOO_WIDE]
    venue.engine.journal.sync()
    crashed = Config(data=str(tmp_path / "crashed"))
    shutil.copytree(config.data, crashed.data)
    venue.close()
    again = Venue(crashed)
    assert cash(again) == MILLION + 5 and again.registry.pending_intents() == []
    assert refused(again.registry) == [Reason.BAND_TOO_WIDE]
    assert again.registry.known_value(WIDE) == 30_000_000
    again.close()


@contextmanager
def another_writer(path):
    """A process that holds the registry for writing."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


def test_a_registry_that_another_process_holds_does_not_end_trading(config, caplog):
    venue = Venue(config)
    venue.take_intents()
    venue.engine.journal.sync()
    venue.sequencer.release()
    venue.registry.add_intents([deposit(0, 5, "wire")], clock.wall_ns())
    with another_writer(config.registry):
        venue.submit_intents()
        venue.engine.journal.sync()
        venue.sequencer.release()
        venue.tick()
        assert cash(venue) == MILLION + 5 and len(venue.registry.pending_intents()) == 1
        assert "not noted yet" in caplog.text
        venue.submit_intents()
        assert cash(venue) == MILLION + 5
    venue.tick()
    assert venue.registry.pending_intents() == []
    venue.close()


def test_what_the_registry_holds_as_done_beyond_the_end_of_the_log_is_not_done_again(config):
    first = Venue(config)
    first.take_intents()
    first.close()
    registry = Registry(config.registry)
    registry.add_intents([deposit(0, 5, "wire")], clock.wall_ns())
    [waiting] = registry.pending_intents()
    registry.mark_applied([(waiting.reference, 10**9, 0)])
    registry.close()
    with pytest.raises(LossError, match=rf"but the registry {config.registry} shows that it had {10**9}"):
        Venue(config)
    registry = Registry(config.registry)
    assert registry.pending_intents() == [] and registry.last_applied() == 10**9
    registry.close()


@pytest.mark.parametrize("is_clean", [True, False])
def test_a_registry_that_is_not_the_logs_is_refused(config, tmp_path, is_clean):
    folder = config.registry.parent
    backup = tmp_path / "backup.db"
    first = Venue(config)
    first.take_intents()
    first.close()
    shutil.copy(config.registry, backup)
    second = Venue(config)
    if is_clean:
        second.registry.create_account("later", clock.wall_ns())
    else:
        second.registry.add_intents([deposit(0, 5, "wire")], clock.wall_ns())
    second.submit_intents()
    second.engine.journal.sync()
    crashed = Config(data=str(tmp_path / "crashed"))
    if is_clean:
        second.close()
    shutil.copytree(folder, crashed.data)
    if not is_clean:
        second.close()
    for file in Path(crashed.data).glob("registry.db*"):
        file.unlink()
    shutil.copy(backup, crashed.registry)
    with pytest.raises(RegistryError, match="restore the registry of this log"):
        Venue(crashed)
    shutil.copy(config.registry, crashed.registry)
    Venue(crashed).close()


def test_a_directive_carries_who_decided_and_a_sweep_goes_before_it():
    intent = Intent(
        CommandKind.ACCOUNT_SET, 22, 3, value=1, actor=4, approver=5, change=6, key=7, reference=8, source_time_ns=9
    )
    [row] = np.frombuffer(directive_row(intent), DIRECTIVE)
    names = ("account_slot", "value", "actor", "approver", "reason", "key", "reference", "source_time_ns")
    assert [int(row[name]) for name in names] == [3, 1, 4, 5, 6, 7, 8, 9]
    for swept, wanted in ((intent, (3, NIL, Reason.ACCOUNT_SUSPENDED)), (HALT, (NIL, 0, Reason.MARKET_STATE))):
        [sweep] = np.frombuffer(sweep_row(swept), COMMAND)
        assert sweep["kind"] == CommandKind.MASS_CANCEL and sweep["group"] == NIL
        assert (sweep["account_slot"], sweep["contract_slot"], sweep["reason"]) == wanted
