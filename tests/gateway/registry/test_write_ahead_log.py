"""A registry that was killed: a flipped bit in its write-ahead log takes back at most the last transaction."""

import random
import shutil

import pytest

from engine.codes import AccountAttribute
from gateway.registry import write_ahead_log
from gateway.registry.errors import DamagedError
from gateway.registry.registry import Registry
from gateway.surveillance.store import AlertError, AlertStore

WRITES, FLIPS = 12, 150


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of a registry that never was closed, and what its rows were after each transaction."""
    folder, kept = tmp_path_factory.mktemp("alive"), tmp_path_factory.mktemp("killed")
    registry, seen, ends = Registry(folder / "registry.db"), [], []
    registry.create_account("alice", 1)
    for number in range(WRITES):
        registry.set_attribute(0, AccountAttribute.VA_KNOWLEDGE, number, 2, "")
        seen.append(registry.pending_intents())
        ends.append((folder / "registry.db-wal").stat().st_size)
    shutil.copytree(folder, kept, dirs_exist_ok=True)
    registry.close()
    return kept, seen, ends


def opened(folder):
    registry = Registry(folder / "registry.db")
    try:
        return registry.pending_intents()
    finally:
        registry.close()


def test_a_log_that_is_whole_is_read(killed, tmp_path):
    folder, seen, _ = killed
    assert write_ahead_log.damage(folder / "registry.db") == ""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    assert opened(tmp_path) == seen[-1]
    assert write_ahead_log.damage(tmp_path / "none.db") == ""


@pytest.mark.parametrize("transactions", [1, 5, WRITES - 1])
def test_a_log_that_a_power_cut_has_torn_is_read_up_to_there(killed, tmp_path, transactions):
    folder, seen, ends = killed
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    wal = tmp_path / "registry.db-wal"
    for cut in (0, 1, 100):
        wal.write_bytes((folder / "registry.db-wal").read_bytes()[: ends[transactions] - cut])
        assert opened(tmp_path) == seen[transactions - (cut > 0)]
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)


def test_a_flipped_bit_is_refused_or_in_the_last_transaction(killed, tmp_path):
    folder, seen, ends = killed
    whole, chance, refused = (folder / "registry.db-wal").read_bytes(), random.Random(3), 0
    last_begins = ends[-2]
    for place in [*range(32), *(chance.randrange(len(whole)) for _ in range(FLIPS))]:
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        (tmp_path / "registry.db-wal").write_bytes(damaged)
        try:
            found = opened(tmp_path)
        except DamagedError as error:
            assert "registry.db-wal: damaged: " in str(error) and place < last_begins, place
            refused += 1
        else:
            assert found == seen[-1] or (place >= last_begins and found == seen[-2]), place
    assert refused > FLIPS // 2


def test_the_alerts_log_too(killed, tmp_path):
    folder, _, ends = killed
    damaged = bytearray((folder / "registry.db-wal").read_bytes())
    damaged[ends[3] + 40] ^= 1
    (tmp_path / "alerts.db-wal").write_bytes(damaged)
    with pytest.raises(AlertError, match=r"alerts.db-wal: damaged: frame \d+ is not as it was written"):
        AlertStore(tmp_path / "alerts.db")
