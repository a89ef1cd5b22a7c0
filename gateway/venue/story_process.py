"""The process that reads an order's life out of the journal for an officer, behind everything else on the machine.

Its order comes in as one line of JSON; its steps go out as JSON, or one line that says why there are none.
"""

import sys
from pathlib import Path
from typing import Any, Literal

import msgspec

from engine.host import JournalError
from gateway.audit_trail.journal_follower import journal_of
from gateway.audit_trail.order_story import story, story_at
from gateway.venue import beside_venue


class StoryOrder(msgspec.Struct):
    """What to read: the life of an order, or what one command did."""

    data: str
    by: Literal["order", "sequence"]
    number: int


class StoryDone(msgspec.Struct):
    """What was found, or why nothing was."""

    steps: list[Any] = []
    problem: str = ""


def read(order: StoryOrder) -> StoryDone:
    """The steps of an order's life, or the problem in one line."""
    try:
        journal = journal_of(Path(order.data))
        found = story(journal, order.number) if order.by == "order" else story_at(journal, order.number)
    except (JournalError, OSError, ValueError) as error:
        return StoryDone(problem=" ".join(str(error).split()))
    return StoryDone([step.as_dict() for step in found])


def main() -> None:
    """Read the order, read the journal, write what was found."""
    line = sys.stdin.buffer.readline()
    beside_venue.end_with(sys.stdin.buffer)
    beside_venue.give_way()
    sys.stdout.buffer.write(msgspec.json.encode(read(msgspec.json.decode(line, type=StoryOrder))))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
