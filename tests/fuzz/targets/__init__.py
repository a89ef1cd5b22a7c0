"""The targets by name."""

from tests.fuzz.target import Target
from tests.fuzz.targets.binary_rows import BinaryRows
from tests.fuzz.targets.compiled_orders import CompiledOrders
from tests.fuzz.targets.data_files import JournalFiles, SavedRowsFiles, SnapshotFiles, TipFiles
from tests.fuzz.targets.database_files import HistoryFiles, RegistryFile
from tests.fuzz.targets.http_requests import HttpRequests
from tests.fuzz.targets.input_files import InputFiles
from tests.fuzz.targets.json_requests import JsonRequests
from tests.fuzz.targets.readers import READERS
from tests.fuzz.targets.recordings import Recordings
from tests.fuzz.targets.settings import Settings

_KINDS: tuple[type[Target], ...] = (
    JsonRequests, BinaryRows, CompiledOrders, HttpRequests, Settings, JournalFiles, TipFiles, SnapshotFiles,
    SavedRowsFiles, RegistryFile, HistoryFiles, Recordings, InputFiles, *READERS,
)  # fmt: skip
TARGETS = {kind.name: kind for kind in _KINDS}
