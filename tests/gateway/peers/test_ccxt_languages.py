"""ccxt in Python (4.5.90) and in JavaScript (4.5.84, the newest there is) take the same steps and are told the same."""

from tests.gateway.live import play
from tests.gateway.peers.conftest import HERE
from tests.gateway.peers.peer import PYTHON, peer, quote, script
from tests.gateway.peers.table import check

STEPS = str(HERE / "scenario.json")


def test_python_and_javascript_are_told_the_same(tmp_path, javascript):
    in_python = play(_story(tmp_path / "python", "ccxt (Python)", PYTHON, script("ccxt_run.py")))
    in_javascript = play(_story(tmp_path / "javascript", "ccxt (JavaScript)", "node", str(javascript / "ccxt_run.mjs")))
    for one, other in zip(in_python, in_javascript, strict=True):
        assert one == other


def test_equal_questions_at_once_are_all_answered(tmp_path):
    """ccxt makes its nonce of the clock's millisecond, so equal questions of one millisecond have one signature."""
    (told,) = play(_at_once(tmp_path))
    assert told == {"answers": 100, "errors": []}


async def _at_once(folder):
    async with peer(folder) as venue:
        return await venue.run(PYTHON, script("ccxt_at_once.py"))


async def _story(folder, name, *command):
    async with peer(folder) as venue:
        await quote(venue.maker)
        steps = await venue.run(*command, STEPS)
        check(name, venue.calls)
        return steps
