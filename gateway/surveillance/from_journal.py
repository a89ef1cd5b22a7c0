"""Surveillance of a journal: the same rules over the events of a replay."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine import host
from gateway.registry.registry import Registry
from gateway.surveillance.activity import Alert, Owners
from gateway.surveillance.parameters import Parameters
from gateway.surveillance.watch import Watch


def clients_of(registry: Registry, first_slot: int = 0) -> dict[int, int]:
    """Account -> number of its client, for the accounts from a slot on."""
    return dict(registry.all("SELECT slot, client_id FROM accounts WHERE slot >= ? ORDER BY slot", first_slot))


def alerts_of(
    journal: Path,
    parameters: Parameters,
    clients: Mapping[int, int],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Alert]:
    """All alerts of a journal, in the order in which they began, each as it has grown in the end.

    The parameters count until the log changes them.
    """
    owners = Owners()
    found: dict[tuple[object, ...], Alert] = {}
    owners.add_clients(clients)
    watch = Watch(parameters, owners)

    def sink(commands: Any, events: Any) -> None:
        stopped: list[Alert] = []
        alerts = watch.take(events, stopped)
        found.update((alert.identity, alert) for alert in (*stopped, *alerts))

    reader = host.JournalReader(journal)
    engine = host.Engine(host.create(reader.capacities, reader.mode))
    host.replay(reader, engine, sink=sink, progress=progress)
    found.update((alert.identity, alert) for alert in watch.rules.flush())
    return [*found.values()]
