"""Our own journal as a recording: the rows are already commands, with their numbers, times and accounts."""

from collections.abc import Iterator
from pathlib import Path

from engine.host import JournalReader
from engine.recordings.batches import Batch, ContractSpec


class JournalRecording:
    """Reads a journal's folder; every batch is verified before it is given out. JournalError as in `JournalReader`.

    A journal names no contracts: whoever knows them may put them into `contracts`, by slot.
    """

    format = "journal"
    has_clock = True
    is_log = True
    depth = 0
    bad = 0
    total = 0

    def __init__(self, directory: Path) -> None:
        self.log = JournalReader(directory)
        self.contract = ContractSpec(directory.name)
        self.contracts: list[ContractSpec] = []
        self.accounts = 0

    def batches(self) -> Iterator[Batch]:
        """The whole log; a message is a row, its number the sequence."""
        for commands in self.log.batches():
            yield Batch(commands, commands["seq"], commands["seq"], self.log.last_seq)
