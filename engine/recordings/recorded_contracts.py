"""The contracts that a recording turns out to have: which are wanted, how many there may be, what they are called."""

from engine.recordings.batches import ContractSpec, Wanted
from engine.recordings.source import RecordingError, Source
from engine.schema import MAX_CONTRACTS

SHOWN_NAMES = 20
"""Of the contracts that a recording has, an error names so many."""
MAX_NAME = 71
"""Letters of the longest symbol of a format."""


class RecordedContracts:
    """What a decoder has met so far: the wanted `contracts` in the order of their appearance, all names in `seen`."""

    def __init__(self, source: Source, wanted: Wanted) -> None:
        self.source, self.wanted = source, wanted
        self.contracts: list[ContractSpec] = []
        self.seen: set[str] = set()

    def takes(self, name: str) -> bool:
        """Note a name; whether its contract is wanted."""
        self.seen.add(name)
        return self.wanted.takes(name)

    def append(self, recorded: ContractSpec) -> int:
        """The slot of a wanted contract that is new. RecordingError when there are too many."""
        if len(self.contracts) == MAX_CONTRACTS:
            raise RecordingError(
                f"{self.source.path}: orders of more than {MAX_CONTRACTS} contracts ({len(self.seen):,} are named so "
                f"far); name those wanted with --symbols, such as {self.contracts[0].name},{recorded.name}"
            )
        self.contracts.append(self.wanted.spec(recorded))
        return len(self.contracts) - 1


def readable(name: str) -> str:
    """A recorded name as it may stand in a line for a person."""
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in name.strip())[:MAX_NAME]


def refuse_unknown_symbols(wanted: Wanted, seen: set[str]) -> None:
    """RecordingError for a symbol that is wanted and was not seen; it names those that were.

    Nothing is refused where one of several files may lack a symbol.
    """
    missing = sorted(wanted.symbols - seen)
    if missing and not wanted.may_lack:
        names = sorted(seen)
        more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
        there = ", ".join(names[:SHOWN_NAMES]) + more if names else "none"
        raise RecordingError(f"--symbols: {', '.join(missing)} is not in the recording; there are: {there}")
