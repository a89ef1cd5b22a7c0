"""The benchmarks on a large data folder run whole in their small size, on one folder; no time is judged."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench import snapshot_pause
from bench.large_venue import ACCOUNTS_OF_A_PERSON, SMALL, made
from bench.measurement import Plan
from bench.restart import restart
from gateway.config import Config
from gateway.registry.registry import Registry


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    kept = tmp_path_factory.mktemp("large") / "data"
    made(kept, Plan())
    return kept


def test_the_folder_is_what_it_says(folder):
    registry = Registry(Config(data=str(folder)).registry)
    slots = [account.slot for account in registry.accounts()]
    persons = registry.one("SELECT count(*) FROM persons")[0]
    registry.close()
    assert len(slots) == SMALL.accounts and persons == SMALL.accounts // ACCOUNTS_OF_A_PERSON


def test_starts_after_a_crash_and_after_a_stop(folder):
    crashed, stopped = restart(Plan(), folder)
    assert crashed.name == "restart-crash" and stopped.name == "restart-stop"
    assert f"{SMALL.resting} resting orders" in crashed.workload
    assert "0 of them behind the last snapshot" in stopped.workload
    replayed = int(crashed.workload.split(" of them behind")[0].split()[-1].replace(",", ""))
    assert replayed >= SMALL.replayed
    for figure in (crashed, stopped):
        assert figure.value > 0 and all(phase in figure.note for phase in ("imports", "registry", "replay", "listen"))


def test_a_trader_beside_a_snapshot(folder, tmp_path):
    """In a process of its own, as the venue is pinned to a core and goes before others."""
    code = "import sys; from bench import snapshot_pause; sys.exit(snapshot_pause.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "--folder", str(folder), "--turns", "1", "--durability", "os"],
        capture_output=True, text=True, check=False, cwd=Path(snapshot_pause.__file__).parents[1],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("alone: ") and lines[1].startswith("beside a snapshot: ")
    assert "a snapshot took" in lines[2] and not lines[1].startswith("beside a snapshot: 0 answers")
