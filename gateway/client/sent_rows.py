"""Frames of command rows that a node may not have served yet: which of them it did not take when it hands over.

A frame has no answer of its own. But a node serves everything in the order in which it comes, so the answer to a
request says that all frames before it were served, and that whatever was refused of them has been heard. And from the
first frame on that is refused HANDED_OVER each one is refused, with one message each. So the frames that were not taken
are as many of those before a request as refusals came before its answer, and all behind it.
"""

from collections import deque


class SentRows:
    """The frames of one connection, until it is known that they were served."""

    def __init__(self) -> None:
        self._frames = deque[bytes]()
        self._refused: list[bool] = []
        """For each refusal from the first HANDED_OVER on: whether it is one."""
        self.count = 0
        """How many frames were sent."""

    @property
    def refused_count(self) -> int:
        """How many frames were refused HANDED_OVER."""
        return sum(self._refused)

    def add(self, frame: bytes) -> None:
        """A frame is sent."""
        self.count += 1
        self._frames.append(frame)

    def served(self, count: int) -> None:
        """So many frames, from the first one on, were served, and what was refused of them has been heard."""
        while not self._refused and self.count - len(self._frames) < count:
            self._frames.popleft()

    def refuse(self, is_handed_over: bool) -> None:
        """A frame was refused: the first one HANDED_OVER, or one behind it, for whatever reason."""
        self._refused.append(is_handed_over)

    def not_taken(self, count: int) -> list[bytes]:
        """The frames that another node has to get, in their order, once the first `count` of them were served.

        A frame that was refused for another reason is not among them.
        """
        first = len(self._frames) - (self.count - count) - len(self._refused)
        refused = dict(enumerate(self._refused, first))
        return [frame for at, frame in enumerate(self._frames) if at >= first and refused.get(at, True)]
