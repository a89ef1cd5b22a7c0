"""`lionrock standby`: follow a venue's log on another machine, answer from it, and lead when the leader is gone."""

import argparse
import gc
from pathlib import Path
from typing import Any

import uvloop

from engine import disk
from gateway import config as settings
from gateway.commands.common import compile_engine, make_data_folder, need_nats, readable_errors
from gateway.wire import log_lines

_EXAMPLES = """examples:
  lionrock standby --cluster nats://10.0.0.1:4222,nats://10.0.0.2:4222,nats://10.0.0.3:4222 --venue hk --node b \\
      --data /var/lib/lionrock --vault /root/vault.key
  lionrock restore backups --to /var/lib/lionrock && lionrock standby --cluster nats://... --venue hk --node b \\
      --data /var/lib/lionrock

An empty data folder is filled from the stream if that has the whole log, else from a base in the servers' object store;
without one begin with a restored backup.
The vault's key never travels through the stream: copy it from the leader's data folder once, and name it with --vault.
Until it leads it answers questions and refuses orders (STANDBY). It leads by itself after cluster.standby_silence_ms
without a heartbeat, if the stream says so.
exit codes: 0 stopped by a signal, 2 refused or failed, 3 an invariant does not hold, 5 another node leads,
6 its history is not the stream's: keep the folder, see the runbook
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "standby",
        help="follow a venue's log and take over",
        description="Follow the log of a venue's leader, answer questions from it, and lead when the leader is gone.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    settings.add_flags(parser)
    parser.add_argument("--vault", metavar="FILE", help="the vault key of the venue, copied into a new data folder")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object when it listens, when it leads, and at the end"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Follow until a signal or a failure."""
    with readable_errors("standby"):
        config = settings.from_args(args)
        if args.print_config:
            print(settings.to_toml(config))
            return 0
        if not config.cluster.is_on:
            raise ValueError("cluster.servers: a standby needs them; name the stream's servers with --cluster")
        need_nats()
        from gateway.commands.standby_run import run_standby  # the machine alone does not have what this imports

        log_lines.configure(config.log_format, config.log_level)
        make_data_folder(config.data)
        _take_vault(config, args.vault)
        gc.disable()
        try:
            compile_engine()
            return uvloop.run(run_standby(config, args.json))
        finally:
            gc.enable()


def _take_vault(config: settings.Config, file: str | None) -> None:
    """Copy the venue's key into a folder that has none. ValueError when there would be none, or another one."""
    from gateway.registry.vault import KEY_BYTES  # here, so that other commands do not wait for it

    given = Path(file).read_bytes() if file else b""
    if file and len(given) != KEY_BYTES:
        raise ValueError(f"--vault {file}: {len(given)} bytes are no vault key, which has {KEY_BYTES}; name vault.key")
    if config.vault.exists():
        if given and config.vault.read_bytes() != given:
            raise ValueError(f"--vault {file}: {config.vault} is there already, and is another one; compare them")
        return
    if not given:
        raise ValueError(f"{config.vault}: it is missing; copy the leader's vault.key once, and name it with --vault")
    disk.write_new(config.vault, given)
