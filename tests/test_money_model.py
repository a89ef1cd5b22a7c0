"""The engine does with money what the model does, in flow that reaches every row and branch, however it arrives."""

from pathlib import Path

import numpy as np
import pytest

from engine import host
from engine.codes import Mode
from tests import money_flow, shrink
from tests.build import Rows
from tests.money_stage import LIMITS
from tests.pair import RING_ROWS, Pair, apply, create
from tests.reach import Reach, all_rows

SEEDS, COMMANDS = 36, 2_000
"""72,000 commands in all, and those that set the stages."""
LOGS = sorted(shrink.LOGS.glob("*.log"))


def test_engine_and_model_agree_about_money_in_every_row() -> None:
    """Every event, and all money of both after every command. A branch that no run takes proves nothing about it."""
    reach = Reach()
    for seed in range(SEEDS):
        pair = Pair(LIMITS, Mode.EXCHANGE, watched=True)
        money_flow.play(pair, seed, COMMANDS)
        reach.add(pair.reach)
    assert len(all_rows()) > 150
    assert reach.missing() == []


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_kept_logs_show_no_difference(path: Path) -> None:
    """Logs on which engine and model once parted."""
    assert shrink.replay(*shrink.load(path)) is None


# --- batches and rings ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sent() -> list[Rows]:
    """What a run of the flow sent to the engine."""
    pair = Pair(LIMITS, Mode.EXCHANGE)
    money_flow.play(pair, 3, 1_500)
    return pair.sent


def outcome(commands: list[Rows], size: int, ring_rows: int) -> tuple[str, bytes]:
    """The digest and every event of commands in batches of so many through a ring of so many rows."""
    root, events = create(LIMITS, Mode.EXCHANGE), []
    for first in range(0, len(commands), size):
        events.append(apply(root, np.concatenate(commands[first : first + size]), ring_rows).tobytes())
    return host.digest(root), b"".join(events)


@pytest.mark.parametrize(("size", "ring_rows"), [(1, 128), (7, 200), (64, 128), (512, RING_ROWS)])
def test_batches_and_rings_change_no_money(sent: list[Rows], size: int, ring_rows: int) -> None:
    assert outcome(sent, size, ring_rows) == outcome(sent, 1, RING_ROWS)


# --- logs as text --------------------------------------------------------------------------------------------------


def test_a_log_comes_back_as_it_was_written(sent: list[Rows], tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    shrink.save(path, sent, "a run", LIMITS)
    commands, limits = shrink.load(path)
    assert limits == LIMITS
    assert [rows.tobytes() for rows in commands] == [rows.tobytes() for rows in sent]


def test_a_log_is_shrunk_to_what_fails() -> None:
    """Of a hundred commands only the two that are needed together stay."""
    commands = [np.full(1, number) for number in range(100)]
    fails = [commands[17][0], commands[80][0]]
    left = shrink.shrunk(commands, lambda rest: all(any(rows[0] == one for rows in rest) for one in fails))
    assert [int(rows[0]) for rows in left] == [17, 80]
