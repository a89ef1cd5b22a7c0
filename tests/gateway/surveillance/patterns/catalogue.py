"""What a pattern is, and the list of them all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.gateway.surveillance.patterns.market import FIRST_CLIENT, Market, Script

Begin = Callable[[Market, Sequence[int]], list[Script]]


@dataclass(frozen=True)
class Pattern:
    """One pattern: who acts how, and what must be said of it; an innocent one has no rules."""

    name: str
    what: str
    case: str
    scripts: Begin
    rules: tuple[str, ...] = ()
    """Rules of which one must speak."""
    accounts: int = 1
    one_client: bool = False
    """Whether its accounts are all of one client."""
    seconds: int = 420
    market: Mapping[str, object] = field(default_factory=dict)

    @property
    def own(self) -> tuple[int, ...]:
        """The pattern's accounts."""
        return tuple(range(FIRST_CLIENT, FIRST_CLIENT + self.accounts))

    def clients(self) -> dict[int, int]:
        """Account -> client."""
        return {account: 100 if self.one_client else 100 + account for account in self.own}

    def play(self, seed: int) -> Market:
        """The market after the pattern has happened in it."""
        market = Market(seed, **self.market)  # type: ignore[arg-type]
        for script in self.scripts(market, self.own):
            market.begin(script, 30)
        market.run(self.seconds)
        return market
