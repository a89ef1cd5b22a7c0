"""How many records a second an audit export writes, by format: all decisions of a simulated market, with figures."""

import tempfile
import time
from pathlib import Path
from typing import Any

from bench.measurement import Measurement, Plan, best_of, one_digest
from bench.simulation import CAPACITIES, Simulation
from engine import host
from gateway.audit_trail import export
from gateway.audit_trail.linked_blocks import last_chain, linked
from gateway.audit_trail.records import Scope
from gateway.audit_trail.whole_trail import trail_of


class _Kept(Simulation):
    """A simulated market that keeps what it submits."""

    def __init__(self, seed: int, scenario: str, seconds: int) -> None:
        self.batches: list[Any] = []
        super().__init__(seed, scenario, seconds)

    def _submit(self, rows: Any) -> None:
        super()._submit(rows)
        self.batches.append(rows.copy())


def make_journal(folder: Path, seed: int, seconds: int) -> Path:
    """The journal of a market with a crash."""
    market = _Kept(seed, "crash", seconds)
    market.run()
    engine = host.Engine.create(folder / "journal", capacities=CAPACITIES)
    for rows in market.batches:
        engine.submit(rows)
        engine.commit()
    engine.close()
    return folder / "journal"


def export_once(journal: Path, path: Path, kind: str) -> tuple[int, float, str]:
    """Write an export of everything: how many records, how many a second, and the hash after the last one."""
    last = ""

    def noted(items: Any) -> Any:
        nonlocal last
        for item in items:
            last = last_chain(item)
            yield item

    begun = time.perf_counter()
    found = trail_of(journal, Scope())
    count = export.write(noted(linked(found.items, found.note, kind)), path, kind)
    return count, count / (time.perf_counter() - begun), last


def exports(plan: Plan) -> list[Measurement]:
    """Each format in turn; the digest is the hash after the last record, which is the same in all of them."""
    seconds, rates = plan.size(20, 900), dict[str, list[float]]()
    digests = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan.progress("a log to export")
        journal = make_journal(folder, plan.seed, seconds)
        for turn in range(plan.runs):
            for kind in export.FORMATS:
                plan.progress(f"audit export as {kind}, run {turn + 1} of {plan.runs}")
                count, rate, digest = export_once(journal, folder / f"trail.{kind}", kind)
                rates.setdefault(kind, []).append(rate)
                digests.append(digest)
    digest = one_digest("audit export", digests)
    return [
        Measurement(
            name=f"audit-export-{kind}",
            value=round(max(found)),
            unit="records/s",
            workload=f"{count:,} records of everything that {seconds:,} s of a market with a crash decided",
            seed=plan.seed,
            digest=digest,
            note=best_of(found, "records/s"),
        )
        for kind, found in rates.items()
    ]
