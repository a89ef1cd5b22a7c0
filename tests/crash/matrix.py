"""The matrix: a recording, every point of it, every disk at each point, and a start on each of those disks."""

import json
import resource
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.check import Expected, Starts, told_at
from tests.crash.images import Disk, Image
from tests.crash.recorded import Call, record
from tests.many_starts import STARTS_PER_PROCESS, in_child

Progress = Callable[[int, int, "list[Loss]"], None]
"""Calls done, calls in all, losses so far."""
KINDS = (
    ("told", "told"), ("archive", "archive"), ("snapshot-", "snapshot"), ("projection-", "projection"),
    ("journal.tip", "tip"), ("lock", "lock"), ("gateway-log", "gateway log"), ("history.db", "history"),
    ("registry.db", "registry"), ("signatures.db", "signatures"), ("vault.key", "vault"), ("journal-", "journal"),
)  # fmt: skip


def kind_of(path: Path) -> str:
    """Which part of a data folder a file is."""
    text = "/".join(path.parts[-2:])
    return next((kind for mark, kind in KINDS if mark in text), "folder")


@dataclass(slots=True)
class Loss:
    """A promise that a start broke."""

    point: int
    call: str
    how: str
    what: str
    image: Image


@dataclass(slots=True)
class Try:
    """A disk that is to be started on."""

    point: int
    call: Call
    image: Image
    told: dict[str, Any]


@dataclass(slots=True)
class Matrix:
    """What was found. `table`: by part and operation [points, images, losses]. `peak_bytes`: the largest process."""

    points: int = 0
    images: int = 0
    starts: int = 0
    losses: list[Loss] = field(default_factory=list)
    table: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    peak_bytes: int = 0

    def count(self, call: Call, what: str) -> None:
        """One more point, image or loss at a call."""
        self.table.setdefault((kind_of(call.path), call.kind), Counter())[what] += 1

    def add(self, other: "Matrix") -> None:
        """Take in what another run found."""
        self.points += other.points
        self.images += other.images
        self.starts += other.starts
        self.losses += other.losses
        self.peak_bytes = max(self.peak_bytes, other.peak_bytes)
        for key, counts in other.table.items():
            self.table.setdefault(key, Counter()).update(counts)


@dataclass(frozen=True, slots=True)
class Recording:
    """What a run did, on which disk it began, and what had been told before."""

    folder: Path
    calls: list[Call]
    files: dict[Path, bytes] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=lambda: {"seq": 0})

    @classmethod
    def of(cls, folder: Path, *words: str) -> "Recording":
        """Record the story in a new folder."""
        folder.mkdir(parents=True)
        return cls(folder, record(["tests.crash.story", str(folder), *words], folder, folder.with_suffix(".trace")))

    @classmethod
    def of_start(cls, folder: Path, source: Path, image: Image, told: dict[str, Any]) -> "Recording":
        """Record a start on an image, and a stop."""
        files = {folder / path.relative_to(source): data for path, data in image.files.items()}
        (folder / "venue").mkdir(mode=0o700, parents=True)
        for path, data in files.items():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(data)
        words = ["tests.crash.story", str(folder), "--again"]
        return cls(folder, record(words, folder, folder.with_suffix(".trace")), files, told)

    def points(self) -> Iterator[tuple[int, Call, Iterator[Image]]]:
        """After each change or sync of a file: its number, and the disks that a crash there may leave."""
        disk = Disk.of(self.files)
        for number, call in enumerate(self.calls):
            following = self.calls[number + 1] if number + 1 < len(self.calls) else None
            is_barrier = following is None or following.kind == "sync" or kind_of(following.path) == "told"
            if kind_of(call.path) == "told":
                continue
            disk.do(number, call)
            yield number + 1, call, disk.images(number + 1, is_barrier)


def run(recording: Recording, stride: int, progress: Progress, most_losses: int = 1 << 30) -> Matrix:
    """Start on every stride-th disk. It ends early after so many losses."""
    found, seen, waiting = Matrix(), set[int](), list[Try]()
    starts = Starts(recording.folder, Expected(recording.folder / "venue" / "journal"))
    try:
        for point, call, images in recording.points():
            told = told_at(recording.calls, point, recording.told)
            found.points += 1
            found.count(call, "points")
            for image in images:
                found.images += 1
                found.count(call, "images")
                if found.images % stride or (mark := _mark(image, told)) in seen:
                    continue
                seen.add(mark)
                waiting.append(Try(point, call, image, told))
                if len(waiting) == STARTS_PER_PROCESS:
                    _start_on_each(starts, waiting, found)
                    waiting = []
            progress(point, len(recording.calls), found.losses)
            if len(found.losses) >= most_losses:
                return found
        _start_on_each(starts, waiting, found)
        progress(len(recording.calls), len(recording.calls), found.losses)
    finally:
        starts.close()
    return found


def _start_on_each(starts: Starts, tries: list[Try], found: Matrix) -> None:
    """Start on each of these disks in a process of its own, which ends afterwards."""
    told = in_child(lambda: (starts.check(one.image, one.told) for one in tries), len(tries))
    used = [resource.getrusage(whose).ru_maxrss << 10 for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    found.peak_bytes = max(found.peak_bytes, *used)
    found.starts += len(told)
    for one, what in zip(tries, told, strict=True):
        if what:
            found.count(one.call, "losses")
            call = f"{one.call.kind} of {one.call.path.name}"
            found.losses.append(Loss(one.point, call, one.image.how, what, one.image))


def nested(recording: Recording, folder: Path, count: int, stride: int, progress: Progress) -> Matrix:
    """A second crash, while the venue starts on what the first has left: for so many disks, evenly spread."""
    found = Matrix()
    numbers = [number for number, _, _ in recording.points() if told_at(recording.calls, number)["seq"]]
    wanted = {numbers[(2 * place + 1) * len(numbers) // (2 * count)]: place for place in range(count)}
    for number, _, images in recording.points():
        if number in wanted:
            choice, told = list(images), told_at(recording.calls, number)
            image = choice[wanted[number] % len(choice)]
            choice.clear()
            start = Recording.of_start(folder / f"second-{number}", recording.folder, image, told)
            found.add(run(start, stride, progress))
    return found


def _mark(image: Image, told: dict[str, Any]) -> int:
    return hash((json.dumps(told), *((path, image.files[path]) for path in sorted(image.files))))
