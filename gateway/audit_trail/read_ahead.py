"""An iterable read in a thread of its own, some items ahead of who takes them."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any, TypeVar

T = TypeVar("T")
_END = object()


def ahead(items: Iterable[T], depth: int) -> Iterator[T]:
    """The items, at most so many of them made before they are asked for; what making them raises is raised here.

    When nobody asks any more the thread ends with the item that it is making.
    """
    waiting: Queue[tuple[Any, BaseException | None]] = Queue(depth)
    left = Event()

    def read() -> None:
        try:
            for item in items:
                waiting.put((item, None))
                if left.is_set():
                    return
            waiting.put((_END, None))
        except BaseException as error:
            waiting.put((_END, error))

    thread = Thread(target=read, name="read ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        left.set()
        while thread.is_alive():
            with suppress(Empty):
                waiting.get(timeout=0.1)
