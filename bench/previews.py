"""What a preview takes of the venue's loop, beside a ticker: `python -m bench.previews`.

A venue whose book has resting orders of many accounts, in this process and without sockets. A session gets each
question in turns; counted is the processor's time from the message's bytes to the answer's.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.large_venue import DEPOSIT_MICROS, INDEX_TICKS, Filled, Size
from bench.load_servers import CONTRACT, UNLIMITED
from bench.measurement import BenchError, Plan
from gateway import clock
from gateway.commands.common import compile_engine
from gateway.office.bootstrap import open_trader
from gateway.registry.registry import Registry
from gateway.registry.vault import Vault
from gateway.sessions.actions import Reply
from gateway.sessions.rate_limits import RateLimits
from gateway.sessions.session import Session

SIZE = Size(accounts=200, resting=5_000, commands=6_000, replayed=0)
TURN_QUESTIONS = 200
_PRICE = INDEX_TICKS // 10
_ORDER = {"instrument_name": CONTRACT, "direction": "buy", "amount": 0.1}
QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "ticker": ("public/ticker", {"instrument_name": CONTRACT}),
    "preview, rests": ("private/preview_order", {**_ORDER, "price": _PRICE - 100}),
    "preview, trades": ("private/preview_order", {**_ORDER, "type": "market"}),
    "preview, trades, with_max": ("private/preview_order", {**_ORDER, "type": "market", "with_max": True}),
}


class Asked:
    """A trader's session at a venue, and how long its questions take."""

    def __init__(self, folder: Path) -> None:
        filled = Filled(folder, SIZE, Plan(progress=lambda text: print(text, file=sys.stderr, flush=True)))
        filled.run(SIZE.commands)
        venue = filled.venue
        registry = Registry(filled.config.registry)
        trader = open_trader(registry, Vault(filled.config.vault, registry), "asker", DEPOSIT_MICROS, clock.wall_ns())
        registry.close()
        venue.take_intents()
        venue.context.limits = RateLimits(queries_per_s=UNLIMITED, queries_burst=UNLIMITED)
        self.session = Session(venue.context, venue.projection, False, "bench", clock.steady_ns())
        key = {"client_id": trader.key.id, "client_secret": trader.key.secret}
        self.ask("public/auth", {"grant_type": "client_credentials", **key})

    def ask(self, method: str, params: dict[str, Any]) -> int:
        """Ask once: how many ns of the processor the answer took."""
        message = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        begun_ns = time.process_time_ns()
        [answer] = self.session.receive(message, clock.steady_ns())
        taken_ns = time.process_time_ns() - begun_ns
        if not isinstance(answer, Reply) or b'"result"' not in answer.data:
            raise BenchError(f"{method} was not answered: {answer}")
        return taken_ns


def measure(folder: Path, turns: int) -> dict[str, float]:
    """Each question's time in microseconds: the median over the turns of each turn's median."""
    asked, found = Asked(folder), {name: list[float]() for name in QUESTIONS}
    for _ in range(turns):
        for name, question in QUESTIONS.items():
            found[name].append(statistics.median(asked.ask(*question) for _ in range(TURN_QUESTIONS)))
    return {name: round(statistics.median(times) / 1000, 1) for name, times in found.items()}


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.previews", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  python -m bench.previews\n  python -m bench.previews --turns 21 --json",
    )  # fmt: skip
    parser.add_argument("--turns", type=int, default=7, help="turns of each question (default: 7)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args(arguments)
    compile_engine()
    with tempfile.TemporaryDirectory(prefix="lionrock-bench-") as name:
        found = measure(Path(name) / "data", args.turns)
    lines = (f"{name:<28}{us:>9.1f} us{us / found['ticker']:>7.1f} tickers" for name, us in found.items())
    print(json.dumps(found) if args.json else "\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
