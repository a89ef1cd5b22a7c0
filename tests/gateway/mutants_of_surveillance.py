"""Ways to break surveillance, as in `mutants`."""

from tests.gateway.mutants import Mutant

SHOWN = "tests/gateway/surveillance/test_rules_of_orders.py"
SERVED = "tests/gateway/surveillance/test_surveillance.py"
FILED = "tests/gateway/venue/test_execution_throttle.py::test_an_alert_grows_until_somebody_has_reviewed_it"

SURVEILLANCE_MUTANTS = (
    Mutant("a state without an event of its own ends the rules", "surveillance/episodes.py",
        "min(proof.seqs, default=0)", "min(proof.seqs)", SERVED),
    Mutant("what is amended away was not withdrawn", "surveillance/shown_orders.py",
        "(CANCELLED, EXPIRED, AMENDED)", "(CANCELLED, EXPIRED)", SHOWN),
    Mutant("what expires was not withdrawn", "surveillance/shown_orders.py",
        "(CANCELLED, EXPIRED, AMENDED)", "(CANCELLED, AMENDED)", SHOWN),
    Mutant("what the venue cancels was withdrawn", "surveillance/shown_orders.py",
        "(CANCELLED, EXPIRED, AMENDED)", "(CANCELLED, EXPIRED, AMENDED, FORCED)", SHOWN),
    Mutant("an iceberg is shown", "surveillance/shown_orders.py",
        "(FLAG_UNTRIGGERED | EXEC_ICEBERG)", "FLAG_UNTRIGGERED", SHOWN),
    Mutant("who is traded on one side alone is a maker", "surveillance/shown_orders.py",
        "return habit.both_percent >= percent and habit.is_earnest", "return habit.both_percent >= percent", SHOWN),
    Mutant("nobody is a maker", "surveillance/shown_orders.py",
        "return habit.both_percent >= percent and habit.is_earnest", "return False", SHOWN),
    Mutant("what was filled was withdrawn", "surveillance/rules_of_orders.py",
        "if 5 * filled >= before or lots", "if lots", SHOWN),
    Mutant("a wall of any age", "surveillance/rules_of_orders.py",
        "if 2 * wall.lots_younger(gone, kept_ns) < lots:", "if False:", SHOWN),
    Mutant("small walls do not add up", "surveillance/rules_of_orders.py",
        "before = sum(item.ratio for item in acts)", "before = 0", SHOWN),
    Mutant("any quantity is large", "surveillance/rules_of_orders.py",
        "return max(self.size_ratio * self.usual.lots(key), 1)", "return 1", SHOWN),
    Mutant("who follows the price flashes", "surveillance/rules_of_orders.py",
        "NS_PER_S // 4", "-1", SHOWN),
    Mutant("pairs are not looked at", "surveillance/rule_runner.py",
        "            (RoundTrips(p, trades), p.pair_window_s),\n", "", SERVED),
    Mutant("what goes one way comes back", "surveillance/rules_of_trades.py",
        "if 100 * min(there, back) < p.pair_balance_percent * max(there, back):", "if False:", SERVED),
    Mutant("orders of any size are arranged", "surveillance/rules_of_trades.py",
        "(sizes[0] == sizes[1]) & ", "", SERVED),
    Mutant("who keeps what he got is in the ring", "surveillance/rules_of_trades.py",
        "        if fits.all():\n", "        if True:\n", SERVED),
    Mutant("a premium is made by the best quote", "surveillance/rules_of_prices.py",
        "if len(others) and sign *", "if False and sign *", SERVED),
    Mutant("a push serves whoever traded", "surveillance/rules_of_prices.py",
        "if lots <= 0 or 100 * lots < self.p.index_share_percent * total:", "if lots <= 0:", SERVED),
    Mutant("each window is an alert", "surveillance/episodes.py",
        "            if episode.accounts & {*finding.accounts}:\n", "            if False:\n", SERVED),
    Mutant("what was reviewed changes", "surveillance/store.py",
        "if before is None or (is_reviewed and alert.last_seq > last_seq):", "if before is None:", FILED),
)  # fmt: skip
