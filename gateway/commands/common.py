"""What the commands share: the data folder, dates, tables, and one readable line for an error."""

import argparse
import contextlib
import errno
import json
import os
import re
import sqlite3
import stat
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from threading import Timer
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
from numba.core import event
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column, Table
from rich.text import Text

from engine import disk
from engine.host import warm_up
from engine.recordings.lost_orders import describe
from gateway.config import Config, ConfigError
from gateway.registry.errors import RegistryError
from gateway.wire.civil_dates import lapse_ns
from gateway.wire.errors import Refusal
from gateway.wire.plain_text import plain

if TYPE_CHECKING:
    from gateway.registry.registry import Registry

FAILED = 2
"""Exit code of a command that was refused."""
LOST_ORDERS = 3
"""Exit code of a replay that refused orders of the recording for limits of ours."""
LONG_SECONDS = 2.0
COMPILES = "compiling: one to two minutes, once after an installation"
"""What is said when that takes longer than LONG_SECONDS."""
_FILE_FLAGS = ("output", "reports", "book", "trades", "plot", "to")
_REMEDIES = {
    errno.ENOENT: "check the name and its folder",
    errno.EEXIST: "name another",
    errno.EISDIR: "that is a folder; name a file",
    errno.ENOTDIR: "name a folder, not a file or a device",
    errno.EACCES: "name a place that you may use, or ask its owner",
    errno.EPERM: "name a place that you may use, or ask its owner",
    errno.EROFS: "name a place that can be written",
    errno.EMFILE: "let this process open more files: ulimit -n 8192",
    errno.ENOSPC: "make room there or name another place",
}
_WHOLE = re.compile(r"-?[0-9]{1,19}")
OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""What everybody but the owner may do."""
MAX_ID = (1 << 63) - 1
MAX_SLOT = (1 << 31) - 1
UNLIMITED = 100_000
"""Columns of a console on which every table fits."""


def default_data() -> Path:
    """The data folder of the environment, or the built-in default."""
    return Path(os.environ.get("LIONROCK_DATA", Config().data))


def add_data_argument(parser: argparse.ArgumentParser) -> None:
    """--data, with the environment's or the built-in default, and --json."""
    default = os.environ.get("LIONROCK_DATA", Config().data)
    parser.add_argument("--data", default=default, metavar="DIR", help=f"data folder (default: {default})")
    parser.add_argument("--json", action="store_true", help="print JSON")


class NoSecret(argparse.Action):
    """Refuses a secret among the arguments, which every user of the machine can list, and says what to do instead."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs="?", help=argparse.SUPPRESS)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        """One line on the error stream, and the end."""
        parser.error(
            "--secret: every user of this machine can read the arguments of a command; name a file with --secret-file "
            "FILE, or set LIONROCK_SECRET; this secret should be replaced: lionrock key revoke"
        )


def whole(low: int, high: int) -> Callable[[str], int]:
    """What reads a whole number within bounds from the command line."""

    def read(text: str) -> int:
        if _WHOLE.fullmatch(text) is None or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from {low} to {high}")
        return int(text)

    return read


def number_text(text: str) -> str:
    """A number for the venue to read exactly. Tables show thousands with commas; they are not read."""
    if "," in text:
        raise argparse.ArgumentTypeError(f"{text[:40]!r}: write it without commas, and decimals with a point")
    return text


def key_in_json(text: str) -> tuple[str, str]:
    """(key, secret) of JSON with `id` and `secret`, or of a list that begins with it. ValueError for anything else."""
    try:
        found = json.loads(text)
        found = found[0] if isinstance(found, list) else found
        pair = str(found["id"]), str(found["secret"])
        "".join(pair).encode()
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        raise ValueError("no JSON with id and secret") from None
    return pair


def account_slot(folder: Path, text: str) -> int:
    """An account's number; a name is looked up in the registry of the data folder."""
    if text.isascii() and text.isdigit():
        if len(text) > len(str(MAX_SLOT)) or int(text) > MAX_SLOT:
            raise ValueError(f"account: {text[:40]} is no account's number; `lionrock account list` shows them")
        return int(text)
    if not Config(data=str(folder)).registry.exists():
        raise ValueError(f"account: {text[:64]!r}: no registry in {folder} to look a name up in; give a number")
    with open_registry(str(folder)) as registry:
        return registry.account(text).slot


class Names:
    """The names of accounts and contracts in a data folder's registry; their numbers where there is none."""

    def __init__(self, folder: Path) -> None:
        self._accounts: dict[int, str] = {}
        self._contracts: dict[int, str] = {}
        if Config(data=str(folder)).registry.exists():
            with open_registry(str(folder)) as registry:
                self._accounts = {account.slot: account.name for account in registry.accounts()}
                self._contracts = {contract.slot: contract.name for contract in registry.contracts()}

    def account(self, slot: int) -> str:
        """An account's number, and its name if it is known."""
        return f"{slot} ({self._accounts[slot]})" if slot in self._accounts else str(slot)

    def contract(self, slot: int) -> str:
        """A contract's name, or its number; empty when there is no contract."""
        return self._contracts.get(slot, str(slot)) if slot >= 0 else "none"


def make_data_folder(folder: str) -> None:
    """Make a folder if it is missing. ValueError when it is not a folder or cannot be written to."""
    try:
        disk.make_folder(Path(folder))
    except (FileExistsError, NotADirectoryError):
        raise ValueError(f"--data {folder}: not a folder; name a folder, which is made if it is missing") from None
    except OSError as error:
        raise ValueError(f"--data {folder}: {(error.strerror or '').lower()}; name a folder you may write") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"--data {folder}: may not be written; name a folder you may write")


def need_nats() -> None:
    """Refuse a cluster where the client of its servers is not installed. ValueError."""
    if find_spec("nats") is None:
        raise ValueError("--cluster: nats-py is not installed: pip install lionrock[cluster]")


@contextlib.contextmanager
def open_registry(folder: str, makes: bool = False) -> Iterator["Registry"]:
    """The registry in a data folder. A command that `makes` a venue removes its new files when it fails."""
    path = Path(Config(data=folder).registry)
    if not makes and not path.exists():
        remedy = "lionrock account create or lionrock admin init make a venue there"
        raise RegistryError(f"--data: {folder} has no registry; name the data folder of a venue, or {remedy}")
    files = ("vault.key", "registry.db*", "signatures.db*") if not path.exists() else ()
    after: BaseException | None = None
    with left_as_found(Path(folder), *files):
        make_data_folder(folder)
        from gateway.registry.registry import Registry  # here, so that other commands do not wait for it

        registry = Registry(path)
        try:
            yield registry
        except BaseException as error:
            if not registry.accounts() and not registry.is_governed:
                raise
            after = error  # the command succeeded, only its output could not be written: the files stay
        finally:
            registry.close()
    if after is not None:
        raise after


@contextlib.contextmanager
def left_as_found(folder: Path, *patterns: str) -> Iterator[None]:
    """After an exception, remove the folder's new files of these names, and the folder if it is new."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    before = {file for pattern in patterns for file in folder.glob(pattern)}
    try:
        yield
    except BaseException:
        for made in {file for pattern in patterns for file in folder.glob(pattern)} - before:
            made.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            for place in missing:
                place.rmdir()
        raise


def warn_of_readers(path: str) -> None:
    """Say on the error stream when others than its owner can use a file with a secret."""
    mode = stat.S_IMODE(Path(path).stat().st_mode)
    if Path(path).is_file() and mode & OTHERS:
        print(f"lionrock: {path}: others can use it (mode {mode:04o}); close it: chmod go= {path}", file=sys.stderr)


def check_output_is_private(remedy: str) -> None:
    """Refuse to print a secret where standard output is a file that others than its owner can use."""
    try:
        mode = os.fstat(sys.stdout.fileno()).st_mode
    except OSError:
        return
    if stat.S_ISREG(mode) and mode & OTHERS:
        raise ValueError(f"the secret would go into a file that others can use ({stat.S_IMODE(mode):04o}); {remedy}")


@contextlib.contextmanager
def readable_errors(command: str, args: argparse.Namespace | None = None) -> Iterator[None]:
    """Turn a refusal into one line on the error stream and SystemExit."""
    try:
        yield
    except (RegistryError, ConfigError, Refusal, OSError, ValueError, sqlite3.Error) as error:
        print(f"lionrock {command}: {plain(reason_of(error, args))}", file=sys.stderr)
        raise SystemExit(FAILED) from None


def reason_of(error: Exception, args: argparse.Namespace | None = None) -> str:
    """An error's text; for an error of the operating system: the flag, the path, what is wrong and what to do.

    A broken pipe is not an error of the command: it is raised again and ends the command quietly.
    """
    if isinstance(error, BrokenPipeError):
        raise error
    if isinstance(error, sqlite3.Error):
        return f"a database of the data folder: {error}; see that nothing else holds it and that it can be written"
    if not isinstance(error, OSError) or error.filename is None:
        return str(error)
    flags = [name for name in _FILE_FLAGS if str(getattr(args, name, "")) == str(error.filename)]
    field = "".join(f"--{name} " for name in flags)
    remedy = _REMEDIES.get(error.errno or 0, "see what is there")
    return f"{field}{error.filename}: {(error.strerror or '').lower()}; {remedy}"


def tell_lost(command: str, args: argparse.Namespace, lost: Mapping[str, int], commands: int) -> int:
    """Say in one line of the error stream what of a recording was refused for limits; the exit code that follows."""
    if not lost:
        return 0
    accepted = "" if args.allow_refused else "; --allow-refused accepts it"
    print(f"lionrock {command}: {describe(lost, commands)}{accepted}", file=sys.stderr)
    return 0 if args.allow_refused else LOST_ORDERS


def end_of_day_ns(text: str) -> int:
    """The instant at which a date such as 2027-03-31 ends in Hong Kong, as it is valid through that day."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date such as 2027-03-31") from None
    if not 2025 <= day.year <= 2090:
        raise argparse.ArgumentTypeError(f"{text} must be a date from 2025 to 2090")
    return lapse_ns(day)


def when(time_ns: int | None) -> str:
    """A time for people, with its time zone."""
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if time_ns else ""


_NUMBERS = msgspec.json.Encoder(decimal_format="number")


def print_json(value: Any) -> None:
    """Print one line of JSON and flush it; a decimal becomes a number with all its digits."""
    print(_NUMBERS.encode(value).decode(), flush=True)


def show(rows: list[dict[str, object]], as_json: bool, title: str) -> None:
    """Rows as a table, or as one JSON list. One row, and rows too wide for the console, are printed line by line."""
    if as_json:
        print(json.dumps(rows))
        return
    if not rows:
        print(f"{title}: none")
        return
    cells = [["" if value is None else plain(str(value)) for value in row.values()] for row in rows]
    if len(rows) == 1:
        print(title)
        print_facts(list(zip(rows[0], cells[0], strict=True)))
    else:
        print_table(list(rows[0]), cells, title)


def print_facts(facts: list[tuple[str, str]]) -> None:
    """Print each fact on a line of its own, never cut, so that it can be copied from a narrow console too."""
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        print(f"  {name:{width}}  {value}".rstrip())


def print_table(names: list[str], rows: list[list[str]], title: str = "", right: Collection[str] = ()) -> None:
    """Print a table if its widest cells fit the console; else the facts of each row, as nothing may be cut.

    A file or a pipe is as wide as the table. The columns in `right` hold numbers.
    """
    columns = [Column(name, no_wrap=True, justify="right" if name in right else "left") for name in names]
    table = Table(*columns, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.show_edge = table.pad_edge = False
    for row in rows:
        table.add_row(*[Text(cell) for cell in row])
    is_narrow = sys.stdout.isatty() or "COLUMNS" in os.environ
    console = Console(width=None if is_narrow else UNLIMITED)
    if title:
        print(title)
    if Measurement.get(console, console.options.update(width=UNLIMITED), table).maximum <= console.width:
        console.print(table)
        return
    for place, row in enumerate(rows):
        if place:
            print()
        print_facts(list(zip(names, row, strict=True)))


class _Figures(ProgressColumn):
    """How many are done of how many, how many a second, how long it has taken and, where that is known, what is left.

    A total that is a guess changes with every step, and rich forgets the rate then: here it is that since the start.
    """

    def render(self, task: Task) -> Text:
        """The figures of one bar."""
        of = f" of {'about ' * task.fields['is_guess']}{task.total:,.0f}" if task.total else ""
        elapsed_s = task.elapsed or 0.0
        parts = [f"{task.completed:,.0f}{of}", f"{timedelta(seconds=int(elapsed_s))}"]
        if task.completed and elapsed_s:
            parts.insert(1, f"{task.completed / elapsed_s:,.0f}/s")
            if task.remaining is not None:
                parts.append(f"{timedelta(seconds=int(task.remaining * elapsed_s / task.completed))} left")
        return Text(", ".join(parts))


@contextlib.contextmanager
def progress_bar(what: str, share: Callable[[], float] | None = None) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr when that is a terminal: the rate, the time so far and, where the end is known, what is left.

    Its function takes (how many, how many in all or 0). Where it is 0, `share` tells how much is done, from 0 to 1.
    """
    columns = TextColumn("{task.description}"), BarColumn(), _Figures()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None, is_guess=False)

        def show(done: int, total: int) -> None:
            part = share() if share is not None and not total else 0.0
            guess = round(done / part) if part else None
            progress.update(task, completed=done, total=total or guess, is_guess=not total)

        yield show


def compile_engine() -> None:
    """Compile the engine, with a bar, or load it from the cache: minutes after an installation, else a second."""
    with progress_bar("functions compiled") as show_progress:
        warm_up(show_progress)


class _CompileTeller(event.Listener):
    """Says once that functions are compiled, when that has taken a while: a command would seem to hang."""

    def __init__(self) -> None:
        self._depth = 0
        self._spent_s = self._begun_s = 0.0
        self._timer: Timer | None = None
        self._is_said = False

    def on_start(self, event: Any) -> None:
        """A function is compiled, by itself or because another one calls it."""
        self._depth += 1
        if self._depth == 1 and not self._is_said:
            self._begun_s = monotonic()
            self._timer = Timer(max(0.0, LONG_SECONDS - self._spent_s), self._say)
            self._timer.daemon = True
            self._timer.start()

    def on_end(self, event: Any) -> None:
        """It is compiled."""
        self._depth -= 1
        if self._depth == 0 and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._spent_s += monotonic() - self._begun_s

    def _say(self) -> None:
        self._is_said = True
        print(COMPILES, file=sys.stderr, flush=True)


def telling_compiles() -> AbstractContextManager[None]:
    """Say meanwhile with one line on stderr when functions are compiled for more than LONG_SECONDS."""
    return event.install_listener("numba:compile", _CompileTeller())
