"""Rate limits: token buckets in integer nanoseconds.

A bucket is one number, the instant at which it would be full again (the generic cell rate algorithm), so taking costs
two comparisons and nothing drifts.
"""

from dataclasses import dataclass, replace

from gateway.wire.errors import ErrorCode, Refusal

NS_PER_S = 1_000_000_000
TOKEN_BYTES, TOKEN_ROWS = 4096, 16
"""A request costs one token, and one more for each so many bytes or rows of its answer, whichever is more."""


class TokenBucket:
    """Lets `burst` pass at once and `rate_per_s` in the long run.

    >>> bucket = TokenBucket(rate_per_s=2, burst=1)
    >>> bucket.take(0), bucket.take(0), bucket.take(500_000_000)
    (0, 500000000, 0)
    """

    __slots__ = ("cost_ns", "full_ns", "span_ns")

    def __init__(self, rate_per_s: int, burst: int) -> None:
        if rate_per_s < 1 or burst < 1 or rate_per_s > NS_PER_S:
            raise ValueError(f"rate {rate_per_s}/s, burst {burst}: both must be at least 1 and the rate at most 1e9")
        self.cost_ns = NS_PER_S // rate_per_s
        self.span_ns = self.cost_ns * burst
        self.full_ns = -self.span_ns

    def take(self, steady_ns: int, tokens: int = 1) -> int:
        """Take tokens at a time of the steady clock and answer 0, or take nothing and answer how many ns to wait.

        More tokens than the bucket holds are taken as a debt when it is full: a large frame passes once, late.
        """
        full_ns, cost, span_ns = self.full_ns, self.cost_ns * tokens, self.span_ns
        base = full_ns if full_ns > steady_ns else steady_ns
        wait = base + (cost if cost < span_ns else span_ns) - steady_ns - span_ns
        if wait > 0:
            return wait
        self.full_ns = base + cost
        return 0

    def charge(self, steady_ns: int, tokens: int) -> None:
        """Take tokens in any case, as a debt if there are not so many: for a cost that is known only afterwards."""
        self.full_ns = max(self.full_ns, steady_ns) + self.cost_ns * tokens

    def has(self, steady_ns: int, tokens: int) -> bool:
        """Whether so many tokens, taken one by one, would all be given now."""
        full_ns = self.full_ns
        return (full_ns if full_ns > steady_ns else steady_ns) + self.cost_ns * tokens - steady_ns <= self.span_ns


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What one key may do each second and at once; cancels have their own, larger bucket.

    What is asked without a login is limited by the address that it comes from, by figures of its own.
    """

    orders_per_s: int = 20_000
    orders_burst: int = 40_000
    cancels_per_s: int = 100_000
    cancels_burst: int = 200_000
    queries_per_s: int = 2_000
    queries_burst: int = 4_000
    anonymous_per_s: int = 1_000
    anonymous_burst: int = 4_000
    logins_per_s: int = 50
    logins_burst: int = 500
    """Logins of one address, and HTTP calls whose signature is wrong: who asks is not known before."""

    @property
    def of_anonymous(self) -> "RateLimits":
        """What one address may do without a login."""
        return replace(self, queries_per_s=self.anonymous_per_s, queries_burst=self.anonymous_burst)


def tokens_of(size_bytes: int, rows: int = 0) -> int:
    """What an answer costs beside the one token of its request."""
    return max(size_bytes // TOKEN_BYTES, rows // TOKEN_ROWS)


def over_limit(bucket: str, wait_ns: int) -> Refusal:
    """What a request over its limit is answered with: code 10028 and the time to wait."""
    wait_ms = -(-wait_ns // 1_000_000)
    reason = f"over the rate limit for {bucket}; wait {wait_ms} ms"
    return Refusal(ErrorCode.TOO_MANY_REQUESTS, reason, wait_ms=wait_ms, bucket=bucket)


class KeyLimits:
    """The buckets of one key or of one address; all sessions of the key, all without one of the address share them."""

    __slots__ = ("cancels", "logins", "orders", "queries")

    def __init__(self, limits: RateLimits) -> None:
        self.orders = TokenBucket(limits.orders_per_s, limits.orders_burst)
        self.cancels = TokenBucket(limits.cancels_per_s, limits.cancels_burst)
        self.queries = TokenBucket(limits.queries_per_s, limits.queries_burst)
        self.logins = TokenBucket(limits.logins_per_s, limits.logins_burst)
