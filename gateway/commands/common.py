"""What the commands for people share: the data folder, dates, tables, and one readable line for an error."""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from engine.host import warm_up
from gateway.config import Config, ConfigError
from gateway.errors import Refusal
from gateway.registry import Registry, RegistryError

HKT = timezone(timedelta(hours=8))
FAILED = 2
"""Exit code of a command that was refused."""


def add_data_argument(parser: argparse.ArgumentParser) -> None:
    """--data, with the environment's or the built-in default, and --json."""
    default = os.environ.get("LIONROCK_DATA", Config().data)
    parser.add_argument("--data", default=default, metavar="DIR", help=f"data folder (default: {default})")
    parser.add_argument("--json", action="store_true", help="print JSON")


@contextlib.contextmanager
def open_registry(folder: str) -> Iterator[Registry]:
    """The registry in a data folder, made at the first use."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    registry = Registry(Config(data=folder).registry)
    try:
        yield registry
    finally:
        registry.close()


@contextlib.contextmanager
def readable_errors(command: str) -> Iterator[None]:
    """Turn a refusal into one line on the error stream and SystemExit."""
    try:
        yield
    except (RegistryError, ConfigError, Refusal, OSError, ValueError) as error:
        print(f"lionrock {command}: {error}", file=sys.stderr)
        raise SystemExit(FAILED) from None


def end_of_day_ns(text: str) -> int:
    """A date such as 2027-03-31 is valid through its last moment in Hong Kong: the instant after it."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date such as 2027-03-31") from None
    if not 2025 <= day.year <= 2090:
        raise argparse.ArgumentTypeError(f"{text} must be a date from 2025 to 2090")
    after = datetime.combine(day + timedelta(days=1), time(), HKT)
    return int(after.timestamp()) * 1_000_000_000


def when(time_ns: int | None) -> str:
    """A time for people, in UTC."""
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S") if time_ns else ""


def show(rows: list[dict[str, object]], as_json: bool, title: str) -> None:
    """Rows as a table, or as one JSON list."""
    if as_json:
        print(json.dumps(rows))
        return
    table = Table(title=title, title_justify="left")
    for name in rows[0] if rows else ():
        table.add_column(name)
    for row in rows:
        table.add_row(*["" if value is None else str(value) for value in row.values()])
    Console().print(table if rows else f"{title}: none")


@contextlib.contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr when that is a terminal; its function takes (how many, how many in all or 0)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total or None)


def compile_engine() -> None:
    """Compile the engine, with a bar, or load it from the cache: a minute after an installation, else a moment."""
    with progress_bar("functions compiled") as show_progress:
        warm_up(show_progress)
