"""A venue and its traders in a process of its own. Run as a script, so that it can be another build's venue.

Standard input: one line of JSON with `settings` (as of `lionrock serve`), `traders`, `deposit_micros`, and `cores`.
Standard output: one line with `port` and `keys` (pairs of id and secret), or with `error`. The process ends with its
standard input.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import uvloop

from engine import disk
from gateway import clock
from gateway import config as settings
from gateway.net.server import Server
from gateway.office.bootstrap import Trader, list_contracts, open_trader, set_up_venue
from gateway.registry.registry import Registry
from gateway.registry.vault import Vault

try:
    from gateway.commands.serving import SWITCH_SECONDS, tune
except ModuleNotFoundError:  # a build from before `lionrock standby` has them beside its one command
    from gateway.commands.serve import SWITCH_SECONDS, tune


def set_up(config: settings.Config, names: list[str], deposit_micros: int) -> list[Trader]:
    """A new folder with the shipped contracts, a fund, and an eligible trader with money for each name."""
    disk.make_folder(Path(config.data))
    registry, now_ns = Registry(config.registry), clock.wall_ns()
    vault = Vault(config.vault, registry)
    set_up_venue(registry, now_ns, deposit_micros)
    list_contracts(registry, now_ns)
    traders = [open_trader(registry, vault, name, deposit_micros, now_ns) for name in names]
    registry.close()
    return traders


async def _serve(config: settings.Config, keys: list[tuple[str, str]]) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    server = Server(config)
    await server.start()
    tune(SWITCH_SECONDS)
    print(json.dumps({"port": server.port, "keys": keys}), flush=True)
    loop.add_reader(sys.stdin.fileno(), over.set)
    server.failed.add_done_callback(lambda failed: over.set())
    await over.wait()
    if server.failed.done() and server.failed.exception():
        print(f"the venue under load has failed: {server.failed.exception()}", file=sys.stderr, flush=True)
    os._exit(0)  # what it has written is thrown away


def main() -> int:
    """Serve until standard input ends; 2 when the venue does not start."""
    asked: dict[str, Any] = json.loads(sys.stdin.readline())
    os.sched_setaffinity(0, asked["cores"])
    try:
        config = settings.load(None, {}, asked["settings"])
        names = [f"load-{place}" for place in range(asked["traders"])]
        traders = set_up(config, names, asked["deposit_micros"])
        uvloop.run(_serve(config, [(trader.key.id, trader.key.secret) for trader in traders]))
    except Exception as error:  # of any build: its text is all that the other side is told
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
