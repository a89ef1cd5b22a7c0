"""The long run: engine and model with the same generated commands, audited after each, and a digest at the end.

python -m tests.soak --commands 1000000 --seed 1
"""

import argparse

import numpy as np
from blake3 import blake3
from rich.progress import Progress

from engine import host
from tests.flow import Mix, flow, houses, stage
from tests.pair import SMALL, Pair
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


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", type=int, default=1_000_000, help="how many commands to play")
    parser.add_argument("--seed", type=int, default=1, help="another seed plays other commands")
    parser.add_argument("--rights", action="store_true", help="rights to open come and go")
    arguments = parser.parse_args()
    digest = soak(arguments.commands, arguments.seed, arguments.rights)
    print(f"engine and model agree on {arguments.commands} commands of seed {arguments.seed}: digest {digest}")


if __name__ == "__main__":
    main()
