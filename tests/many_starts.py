"""Thousands of starts of a venue: each is quick, and they run in processes that end, as each leaves memory behind."""

import contextlib
import ctypes
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from unittest import mock

from engine import host

STARTS_PER_PROCESS = 100
_MMAP_THRESHOLD = -3


def prepare_process() -> None:
    """Once in a process: large arrays cost nothing until they are touched."""
    ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, 1 << 18)
    host.warm_up()


@contextlib.contextmanager
def quick_starts() -> Iterator[None]:
    """A start does not compile again, and takes no large pages."""
    allocate = host.allocate
    with (
        mock.patch.object(host, "allocate", lambda huge_pages: allocate(False)),
        mock.patch.object(host, "warm_up", lambda *_: None),
    ):
        yield


def in_child(work: Callable[[], Iterable[Any]], count: int) -> list[Any]:
    """What some work yields, so many values, each as JSON keeps it. RuntimeError when the process ends before that.

    The process is a fork of this one: it sees all that is here, and nothing that it changes in memory comes back.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _do(work, writing)
    os.close(writing)
    with os.fdopen(reading) as answers:
        told = [json.loads(line) for line in answers]
    _, status = os.waitpid(child, 0)
    if len(told) != count:
        raise RuntimeError(f"the process ended with status {status} after {len(told)} of {count}")
    return told


def _do(work: Callable[[], Iterable[Any]], writing: int) -> None:
    """In the child. Nothing that the parent would do at its end is done here."""
    try:
        with os.fdopen(writing, "w") as answers:
            for value in work():
                print(json.dumps(value), file=answers, flush=True)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)
