"""Work ahead of whoever takes the results: an iterator's items are made by a thread while earlier ones are used.

It pays where the making leaves the interpreter's lock to others: unpacking, and compiled code that is `unlocked`.
"""

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

ITEMS = 4
"""So many items at most wait to be taken."""
T = TypeVar("T")


class _End:
    """Behind the last item: the error that ended them, or None."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(items: Iterator[T], count: int = ITEMS) -> Generator[T, None, None]:
    """The items of an iterator, and what it raises, in order; a thread of its own makes up to `count` of them ahead.

    The thread begins with the first item that is asked for. It ends with the last item, or after the one that it is
    making when this iterator is closed; the items' own iterator is closed by then.
    """
    made: queue.Queue[T | _End] = queue.Queue(count)
    is_closed = threading.Event()

    def make() -> None:
        error = None
        try:
            for item in items:
                made.put(item)
                if is_closed.is_set():
                    break
        except BaseException as raised:
            error = raised
        finally:
            if hasattr(items, "close"):
                items.close()
            made.put(_End(error))

    thread = threading.Thread(target=make, name="read ahead", daemon=True)
    thread.start()
    item: T | _End | None = None
    try:
        while True:
            item = made.get()
            if isinstance(item, _End):
                break
            yield item
    finally:
        is_closed.set()
        while not isinstance(item, _End):
            item = made.get()
        thread.join()
    if item.error is not None:
        raise item.error
