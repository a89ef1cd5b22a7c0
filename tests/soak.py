"""The long run: engine and model with the same generated commands, audited after each, and a digest at the end.

python -m tests.soak --commands 1000000 --seed 1
python -m tests.soak --money --seeds 300 --commands 3000000 --processes 2
"""

import argparse
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from blake3 import blake3
from rich.progress import Progress

from engine import host
from engine.codes import Mode
from tests import money_flow, money_stage, shrink
from tests.flow import Mix, flow, houses, stage
from tests.pair import SMALL, Pair
from tests.reach import Key, Reach
from tests.rights_flow import LIMITS, rights_flow, rights_stage

PIECE = 10_000


def mixes(seed: int) -> Mix:
    """A mix for each seed, from quiet to wild."""
    rng = np.random.default_rng(seed)
    conditional, junk = rng.choice([0.05, 0.25, 0.5]), rng.choice([0.0, 0.05])
    spread, lean = rng.choice([3, 12, 60]), rng.choice([0, 3, 7])
    tagged = float(rng.choice([0.0, 0.3]))
    return Mix(
        conditional=float(conditional), junk=float(junk), spread_ticks=int(spread), lean_ticks=int(lean), houses=tagged
    )


def soak(commands: int, seed: int, rights: bool = False) -> str:
    """Play pieces of flow one after the other, each on a stage of its own; the digest of all their digests.

    With `rights` the flow is that in which rights to open come and go.
    """
    digests = []
    with Progress() as progress:
        task = progress.add_task("commands", total=commands)
        for piece in range(-(-commands // PIECE)):
            pair = Pair(LIMITS if rights else SMALL, audited=True)
            pair.play(rights_stage() if rights else stage() + houses())
            count, number = min(PIECE, commands - piece * PIECE), seed * 1_000_003 + piece
            for item in rights_flow(number, count) if rights else flow(number, count, mixes(seed + piece)):
                pair.play([item])
                progress.advance(task)
            digests.append(host.digest(pair.root))
    return blake3("".join(digests).encode()).hexdigest()


# --- money --------------------------------------------------------------------------------------------------------


def money_run(count: int, seed: int) -> tuple[int, str, Counter[Key], Counter[str]]:
    """A run of the money flow: its seed, the engine's digest, and what it has reached.

    A difference is shrunk, kept among the logs, and raised.
    """
    pair = Pair(money_stage.LIMITS, Mode.EXCHANGE, watched=True)
    try:
        money_flow.play(pair, seed, count)
    except AssertionError as difference:
        path = shrink.LOGS / f"seed-{seed}.log"
        shrink.save(path, shrink.shortest(pair.asked, money_stage.LIMITS), f"seed {seed}", money_stage.LIMITS)
        raise AssertionError(f"seed {seed}: {difference}\nsee {path}") from None
    return seed, host.digest(pair.root), pair.reach.reports, pair.reach.branches


def soak_money(commands: int, seeds: int, processes: int) -> tuple[str, Reach]:
    """Runs of so many seeds that come to so many commands; the digest of their digests, and what they have reached."""
    reach, digests = Reach(), {}
    with Progress() as progress, ProcessPoolExecutor(processes) as pool:
        task = progress.add_task("seeds", total=seeds)
        for seed, digest, reports, branches in pool.map(partial(money_run, -(-commands // seeds)), range(seeds)):
            digests[seed] = digest
            reach.reports.update(reports)
            reach.branches.update(branches)
            progress.advance(task)
    return blake3("".join(digests[seed] for seed in range(seeds)).encode()).hexdigest(), reach


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", type=int, default=1_000_000, help="how many commands to play")
    parser.add_argument("--seed", type=int, default=1, help="another seed plays other commands")
    parser.add_argument("--rights", action="store_true", help="rights to open come and go")
    parser.add_argument("--money", action="store_true", help="all money, compared after every command")
    parser.add_argument("--seeds", type=int, default=300, help="with --money: over how many seeds")
    parser.add_argument("--processes", type=int, default=1, help="with --money: how many at a time")
    parser.add_argument("--table", type=Path, help="with --money: write the table of what was reached here too")
    arguments = parser.parse_args()
    if arguments.money:
        digest, reach = soak_money(arguments.commands, arguments.seeds, arguments.processes)
        print(reach.text())
        if arguments.table:
            arguments.table.write_text(reach.text() + "\n")
        assert not reach.missing(), f"never reached: {reach.missing()}"
        told = f"{arguments.commands} commands of {arguments.seeds} seeds"
    else:
        digest = soak(arguments.commands, arguments.seed, arguments.rights)
        told = f"{arguments.commands} commands of seed {arguments.seed}"
    print(f"engine and model agree on {told}: digest {digest}")


if __name__ == "__main__":
    main()
