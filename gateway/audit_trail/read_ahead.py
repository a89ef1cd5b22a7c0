"""An iterable read in a thread of its own, some items ahead of who takes them."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any, TypeVar

T = TypeVar("T")
THREAD = "read ahead"
"""The name of a thread that reads."""
_END = object()
_left: ContextVar[Event | None] = ContextVar("_left", default=None)
"""Of a reading thread: set when nobody asks for its items any more."""


class LeftError(Exception):
    """Nobody asks any more for the item that is being made."""


def end_if_left() -> None:
    """What makes an item that takes long calls this now and then: LeftError when nobody asks for it any more."""
    left = _left.get()
    if left is not None and left.is_set():
        raise LeftError


def ahead(items: Iterable[T], depth: int) -> Iterator[T]:
    """The items, at most so many of them made before they are asked for; what making them raises is raised here.

    When nobody asks any more the thread ends, at the latest with the item that it is making. It is waited for, but not
    after a KeyboardInterrupt: the process ends then.
    """
    waiting: Queue[tuple[Any, BaseException | None]] = Queue(depth)
    left, is_to_wait = Event(), True

    def read() -> None:
        _left.set(left)
        try:
            for item in items:
                waiting.put((item, None))
                if left.is_set():
                    return
            waiting.put((_END, None))
        except BaseException as error:
            waiting.put((_END, error))

    thread = Thread(target=read, name=THREAD, daemon=True)
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    except KeyboardInterrupt:
        is_to_wait = False
        raise
    finally:
        left.set()
        while is_to_wait and thread.is_alive():
            with suppress(Empty):
                waiting.get(timeout=0.1)
