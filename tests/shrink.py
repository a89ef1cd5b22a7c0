"""Logs on which engine and model part: shrunk to the shortest list of commands, and kept as readable text.

`replay` plays a list of commands through a new pair, `shrunk` throws away what the difference does not need, and
`save` and `load` turn a list into text and back: one command a line, only what is not zero.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine.codes import CommandKind, Mode
from engine.schema import COMMAND, DIRECTIVE, LABEL
from tests.model import Limits
from tests.pair import Pair

LOGS = Path(__file__).parent / "logs"
Rows = np.ndarray[Any, Any]


def replay(commands: list[Rows], limits: Limits, mode: Mode = Mode.EXCHANGE, watched: bool = True) -> str | None:
    """What differs, None when engine and model agree to the end. Commands keep the sequences that they have."""
    pair = Pair(limits, mode, watched=watched)
    try:
        for rows in commands:
            pair.send(rows.copy())
    except AssertionError as difference:
        return str(difference)
    return None


def kind_of(difference: str | None) -> str | None:
    """Which fields differ, without figures: a shorter log of the same kind shows the same fault."""
    if difference is None:
        return None
    lines = difference.splitlines()
    if not lines[1].startswith("report"):
        return " ".join(sorted({line.split(": ")[1] for line in lines[1:] if ": " in line}))
    return " ".join(re.findall("'([a-z_]+)':", lines[-2] + lines[-1]))


def shrunk(commands: list[Rows], fails: Callable[[list[Rows]], bool]) -> list[Rows]:
    """Fewer commands that still fail: pieces are thrown away, large ones first, until no single one can go."""
    size = max(len(commands) // 2, 1)
    while True:
        place, went = 0, False
        while place < len(commands):
            rest = commands[:place] + commands[place + size :]
            if rest and fails(rest):
                commands, went = rest, True
            else:
                place += size
        if size == 1 and not went:
            return commands
        size = max(size // 2, 1)


def shortest(commands: list[Rows], limits: Limits, mode: Mode = Mode.EXCHANGE) -> list[Rows]:
    """The shortest log that parts engine and model in the way that this one does."""
    watched = replay(commands, limits, mode, watched=False) is None
    wanted = kind_of(replay(commands, limits, mode, watched))
    assert wanted is not None, "engine and model agree on this log"
    return shrunk(commands, lambda rest: kind_of(replay(rest, limits, mode, watched)) == wanted)


# --- as text ------------------------------------------------------------------------------------------------------


def _layout(kind: int) -> Any:
    if kind == CommandKind.LABEL:
        return LABEL
    return DIRECTIVE if kind >= CommandKind.ACCOUNT_OPEN else COMMAND


def line_of(rows: Rows) -> str:
    """A command as one line: its kind, then the fields that are not 0; the row of a label follows after a bar."""
    parts = []
    for row in rows:
        kind = int(row["kind"])
        row = np.array([row]).view(_layout(kind))[0]
        values = {name: row[name].tolist() for name in row.dtype.names if name != "kind"}
        given = [f"{name}={value}".replace(" ", "") for name, value in values.items() if np.any(row[name])]
        parts.append(" ".join([CommandKind(kind).name, *given]))
    return " | ".join(parts)


def rows_of(line: str) -> Rows:
    """The command of a line."""
    rows = []
    for part in line.split(" | "):
        name, *given = part.split()
        row = np.zeros(1, _layout(CommandKind[name]))
        row["kind"] = CommandKind[name]
        for one in given:
            field, value = one.split("=")
            row[field] = [int(word) for word in value[1:-1].split(",")] if value.startswith("[") else int(value)
        rows.append(row.view(COMMAND))
    return np.concatenate(rows)


def save(path: Path, commands: list[Rows], title: str, limits: Limits) -> None:
    """Write a log with what it is about."""
    sizes = " ".join(f"{name}={value}" for name, value in vars(limits).items())
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([f"# {title}", f"# {sizes}", *map(line_of, commands)]) + "\n")


def load(path: Path) -> tuple[list[Rows], Limits]:
    """The commands of a log and the capacities that it was played with."""
    lines = path.read_text().splitlines()
    sizes = {name: int(value) for name, value in (word.split("=") for word in lines[1][2:].split())}
    return [rows_of(line) for line in lines if line and not line.startswith("#")], Limits(**sizes)
