"""The changes that officers may ask for, each with its name, parameters, scope and plan."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import msgspec

from gateway.office.changes import affiliates, clients, conduct, evidence, index_sources, published, venue
from gateway.office.changes.plan import Lookup, Plan
from gateway.office.officer_params import ChangeParams

__all__ = ["KINDS", "Kind", "Lookup", "Plan"]


class Kind(NamedTuple):
    """One kind of change."""

    params: type[ChangeParams]
    scope: Literal["compliance", "admin"]
    plan: Callable[[Lookup, Any], Plan]

    def of(self, params: dict[str, Any]) -> Any:
        """The parameters of a change as they were kept, typed again."""
        return msgspec.convert(params, self.params)

    @property
    def summary(self) -> str:
        """What it does, in one sentence."""
        return (self.plan.__doc__ or "").strip().splitlines()[0]


def _table() -> dict[str, Kind]:
    modules: tuple[tuple[Any, Literal["compliance", "admin"]], ...] = (
        (clients, "compliance"), (evidence, "compliance"), (published, "compliance"), (affiliates, "compliance"),
        (conduct, "compliance"), (venue, "admin"), (index_sources, "admin"),
    )  # fmt: skip
    found: dict[str, Kind] = {}
    for params in ChangeParams.__subclasses__():
        name = "".join("_" + letter.lower() if letter.isupper() else letter for letter in params.__name__)[1:]
        module, scope = next((module, scope) for module, scope in modules if hasattr(module, name))
        found[name] = Kind(params, scope, getattr(module, name))
    return found


KINDS = _table()
"""Every kind of change by name, built from the parameters' types and the functions of the same names."""
