"""A command in two halves in plain Python: what is due before it, then the command itself. For a replay alone."""

from typing import Any

import numpy as np

from engine.codes import CommandKind
from engine.host import Engine
from engine.schema import COMMAND
from engine.units import FOREVER_NS


def do_due(engine: Engine, command: Any) -> tuple[Any, int | None]:
    """Do what is due before a command and stop short of it.

    A TIME command of the same sequence and time does the first half and is then uncounted. Returns its events, and when
    work that is left over was due, for `judge`.
    """
    root = engine.root
    if int(root["next_due_ns"][0]) > max(int(command["time_ns"][0]), int(root["now_ns"][0])):
        return engine.ring[:0], None
    tick = np.zeros(1, COMMAND)
    tick["kind"], tick["seq"], tick["time_ns"] = CommandKind.TIME, command["seq"][0], command["time_ns"][0]
    events = engine.submit(tick)
    engine.last_seq -= 1
    root["last_seq"] -= 1
    root["commands"] -= 1
    next_due_ns = int(root["next_due_ns"][0])
    return events, next_due_ns if next_due_ns <= int(root["now_ns"][0]) else None


def judge(engine: Engine, command: Any, left_ns: int | None) -> Any:
    """The second half of a command whose first half `do_due` has done: the state ends as in a plain replay.

    The command itself must not go on with what its first half left over: its bound of work is used up.
    """
    if left_ns is not None:
        engine.root["next_due_ns"] = FOREVER_NS
    events = engine.submit(command)
    if left_ns is not None:
        engine.root["next_due_ns"] = min(left_ns, int(engine.root["next_due_ns"][0]))
    return events
