"""A scripted index moves like a market's: freely over a day, in bursts, and on from the log after a restart."""

import itertools
import math
import statistics
from dataclasses import replace

import pytest

from gateway.index_feeds.scripted import SPREAD, IndexWalk
from gateway.wire.decimals import Contract, Unit
from tests.gateway.live import BTC, config_of, play, running, set_up, until

CONTRACT = Contract(0, BTC, "BTC", "USDC", Unit.parse("0.5"), Unit.parse("0.001"))
FIRST_SUBTICKS = 60_000 * 2 * 1000
MINUTE, DAY = 120, 172_800
"""Steps of half a second."""


def _minutes(seed: int) -> list[float]:
    """The price at each minute of a day."""
    walk = IndexWalk(CONTRACT, "60000", seed)
    prices = [walk.price]
    for _ in range(DAY // MINUTE):
        walk.step(MINUTE)
        prices.append(walk.price)
    return prices


def test_days_wander_by_some_per_cent_and_volatility_comes_in_clusters() -> None:
    days = [_minutes(seed) for seed in range(1, 13)]
    ends = [day[-1] / day[0] - 1 for day in days]
    assert 0.01 < statistics.pstdev(ends) < 0.2
    assert all(abs(price / FIRST_SUBTICKS - 1) < 0.5 for day in days for price in day)
    sizes = [[abs(math.log(after / before)) for before, after in itertools.pairwise(day)] for day in days]
    neighbours = [statistics.correlation(day[:-1], day[1:]) for day in sizes]
    assert statistics.mean(neighbours) > 0.1


def test_many_steps_at_once_wander_as_far_as_one_after_the_other() -> None:
    def spread(count: int) -> float:
        ends = []
        for seed in range(150):
            walk = IndexWalk(CONTRACT, "60000", seed)
            for _ in range(400 // count):
                walk.step(count)
            ends.append(math.log(walk.price / FIRST_SUBTICKS))
        return statistics.pstdev(ends)

    assert 0.6 < spread(20) / spread(1) < 1.7


def test_sources_surround_the_price_and_a_seed_repeats_itself() -> None:
    walk, twin = IndexWalk(CONTRACT, "60000"), IndexWalk(CONTRACT, "60000")
    for _ in range(50):
        sources = walk.step()
        assert sources == twin.step()
        assert all(abs(source / walk.price - 1) <= 1.1 * SPREAD for source in sources)


def test_a_restart_goes_on_from_the_index_of_the_log(tmp_path) -> None:
    config = config_of(tmp_path, scripted_index=f"{BTC}=20000")

    async def index(settings) -> int:
        async with running(settings) as server:
            await until(lambda: server.venue.projection.ticker(0).index_subticks)
            return int(server.venue.projection.ticker(0).index_subticks)

    async def story() -> None:
        set_up(config, ())
        before = await index(config)
        after = await index(replace(config, scripted_index=f"{BTC}=23000"))
        assert after == pytest.approx(before, rel=0.02)

    play(story())
