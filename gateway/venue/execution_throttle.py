"""Joins surveillance to a running venue: it gets each batch's events, and an account that it stops is stopped."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from engine.codes import AccountAttribute, CommandKind
from gateway.clock import VenueTime
from gateway.config import Config
from gateway.registry.registry import BusyError, Intent, Registry
from gateway.surveillance.from_journal import clients_of
from gateway.surveillance.parameters import Parameters
from gateway.surveillance.store import file_of
from gateway.surveillance.supervisor import Supervisor

_LOG = logging.getLogger("lionrock.surveillance")
NOTE = "execution throttle: too many executions; only an officer lifts it"


class Links(NamedTuple):
    """What the throttle needs of its venue."""

    state: Any
    """The engine's STATE row."""
    durable_seq: Callable[[], int]
    submit_intents: Callable[[], object]
    """Has the registry's new intents written into the log."""
    in_loop: Callable[..., None]
    """Calls a function in the venue's own thread."""
    parameters: Callable[[], Parameters]
    """The thresholds in force."""
    time: VenueTime


class ExecutionThrottle:
    """Lives as long as the venue; `start` when it begins to trade."""

    def __init__(self, config: Config, registry: Registry, links: Links) -> None:
        self._registry = registry
        self._links = links
        self._accounts = 0
        self._waiting: set[int] = set()
        self.supervisor = Supervisor(
            links.parameters(),
            file_of(Path(config.data)),
            links.durable_seq,
            lambda account_slot: links.in_loop(self.stop_account, account_slot),
        )

    def start(self) -> None:
        """Begin with the venue's present state."""
        self._accounts = self._registry.next_account_slot()
        self.supervisor.start(self._links.state, clients_of(self._registry))

    def tick(self) -> None:
        """Called at intervals: stop accounts that still wait for it, add new accounts, restart ended rules."""
        self.supervisor.adopt(self._links.parameters())
        if self.supervisor.is_due():
            self.start()
        for account_slot in tuple(self._waiting):
            self.stop_account(account_slot)
        accounts = self._registry.next_account_slot()
        if accounts != self._accounts:
            self.supervisor.add_clients(clients_of(self._registry, self._accounts))
            self._accounts = accounts

    def stop_account(self, account_slot: int) -> None:
        """Cancel an account's orders and set its kill switch, as the venue itself; only an officer resets it."""
        kind, switch = CommandKind.ACCOUNT_SET, int(AccountAttribute.KILL_SWITCH)
        intent = Intent(kind, switch, account_slot=account_slot, value=1, note=NOTE, sweeps=True)
        try:
            self._registry.add_intents([intent], self._links.time.now_ns())
        except BusyError as busy:
            _LOG.warning("account %d is stopped as soon as possible: %s", account_slot, busy)
            self._waiting.add(account_slot)
            return
        self._waiting.discard(account_slot)
        self._links.submit_intents()

    def close(self) -> None:
        """End surveillance after the last batch."""
        self.supervisor.close()
