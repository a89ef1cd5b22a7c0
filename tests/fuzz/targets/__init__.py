"""The targets by name."""

from tests.fuzz.target import Target
from tests.fuzz.targets.binary_rows import BinaryRows
from tests.fuzz.targets.compiled_orders import CompiledOrders
from tests.fuzz.targets.http_requests import HttpRequests
from tests.fuzz.targets.json_requests import JsonRequests

_KINDS: tuple[type[Target], ...] = (JsonRequests, BinaryRows, CompiledOrders, HttpRequests)
TARGETS = {kind.name: kind for kind in _KINDS}
