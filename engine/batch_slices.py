"""How a long batch is cut: what one call of the kernel takes, and which commands its events are of."""

from typing import Any

from engine.code_values import COMMAND_LABEL

SLICE_ROWS = 512
"""One call of the kernel takes so many rows of a long batch, so that its events stay in the caches."""


def slice_end(commands: Any, start: int) -> int:
    """Where one call of the kernel should stop, so that its events stay in the caches: never before a label's row."""
    end = min(start + SLICE_ROWS, len(commands))
    if end < len(commands) and commands["kind"][end] == COMMAND_LABEL:
        end += 1
    return end


def told_end(commands: Any, done: int, events: Any) -> int:
    """Where the commands end that these events are of: a full ring may end within one that is not done yet."""
    if done == len(commands) or not len(events) or events["seq"][-1] < commands["seq"][done]:
        return done
    has_label = done + 1 < len(commands) and commands["kind"][done + 1] == COMMAND_LABEL
    return done + 1 + has_label
