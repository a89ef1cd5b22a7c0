"""The parameters that officers set, as they are in force: for the one who is about to change one."""

from enum import IntEnum
from typing import Any

from engine.codes import CommandKind
from gateway.registry.registry import Registry


def parameter_rows(
    registry: Registry, kind: CommandKind, contract_slot: int, names: type[IntEnum]
) -> list[dict[str, Any]]:
    """Each place that was set: parameter, item, value, the number of the change that set it (None: before officers)."""
    rows = registry.all(
        "SELECT code, item, value, change FROM intents WHERE kind = ? AND contract_slot = ? AND "
        "coalesce(reason, 0) = 0 ORDER BY number",
        int(kind), contract_slot,
    )  # fmt: skip
    latest = {(code, item): (value, change) for code, item, value, change in rows}
    return [
        {"parameter": names(code).name.lower(), "item": item, "value": value, "change": change or None}
        for (code, item), (value, change) in sorted(latest.items())
    ]
