"""What is played with a broken engine, by name: each script raises when the engine is not as it should be.

Loading this module loads the engine and everything that the scripts need.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from engine import step
from engine.codes import ExecInst, Mode, Reason
from tests import money_flow, shrink, test_closing, test_straight_path
from tests.flow import Mix, crowd, flow, houses, icebergs, lapses, owners, stage, storm, yielding
from tests.model import work
from tests.money_scenes import SCENES
from tests.money_stage import LIMITS as MONEY_LIMITS
from tests.pair import Pair, Script
from tests.rights_flow import LIMITS, losses, rights_stage
from tests.scene import PairStage

FEW_ITEMS, MANY_ORDERS = 4, 30
"""How many items of work a command does, and how many orders there are, while rights are lost."""
FLOWS, COMMANDS = 4, 400
"""How many runs of the flow of money are played, and how long each is."""


def _pair(script: Callable[[], Script]) -> None:
    """Engine and model on a script of orders."""
    Pair().play(stage() + script())


def _rights() -> None:
    """Rights that are lost, with fewer items of waiting work a command, so that a few orders keep the queue busy."""
    usual = work.ITEMS_PER_COMMAND
    step.WORK_ITEMS = work.ITEMS_PER_COMMAND = FEW_ITEMS
    try:
        Pair(LIMITS).play(rights_stage() + losses(MANY_ORDERS))
    finally:
        step.WORK_ITEMS = work.ITEMS_PER_COMMAND = usual


def _closing() -> None:
    """Closing orders become what they should."""
    test_closing.test_only_what_lies_wholly_within_the_position_closes()
    for flags in (0, ExecInst.REDUCE_ONLY):
        test_closing.test_other_orders_of_its_side_take_their_part(flags, 9, (0, True))
        test_closing.test_other_orders_of_its_side_take_their_part(flags, 10, (Reason.INSUFFICIENT_MARGIN, False))
    test_closing.test_an_amendment_is_judged_without_what_it_replaces()
    test_closing.test_a_repeat_of_what_was_made_reduce_only_is_a_repeat()


def _log(path: Path) -> None:
    """A log on which engine and model once parted."""
    difference = shrink.replay(*shrink.load(path))
    assert difference is None, difference


def _money(seed: int) -> None:
    """A run of the flow of money."""
    money_flow.play(Pair(MONEY_LIMITS, Mode.EXCHANGE, watched=True), seed, COMMANDS)


ORDER_SCRIPTS: dict[str, Callable[[], None]] = {
    "rights": _rights,
    "storm": partial(_pair, storm),
    "lapses": partial(_pair, lapses),
    "owners": partial(_pair, owners),
    "icebergs": partial(_pair, icebergs),
    "yielding": partial(_pair, yielding),
    "crowd": partial(_pair, partial(crowd, 1)),
    "flow 7": partial(_pair, partial(flow, 7, 1500)),
    "flow 8": partial(_pair, partial(flow, 8, 1200, Mix(junk=0.0, lean_ticks=3, references=0.1))),
    "houses": partial(_pair, lambda: houses() + flow(9, 600, Mix(houses=0.3, spread_ticks=3, conditional=0.1))),
    "closing": _closing,
    "one after the other": test_straight_path.test_an_account_that_goes_on_meets_its_limits_where_they_are,
}
"""Orders, eligibility, and closing without margin."""
MONEY_SCRIPTS: dict[str, Callable[[], None]] = {
    **{name: partial(play, PairStage) for name, play in SCENES.items()},
    **{f"log of {path.stem}": partial(_log, path) for path in sorted(shrink.LOGS.glob("*.log"))},
    **{f"money flow {seed}": partial(_money, seed) for seed in range(FLOWS)},
}
"""Directed scenes, logs on which engine and model once parted, and some runs of the generated flow."""
SCRIPTS = ORDER_SCRIPTS | MONEY_SCRIPTS
