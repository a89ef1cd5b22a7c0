"""What surveillance says of a pattern, and the table of them all.

`python -m tests.gateway.surveillance.patterns.verdict` plays every pattern with five seeds and prints the document's
table. It ends with 1 if too few abusive ones are caught or too many innocent ones alarmed.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.surveillance.activity import Alert, Owners
from gateway.surveillance.parameters import Parameters
from gateway.surveillance.rule_runner import RuleRunner
from tests.gateway.surveillance.patterns.catalogue import Pattern
from tests.gateway.surveillance.patterns.innocent import INNOCENT
from tests.gateway.surveillance.patterns.orders_abusive import ORDERS_ABUSIVE
from tests.gateway.surveillance.patterns.trades_abusive import TRADES_ABUSIVE

ABUSIVE = (*ORDERS_ABUSIVE, *TRADES_ABUSIVE)
SEEDS = (1, 2, 3, 4, 5)
LEAST_CAUGHT, MOST_ALARMED = 18, 1
BATCH_ROWS = 5000


def alerts_of(events: Any, clients: dict[int, int], parameters: Parameters | None = None) -> list[Alert]:
    """What surveillance files of events: each alert as it has grown in the end."""
    owners = Owners()
    owners.add_clients(clients)
    runner = RuleRunner(parameters or Parameters(), owners)
    filed: dict[tuple[object, ...], Alert] = {}
    for first in range(0, len(events), BATCH_ROWS):
        filed |= {alert.identity: alert for alert in runner.take(events[first : first + BATCH_ROWS])}
    filed |= {alert.identity: alert for alert in runner.flush()}
    return [*filed.values()]


@dataclass
class Verdict:
    """What was said of a pattern with one seed."""

    pattern: Pattern
    own: list[Alert] = field(default_factory=list)
    others: list[Alert] = field(default_factory=list)
    """Alerts that name nobody of the pattern."""

    @property
    def is_caught(self) -> bool:
        """Whether a rule that fits has named an account of the pattern."""
        return any(alert.rule in self.pattern.rules for alert in self.own)


def verdict(pattern: Pattern, seed: int, parameters: Parameters | None = None) -> Verdict:
    """Play a pattern and let surveillance look."""
    alerts = alerts_of(pattern.play(seed).events(), pattern.clients(), parameters)
    own = [alert for alert in alerts if {*alert.accounts} & {*pattern.own}]
    return Verdict(pattern, own, [alert for alert in alerts if alert not in own])


def rows(seeds: Iterable[int]) -> Iterable[tuple[Pattern, list[Verdict]]]:
    """The verdicts of every pattern."""
    for pattern in (*ABUSIVE, *INNOCENT):
        yield pattern, [verdict(pattern, seed) for seed in seeds]


def main() -> int:
    """Print the table; 1 if the bounds are not kept with every seed."""
    name = "python -m tests.gateway.surveillance.patterns.verdict"
    argparse.ArgumentParser(prog=name, description=__doc__).parse_args()
    caught, alarmed = dict.fromkeys(SEEDS, 0), dict.fromkeys(SEEDS, 0)
    print("| pattern | what happens | from | said, of 5 seeds | of others |\n|---|---|---|---|---|")
    for pattern, verdicts in rows(SEEDS):
        for seed, one in zip(SEEDS, verdicts, strict=True):
            caught[seed] += bool(pattern.rules) and one.is_caught
            alarmed[seed] += not pattern.rules and bool(one.own or one.others)
        said = sorted({alert.rule for one in verdicts for alert in one.own})
        counts = [f"{rule} {sum(rule in {alert.rule for alert in one.own} for one in verdicts)}" for rule in said]
        others = sum(bool(one.others) for one in verdicts)
        source = pattern.case or "innocent"
        print(
            f"| {pattern.name} | {pattern.what} | {source} | {', '.join(counts) or 'nothing'} | {others or ''} |",
            flush=True,
        )
    print(
        f"\ncaught of {len(ABUSIVE)}: {[*caught.values()]}, innocent alarmed of {len(INNOCENT)}: {[*alarmed.values()]}"
    )
    return int(min(caught.values()) < LEAST_CAUGHT or max(alarmed.values()) > MOST_ALARMED)


if __name__ == "__main__":
    sys.exit(main())
