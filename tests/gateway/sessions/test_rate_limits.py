"""Token buckets: exact to the nanosecond, nothing lost, nothing gained."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sessions.rate_limits import KeyLimits, RateLimits, TokenBucket, tokens_of


def test_burst_then_wait_then_refill():
    bucket = TokenBucket(rate_per_s=10, burst=3)
    assert [bucket.take(0) for _ in range(4)] == [0, 0, 0, 100_000_000]
    assert bucket.take(99_999_999) == 1
    assert bucket.take(100_000_000) == 0
    assert bucket.take(100_000_000) == 100_000_000


def test_a_refused_take_takes_nothing():
    bucket = TokenBucket(rate_per_s=1, burst=1)
    bucket.take(0)
    waits = {bucket.take(0) for _ in range(5)}
    assert waits == {1_000_000_000}


def test_a_frame_larger_than_the_bucket_passes_once_and_is_paid_for():
    bucket = TokenBucket(rate_per_s=1_000, burst=10)
    assert bucket.take(0, tokens=100) == 0
    assert bucket.take(0) == 91_000_000
    assert bucket.take(91_000_000) == 0


@given(st.integers(1, 1000), st.integers(1, 50), st.lists(st.integers(0, 10**8), max_size=200))
def test_never_more_than_burst_plus_rate(rate, burst, gaps):
    bucket, now, passed = TokenBucket(rate, burst), 0, 0
    for gap in gaps:
        now += gap
        passed += bucket.take(now) == 0
    assert passed <= burst + now // bucket.cost_ns + 1


@pytest.mark.parametrize("rate, burst", [(0, 1), (1, 0), (-1, 1), (2_000_000_000, 1)])
def test_bad_limits_are_refused(rate, burst):
    with pytest.raises(ValueError, match="must be at least 1"):
        TokenBucket(rate, burst)


def test_cancels_have_their_own_bucket():
    limits = KeyLimits(RateLimits(orders_per_s=1, orders_burst=1))
    assert limits.orders.take(0) == 0
    assert limits.orders.take(0) > 0
    assert limits.cancels.take(0) == 0


def test_a_cost_that_is_known_afterwards_is_a_debt():
    bucket = TokenBucket(rate_per_s=10, burst=3)
    bucket.take(0)
    bucket.charge(0, 12)
    assert bucket.take(0) == 1_100_000_000
    assert bucket.take(1_100_000_000) == 0


@pytest.mark.parametrize(("size_bytes", "rows", "tokens"), [(200, 0, 0), (4096, 3, 1), (40_000, 10, 9), (100, 160, 10)])
def test_an_answer_costs_by_its_bytes_or_its_rows(size_bytes, rows, tokens):
    assert tokens_of(size_bytes, rows) == tokens
