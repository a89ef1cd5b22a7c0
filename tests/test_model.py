"""The engine does what the model does, however its commands arrive, with and without the JIT, and through snapshots."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import batch_end, host
from engine.codes import CommandKind, Mode
from engine.journal import read_snapshot, write_snapshot
from engine.units import JIT
from tests.build import Rows, numbered
from tests.flow import Mix, flow, houses, lapses, owners, stage, storm, yielding
from tests.kinds import every_kind
from tests.pair import RING_ROWS, SMALL, Pair, Reference, Script, apply, create, set_reference
from tests.rights_flow import LIMITS, losses, rights_flow, rights_stage

EXAMPLES, COMMANDS = 20, 2500
"""50,000 commands in all."""
FIXED = "import tests.test_model as t; print(t.fixed_outcome())"
ROOT = Path(__file__).parents[1]

MIXES = st.builds(
    Mix,
    amends=st.sampled_from([0.05, 0.1, 0.2]),
    cancels=st.sampled_from([0.02, 0.1]),
    mass_cancels=st.sampled_from([0.001, 0.006]),
    directives=st.sampled_from([0.0, 0.04]),
    references=st.sampled_from([0.02, 0.06]),
    junk=st.sampled_from([0.0, 0.05]),
    conditional=st.sampled_from([0.05, 0.25, 0.5]),
    spread_ticks=st.sampled_from([3, 12, 60]),
    lean_ticks=st.sampled_from([0, 3, 7]),
)


@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@given(seed=st.integers(0, 1 << 32), mix=MIXES)
def test_engine_and_model_agree(seed: int, mix: Mix) -> None:
    pair = Pair(audited=True)
    pair.play(stage())
    pair.play(flow(seed, COMMANDS, mix))


def test_engine_and_model_agree_when_more_is_due_than_one_command_does() -> None:
    pair = Pair(audited=True)
    pair.play(stage())
    pair.play(storm())


def test_engine_and_model_agree_when_eligibility_ends() -> None:
    pair = Pair(audited=True)
    pair.play(stage())
    pair.play(lapses())


def test_engine_and_model_agree_on_each_way_of_losing_a_right() -> None:
    pair = Pair(LIMITS, audited=True)
    pair.play(rights_stage())
    pair.play(losses())


@pytest.mark.parametrize("seed", range(4))
def test_engine_and_model_agree_while_rights_come_and_go(seed: int) -> None:
    """More orders rest than one command cancels; the engine is audited after every command."""
    pair, waited = Pair(LIMITS, audited=True), 0
    pair.play(rights_stage())
    for item in rights_flow(seed, 2500):
        pair.play([item])
        waited += int(pair.root["jobs_count"][0]) > 0
    assert waited > 3


def test_restore_while_cancellations_wait(tmp_path: Path) -> None:
    """The queue, who is looked at closely, persons and their lapses come back as they were."""
    pair = Pair(LIMITS)
    pair.play(rights_stage())
    waited = 0
    for item in rights_flow(7, 2500):
        pair.play([item])
        if pair.root["jobs_count"][0]:
            waited += 1
            assert host.digest(restored(pair.root, tmp_path)) == host.digest(pair.root)
        if waited == 5:
            break
    assert waited == 5


def test_engine_and_model_agree_when_affiliates_yield() -> None:
    pair = Pair(audited=True)
    pair.play(stage())
    pair.play(yielding())


HOUSES = st.builds(
    Mix,
    amends=st.sampled_from([0.05, 0.2]),
    directives=st.sampled_from([0.01, 0.08]),
    junk=st.sampled_from([0.0, 0.02]),
    conditional=st.sampled_from([0.05, 0.25]),
    spread_ticks=st.sampled_from([2, 4, 12]),
    lean_ticks=st.sampled_from([0, 2, 5]),
    houses=st.sampled_from([0.2, 0.6]),
)


@settings(max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 1 << 32), mix=HOUSES)
def test_engine_and_model_agree_about_affiliates(seed: int, mix: Mix) -> None:
    """20,000 commands at few prices, with tags that come and go while orders rest."""
    pair = Pair(audited=True)
    pair.play(stage() + houses())
    pair.play(flow(seed, COMMANDS, mix))


def test_engine_and_model_agree_on_clients_with_several_accounts() -> None:
    pair = Pair(audited=True)
    pair.play(stage())
    pair.play(owners())


# --- batches and rings ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sent() -> Script:
    """What a played script really sent to the engine."""
    pair = Pair()
    pair.play(stage())
    pair.play(storm())
    pair.play(yielding())
    pair.play(flow(4, 1500))
    return pair.sent


def batches(sent: Script, size: int) -> Script:
    """The same commands in batches of so many; reference prices come between two batches."""
    cut: Script = []
    pending: list[Rows] = []
    for item in [*sent, None]:
        if pending and (len(pending) == size or not isinstance(item, np.ndarray)):
            cut.append(np.concatenate(pending))
            pending = []
        if isinstance(item, Reference):
            cut.append(item)
        elif item is not None:
            pending.append(item)
    return cut


def outcome(script: Script, ring_rows: int) -> tuple[str, bytes]:
    """The digest at the end and every event on the way."""
    root, events = create(SMALL), []
    for item in script:
        if isinstance(item, Reference):
            set_reference(root, item)
        else:
            events.append(apply(root, item, ring_rows).tobytes())
    return host.digest(root), b"".join(events)


@pytest.mark.parametrize("ring_rows", [128, 256, RING_ROWS])
@pytest.mark.parametrize("size", [1, 7, 512])
def test_batches_and_rings_change_nothing(sent: Script, size: int, ring_rows: int) -> None:
    assert outcome(batches(sent, size), ring_rows) == outcome(sent, RING_ROWS)


# --- with and without the JIT --------------------------------------------------------------------------------------


def fixed_outcome() -> str:
    """The digest of a fixed script and of its events."""
    pair = Pair()
    pair.play(stage())
    pair.play(flow(9, 400))
    digest, events = outcome(pair.sent, RING_ROWS)
    return f"{digest} {len(events)} {sum(np.frombuffer(events, np.uint8).astype(np.int64) % 251)}"


@pytest.mark.skipif(not JIT, reason="the JIT is off in this run: there is nothing to compare")
def test_digest_and_events_are_the_same_without_the_jit() -> None:
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-c", FIXED]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == fixed_outcome(), done.stderr


# --- snapshots -----------------------------------------------------------------------------------------------------


def restored(root: Rows, folder: Path) -> Rows:
    """The state after a way through a snapshot file."""
    copy = create(SMALL)
    read_snapshot(write_snapshot(folder, root, bytes(32)), copy)
    assert batch_end.recount(copy)
    return copy


def busy_engine(seed: int) -> tuple[Rows, int]:
    """An engine with orders of all sorts, and its last sequence."""
    pair = Pair()
    pair.play(stage())
    pair.play(flow(seed, 300, Mix(mass_cancels=0.0, directives=0.0)))
    return pair.root, pair.seq


def test_every_kind_of_command_is_tested() -> None:
    assert set(every_kind()) == set(CommandKind)


@pytest.mark.parametrize("kind", every_kind(), ids=lambda kind: kind.name)
def test_snapshot_after_every_command_kind(kind: CommandKind, tmp_path: Path) -> None:
    """The restored state has the same digest, and goes on in the same way."""
    root, seq = busy_engine(seed=3)
    earlier = [rows for other, rows in every_kind().items() if other < kind]
    for rows in numbered([*earlier, every_kind()[kind]], seq + 1):
        apply(root, rows)
    copy = restored(root, tmp_path)
    assert host.digest(copy) == host.digest(root)
    commands = [item for item in flow(21, 200) if isinstance(item, np.ndarray)]
    for rows in numbered(commands, int(root[0]["last_seq"]) + 1):
        assert apply(root, rows).tobytes() == apply(copy, rows).tobytes()
    assert host.digest(copy) == host.digest(root)


def test_restore_of_a_busy_state(tmp_path: Path) -> None:
    pair = Pair()
    pair.play(stage())
    for item in storm()[:-40]:
        pair.play([item])
    assert host.digest(restored(pair.root, tmp_path)) == host.digest(pair.root)


def test_modes_have_digests_of_their_own() -> None:
    assert host.digest(create(SMALL, Mode.RESEARCH)) != host.digest(create(SMALL, Mode.EXCHANGE))
