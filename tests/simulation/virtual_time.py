"""Time, the event loop and threads of a simulated venue: nothing here runs by itself, and nothing waits.

The clock stands still unless it is moved. The loop runs what is ready when it is told to. A thread is a greenlet: it
runs until it waits for something, or for the disk, and goes on when the simulation says so. So the venue's own code
runs unchanged, and in one order only.
"""

import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

START_NS = 1_796_000_400 * 10**9
"""A whole hour: 2026-11-29 17:00 UTC."""


class Clock:
    """Wall time, which may jump, and steady time, which only goes on."""

    def __init__(self) -> None:
        self.now_ns = START_NS
        self.passed_ns = 10**9
        self.wrong_ns = 0
        """How far wall time is from what it would be without jumps."""

    def wall_ns(self) -> int:
        return self.now_ns

    def steady_ns(self) -> int:
        return self.passed_ns

    def move(self, ns: int) -> None:
        """Both go on."""
        self.now_ns += ns
        self.passed_ns += ns

    def jump(self, ns: int) -> None:
        """Wall time is set wrong; steady time does not know of it."""
        self.now_ns += ns
        self.wrong_ns += ns

    def set_right(self) -> None:
        """Wall time is right again."""
        self.jump(-self.wrong_ns)

    def as_time(self) -> Any:
        """In place of the module `time` where only steady time is read."""
        return SimpleNamespace(
            perf_counter_ns=self.steady_ns, monotonic_ns=self.steady_ns, perf_counter=lambda: self.passed_ns / 1e9,
            monotonic=lambda: self.passed_ns / 1e9, sleep=lambda _: None, time_ns=self.wall_ns,
        )  # fmt: skip


class _Timer:
    """A call at a time."""

    def __init__(self, at_ns: int, number: int, call: Callable[[], None]) -> None:
        self.at_ns, self.number, self.call = at_ns, number, call

    def cancel(self) -> None:
        self.call = _nothing

    def __lt__(self, other: "_Timer") -> bool:
        return (self.at_ns, self.number) < (other.at_ns, other.number)


class Loop:
    """What the venue uses of an event loop, on the virtual clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ready: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._timers: list[_Timer] = []
        self._count = 0

    def time(self) -> float:
        return self._clock.passed_ns / 1e9

    def is_closed(self) -> bool:
        return False

    def call_soon(self, call: Callable[..., None], *args: Any) -> None:
        self._ready.append((call, args))

    call_soon_threadsafe = call_soon

    def call_later(self, seconds: float, call: Callable[[], None]) -> _Timer:
        self._count += 1
        timer = _Timer(self._clock.passed_ns + round(seconds * 1e9), self._count, call)
        heapq.heappush(self._timers, timer)
        return timer

    def create_future(self) -> "Future[None]":
        return Future()

    def run_in_executor(self, executor: None, call: Callable[[], Any]) -> "Future[Any]":
        """Never run: this is for what nobody here asks for, the protocol's document."""
        return Future()

    def turn(self) -> None:
        """Run what is due and what is ready now, and nothing that comes up meanwhile."""
        while self._timers and self._timers[0].at_ns <= self._clock.passed_ns:
            self._ready.append((heapq.heappop(self._timers).call, ()))
        for _ in range(len(self._ready)):
            call, args = self._ready.popleft()
            call(*args)

    @property
    def is_busy(self) -> bool:
        """Whether something is ready or due."""
        return bool(self._ready) or bool(self._timers and self._timers[0].at_ns <= self._clock.passed_ns)


def driven(coroutine: Coroutine[Any, Any, Any], between: Callable[[], None]) -> None:
    """Run a coroutine to its end; whenever it waits, `between` happens."""
    try:
        while True:
            coroutine.send(None)
            between()
    except StopIteration:
        return


class _Sleep:
    def __await__(self) -> Any:
        yield


def asyncio_of(loop: Loop) -> Any:
    """In place of the module `asyncio` where a loop is asked for and slept in."""

    def sleep(_: float) -> _Sleep:
        return _Sleep()

    return SimpleNamespace(get_running_loop=lambda: loop, sleep=sleep)


class Threads:
    """All threads of one process. Each runs until it waits; `run_some` lets one go on."""

    def __init__(self, clock: Clock) -> None:
        self._alive: list[Thread] = []
        self._clock = clock

    def module(self) -> Any:
        """In place of the module `threading`."""
        return SimpleNamespace(
            Lock=lambda: _Lock(self), Event=lambda: _Event(self), Condition=self._condition, Thread=self._thread
        )

    def _thread(self, target: Callable[..., None], name: str = "", daemon: bool = True, args: Any = ()) -> "Thread":
        return Thread(self, target, args, name)

    def _condition(self, lock: "_Lock | None" = None) -> "_Condition":
        return _Condition(self, lock or _Lock(self))

    def begun(self, thread: "Thread") -> None:
        self._alive.append(thread)

    def run_some(self, place: int) -> bool:
        """Let one of the threads that can go on run until it waits again; False when none can."""
        able = [thread for thread in self._alive if thread.can_run()]
        if not able:
            return False
        able[place % len(able)].run()
        self._alive = [thread for thread in self._alive if not thread.is_over]
        return True

    def wait(self, is_done: Callable[[], bool], seconds: float | None = None) -> None:
        """Wait, at most so long: a thread gives way, the main thread lets the others run."""
        until_ns = None if seconds is None else self._clock.passed_ns + round(seconds * 1e9)

        def is_over() -> bool:
            return is_done() or (until_ns is not None and self._clock.passed_ns >= until_ns)

        if getcurrent().parent is not None:
            getcurrent().parent.switch(is_over)
            return
        while not is_over():
            if not self.run_some(0):
                if until_ns is None:
                    raise RuntimeError("the main thread waits for ever")
                self._clock.move(until_ns - self._clock.passed_ns)

    def sleep(self, seconds: float) -> None:
        """In place of `time.sleep` in a thread."""
        self.wait(lambda: False, seconds)

    def pause(self) -> None:
        """A thread waits for the disk: it can go on when the simulation says so. The main thread does not wait."""
        if getcurrent().parent is not None:
            getcurrent().parent.switch(None)

    def end(self) -> None:
        """The process is gone: no thread of it runs any more."""
        alive, self._alive = self._alive, []
        for thread in alive:
            thread.kill()


class Thread:
    """In place of `threading.Thread`."""

    def __init__(self, threads: Threads, target: Callable[..., None], args: Any, name: str) -> None:
        self._threads, self._name = threads, name
        self._greenlet = greenlet(lambda: target(*args))
        self._wanted: Callable[[], bool] | None = None
        self.is_over = False

    def start(self) -> None:
        self._threads.begun(self)

    def can_run(self) -> bool:
        return not self.is_over and (self._wanted is None or self._wanted())

    def run(self) -> None:
        self._greenlet.parent = getcurrent()
        self._wanted = self._greenlet.switch()
        self.is_over = self._greenlet.dead

    def join(self) -> None:
        self._threads.wait(lambda: self.is_over)

    def kill(self) -> None:
        """End it where it stands; nothing that it would still do happens."""
        self.is_over = True
        if self._greenlet and not self._greenlet.dead:
            self._greenlet.parent = getcurrent()
            self._greenlet.throw(GreenletExit)


class _Lock:
    """In place of `threading.Lock`: a thread may wait for the disk while it holds one."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._is_held = False

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> bool:
        if self._is_held:
            self._threads.wait(lambda: not self._is_held)
        self._is_held = True
        return True

    def release(self) -> None:
        self._is_held = False


class _Condition:
    """In place of `threading.Condition`: who waits looks again whenever the simulation lets it."""

    def __init__(self, threads: Threads, lock: _Lock) -> None:
        self._threads, self._lock = threads, lock
        self._notices = 0

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait(self, seconds: float | None = None) -> None:
        before = self._notices
        self._lock.release()
        self._threads.wait(lambda: self._notices > before, seconds)
        self._lock.acquire()

    def wait_for(self, is_done: Callable[[], bool], timeout: float | None = None) -> bool:
        while not is_done():
            self._lock.release()
            self._threads.wait(is_done)
            self._lock.acquire()
        return True

    def notify(self) -> None:
        self._notices += 1

    notify_all = notify


class _Event:
    """In place of `threading.Event`."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, seconds: float | None = None) -> bool:
        if not self._is_set:
            self._threads.pause()
        return self._is_set


class Executor:
    """In place of `ThreadPoolExecutor`: what is submitted runs when the simulation says so."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    def __call__(self, *_: object) -> "Executor":
        return self

    def submit(self, call: Callable[..., Any], *args: Any) -> "_Result":
        result = _Result(self._threads)
        Thread(self._threads, lambda: result.fill(call, args), (), "executor").start()
        return result

    def shutdown(self, wait: bool = True, cancel_futures: bool = False) -> None:
        return None


class _Result:
    """In place of a `Future` that another thread fills."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._is_done = False
        self._value: Any = None
        self._error: Exception | None = None

    def fill(self, call: Callable[..., Any], args: Any) -> None:
        try:
            self._value = call(*args)
        except Exception as error:
            self._error = error
        self._is_done = True

    def done(self) -> bool:
        return self._is_done

    def result(self) -> Any:
        self._threads.wait(self.done)
        if self._error is not None:
            raise self._error
        return self._value


def _nothing() -> None:
    return None
