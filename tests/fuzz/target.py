"""What a target of the fuzzer is: something that reads bytes, and what must hold of it for whatever bytes it gets."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import ClassVar

CORPUS = Path(__file__).with_name("corpus")


class Wrong(AssertionError):  # noqa: N818 - it is told, not raised to anyone
    """A rule that does not hold for an input, in one line."""


class Target(ABC):
    """One reader. A target is made anew for each round of inputs, in a folder of its own."""

    name: ClassVar[str]
    round_inputs: ClassVar[int] = 20_000
    """How many inputs one round has: enough that making the target costs little beside them."""
    ending: ClassVar[str] = "bin"
    """What the names of kept inputs end with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def bases(self) -> list[bytes]:
        """Inputs to begin with, beside those that are kept."""

    @abstractmethod
    def make(self, chance: Random, pool: list[bytes]) -> bytes:
        """A new input, maybe out of one that had a shape of its own."""

    @abstractmethod
    def check(self, data: bytes) -> str:
        """Give an input to the reader: the shape of what came of it. Raises Wrong, or whatever the reader lets out."""

    def count(self, data: bytes) -> int:
        """How many inputs there are in one that has several in a row."""
        return 1

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Shorter inputs that may fail as well, the shortest first: what `shrink` tries."""
        size = len(data) // 2
        while size:
            for first in range(0, len(data), size):
                yield data[:first] + data[first + size :]
            size //= 2

    @classmethod
    def loaded(cls, path: Path) -> bytes:
        """A kept input."""
        return path.read_bytes()

    def close(self) -> None:  # noqa: B027 - most targets have nothing to let go of
        """The round is over."""

    @classmethod
    def kept(cls) -> list[Path]:
        """The inputs that are kept: what was found once, and what shows a rule at work."""
        return sorted((CORPUS / cls.name).glob("*"))
