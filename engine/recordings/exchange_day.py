"""The file of an exchange's trading day, decoded by compiled code: what ITCH and PITCH have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from engine.recordings.batches import EVERYTHING, Wanted
from engine.recordings.byte_blocks import ByteBlocks, midnight_ns
from engine.recordings.order_lives import BLOCK_ROWS, LIFE, LifeBlock
from engine.recordings.recorded_contracts import RecordedContracts
from engine.recordings.source import RecordingError, Source

FILLED, MIDNIGHT_NS, MESSAGES, FIRST_WORD = range(4)
"""Words of a decoder's state: rows of the block at hand, the day's midnight, messages read. Its own words follow."""
OK, MORE, FULL, END, FIRST_CODE = range(5)
"""Why compiled code came back: to be called again, for more bytes, with a full block, at the end. More codes follow."""


class ExchangeDay(RecordedContracts, ABC):
    """A decoder of one file. The last words of its state count, for each of `reasons`, messages that became no row."""

    total = 0
    words: int
    reasons: tuple[str, ...]

    def __init__(self, source: Source, wanted: Wanted = EVERYTHING, skip_bad: bool = False) -> None:
        super().__init__(source, wanted)
        self.skip_bad, self.bad = skip_bad, 0
        self._state = np.zeros(self.words, np.int64)
        self._state[MIDNIGHT_NS] = midnight_ns(source.name)

    @property
    def ignored(self) -> dict[str, int]:
        """How many messages so far became no row although they might have, by reason."""
        counts = self._state[-len(self.reasons) :].tolist()
        return {reason: count for reason, count in zip(self.reasons, counts, strict=True) if count}

    def blocks(self) -> Iterator[LifeBlock]:
        """The whole file. What stands before a damage comes first, then RecordingError or one of its kinds."""
        with ByteBlocks(self.source) as window:
            rows, code, failure = np.zeros(BLOCK_ROWS, LIFE), OK, None
            while code != END:
                code = self._decode(window, rows)
                if code not in (OK, FULL):
                    code, failure = self._go_on(window, code)
                if failure or code in (FULL, END):
                    yield LifeBlock(rows[: self._state[FILLED]], int(self._state[MESSAGES]))
                    rows, self._state[FILLED] = np.zeros(BLOCK_ROWS, LIFE), 0
                if failure:
                    raise failure

    @abstractmethod
    def _decode(self, window: ByteBlocks, rows: np.ndarray[Any, Any]) -> int:
        """Decode messages into rows until something is needed; the code of what is needed."""

    @abstractmethod
    def _go_on(self, window: ByteBlocks, code: int) -> tuple[int, RecordingError | None]:
        """Do what is needed; the code to go on with, or why nothing more can be read."""
