"""Settings that a file gives only until officers are named: thresholds of surveillance and sources of the index.

While a venue has no officers its configuration counts. Once it has, the log counts: what two officers decided, and
until then the program's own thresholds and no source. When officers are named while the venue runs, what its
configuration said is put into the log first, so that nothing stops in that moment.
"""

import logging
from typing import Any

from engine.codes import CommandKind
from gateway.clock import VenueTime
from gateway.index_feeds import sources
from gateway.registry.registry import Intent, Registry
from gateway.surveillance import thresholds
from gateway.surveillance.parameters import Parameters

NOTE = "first value, from the configuration when officers were named"
_LOG = logging.getLogger("lionrock.venue")


class DecidedSettings:
    """What is in force now, from the configuration or from the log."""

    def __init__(
        self, given: Parameters, sources_given: sources.Sources, registry: Registry, state: Any, time: VenueTime
    ) -> None:
        """The parameters and sources of the configuration, and the engine's STATE row."""
        self._time = time
        self._given, self._sources = given, sources_given
        self._registry, self._state = registry, state
        self._is_governed = registry.is_governed
        if self._is_governed:
            self._warn()

    def notice_officers(self) -> None:
        """When officers have been named, have the registry ask for the first values; the caller sequences them."""
        if not self._is_governed and self._registry.is_governed:
            self._registry.add_intents([*self._first_thresholds(), *self._first_sources()], self._time.now_ns())
            self._is_governed = True

    def take_over(self) -> None:
        """Another node has led until now: officers who were named meanwhile had the first values from it."""
        self._is_governed = self._registry.is_governed

    def parameters(self) -> Parameters:
        """The parameters of surveillance in force."""
        own = Parameters(**{name: getattr(self._given, name) for name in thresholds.OF_THE_PROCESS})
        return thresholds.in_state(self._state, own if self._is_governed else self._given)

    def sources(self) -> sources.Sources:
        """The sources of each contract's index in force."""
        if not self._is_governed:
            return self._sources
        return sources.in_state(self._state, {record.slot: record.name for record in self._registry.contracts()})

    def _first_thresholds(self) -> list[Intent]:
        kind, code = CommandKind.VENUE_SET, int(thresholds.CODE)
        return [
            Intent(kind, code, item=thresholds.NUMBERS[name], value=value, note=NOTE)
            for name, value in thresholds.differing(self._given, Parameters()).items()
        ]

    def _first_sources(self) -> list[Intent]:
        slots = {record.name: record.slot for record in self._registry.contracts()}
        return [
            Intent(
                CommandKind.VENUE_SET, int(sources.CODE), contract_slot=slots[name], item=place,
                value=sources.encoded(source), note=NOTE,
            )
            for name, found in self._sources.items()
            if name in slots
            for place, source in enumerate(found)
        ]  # fmt: skip

    def _warn(self) -> None:
        """Say what the configuration gives in vain."""
        in_force = self.parameters()
        for name, value in thresholds.differing(self._given, Parameters()).items():
            if value != getattr(in_force, name):
                _LOG.warning(
                    "surveillance.%s: %d of the configuration does not count, officers decide: %d is in force "
                    "(lionrock admin set-surveillance-threshold)", name, value, getattr(in_force, name),
                )  # fmt: skip
        decided = self.sources()
        for name, found in self._sources.items():
            if decided.get(name) != found:
                _LOG.warning(
                    "%s: index sources of the configuration do not count, officers decide: %s "
                    "(lionrock admin set-index-sources)",
                    name,
                    ", ".join(map(str, decided.get(name, ()))) or "none yet",
                )
